"""The sections of a page about a run: its folder, the answers that its scores allow, its training."""
