"""Simulated people whose answers are known, in memory or in the files of other tools."""
