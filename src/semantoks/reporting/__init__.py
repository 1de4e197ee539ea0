"""The report: one self-contained HTML page about a run or a cohort, written only from the files of its folder."""
