"""Where the numbers come from: facts about the run, its training, what was left out, commands, settings, machine."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from semantoks.counted import plural
from semantoks.reporting.content import (
    Block,
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
    Table,
    Words,
    as_list,
    in_words,
    plain,
    rows_of,
)
from semantoks.reporting.figures.training import SMOOTH_FROM, draw_curves
from semantoks.reporting.run.evaluation import Evaluation, table_of
from semantoks.reporting.run.folder import RunFolder
from semantoks.reporting.wording import duration, short
from semantoks.statistics.methods import method_name

OPTION = re.compile(r"(--[a-z][\w.-]*(?: -?\d[\d.e-]*\d)?)")
"""An option with its number, as a warning names it."""


def facts(run: RunFolder) -> list[tuple[str, str]]:
    """List what the run is as (word, value) pairs; what is not known is left out."""
    if not run.trained:
        return []
    cohorts = _tables(run.about, "cohorts")
    atlases = dict.fromkeys(str(c["atlas"]) for c in cohorts if "atlas" in c)
    encoder = table_of(table_of(run.about, "config"), "encoder")
    size = [f"{word} {encoder[word]}" for word in ("depth", "width") if word in encoder]
    if run.stored_values is not None:
        size.append(f"{short(float(run.stored_values))} stored values")
    last, planned = round(run.metrics["step"].iloc[-1]) + 1 if len(run.metrics) else 0, run.about.get("steps_total")
    steps = f"{last:,} of {plural(planned, 'step')}" if isinstance(planned, int) else plural(last, "step")
    found = [
        ("Training", f"{run.about.get('status', 'not known')}, {steps}"),
        ("People", _total(cohorts, "participants")),
        ("Recordings", _total(cohorts, "recordings")),
        ("Atlas", ", ".join(atlases)),
        ("Encoder", " · ".join(size)),
    ]
    return [(word, value) for word, value in found if value]


def training(run: RunFolder) -> list[Block]:
    """Lay out the training curves, the collapse watch, the schedules, the machine and the warnings, folded."""
    if not run.trained:
        return [Words("This folder has only a probe; the report of its run shows how the encoder was trained.")]
    collapse = _figures("collapse", run)
    if not collapse:
        watch = "Nothing is logged that could show a collapse."
    elif run.warnings:
        step, message = run.warnings[0]
        first = "; the first at" if len(run.warnings) > 1 else " at"
        watch = f"{plural(len(run.warnings), 'warning')}{first} step {step}: {_told(message)}"
    else:
        watch = "No warnings in this run."
    smoothed = (
        "Thin line: every step (long runs thinned, peaks kept). "
        "Thick line: mean over a window of a thirtieth of the run."
    )
    loss = [Words(smoothed, tone="quiet")] if len(run.metrics) >= SMOOTH_FROM else []
    folded = [
        Folded("Loss", [*loss, *(_figures("loss", run) or [Words("No step is logged yet.")])]),
        Folded("Collapse watch", collapse or [Words("Nothing is logged that could show a collapse.")]),
        Folded("Schedules", _figures("schedules", run) or [Words("No schedule is logged.")]),
        Folded("Machine", _figures("machine", run) or [Words("No speed is logged.")]),
    ]
    if run.warnings:
        items = [Item(_told(message, upper=True), lead=f"Step {step}: ") for step, message in run.warnings]
        folded.append(Folded(f"All warnings ({len(items)})", [Bullets(items)]))
    cost, made = _cost(table_of(run.about, "cost")), run.about.get("version")
    trained = " · ".join([*([cost] if cost else []), *([f"semantoks {made}"] if made else [])])
    return [Words(watch), *([Words(trained, tone="quiet")] if trained else []), *folded]


def _told(message: str, *, upper: bool = False) -> str:
    """Write a warning of a training for the page: per cent signs as elsewhere, options as code."""
    said = OPTION.sub(r"`\1`", re.sub(r"(?<=\d)%", "\u00a0%", message)) if "`" not in message else message
    return said[:1].upper() + said[1:] if upper else said


def checks(run: RunFolder) -> list[Block]:
    """Lay out who and what was left out, what was checked, and what was missing while reading."""
    blocks: list[Block] = []
    for evaluation in filter(None, (run.probe, run.finetune)):
        blocks += _checks_of(evaluation)
    if not blocks:
        blocks.append(Words("Nothing is recorded about exclusions and checks."))
    if notes := (*run.notes, *run.probe_notes):
        blocks += [Heading("Missing or damaged in this folder"), Bullets([Item(note) for note in notes])]
    return blocks


def _checks_of(evaluation: Evaluation) -> list[Block]:
    blocks: list[Block] = []
    excluded = [row for row in as_list(evaluation.about.get("excluded")) if isinstance(row, list) and len(row) == 2]
    if excluded:
        rows = [
            (Cell(plain(reason)), Cell(f"{count:,}" if isinstance(count, int) else plain(count)))
            for reason, count in excluded
        ]
        caption = "What was left out, and why. People are counted, never named."
        blocks.append(Table(label="What was left out", caption=caption, columns=("Reason", "Count"), rows=rows))
    for key, title in (("checks", "Checked"), ("notes", "Notes")):
        if lines := as_list(evaluation.about.get(key)):
            items = Bullets([Item(plain(line)) for line in lines])
            blocks.append(Folded(f"{title} ({len(lines)})", [items]))
    if methods := table_of(evaluation.about, "methods"):
        pairs = Pairs("What the methods are", [(method_name(k), plain(v)) for k, v in methods.items()])
        blocks.append(
            Folded(
                f"What the {plural(len(methods), 'method')} are" if len(methods) > 1 else "What the method is", [pairs]
            )
        )
    return blocks


def provenance(run: RunFolder) -> list[Block]:
    """Lay out commands, cohorts, environment and configuration."""
    evaluations = [one for one in (run.probe, run.finetune) if one is not None]
    commands = [str(c) for c in (run.about.get("command"), *(one.about.get("command") for one in evaluations)) if c]
    blocks: list[Block] = [Code(command) for command in dict.fromkeys(commands)] or [
        Words("The command is not recorded.")
    ]
    if run.trained:
        blocks += _cohorts(_tables(run.about, "cohorts"))
    for one in evaluations:
        settings = {"protocol": one.about.get("protocol", "not recorded")} | table_of(one.about, "settings")
        if len(settings) > 1:
            name = {"finetune": "fine-tuning"}.get(one.key, one.key)
            rows = in_words(settings | _named(settings))
            blocks.append(Folded(f"Settings of the {name}", [Pairs(f"Settings of the {name}", rows)]))
    environment = table_of(run.about, "environment") or next(
        (found for one in evaluations if (found := table_of(one.about, "environment"))), {}
    )
    blocks.append(
        Folded("Environment", [Pairs("Environment", rows_of(environment))])
        if environment
        else Words("The environment is not recorded.")
    )
    if run.trained:
        config = table_of(run.about, "config")
        tables = [Pairs(title, rows, prose=False) for title, rows in _sections(config)]
        listed_config: list[Block] = [PairColumns(tables)] if tables else [Words("The configuration is not recorded.")]
        blocks.append(Folded("Configuration of the training", listed_config))
    return blocks


def _named(settings: Mapping[str, Any]) -> dict[str, list[str]]:
    """Give settings that are lists of keywords in the words of the page."""
    names: dict[str, Callable[[str], str]] = {
        "methods": method_name,
        "readouts": lambda one: method_name(f"encoder_{one}"),
        "analyses": lambda one: one.replace("_", " "),
    }
    return {key: [name(plain(one)) for one in as_list(settings[key])] for key, name in names.items() if key in settings}


def _cohorts(cohorts: Sequence[Mapping[str, Any]]) -> list[Block]:
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


def _figures(section: str, run: RunFolder) -> list[Block]:
    drawn = [(panel, draw_curves(panel, run.metrics)) for panel in run.panels if panel.section == section]
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
        "samples": f"{plural(round(known.get('samples', 0)), 'sample')}",
        "flops": f"{short(known.get('flops', 0.0))} FLOP",
        "peak_memory_bytes": f"{known.get('peak_memory_bytes', 0) / 2**30:.2f} GiB at peak",
    }
    return " · ".join(text for key, text in words.items() if key in known)


def _tables(data: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    value = data.get(key)
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def _sections(config: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Split a nested configuration into (section, rows); settings outside any section come first."""
    loose = {key: value for key, value in config.items() if not isinstance(value, dict)}
    nested = [(key, rows_of(value)) for key, value in config.items() if isinstance(value, dict)]
    return ([("run", rows_of(loose))] if loose else []) + nested
