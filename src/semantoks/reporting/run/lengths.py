"""Little data: the scores of every method from short windows of the test people, as curves and as a table."""

from math import inf, nan

from semantoks.reporting.content import (
    Block,
    Bullets,
    Cell,
    Figure,
    Figures,
    Folded,
    Item,
    Table,
    Words,
    as_list,
    plain,
)
from semantoks.reporting.figures.scores import Line, chance_marks, draw_lines
from semantoks.reporting.run.answer import difference_cell, score_cell, verdict_cell
from semantoks.reporting.run.evaluation import Compared, Evaluation, chance_of
from semantoks.reporting.wording import metric_words
from semantoks.statistics.methods import FC, TANGENT, in_order, method_look, method_name
from semantoks.statistics.tables import METRICS

SECONDS, ALL = "seconds", "all"
NOT_MEASURED = "Short windows were not scored: `semantoks probe ... --seconds 30 60 180` does."
ROOM = 2.0
"""How much farther right than the longest window the whole recordings stand."""
DRAWN = 8
"""How many methods fit beside one figure by name; the table has all."""


def lengths(evaluation: Evaluation) -> list[Block]:
    """Draw the scores over the seconds that are seen of a test person, one figure per target, with the numbers."""
    targets = evaluation.targets(SECONDS)
    if not targets:
        return [Words(NOT_MEASURED)]
    figures, tables = [], []
    for target in targets:
        found = _by_length(evaluation, target)
        metric = next(iter(next(iter(found.values())).values())).metric
        marks = chance_marks(chance_of(metric, evaluation.classes(target)))
        drawing = draw_lines(
            f"{evaluation.key} seconds {target}",
            target,
            METRICS[metric],
            "seconds; last: all",
            _lines(found),
            marks=marks,
        )
        more = len(_methods(found)) - DRAWN
        told = f" {more} more methods are in the table." if more > 0 else ""
        figures.append(Figure(drawing, f"Mean over splits. Models are trained on whole recordings.{told}"))
        tables.append(_table(evaluation, target, found))
    notes = map(plain, as_list(evaluation.about.get("notes")))
    said = [Item(note) for note in notes if note.startswith(("From ", "Not scored from "))]
    return [
        Words("A new person has often been scanned for less long than those of a study. How much is left then?"),
        Figures(figures),
        *([Bullets(said)] if said else []),
        Folded("The numbers, and how the methods compare", tables),
    ]


def _seconds(condition: str) -> float:
    """Return a condition as a number; infinity for whole recordings, and for what is no number."""
    try:
        return float(condition)
    except ValueError:
        return inf


def _by_length(evaluation: Evaluation, target: str, bar: str = FC) -> dict[str, dict[str, Compared]]:
    """Return the scores of each length, the shortest first, whole recordings last."""
    conditions = sorted(evaluation.conditions(SECONDS, target), key=_seconds)
    return {c: evaluation.compared(target, SECONDS, c, bar=bar) for c in conditions}


def _methods(found: dict[str, dict[str, Compared]]) -> list[str]:
    return in_order(method for rows in found.values() for method in rows)


def _lines(found: dict[str, dict[str, Compared]]) -> list[Line]:
    longest = max((seconds for seconds in map(_seconds, found) if seconds < inf), default=1.0)
    places = {c: min(_seconds(c), ROOM * longest) for c in found}
    lines = []
    for method in _methods(found)[:DRAWN]:
        points = [(places[c], rows[method].mean) for c, rows in found.items() if method in rows]
        amounts, values = zip(*points, strict=True)
        look = method_look(method)
        lines.append(Line(name=method_name(method), amounts=amounts, values=values, sds=[nan] * len(values), look=look))
    return lines


def _table(evaluation: Evaluation, target: str, found: dict[str, dict[str, Compared]]) -> Table:
    hard = _by_length(evaluation, target, TANGENT)
    methods = _methods(found)
    bars = [bar for bar in (FC, TANGENT) if bar in methods]
    name, subject = method_name(evaluation.subject), evaluation.subject
    rows = [
        (Cell(method_name(m)), *(score_cell(by[m]) if m in by else Cell("too short") for by in found.values()))
        for m in methods
    ]
    for bar in bars:
        beside = [by.get(subject) for by in (found if bar == FC else hard).values()]
        rows.append((Cell(f"{name} minus {method_name(bar)}"), *map(difference_cell, beside)))
        rows.append((Cell(f"vs {method_name(bar)}"), *map(verdict_cell, beside)))
    metric = next(iter(next(iter(found.values())).values())).metric
    return Table(
        label=f"{target} by seconds of each test person",
        caption=f"{target}: {metric_words(metric)}, mean over the splits of one repeat with its 95\u00a0% interval; "
        "the differences are between methods at the same length, p by Holm over the targets.",
        columns=("Method", *(c if c == ALL else f"{c} s" for c in found)),
        rows=rows,
    )
