"""What a run folder holds, read file by file; whatever is missing or damaged becomes a sentence, not a crash."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from semantoks.errors import DataError

SCORE_COLUMNS = ("target", "kind", "method", "split", "n_train", "n_test", "metric", "value")
_ONE_SCORE = ["target", "method", "split", "metric"]


@dataclass(frozen=True, kw_only=True)
class RunFolder:
    """The contents of a run folder; every part is empty (or None) where its file is missing.

    Attributes
    ----------
    path
        The folder.
    about
        ``run.json``: version, command, status, configuration, cohorts, environment, cost.
    metrics
        ``metrics.jsonl``: one row a step, sorted by step, columns as floats (NaN where a step has no value).
    warnings
        ``warnings.jsonl``: (step, message) of each collapse warning.
    scores
        ``probe/scores.csv`` in long form: one row a target, method, split and metric.
    probe
        ``probe/probe.json``: command, targets, methods, notes.
    stored_values
        How many numbers ``encoder/model.safetensors`` stores.
    notes
        One sentence for each thing that is missing, damaged or left out.
    """

    path: Path
    about: dict[str, Any]
    metrics: pd.DataFrame
    warnings: tuple[tuple[str, str], ...]
    scores: pd.DataFrame
    probe: dict[str, Any]
    stored_values: int | None
    notes: tuple[str, ...]


def read_run(path: Path) -> RunFolder:
    """Read a run folder as far as it goes.

    Raises
    ------
    DataError
        If ``path`` is not a folder, or holds neither ``run.json`` nor ``metrics.jsonl`` nor ``probe/scores.csv``.
    """
    if not path.is_dir():
        raise DataError(f"expected a run folder, but {path} is no folder. Give the --out of `semantoks pretrain`.")
    if not any((path / name).is_file() for name in ("run.json", "metrics.jsonl", "probe/scores.csv")):
        raise DataError(
            f"{path} is no run folder: it has no run.json, metrics.jsonl or probe/scores.csv. "
            "Give the --out of `semantoks pretrain`."
        )
    about, about_notes = _read_object(path / "run.json")
    metrics, metrics_notes = _read_metrics(path / "metrics.jsonl")
    warnings, warnings_notes = _read_lines(path / "warnings.jsonl")
    scores, scores_notes = _read_scores(path / "probe" / "scores.csv")
    probe, probe_notes = ({}, []) if scores.empty else _read_object(path / "probe" / "probe.json")
    return RunFolder(
        path=path,
        about=about,
        metrics=metrics,
        warnings=tuple((str(row.get("step", "?")), str(row.get("message", row))) for row in warnings),
        scores=scores,
        probe=probe,
        stored_values=_stored_values(path / "encoder" / "model.safetensors"),
        notes=(*about_notes, *metrics_notes, *warnings_notes, *scores_notes, *probe_notes),
    )


def _read_object(path: Path) -> tuple[dict[str, Any], list[str]]:
    if not path.is_file():
        return {}, [f"There is no {path.name}, so what it would say is missing here."]
    try:
        data = json.loads(path.read_text(encoding="utf-8", errors="replace"))
    except json.JSONDecodeError as error:
        return {}, [f"{path.name} cannot be read ({error}), so what it would say is missing here."]
    if not isinstance(data, dict):
        return {}, [f"{path.name} holds no table of named values, so what it would say is missing here."]
    return data, []


def _read_lines(path: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """Read one JSON object a line; a last line that a kill cut short is left out with a note, as is any bad line."""
    if not path.is_file():
        return [], []
    rows: list[dict[str, Any]] = []
    bad: list[int] = []
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            row = None
        if isinstance(row, dict):
            rows.append(row)
        else:
            bad.append(number)
    if bad == [len(lines)]:
        return rows, [f"The last line of {path.name} is cut short (the run ended while writing it); it is left out."]
    if bad:
        return rows, [f"{len(bad)} lines of {path.name} cannot be read (the first is line {bad[0]}); left out."]
    return rows, []


def _read_metrics(path: Path) -> tuple[pd.DataFrame, list[str]]:
    rows, notes = _read_lines(path)
    table = pd.DataFrame(rows)
    if "step" not in table:
        return pd.DataFrame(), notes
    table = table.apply(pd.to_numeric, errors="coerce").dropna(subset=["step"]).sort_values("step", kind="stable")
    if repeated := int(table["step"].duplicated().sum()):
        notes.append(f"{repeated} steps are logged twice (the run was resumed); the later row of each is shown.")
        table = table.drop_duplicates("step", keep="last")
    if "loss" in table:
        broken = table.loc[~table["loss"].map(math.isfinite), "step"]
        if len(broken):
            notes.append(
                f"The loss is not a finite number in {len(broken)} steps, first at step {broken.iloc[0]:,.0f}."
            )
    return table.astype(float).reset_index(drop=True), notes


def _read_scores(path: Path) -> tuple[pd.DataFrame, list[str]]:
    empty = pd.DataFrame(columns=list(SCORE_COLUMNS))
    if not path.is_file():
        return empty, []
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, on_bad_lines="skip")
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError) as error:
        return empty, [f"probe/scores.csv cannot be read ({error}), so there are no scores here."]
    if lacking := [name for name in SCORE_COLUMNS if name not in table]:
        return empty, [f"probe/scores.csv lacks the columns {', '.join(lacking)}, so there are no scores here."]
    notes = []
    for name in ("n_train", "n_test", "value"):
        table[name] = pd.to_numeric(table[name], errors="coerce").replace([math.inf, -math.inf], math.nan)
    if undefined := int(table["value"].isna().sum()):
        notes.append(f"{undefined} scores are no number (undefined in their split, or cut short); they are left out.")
        table = table.dropna(subset=["value"])
    if repeated := int(table.duplicated(_ONE_SCORE).sum()):
        notes.append(
            f"{repeated} scores are given twice for one target, method, split and metric; the last one counts."
        )
        table = table.drop_duplicates(_ONE_SCORE, keep="last")
    return table.reset_index(drop=True), notes


def _stored_values(path: Path) -> int | None:
    """Count the numbers in a safetensors file from its header: 8 bytes of length (little endian), then JSON."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > path.stat().st_size:
            return None
        try:
            header = json.loads(file.read(length))
        except ValueError:
            return None
    return sum(int(math.prod(entry["shape"])) for name, entry in header.items() if name != "__metadata__")
