"""The sections of a page about a prepared cohort: what is in it, what was left out, and what its signals look like."""
