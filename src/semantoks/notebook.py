"""How things show themselves in a notebook: a title, and a row for each thing to know."""

import html
from collections.abc import Mapping


def as_html(title: str, rows: Mapping[str, object]) -> str:
    """Write a small table; whatever is in the rows is escaped."""
    cells = "".join(
        f"<tr><th style='text-align:left'>{html.escape(name)}</th>"
        f"<td style='text-align:left'>{html.escape(str(value))}</td></tr>"
        for name, value in rows.items()
    )
    return f"<table><caption><b>{html.escape(title)}</b></caption>{cells}</table>"
