"""Where the numbers come from: facts about the run, its training, what was left out, commands, settings, machine."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from semantoks.report.content import (
    Bullets,
    Cell,
    Code,
    Figure,
    Figures,
    Folded,
    Heading,
    Item,
    PairColumns,
    Pairs,
    Part,
    Table,
    Words,
)
from semantoks.report.figures.training import SMOOTH_FROM, draw_curves
from semantoks.report.run.evaluation import Evaluation, table_of
from semantoks.report.run.folder import RunFolder
from semantoks.report.run.panels import COLLAPSE, LOSS, MACHINE, SCHEDULES, Panel
from semantoks.report.wording import duration, method_words, short


def facts(run: RunFolder) -> list[tuple[str, str]]:
    """What the run is, as (word, value) pairs; what is not known is left out."""
    if not run.trained:
        return []
    cohorts = _tables(run.about, "cohorts")
    atlases = dict.fromkeys(str(c["atlas"]) for c in cohorts if "atlas" in c)
    encoder = table_of(table_of(run.about, "config"), "encoder")
    size = [f"{word} {encoder[word]}" for word in ("depth", "width") if word in encoder]
    if run.stored_values is not None:
        size.append(f"{short(float(run.stored_values))} stored values")
    last = f"{run.metrics['step'].iloc[-1] + 1:,.0f}" if len(run.metrics) else "no"
    planned = run.about.get("steps_total")
    found = [
        ("Status", str(run.about.get("status", "not known"))),
        ("Steps", f"{last} of {planned:,}" if isinstance(planned, int) else last),
        ("Warnings", f"{len(run.warnings)} of collapse" if run.warnings else "none of collapse"),
        ("Version", f"semantoks {run.about['version']}" if "version" in run.about else ""),
        ("People", _total(cohorts, "participants")),
        ("Recordings", _total(cohorts, "recordings")),
        ("Atlas", ", ".join(atlases)),
        ("Encoder", " · ".join(size)),
        ("Cost", _cost(table_of(run.about, "cost"))),
    ]
    return [(word, value) for word, value in found if value]


def training(run: RunFolder) -> list[Part]:
    """Lay out the training curves, the collapse watch, the schedules, the machine and the warnings, folded."""
    if not run.trained:
        return [Words("This folder holds a probe alone; how its encoder was trained stands in the report of its run.")]
    collapse = _figures(COLLAPSE, run)
    if not collapse:
        watch = "Nothing is logged that could show a collapse."
    elif run.warnings:
        step, message = run.warnings[0]
        many = f"{len(run.warnings)} collapse warning{'s' * (len(run.warnings) > 1)}"
        watch = f"{many}; the first at step {step}: {message}"
    else:
        watch = "No collapse warning in this run."
    smoothed = (
        "Thin line: every step (long runs thinned, peaks kept). "
        "Thick line: mean over a window of a thirtieth of the run."
    )
    loss = [Words(smoothed, tone="quiet")] if len(run.metrics) >= SMOOTH_FROM else []
    folded = [
        Folded("Loss", [*loss, *(_figures(LOSS, run) or [Words("No step is logged yet.")])]),
        Folded("Collapse watch", collapse or [Words("Nothing is logged that could show a collapse.")]),
        Folded("Schedules", _figures(SCHEDULES, run) or [Words("No schedule is logged.")]),
        Folded("Machine", _figures(MACHINE, run) or [Words("No speed is logged.")]),
    ]
    if run.warnings:
        items = [Item(message, lead=f"Step {step}. ") for step, message in run.warnings]
        folded.append(Folded(f"All warnings ({len(items)})", [Bullets(items)]))
    return [Words(watch), *folded]


def checks(run: RunFolder) -> list[Part]:
    """Lay out who and what was left out, what was checked, and what was missing while reading."""
    parts: list[Part] = []
    for evaluation in filter(None, (run.probe, run.finetune)):
        parts += _checks_of(evaluation)
    if not parts:
        parts.append(Words("Nothing is recorded about exclusions and checks."))
    if notes := (*run.notes, *run.probe_notes):
        parts += [Heading("While reading the folder"), Bullets([Item(note) for note in notes])]
    return parts


def _checks_of(evaluation: Evaluation) -> list[Part]:
    parts: list[Part] = []
    excluded = [row for row in as_list(evaluation.about.get("excluded")) if isinstance(row, list) and len(row) == 2]
    if excluded:
        rows = [
            (Cell(plain(reason)), Cell(f"{count:,}" if isinstance(count, int) else plain(count)))
            for reason, count in excluded
        ]
        caption = "Left out, and why. People are counted and never named."
        parts.append(Table(label="What was left out", caption=caption, columns=("Reason", "How many"), rows=rows))
    for key, title in (("checks", "Checked"), ("notes", "Worth knowing")):
        if lines := as_list(evaluation.about.get(key)):
            parts += [Heading(title), Bullets([Item(plain(line)) for line in lines])]
    if methods := table_of(evaluation.about, "methods"):
        parts.append(Pairs("What the methods are", [(method_words(k), plain(v)) for k, v in methods.items()]))
    return parts


def provenance(run: RunFolder) -> list[Part]:
    """Lay out commands, cohorts, environment and configuration."""
    evaluations = [one for one in (run.probe, run.finetune) if one is not None]
    commands = [str(c) for c in (run.about.get("command"), *(one.about.get("command") for one in evaluations)) if c]
    parts: list[Part] = [Code(command) for command in commands] or [Words("The command is not recorded.")]
    if run.trained:
        parts += _cohorts(_tables(run.about, "cohorts"))
    for one in evaluations:
        if settings := {k: v for k in ("protocol", "settings") if (v := one.about.get(k))}:
            parts.append(Pairs(f"Settings of the {one.key}", rows_of(settings)))
    environment = table_of(run.about, "environment") or next(
        (found for one in evaluations if (found := table_of(one.about, "environment"))), {}
    )
    parts.append(
        Pairs("Environment", rows_of(environment)) if environment else Words("The environment is not recorded.")
    )
    if run.trained:
        config = table_of(run.about, "config")
        tables = [Pairs(title, rows, prose=False) for title, rows in _sections(config)]
        held: list[Part] = [PairColumns(tables)] if tables else [Words("The configuration is not recorded.")]
        parts.append(Folded("Configuration of the training", held))
    return parts


def _cohorts(cohorts: Sequence[Mapping[str, Any]]) -> list[Part]:
    if not cohorts:
        return [Words("The cohorts are not recorded.")]
    keys = ("path", "participants", "recordings", "atlas", "fingerprint")
    return [
        Table(
            label="Cohorts",
            caption="Pretraining cohorts",
            columns=("Cohort", "People", "Recordings", "Atlas", "Atlas fingerprint"),
            rows=[[Cell(plain(row.get(key, "n/a"))) for key in keys] for row in cohorts],
        )
    ]


def _figures(panels: tuple[Panel, ...], run: RunFolder) -> list[Part]:
    drawn = [(panel, draw_curves(panel, run.metrics)) for panel in panels]
    figures = [Figure(drawing, panel.caption) for panel, drawing in drawn if drawing is not None]
    return [Figures(figures)] if figures else []


def _total(cohorts: Sequence[Mapping[str, Any]], key: str) -> str:
    counts = [c[key] for c in cohorts if isinstance(c.get(key), int)]
    added = f" (sum over {len(counts)} cohorts)" if len(counts) > 1 else ""
    return f"{sum(counts):,}{added}" if counts else ""


def _cost(cost: Mapping[str, Any]) -> str:
    known = {key: float(value) for key, value in cost.items() if isinstance(value, int | float)}
    words = {
        "seconds": duration(known.get("seconds", 0.0)),
        "samples": f"{known.get('samples', 0):,.0f} samples",
        "flops": f"{short(known.get('flops', 0.0))} FLOP",
        "peak_memory_bytes": f"{known.get('peak_memory_bytes', 0) / 2**30:.2f} GiB at peak",
    }
    return " · ".join(text for key, text in words.items() if key in known)


def _tables(data: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    value = data.get(key)
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def as_list(value: Any) -> list[Any]:
    """Take a list as it is, nothing as an empty one, and anything else as its only entry."""
    return value if isinstance(value, list) else [value] if value else []


def _sections(config: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Split a nested configuration into (section, rows); settings outside any section come first."""
    loose = {key: value for key, value in config.items() if not isinstance(value, dict)}
    nested = [(key, rows_of(value)) for key, value in config.items() if isinstance(value, dict)]
    return ([("run", rows_of(loose))] if loose else []) + nested


def rows_of(table: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Lay a nested table out flat, as (dotted name, value)."""
    rows: list[tuple[str, str]] = []
    for key, value in table.items():
        if isinstance(value, dict) and value:
            rows += rows_of(value, f"{prefix}{key}.")
        else:
            rows.append((f"{prefix}{key}", plain(value)))
    return rows


def plain(value: Any) -> str:
    """Write a value of a JSON file without its punctuation."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return ", ".join(map(plain, value))
    if isinstance(value, dict):
        return "; ".join(f"{key} {plain(item)}" for key, item in value.items())
    return json.dumps(value)
