"""Packaged grids of ablations."""
