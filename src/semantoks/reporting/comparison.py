"""The page that compares several runs or probes, target by target: which encoder scores highest, and beside what?"""

from collections.abc import Sequence
from math import nan
from pathlib import Path

import numpy as np

from semantoks.counted import plural
from semantoks.reporting.content import Block, Bullets, Cell, Folded, Item, Section, Table, Words
from semantoks.reporting.figures.scores import Estimate, chance_marks, draw_strip
from semantoks.reporting.run.answer import HOW_TO_READ, difference_cell, headline, score_cell, verdict_cell
from semantoks.reporting.run.evaluation import Compared, Evaluation, chance_of, table_of
from semantoks.reporting.run.folder import RunFolder
from semantoks.reporting.wording import clip, listed, metric_words, p_value, score
from semantoks.statistics.methods import FC, MOTION, RANDOM, TANGENT, method_look, method_name
from semantoks.statistics.tables import METRICS

Named = Sequence[tuple[str, Evaluation]]
SEEDS = 3
"""Runs from which on their spread is shown."""
SAME = 1e-9
NO_PROBE = (
    "None of these folders has scores, so there is nothing to compare. `semantoks probe` scores a run beside "
    "functional connectivity."
)


def compare(runs: Sequence[RunFolder], folders: Sequence[Path]) -> list[Section]:
    """Return the sections of the page."""
    names = distinct([run.name for run in runs], folders)
    found = [(name, run.probe) for name, run in zip(names, runs, strict=True) if run.probe is not None]
    without = [name for name, run in zip(names, runs, strict=True) if run.probe is None]
    blocks: list[Block] = _answers(found) if found else [Words(NO_PROBE, tone="loud")]
    if without and found:
        blocks.append(Words(f"Not compared, because they have no scores that can be read: {listed(without)}."))
    return [
        Section("answer", "Which scores highest, and is it above functional connectivity?", "Answer", blocks),
        Section("numbers", "The numbers", "Numbers", [_numbers(found)] if found else [Words("There are none.")]),
        Section("runs", "What is compared", "Runs", _runs(names, runs)),
    ]


def distinct(names: Sequence[str], folders: Sequence[Path]) -> list[str]:
    """Put the folder above before names that are the same (``a/probe``); number what still is (``a/probe (2)``)."""
    again = [name for name in names if names.count(name) > 1]
    names = [
        f"{folder.resolve().parent.name}/{name}" if name in again else name
        for name, folder in zip(names, folders, strict=True)
    ]
    return [
        f"{name} ({names[: place + 1].count(name)})" if name in names[:place] else name
        for place, name in enumerate(names)
    ]


def _answers(found: Named) -> list[Block]:
    targets = list(dict.fromkeys(target for _, one in found for target in one.targets()))
    loud = []
    for name, one in found:
        hard = {t: rows for t in one.targets() if TANGENT in (rows := one.compared(t, bar=TANGENT))}
        beside = f" {headline(hard, one.subject, TANGENT)}" if hard else ""
        loud.append(f"{name}: {headline({t: one.compared(t) for t in one.targets()}, one.subject)}{beside}")
    table = Table(
        label="The answer, target by target",
        caption="Mean over splits with its 95\u00a0% interval, on one axis per target; dashed: chance. “Highest” is "
        "the largest mean and no test: overlapping intervals tell nothing apart.",
        columns=("Target", "Scores", "vs FC", "Highest"),
        rows=[_row(found, target) for target in targets],
        answers=True,
    )
    cautions = [Item(_other_bars(found, t), lead=f"{t}: ") for t in targets if not comparable(found, t)]
    first: list[Block] = []
    if cautions:
        first = [Words("These runs were not scored on the same splits and people:"), Bullets(cautions)]
    return [
        *first,
        table,
        Folded("Each run in a sentence", [Bullets([Item(text) for text in loud])]),
        Folded("How to read this", [Words(HOW_TO_READ)]),
    ]


def comparable(found: Named, target: str) -> bool:
    """Return whether FC scores the same in all runs, split by split: then people and splits were the same."""
    each = []
    for _, one in found:
        rows = one.scores[
            (one.scores["analysis"] == "main") & (one.scores["target"] == target) & (one.scores["method"] == FC)
        ]
        if len(rows):
            metric = next(iter(one.compared(target).values())).metric
            each.append(rows.sort_values("split")[metric].to_numpy(float))
    return all(len(one) == len(each[0]) and np.allclose(one, each[0], rtol=0, atol=SAME) for one in each)


def _other_bars(found: Named, target: str) -> str:
    scores = [f"{name} {score(rows[FC].mean, rows[FC].metric)}" for name, rows in _rows_of(found, target) if FC in rows]
    return f"FC itself scores {listed(scores)}. Compare the differences from FC, not the scores."


def _rows_of(found: Named, target: str) -> list[tuple[str, dict[str, Compared]]]:
    return [(name, one.compared(target)) for name, one in found if target in one.targets()]


def _row(found: Named, target: str) -> list[Cell]:
    rows, subjects = _rows_of(found, target), {name: one.subject for name, one in found}
    own = [(name, each[subjects[name]]) for name, each in rows if subjects[name] in each]
    metric = next(iter(rows[0][1].values())).metric
    estimates = [_estimate(name, one, subjects[name]) for name, one in own]
    for method in (FC, TANGENT, RANDOM, MOTION):
        bars = [(name, each[method]) for name, each in rows if method in each]
        alike = len({round(one.mean, 9) for _, one in bars}) == 1
        if alike:
            estimates.append(_estimate(method_name(method), bars[0][1], method))
        elif method == FC:
            estimates += [_estimate(f"FC, {name}", one, method) for name, one in bars]
    evaluation = next(one for _, one in found if target in one.targets())
    marks = chance_marks(chance_of(metric, evaluation.classes(target)))
    strip = draw_strip(f"compare {target}", target, METRICS.get(metric, metric), estimates, marks)
    verdicts = [f"{name}: {one.verdict or 'not compared'} ({_by(one)})" for name, one in own]
    best = max(own, key=lambda pair: pair[1].mean, default=None) if comparable(found, target) else None
    notes = []
    if best and len(own) >= SEEDS:
        means = np.array([one.mean for _, one in own])
        notes.append(
            f"mean {score(means.mean(), metric)}, sd over the {len(own)} runs {score(means.std(ddof=1), metric)}"
        )
    return [
        Cell(target, under=metric_words(metric)),
        Cell("", drawing=strip),
        Cell("", notes=verdicts),
        Cell(best[0] if best else "not comparable", under=score(best[1].mean, metric) if best else "", notes=notes),
    ]


def _estimate(name: str, one: Compared, method: str) -> Estimate:
    return Estimate(name=clip(name, 17), value=one.mean, low=one.low, high=one.high, look=method_look(method))


def _by(one: Compared) -> str:
    parts = [score(one.diff, one.metric, sign=True), p_value(one.p_holm)]
    return ", ".join(part for part in parts if part)


def _numbers(found: Named) -> Table:
    lines = []
    for target in dict.fromkeys(target for _, one in found for target in one.targets()):
        for name, rows in _rows_of(found, target):
            evaluation = dict(found)[name]
            one = rows.get(evaluation.subject)
            left = evaluation.compared(target, "deconfounded").get(evaluation.subject)
            people = table_of(table_of(evaluation.about, "targets"), target).get("n", nan)
            lines.append(
                [
                    Cell(f"{target}: {name}", under=metric_words(next(iter(rows.values())).metric)),
                    score_cell(one),
                    score_cell(rows.get(FC)),
                    difference_cell(one),
                    verdict_cell(one),
                    score_cell(left),
                    score_cell(rows.get(RANDOM)),
                    Cell(f"{people:,}" if isinstance(people, int) else "n/a"),
                ]
            )
    return Table(
        label="All runs and targets",
        caption="Mean over splits, with its 95\u00a0% interval below; p by Holm over the targets of a run.",
        columns=(
            "Target and run",
            "Encoder",
            "FC",
            "minus FC",
            "vs FC",
            "Deconfounded",
            "Random weights",
            "People",
        ),
        rows=lines,
    )


def _runs(names: Sequence[str], runs: Sequence[RunFolder]) -> list[Block]:
    rows, notes = [], []
    for name, run in zip(names, runs, strict=True):
        about, probe = run.about, run.probe
        config = table_of(about, "config")
        encoder = table_of(config, "encoder")
        size = ", ".join(f"{word} {encoder[word]}" for word in ("depth", "width") if word in encoder)
        steps = f"{run.metrics['step'].iloc[-1] + 1:,.0f}" if len(run.metrics) else "not known"
        settings = table_of(probe.about, "settings") if probe else {}
        splits = (
            f"{settings.get('split', 'not known')}, {settings.get('folds', '?')} folds x {settings.get('repeats', '?')}"
        )
        rows.append(
            [
                Cell(name),
                Cell(str(about.get("version", "not known"))),
                Cell(steps if run.trained else "n/a"),
                Cell(str(config.get("seed", "not known"))),
                Cell(size or "not known"),
                Cell(splits if probe else "no probe"),
            ]
        )
        notes += [Item(note, lead=f"{name}: ") for note in (*run.notes, *run.probe_notes)]
    table = Table(
        label="The runs",
        caption=f"{plural(len(runs), 'run')} or probes, in the order in which they were given.",
        columns=("Run", "Version", "Steps", "Seed", "Encoder", "Splits"),
        rows=rows,
    )
    commands = [
        (name, str(command))
        for name, run in zip(names, runs, strict=True)
        for command in (run.about.get("command"), run.probe.about.get("command") if run.probe else None)
        if command
    ]
    told: list[Block] = [table]
    if commands:
        told.append(Folded("The commands", [Bullets([Item(command, lead=f"{name}: ") for name, command in commands])]))
    return [*told, *([Folded(f"Missing or damaged ({len(notes)})", [Bullets(notes)])] if notes else [])]
