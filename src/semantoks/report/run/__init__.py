"""The sections of a page about a run: what its folder says, and the answers that follow from it."""
