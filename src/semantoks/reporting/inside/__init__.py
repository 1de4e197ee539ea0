"""Pages about the inside of an encoder."""
