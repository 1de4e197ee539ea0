"""How the answer of a probe shows itself in a notebook: of each target, one line per method, beside both bars."""

import html
import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from semantoks.statistics.methods import in_order
from semantoks.statistics.tables import BARS, SUMMARY
from semantoks.visible import visible

_LEFT = "style='text-align:left'"


class Scores(pd.DataFrame):
    """The table of ``summarise``: in a notebook what the terminal shows at the end of a probe, in all else a DataFrame.

    What is made of it (a row, some columns, a copy) is a plain DataFrame, and shows every column.
    """

    def _repr_html_(self) -> str:
        if not set(SUMMARY) <= set(self.columns):
            return str(pd.DataFrame(self)._repr_html_())  # type: ignore[operator]
        main = self[self["analysis"] == "main"]
        tables = [_target(str(name), part) for name, part in main.groupby("target", sort=False)]
        others = self.groupby("analysis", sort=False).size().drop("main", errors="ignore")
        more = [f"{count} rows of {name}" for name, count in others.items()]
        rest = f"Also: {', '.join(more)}. " if more else ""
        return "".join(
            [*tables, f"<p>{rest}All {len(self.columns)} columns: <code>pandas.DataFrame(scores)</code>.</p>"]
        )


def _target(name: str, rows: pd.DataFrame) -> str:
    """Lay out the methods of one target."""
    place = rows["method"].map(in_order(rows["method"]).index)
    heads = ["method", "mean", "95 % interval"]
    for bar in BARS:
        heads += [f"less {bar}", "95 % interval", "p (Holm)", ""]
    lines = [_line(["th"] * (len(heads) + 1), [*heads, "reached by"])]
    for row in rows.assign(place=place).sort_values("place").to_dict("records"):
        beside = [cell for prefix in BARS.values() for cell in _beside(row, prefix)]
        shown = [row["method"], _number(row["mean"]), _ends(row, "", ""), *beside, row["reached_by"].replace(",", ", ")]
        lines.append(_line(["th", *["td"] * len(heads)], shown))
    metric = str(rows["metric"].iloc[0]).replace("_", " ")
    title = html.escape(visible(f"{name}: {metric}"))
    return f"<table><caption {_LEFT}><b>{title}</b></caption>{''.join(lines)}</table>"


def _line(tags: list[str], cells: list[Any]) -> str:
    pairs = zip(tags, cells, strict=True)
    return f"<tr>{''.join(f'<{tag} {_LEFT}>{html.escape(visible(str(cell)))}</{tag}>' for tag, cell in pairs)}</tr>"


def _beside(row: Mapping[Any, Any], prefix: str) -> list[str]:
    """Return what a method differs from a bar, the interval, p and the verdict; nothing where there is no bar."""
    if not row[f"{prefix}verdict"]:
        return [""] * 4
    p = row[f"{prefix}p_holm"]
    shown = "<.001" if p < 0.0005 else _number(p)
    return [_number(row[f"{prefix}diff"], "+.3f"), _ends(row, f"{prefix}diff_", "+"), shown, row[f"{prefix}verdict"]]


def _ends(row: Mapping[Any, Any], prefix: str, sign: str) -> str:
    return f"[{_number(row[f'{prefix}low'], f'{sign}.3f')}, {_number(row[f'{prefix}high'], f'{sign}.3f')}]"


def _number(value: float, layout: str = ".3f") -> str:
    return "" if math.isnan(value) else format(value, layout)
