"""What is wrong with a source of recordings, before anything runs."""
