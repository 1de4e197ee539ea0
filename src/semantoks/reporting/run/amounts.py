"""Scores over an amount of data: over labelled people (learning curves), over minutes of recording (reliability)."""

import re
from math import isfinite, nan

from semantoks.counted import plural
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
from semantoks.reporting.figures.plot import NARROW
from semantoks.reporting.figures.scores import Line, chance_marks, draw_lines
from semantoks.reporting.run.evaluation import Evaluation, chance_of
from semantoks.reporting.wording import listed, mean_sd, metric_words, percent
from semantoks.statistics.methods import BOTH, FC, RANDOM, method_look, method_name
from semantoks.statistics.tables import IDENTITY, MAIN, METRICS

TARGETS = {
    **{f"identity, {kind}": words[:1].upper() + words[1:] for kind, words in IDENTITY.items()},
    "identity": "Two parts of a person's data",
}
"""What reliability compares, the hardest first; the last one is that of earlier versions."""
AS_SHOWN = re.compile(r"^Reliability [^:]*: from .*?(\. |\.$)")
"""How a note begins whose numbers the page shows itself."""
LEAST_SIZES = 3
"""Numbers of labelled people from which on there is a curve."""
RELIABILITY = {
    "identification": (
        "Identification",
        "share of people",
        "People whose second half (or session) is most similar to their own first one.",
    ),
    "i_diff": (
        "Self minus other",
        "difference of correlations",
        "How much more similar two halves of one person are than halves of two people.",
    ),
    "icc": (
        "Reliability of a feature",
        "ICC(3,1)",
        "Share of a feature's variance that is between people, median over features.",
    ),
}
"""Metric: title, axis words and caption."""


def learning_curves(evaluation: Evaluation) -> list[Block]:
    """Draw scores over the number of labelled people, one figure per target."""
    targets = evaluation.targets("learning_curve")
    if not targets:
        return [Words("No learning curves were computed.")]
    figures, tables, few = [], [], []
    for target in targets:
        metric = MAIN[evaluation.kind(target, "learning_curve")]
        found = _over_people(evaluation, target, metric)
        if not found:
            continue
        tables.append(
            _numbers(f"{target}: {metric_words(metric)} by labelled people", "Labelled people", found, metric)
        )
        if max(len(line.amounts) for line in found) < LEAST_SIZES:
            few.append(target)
            continue
        marks = chance_marks(chance_of(metric, evaluation.classes(target)))
        drawing = draw_lines(
            f"{evaluation.key} learning {target}",
            target,
            METRICS[metric],
            "labelled people",
            found,
            marks=marks,
        )
        figures.append(Figure(drawing, "Mean over splits; the ribbon is ± one standard deviation over splits."))
    words = "A useful encoder should lead where few people have labels. All sizes are tested on the same people."
    if few:
        words += f" {listed(few)}: fewer than {LEAST_SIZES} numbers of people, so there is a table but no curve."
    folded = [Folded("The learning curves", [Figures(figures)])] if figures else []
    return [Words(words), *folded, Folded("The numbers of the learning curves", tables)]


def _over_people(evaluation: Evaluation, target: str, metric: str) -> list[Line]:
    """Return one line per method that is drawn."""
    shown = [evaluation.subject, BOTH, FC, RANDOM]
    sizes = [c for c in evaluation.conditions("learning_curve", target) if _amount(c) > 0]
    found = []
    for method in (m for m in evaluation.methods("learning_curve", target) if m in shown):
        points = [(_amount(c), evaluation.over_splits("learning_curve", c, target, method, metric)) for c in sizes]
        points = sorted(((n, s) for n, s in points if s is not None), key=lambda point: point[0])
        if points:
            found.append(
                Line(
                    name=method_name(method),
                    amounts=[n for n, _ in points],
                    values=[s.mean for _, s in points if s],
                    sds=[s.sd for _, s in points if s],
                    look=method_look(method),
                )
            )
    return found


def reliability(evaluation: Evaluation) -> list[Block]:
    """Draw identification, self minus other similarity and ICC over minutes of data: across sessions first."""
    targets = [name for name in TARGETS if evaluation.conditions("reliability", name)]
    if not targets:
        return [Words("Reliability was not measured.")]
    figures, tables, found = [], [], list[Item]()
    for target in targets:
        minutes = sorted((_amount(c), c) for c in evaluation.conditions("reliability", target) if _amount(c) > 0)
        found += _identified(evaluation, target, *minutes[-1])
        for metric, (title, axis, caption) in RELIABILITY.items():
            lines = _over_minutes(evaluation, target, minutes, metric)
            if not lines:
                continue
            key, words = f"{evaluation.key} {target} {metric}", TARGETS[target]
            drawing = draw_lines(key, title, axis, "minutes of each part", lines, width=NARROW)
            figures.append(Figure(drawing, f"{words}. {caption}"))
            tables.append(_numbers(f"{words}: {metric_words(metric)} by minutes of data", "Minutes", lines, metric))
    words = "Does the encoder describe a person the same way another time? Identification and ICC are at most 1."
    notes = map(plain, as_list(evaluation.about.get("notes")))
    cautions = [Item(said) for note in notes if note.startswith("Reliability") if (said := AS_SHOWN.sub("", note))]
    return [
        Words(words),
        Bullets(found),
        *([Bullets(cautions)] if cautions else []),
        Folded("Curves over minutes, and their numbers", [Figures(figures, narrow=True), *tables]),
    ]


def _over_minutes(evaluation: Evaluation, target: str, minutes: list[tuple[float, str]], metric: str) -> list[Line]:
    found = []
    for method in evaluation.methods("reliability", target):
        points = [(n, evaluation.over_splits("reliability", c, target, method, metric)) for n, c in minutes]
        known = [(n, s.mean) for n, s in points if s is not None]
        if known:
            amounts, values = zip(*known, strict=True)
            name, look = method_name(method), method_look(method)
            found.append(Line(name=name, amounts=amounts, values=values, sds=[nan] * len(values), look=look))
    return found


def _identified(evaluation: Evaluation, target: str, minutes: float, condition: str) -> list[Item]:
    """Say how many people are identified with the most data there is."""
    shares = []
    for method in evaluation.methods("reliability", target):
        found = evaluation.over_splits("reliability", condition, target, method, "identification")
        if found is not None:
            shares.append(f"{method_name(method)} {percent(found.mean)}")
    rows = evaluation.scores.query("analysis == 'reliability' and condition == @condition and target == @target")
    people = rows["n_test"].dropna()
    among = f" of {plural(int(people.max()), 'person')}" if len(people) else ""
    lead = f"{TARGETS[target]}, from {minutes:g} minutes: "
    return [Item(f"{listed(shares)}{among} are re-identified.", lead=lead)] if shares else []


def _numbers(caption: str, amount: str, found: list[Line], metric: str) -> Table:
    amounts = sorted({n for one in found for n in one.amounts})
    by_series = [{n: (v, s) for n, v, s in zip(one.amounts, one.values, one.sds, strict=True)} for one in found]
    rows = [
        (Cell(f"{n:,g}"), *(Cell(mean_sd(*values[n], metric) if n in values else "") for values in by_series))
        for n in amounts
    ]
    return Table(label=caption, caption=caption, columns=(amount, *(one.name for one in found)), rows=rows)


def _amount(condition: str) -> float:
    """Read an amount from a condition; 0 if it is not one."""
    try:
        amount = float(condition)
    except ValueError:
        return 0.0
    return amount if isfinite(amount) else 0.0
