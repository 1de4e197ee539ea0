"""Files that survive a kill, and the one reader of tables."""
