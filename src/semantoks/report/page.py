"""The page: a run folder's contents put into words and numbers, and written as one HTML file that opens offline."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from semantoks.errors import DataError
from semantoks.report.compare import BARS, ENCODER, FC, LOWER_IS_BETTER, MIN_SPLITS, TargetResult, by_split, summarise
from semantoks.report.figures import SMOOTH_FROM, draw_curves, draw_scores
from semantoks.report.gather import RunFolder, read_run
from semantoks.report.panels import COLLAPSE, LOSS, MACHINE, SCHEDULES, Panel
from semantoks.report.wording import (
    METHOD_WORDS,
    METRIC_WORDS,
    about_target,
    duration,
    fc_sentence,
    other_sentences,
    short,
    spread,
)


def write_report(run: Path | str, out: Path | str | None = None) -> Path:
    """Write the report of a run folder and return where it lies.

    Parameters
    ----------
    run
        The run folder (the ``--out`` of ``semantoks pretrain``); a run that still goes on, was stopped, or has no probe
        yet is reported as far as it went.
    out
        The HTML file to write, replaced whole if it exists; ``run/report.html`` by default.

    Raises
    ------
    DataError
        If ``run`` is no run folder, or ``out`` is a folder.
    """
    run = Path(run)
    target = run / "report.html" if out is None else Path(out)
    if target.is_dir():
        raise DataError(f"expected a file name for the report, but {target} is a folder. Try {target / 'report.html'}.")
    page = render(read_run(run))
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    partial.write_text(page, encoding="utf-8")
    os.replace(partial, target)
    return target


def render(run: RunFolder) -> str:
    """Return the page as HTML."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2").render(
        name=run.path.resolve().name,
        facts=_facts(run),
        commands=[str(c) for c in (run.about.get("command"), run.probe.get("command")) if c],
        cohorts=_tables(run.about, "cohorts"),
        results=[_result(run, target) for target in dict.fromkeys(run.scores["target"])],
        probe_methods={METHOD_WORDS.get(k, k): _plain(v) for k, v in _table(run.probe, "methods").items()},
        probe_notes=[_plain(note) for note in _listed(run.probe.get("notes"))],
        min_splits=MIN_SPLITS,
        loss=_figures(LOSS, run.metrics),
        collapse=_figures(COLLAPSE, run.metrics),
        schedules=_figures(SCHEDULES, run.metrics),
        machine=_figures(MACHINE, run.metrics),
        steps=len(run.metrics),
        smooth_from=SMOOTH_FROM,
        warnings=run.warnings,
        notes=run.notes,
        configuration=_sections(_table(run.about, "config")),
        environment=_rows(_table(run.about, "environment")),
    )


def _table(data: dict[str, Any], key: str) -> dict[str, Any]:
    value = data.get(key)
    return value if isinstance(value, dict) else {}


def _tables(data: dict[str, Any], key: str) -> list[dict[str, Any]]:
    value = data.get(key)
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def _listed(value: Any) -> list[Any]:
    """Take a list as it is, nothing as an empty one, and anything else as its only entry."""
    return value if isinstance(value, list) else [value] if value else []


def _facts(run: RunFolder) -> list[tuple[str, str]]:
    """What the run is, as (word, value) pairs; what is not known is left out."""
    cohorts = _tables(run.about, "cohorts")
    atlases = dict.fromkeys(str(c["atlas"]) for c in cohorts if "atlas" in c)
    encoder = _table(_table(run.about, "config"), "encoder")
    size = [f"{word} {encoder[word]}" for word in ("depth", "width") if word in encoder]
    if run.stored_values is not None:
        size.append(f"{short(float(run.stored_values))} stored values")
    last = f"{run.metrics['step'].iloc[-1] + 1:,.0f}" if len(run.metrics) else "no"
    planned = run.about.get("steps_total")
    facts = [
        ("Status", str(run.about.get("status", "not known"))),
        ("Steps", f"{last} of {planned:,}" if isinstance(planned, int) else last),
        ("Warnings", f"{len(run.warnings)} of collapse" if run.warnings else "none of collapse"),
        ("Version", f"semantoks {run.about['version']}" if "version" in run.about else ""),
        ("People", _total(cohorts, "participants")),
        ("Recordings", _total(cohorts, "recordings")),
        ("Atlas", ", ".join(atlases)),
        ("Encoder", " · ".join(size)),
        ("Cost", _cost(_table(run.about, "cost"))),
    ]
    return [(word, value) for word, value in facts if value]


def _total(cohorts: Sequence[dict[str, Any]], key: str) -> str:
    counts = [c[key] for c in cohorts if isinstance(c.get(key), int)]
    added = f" (sum over {len(counts)} cohorts)" if len(counts) > 1 else ""
    return f"{sum(counts):,}{added}" if counts else ""


def _cost(cost: dict[str, Any]) -> str:
    known = {key: float(value) for key, value in cost.items() if isinstance(value, int | float)}
    words = {
        "seconds": duration(known.get("seconds", 0.0)),
        "samples": f"{known.get('samples', 0):,.0f} samples",
        "flops": f"{short(known.get('flops', 0.0))} FLOP",
        "peak_memory_bytes": f"{known.get('peak_memory_bytes', 0) / 2**30:.2f} GiB at peak",
    }
    return " · ".join(text for key, text in words.items() if key in known)


def _result(run: RunFolder, target: str) -> dict[str, Any]:
    """One target for the template: its reading, its table and its figure."""
    result = summarise(run.scores, target)
    metric, word = result.metrics[0], METRIC_WORDS.get(result.metrics[0], result.metrics[0])
    names = {method: METHOD_WORDS.get(method, method) for method in result.methods}
    known = _table(_table(run.probe, "targets"), target)
    classes = known.get("classes") if isinstance(known.get("classes"), list) else None
    drawn = by_split(run.scores, target, metric)
    order = [method for method in result.methods if method in drawn]
    svg, alt = draw_scores(drawn[order], target, word, names, _chance(metric, classes))
    difference = result.over.get(FC)
    return {
        "target": target,
        "about": about_target(result, known.get("n"), classes),
        "metric": word,
        "metrics": [METRIC_WORDS.get(m, m) + (" ↓" if m in LOWER_IS_BETTER else "") for m in result.metrics],
        "encoder": _cell(result, ENCODER, metric),
        "bars": [_cell(result, bar, metric) for bar in BARS],
        "difference": spread(difference, metric, sign=True) if difference else "no FC row",
        "reading": difference.reading if difference else "cannot be said",
        "sentence": fc_sentence(difference, metric, word),
        "others": other_sentences(result, metric),
        "rows": [
            {
                "method": names[m],
                "cells": [_cell(result, m, each) for each in result.metrics],
                "to_fc": spread(result.to_fc[m], metric, sign=True) if m in result.to_fc else "",
            }
            for m in result.methods
        ],
        "svg": Markup(svg),
        "alt": alt,
    }


def _chance(metric: str, classes: list[Any] | None) -> float | None:
    if metric == "balanced_accuracy":
        return 1 / len(classes) if classes else None
    return {"auroc": 0.5, "r": 0.0, "r2": 0.0}.get(metric)


def _cell(result: TargetResult, method: str, metric: str) -> dict[str, Any]:
    score = result.scores.get((method, metric))
    text = spread(score, metric) if score else "not run"
    most = max(s.splits for (_, m), s in result.scores.items() if m == metric)
    if score and score.splits < most:
        text += f" ({score.splits} of {most} splits)"
    return {"text": text, "best": result.best[metric] == method}


def _figures(panels: tuple[Panel, ...], metrics: pd.DataFrame) -> list[dict[str, Any]]:
    drawn = [(panel, draw_curves(panel, metrics)) for panel in panels]
    return [{"svg": Markup(d[0]), "alt": d[1], "caption": panel.caption} for panel, d in drawn if d is not None]


def _sections(config: dict[str, Any]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Split a nested configuration into (section, rows); settings outside any section come first."""
    loose = {key: value for key, value in config.items() if not isinstance(value, dict)}
    nested = [(key, _rows(value)) for key, value in config.items() if isinstance(value, dict)]
    return ([("run", _rows(loose))] if loose else []) + nested


def _rows(table: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for key, value in table.items():
        if isinstance(value, dict) and value:
            rows += _rows(value, f"{prefix}{key}.")
        else:
            rows.append((f"{prefix}{key}", _plain(value)))
    return rows


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return ", ".join(map(_plain, value))
    if isinstance(value, dict):
        return "; ".join(f"{key} {_plain(item)}" for key, item in value.items())
    return json.dumps(value)
