"""A recipe that trains in moments, and the options of a quick probe."""

RECIPE = """
batch_size = 8
steps = 3
min_seconds = 0.0
[encoder]
width = 8
depth = 1
frames = 60
patch = 20
[objective.head]
hidden = 8
projection = 4
"""
QUICK = ("--held-out", "0.5", "--folds", "2", "--repeats", "1", "--n-jobs", "1")
