"""Little data: the scores of every method from short windows of the test people, as curves and as a table."""

from math import inf, nan

from semantoks.report.content import Block, Bullets, Cell, Figure, Figures, Folded, Item, Table, Words, as_list, plain
from semantoks.report.figures.scores import Line, chance_marks, draw_lines
from semantoks.report.run.answer import difference_cell, score_cell
from semantoks.report.run.evaluation import Compared, Evaluation, chance_of
from semantoks.report.wording import metric_words, p_value
from semantoks.statistics.methods import FC, TANGENT, in_order, method_look, method_name
from semantoks.statistics.tables import METRICS

SECONDS, ALL = "seconds", "all"
NOT_MEASURED = "Short windows were not scored: `semantoks probe ... --seconds 30 60 180` does."
ROOM = 2.0
"""How much farther right than the longest window the whole recordings stand."""


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
        figures.append(Figure(drawing, "Mean over splits. Models are trained on whole recordings."))
        tables.append(_table(evaluation, target, found))
    notes = map(plain, as_list(evaluation.about.get("notes")))
    told = [Item(note) for note in notes if note.startswith(("From ", "Not scored from "))]
    return [
        Words("A new person has often been scanned for less long than those of a study. How much is left then?"),
        Figures(figures),
        *([Bullets(told)] if told else []),
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


def _lines(found: dict[str, dict[str, Compared]]) -> list[Line]:
    longest = max((seconds for seconds in map(_seconds, found) if seconds < inf), default=1.0)
    places = {c: min(_seconds(c), ROOM * longest) for c in found}
    lines = []
    for method in in_order(m for rows in found.values() for m in rows):
        points = [(places[c], rows[method].mean) for c, rows in found.items() if method in rows]
        amounts, values = zip(*points, strict=True)
        look = method_look(method)
        lines.append(Line(name=method_name(method), amounts=amounts, values=values, sds=[nan] * len(values), look=look))
    return lines


def _table(evaluation: Evaluation, target: str, found: dict[str, dict[str, Compared]]) -> Table:
    hard = _by_length(evaluation, target, TANGENT)
    methods = in_order(m for rows in found.values() for m in rows)
    bars = [bar for bar in (FC, TANGENT) if bar in methods]
    rows = []
    for condition, by_method in found.items():
        cells = [score_cell(by_method[m]) if m in by_method else Cell("too short") for m in methods]
        for bar in bars:
            one = (found if bar == FC else hard)[condition].get(evaluation.subject)
            verdict = Cell("", under=p_value(one.p_holm), verdict=one.verdict) if one and one.verdict else Cell("")
            cells += [difference_cell(one), verdict]
        rows.append((Cell(condition if condition == ALL else f"{condition} s"), *cells))
    metric = next(iter(next(iter(found.values())).values())).metric
    name = method_name(evaluation.subject)
    return Table(
        label=f"{target} by seconds of each test person",
        caption=f"{target}: {metric_words(metric)}, mean over the splits of one repeat with its 95\u00a0% interval; "
        "the differences are between methods at the same length, p by Holm over the targets.",
        columns=(
            "Seen",
            *map(method_name, methods),
            *(w for b in bars for w in (f"{name} minus {method_name(b)}", f"beside {method_name(b)}")),
        ),
        rows=rows,
    )
