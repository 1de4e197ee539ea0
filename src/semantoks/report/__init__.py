"""The report: one self-contained HTML page about a run, written from the files of its folder alone."""

from semantoks.report.page import write_report

__all__ = ["write_report"]
