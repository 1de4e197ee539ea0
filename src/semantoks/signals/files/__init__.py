"""What stands in the files and file names of other tools, one kind each; nothing here knows what a source is."""
