"""What is in a run's folder, file by file: whatever is missing or damaged becomes a sentence on the page."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from semantoks.config import from_plain
from semantoks.counted import plural
from semantoks.curves import Curve, Panel
from semantoks.errors import ConfigError, DataError
from semantoks.reporting.run.evaluation import Evaluation, read_evaluation, table_of
from semantoks.statistics.tables import ABOUT, SCORES
from semantoks.storage.checksums import damaged, read_sealed
from semantoks.storage.text import plain_json, read_rows

_MARKS = ("run.json", "metrics.jsonl")
REPORTED = "the folder of a run, a probe, a study, a look inside an encoder, or a cohort"
"""What there are pages of."""
AGAIN = "In a run, --resume with the command that made it writes it again."


@dataclass(frozen=True, kw_only=True)
class Atlas:
    """The ROIs on the encoder's card: the network of each, and its centroid (MNI, mm; NaN where unknown)."""

    networks: tuple[str, ...]
    centroids: Float[ndarray, "roi 3"]


@dataclass(frozen=True, kw_only=True)
class RunFolder:
    """The contents of a run's folder; what comes from a missing file is empty or None.

    Attributes
    ----------
    name
        What the page is called.
    about
        ``run.json``: version, command, status, configuration, cohorts, environment, cost.
    metrics
        ``metrics.jsonl``: one row per step, sorted by step, columns as floats (NaN where a step has no value).
    panels
        The plots over steps that the run declares in ``run.json``; one per column if it declares none.
    warnings
        ``warnings.jsonl``: (step, message) of each warning.
    probe, finetune
        The evaluations in ``probe/`` and ``finetune/``.
    stored_values
        How many numbers ``encoder/model.safetensors`` stores.
    trained
        Whether there is a run at all, and not a probe's folder alone.
    notes, probe_notes
        One sentence for each thing that is missing, damaged or left out, of the run and of its evaluations.
    """

    name: str
    about: dict[str, Any]
    metrics: pd.DataFrame
    panels: tuple[Panel, ...]
    warnings: tuple[tuple[str, str], ...]
    probe: Evaluation | None
    finetune: Evaluation | None
    atlas: Atlas | None
    stored_values: int | None
    trained: bool
    notes: tuple[str, ...]
    probe_notes: tuple[str, ...]


def read_run(path: Path) -> RunFolder:
    """Read a run folder, or the folder of a probe, as far as it goes; the run around a probe's folder is read, too.

    Raises
    ------
    DataError
        If ``path`` is not a folder, or has neither ``run.json`` nor ``metrics.jsonl`` nor the scores of a probe.
    """
    if not path.is_dir():
        there = f"{path} is not a folder" if path.exists() else f"there is no folder {str(path)!r}"
        raise DataError(f"{there}: give {REPORTED}.")
    whole = path.resolve()
    alone = (path / SCORES).is_file()
    run, probe = (whole.parent, whole) if alone else (whole, whole / "probe")
    trained = any((run / name).is_file() for name in _MARKS)
    if not trained and not (probe / SCORES).is_file():
        raise DataError(
            f"there is nothing to report in {path}: it has no {', '.join(_MARKS)} or probe/{SCORES}, and no {SCORES} "
            f"of its own. Give {REPORTED}."
        )
    if alone and not trained:
        run = whole
    about, notes = _read_object(run / "run.json") if trained else ({}, [])
    metrics, metrics_notes = read_metrics(run / "metrics.jsonl")
    panels, panels_notes = _panels_of(about, metrics)
    warnings, warnings_notes = _read_lines(run / "warnings.jsonl")
    probed, probe_notes = _read_evaluation(probe, "probe")
    atlas, atlas_notes = _read_atlas(run / "encoder" / "config.json")
    weights = [one.replace(f"{run}/", "") for one in damaged((run / "encoder").glob("*.safetensors"), AGAIN)]
    tuned, tuned_notes = _read_evaluation(run / "finetune", "finetune")
    return RunFolder(
        name=f"{run.name}, {probe.name}" if alone and trained else whole.name,
        about=about,
        metrics=metrics,
        panels=panels,
        warnings=tuple((str(row.get("step", "?")), str(row.get("message", row))) for row in warnings),
        probe=probed,
        finetune=tuned,
        atlas=atlas,
        stored_values=_stored_values(run / "encoder" / "model.safetensors"),
        trained=trained,
        notes=(*notes, *metrics_notes, *panels_notes, *warnings_notes, *atlas_notes, *weights),
        probe_notes=(*probe_notes, *tuned_notes),
    )


def _panels_of(about: dict[str, Any], metrics: pd.DataFrame) -> tuple[tuple[Panel, ...], list[str]]:
    """Take the plots that the run's objective and trainer declared, or one plain plot for each column that has none."""
    notes = []
    try:
        if declared := about.get("curves"):
            return tuple(from_plain(Panel, panel, "a panel") for panel in declared), []
    except (ConfigError, TypeError, AttributeError) as error:
        notes.append(f"run.json does not declare its curves as expected ({error}), so every column is drawn alone.")
    columns = [str(name) for name in metrics if name not in ("step", "epoch")]
    plain = ((name, (Curve(column=name),)) for name in columns)
    return tuple(
        Panel(key=name, section="loss", title=name, axis=name, caption="", curves=curves) for name, curves in plain
    ), notes


def _read_evaluation(folder: Path, key: str) -> tuple[Evaluation | None, list[str]]:
    if not (folder / SCORES).is_file():
        return None, []
    about, notes = _read_object(folder / ABOUT)
    found, more = read_evaluation(folder, key, about)
    return found, [*notes, *more]


def _read_atlas(path: Path) -> tuple[Atlas | None, list[str]]:
    """Read the networks and centroids of the ROIs from an encoder's card; None if they are not as expected."""
    if not path.is_file():
        return None, []
    card, notes = _read_object(path)
    atlas = table_of(card, "atlas")
    try:
        centroids = np.array(atlas["centroids"], dtype=float).reshape(-1, 3)
        networks = tuple(str(name) for name in atlas["networks"])
    except (KeyError, TypeError, ValueError):
        return None, notes
    return Atlas(networks=networks, centroids=centroids) if len(networks) == len(centroids) else None, notes


def _read_object(path: Path) -> tuple[dict[str, Any], list[str]]:
    if not path.is_file():
        return {}, [f"There is no {path.name}, so its contents are missing here."]
    try:
        return read_sealed(path), []
    except DataError as error:
        told = str(error).replace(str(path), path.name)
        return {}, [f"{told} Its contents are missing here."]


def _read_lines(path: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """Read what a training has logged; a bad line, such as a last one that a kill cut, is left out with a note."""
    rows, bad = read_rows(path)
    if bad == [len(rows) + 1]:
        return rows, [f"The last line of {path.name} is cut short (the run ended while writing it); it is left out."]
    if bad:
        return rows, [f"{plural(len(bad), 'line')} of {path.name} cannot be read (first: line {bad[0]}); left out."]
    return rows, []


def read_metrics(path: Path) -> tuple[pd.DataFrame, list[str]]:
    """Read one row per step, as numbers; and what is to be known of them."""
    rows, notes = _read_lines(path)
    if not rows:
        return pd.DataFrame(), notes
    table = pd.DataFrame(rows).apply(pd.to_numeric, errors="coerce").sort_values("step", kind="stable")
    if repeated := int(table["step"].duplicated().sum()):
        logged = f"{plural(repeated, 'step')} {'is' if repeated == 1 else 'are'} logged twice"
        notes.append(f"{logged} (the run was resumed); the later row of each is shown.")
        table = table.drop_duplicates("step", keep="last")
    if "loss" in table:
        broken = table.loc[~table["loss"].map(math.isfinite), "step"]
        if len(broken):
            steps = f"{plural(len(broken), 'step')}, first at step {broken.iloc[0]:,.0f}"
            notes.append(f"The loss is not a finite number in {steps}.")
    return table.astype(float).reset_index(drop=True), notes


def _stored_values(path: Path) -> int | None:
    """Count the numbers in a safetensors file from its header: 8 bytes of length (little endian), then JSON."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > path.stat().st_size:
            return None
        try:
            header = plain_json(file.read(length))
            return sum(int(math.prod(entry["shape"])) for name, entry in header.items() if name != "__metadata__")
        except (ValueError, TypeError, KeyError, AttributeError):
            return None
