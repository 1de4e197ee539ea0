"""What an encoder looks at, each map compared with that of random weights: one that survives them means nothing."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy.stats import spearmanr
from torch import Tensor

from semantoks.config import check_arguments
from semantoks.counted import plural
from semantoks.errors import ConfigError, DataError
from semantoks.features.encode import Progress
from semantoks.inside.influence import by_hiding, by_rollout, by_weights, embedding_similarity, kernels
from semantoks.inside.opened import Opened, open_inside
from semantoks.inside.relevance import baseline_of, by_pair, integrated_gradients, reader_of
from semantoks.inside.settings import InsideConfig
from semantoks.model.encoder import Encoder
from semantoks.progress import shown_if
from semantoks.reporting.inside.folder import KERNELS, MAPS, RELEVANCE, ROIS, SANITY
from semantoks.signals.cohort import Cohort
from semantoks.signals.quality import missing_networks
from semantoks.signals.targets import target as read_target
from semantoks.statistics.methods import ENCODER, RANDOM
from semantoks.storage.durable import write_durably
from semantoks.storage.lock import hold_folder
from semantoks.storage.memory import need_memory
from semantoks.storage.tables import write_table

HIDING, ROLLOUT, SIMILARITY, WEIGHTS = "influence", "attention rollout", "network embeddings", "weights of tokens"
PAIRS, GRADIENTS, SPECTRUM = "relevance of pairs", "relevance of ROIs", "kernel spectra"
SURVIVES = 0.7
"""Rank correlation with random weights from which on a map means nothing."""
MOST_NETWORKS = 40
"""Networks of which all pairs are hidden; of more, the relevance of pairs is left out."""
LEAST_SANE = 6
"""Fewest values of a map of which a rank correlation says something."""


def explain(
    model: str | Path,
    cohort: Cohort | str | Path,
    *,
    out: str | Path,
    target: str | None = None,
    windows: int = 64,
    config: InsideConfig | None = None,
    command: str = "",
    verbose: bool = False,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Map what an encoder looks at, and compare each map with that of random weights; write tables to ``out``.

    Parameters
    ----------
    target
        A column of participants.tsv (values, or two classes): relevance is for what a ridge regression reads of it from
        the embedding. None = for the embedding's first principal component over people.
    windows
        Windows that are looked at, one of a person, at most.
    verbose
        Show a bar while it works, in a terminal or a notebook; ``progress`` is called instead, if given.

    Returns
    -------
    DataFrame
        One row per map (``sanity.tsv``): ``map`` its name, ``values`` how many are compared, ``rank_correlation`` with
        the map of random weights, -1..1 (NaN: too few values, or all alike), and whether it ``survives``
        randomisation, which means that it says nothing of what was learned. The maps themselves are in ``out``.

    Raises
    ------
    ConfigError, DataError, WeightsError
        For settings, recordings or weights that cannot be used.
    """
    check_arguments(explain, locals())
    config, out = config or InsideConfig(), Path(out)
    if windows < 1:
        raise ConfigError(f"--windows has to be at least 1, not {windows}.")
    with hold_folder(out), shown_if(verbose, "explain", "%", progress) as progress:
        opened = open_inside(model, cohort, config)
        labels = None if target is None else _labels(opened, target)
        series, hidden = _windows(opened, windows)
        kept = opened.card.encoder.training_bytes(len(hidden[0]), len(series))
        need_memory("explain", kept + 8 * series.nbytes, "look at fewer --windows")  # points, gradients, their sums
        found: dict[str, dict[str, Any]] = {}
        notes: list[str] = []
        for number, (name, encoder) in enumerate({ENCODER: opened.encoder, RANDOM: opened.random()}.items(), start=1):
            found[name] = _maps(opened, encoder.to("cpu"), labels, series, hidden, notes if name == ENCODER else [])
            if progress:
                progress(number, 2)
        sanity = _sanity(found[ENCODER], found[RANDOM])
        write_table(out / SANITY, sanity)
        write_table(out / MAPS, _pair_rows(found, opened))
        write_table(out / ROIS, _roi_rows(found, opened))
        array = io.BytesIO()
        np.save(array, found[ENCODER]["gradients"].astype(np.float32))
        write_durably(out / RELEVANCE, array.getvalue())
        if found[ENCODER]["kernels"]:
            write_table(
                out / KERNELS, pd.concat([pd.DataFrame(x["kernels"]).assign(source=n) for n, x in found.items()])
            )
        else:
            (out / KERNELS).unlink(missing_ok=True)  # of an encoder that was explained here before
        notes.append(f"{plural(len(series), 'window')} of {series.shape[2]} frames, one of a person.")
        opened.write(
            out,
            "explain",
            [_verdict(row) for row in sanity.to_dict("records")],
            notes,
            command,
            target=target or "the first principal component of the embedding",
            tr=opened.cohort.tr,
            centroids=[[x if np.isfinite(x) else None for x in row] for row in opened.card.atlas.centroids.tolist()],
        )
    return sanity


def _labels(opened: Opened, name: str) -> Float[ndarray, " person"]:
    """Read a target as numbers, NaN where unknown; two classes are 0 and 1."""
    aim = read_target(opened.part.participants, name)
    values = aim.values.reindex(list(opened.people.ids))
    if aim.kind == "class":
        classes = sorted(values.dropna().unique())
        if len(classes) != 2:
            raise DataError(f"--target {name} has {len(classes)} classes: relevance needs a value or two classes.")
        values = values.map({classes[0]: 0.0, classes[1]: 1.0})
    found: ndarray = values.to_numpy(float)
    if np.isfinite(found).sum() < 2 or np.nanstd(found) == 0:
        raise DataError(f"--target {name} is the same for everybody looked at: choose another column.")
    return found


def _windows(
    opened: Opened, most: int
) -> tuple[Float[Tensor, "window roi frame"], Bool[Tensor, "window network patch"]]:
    """Take the middle window of a recording of each of some people, drawn by seed; censored frames are 0."""
    cohort, size = opened.cohort, opened.card.encoder
    lengths = cohort.recordings["frames"].to_numpy()
    whole = np.flatnonzero(lengths >= size.frames)
    if not len(whole):
        raise DataError(f"no recording has the {size.frames} frames of one of the encoder's windows.")
    _, first = np.unique(opened.people.owner[whole], return_index=True)
    rows = np.sort(np.random.default_rng(opened.config.seed).permutation(whole[first])[:most])
    absent = missing_networks(cohort.missing, cohort.atlas.network_index)[rows]
    series = []
    for row in rows:
        start = (lengths[row] - size.frames) // 2
        piece = cohort.series(int(row))[start : start + size.frames].astype(np.float32)
        begin = cohort.first_frames[row] + start
        series.append((piece * cohort.good[begin : begin + size.frames, None]).T)
    hidden = np.repeat(absent[:, :, None], size.patches, axis=2)
    return torch.from_numpy(np.stack(series)), torch.from_numpy(hidden)


def _maps(
    opened: Opened,
    encoder: Encoder,
    labels: Float[ndarray, " person"] | None,
    series: Float[Tensor, "window roi frame"],
    hidden: Bool[Tensor, "window network patch"],
    notes: list[str],
) -> dict[str, Any]:
    """Make every map of one encoder; say which cannot be made."""
    networks = encoder.n_networks
    if networks < 2:
        raise DataError(
            "all ROIs are one network here: there is nothing to compare. Give an encoder of several networks."
        )
    squares: dict[str, ndarray] = {HIDING: by_hiding(encoder, series, hidden)}
    if encoder.config.depth:
        squares[ROLLOUT] = by_rollout(encoder, series, hidden)
    else:
        notes.append("No attention rollout: the encoder has no blocks.")
    makers: dict[str, Callable[[Encoder], ndarray | None]] = {SIMILARITY: embedding_similarity, WEIGHTS: by_weights}
    for name, make in makers.items():
        if (made := make(encoder)) is not None:
            squares[name] = made
    if SIMILARITY not in squares:
        notes.append("No network embeddings: an encoder in closed form has none.")
    reader = reader_of(encoder, opened.embed(encoder), labels)
    baseline = baseline_of(series, shifted=encoder.any_length, seed=opened.config.seed)
    gradients, lost = integrated_gradients(reader, series, hidden, baseline)
    notes.append(f"Integrated gradients miss {100 * lost:.1f} % of the difference that they have to add up to.")
    if networks <= MOST_NETWORKS:
        squares[PAIRS] = by_pair(reader, series, hidden)
    else:
        notes.append(f"No relevance of pairs: with {networks} networks there are too many (at most {MOST_NETWORKS}).")
    nobodys = hidden.all(dim=2).all(dim=0).numpy()
    for name in (HIDING, ROLLOUT, PAIRS):
        if name in squares:
            squares[name] = np.where(nobodys[:, None] | nobodys, np.nan, squares[name])
    rows = kernels(encoder, opened.cohort.tr, opened.card.atlas.network_names)
    if not rows:
        notes.append("No kernels: this tokenizer has none over time.")
    return {"squares": squares, "gradients": gradients, "kernels": rows}


def _sanity(found: dict[str, Any], random: dict[str, Any]) -> pd.DataFrame:
    """Compare each map with that of random weights by rank."""
    pairs = {
        name: (values[~np.eye(len(values), dtype=bool)], random["squares"][name][~np.eye(len(values), dtype=bool)])
        for name, values in found["squares"].items()
        if name in random["squares"]
    }
    pairs[GRADIENTS] = (
        np.abs(found["gradients"]).mean(axis=(0, 2)),
        np.abs(random["gradients"]).mean(axis=(0, 2)),
    )
    if found["kernels"]:
        pairs[SPECTRUM] = (
            np.array([row["power"] for row in found["kernels"]]),
            np.array([row["power"] for row in random["kernels"]]),
        )
    rows = []
    for name, (one, other) in pairs.items():
        known = np.isfinite(one) & np.isfinite(other)
        told = known.sum() >= LEAST_SANE and np.ptp(one[known]) > 0 and np.ptp(other[known]) > 0
        r = float(spearmanr(one[known], other[known]).statistic) if told else np.nan
        rows.append({"map": name, "values": int(known.sum()), "rank_correlation": r, "survives": bool(r >= SURVIVES)})
    return pd.DataFrame(rows)


def _verdict(row: dict[Any, Any]) -> str:
    """Say whether a map means anything."""
    name, r = str(row["map"]), float(row["rank_correlation"])
    name = name[0].upper() + name[1:]
    if not np.isfinite(r):
        return f"{name}: {plural(row['values'], 'value')} are too few, or all alike, to compare with random weights."
    if row["survives"]:
        return f"{name}: means nothing, random weights give nearly the same map (rank correlation {r:.2f})."
    return f"{name}: depends on what was learned (rank correlation with random weights {r:.2f})."


def _pair_rows(found: dict[str, dict[str, Any]], opened: Opened) -> pd.DataFrame:
    names, rows = opened.card.atlas.network_names, []
    for source, maps in found.items():
        for name, values in maps["squares"].items():
            for i, one in enumerate(names):
                for j, other in enumerate(names):
                    rows.append({"map": name, "source": source, "network": one, "other": other, "value": values[i, j]})
    return pd.DataFrame(rows)


def _roi_rows(found: dict[str, dict[str, Any]], opened: Opened) -> pd.DataFrame:
    """Return the relevance of every ROI (mean over windows and frames of its size), of both encoders."""
    atlas = opened.card.atlas
    table = pd.DataFrame({"roi": range(1, atlas.n_rois + 1), "label": atlas.labels, "network": atlas.networks})
    for source, maps in found.items():
        table[source] = np.abs(maps["gradients"]).mean(axis=(0, 2))
    return table
