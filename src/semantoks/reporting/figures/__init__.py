"""The figures of the pages: inline SVG in the page's colours, each with a text for readers who do not see it."""
