"""The report: one self-contained HTML page about a run or a cohort, written only from the files of its folder."""

from semantoks.called import as_function
from semantoks.report.page import write_report

__all__ = ["write_report"]
as_function(__name__, "semantoks.report.page:write_report")
