"""Simulated recordings in the files of other tools, so that reading those can be tried and tested without any data."""
