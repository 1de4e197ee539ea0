"""The audit: how much structure of each order can be read from an embedding, on people never seen."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from semantoks.config import as_list, check_arguments
from semantoks.counted import plural
from semantoks.errors import ConfigError, DataError, WeightsError
from semantoks.evaluate.baselines.recorded import motion
from semantoks.evaluate.models.predictors import Fixed
from semantoks.evaluate.study.shown import Baseline
from semantoks.evaluate.study.study import Stages
from semantoks.evaluate.study.tasks import FeatureSet
from semantoks.features.encode import Progress
from semantoks.inside.opened import Opened, network_pairs, open_inside, probe_inside
from semantoks.inside.orders import COSKEWNESS, LAGGED, STRUCTURES, TANGENT
from semantoks.inside.reading import Reading, folds_of, opened_to_reading, read, resampling
from semantoks.inside.settings import InsideConfig
from semantoks.model.encoder import Encoder
from semantoks.model.tensors import load_state, read_whole, under
from semantoks.progress import shown_if
from semantoks.reporting.inside.folder import COMPONENTS, ORDERS, PAIRS
from semantoks.reporting.wording import share_words
from semantoks.signals.cohort import Cohort
from semantoks.statistics.methods import ENCODER, FC, MOTION, RANDOM
from semantoks.storage.checksums import read_sealed
from semantoks.storage.lock import hold_folder
from semantoks.storage.memory import need_memory
from semantoks.storage.tables import write_table

MOST_COMPONENTS = 50
EVERY = (ENCODER, RANDOM, MOTION, FC, "fc_tangent", "spectra", "roi")
"""Methods of the probe that stand beside third order and lagged covariance."""
_TEACHER = "teacher.encoder."


def audit(
    model: str | Path,
    cohort: Cohort | str | Path,
    *,
    out: str | Path,
    targets: Sequence[str] | str = (),
    components: int = MOST_COMPONENTS,
    config: InsideConfig | None = None,
    command: str = "",
    verbose: bool = False,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Read structure of every order from an embedding, from random weights, FC and motion; write tables to ``out``.

    Parameters
    ----------
    targets
        Columns of participants.tsv that are predicted from each order and from the encoder, by the probe.
    components
        Principal components of each structure that are looked at, at most.
    verbose
        Show a bar while it works, in a terminal or a notebook; ``progress`` is called instead, if given.

    Returns
    -------
    DataFrame
        One row per structure and source (``orders.tsv``).

        - ``order structure source``: 1 to 3, what is read, and from what; ``step`` of a checkpoint, else NaN.
        - ``components``: how many of the structure are read.
        - ``explained``: share of their variance on people never seen, the mean over components; at most 1.
        - ``whole``: the share of all of the structure's variance, of which ``held``, 0..1, is in as many components
          as the source has columns.
        - ``gain``: ``explained`` minus that of random weights; NaN in their own rows.
        - ``explained_low explained_high`` and so on: 95 % intervals over people.

    Raises
    ------
    ConfigError, DataError, WeightsError
        For settings, recordings or weights that cannot be used.
    """
    check_arguments(audit, locals())
    config, out, targets = config or InsideConfig(), Path(out), as_list(targets)
    if components < 1:
        raise ConfigError(f"--components has to be at least 1, not {components}.")
    with hold_folder(out), shown_if(verbose, "audit", "%", progress) as progress:
        opened = open_inside(model, cohort, config)
        need_memory("audit", _bytes(opened), "look at fewer --most-people")
        sources, steps, notes, progress = _sources(opened, progress)
        found, lacking = _read_all(opened, sources, components, progress)
        widths = {name: one.matrix(np.arange(0), np.arange(1)).shape[1] for name, one in sources.items()}
        table, width = _orders(found, widths, opened, steps), widths[ENCODER]
        write_table(out / ORDERS, table)
        write_table(out / COMPONENTS, _by_component(found, list(sources)))
        write_table(out / PAIRS, _by_pair(found, list(sources), opened))
        if targets:
            extra = {
                name.replace(" ", "_").replace("-", ""): Baseline(
                    words=STRUCTURES[name].words, features=STRUCTURES[name].build
                )
                for name in (LAGGED, COSKEWNESS)
            }
            probe_inside(opened, targets, out, EVERY, extra)
        notes += [f"No {name}: the cohort does not keep it ({STRUCTURES[name].words})." for name in lacking]
        opened.write(out, "audit", _answers(table, width), notes, command, columns=width, targets=targets)
    return table


def _sources(
    opened: Opened, progress: Progress | None
) -> tuple[dict[str, FeatureSet], dict[str, int], list[str], Progress]:
    """Return what is read from: the encoder, random weights, checkpoints, FC and motion; the steps of checkpoints.

    Also notes, and what shows the progress of the last stage, which is to read from all of them.
    """
    notes: list[str] = []
    steps = {f"step {step}": encoder for step, encoder in _checkpoints(opened, notes)}
    stages, found = Stages(progress, [1.0] * (len(steps) + 3)), dict[str, FeatureSet]()
    for name, encoder in {ENCODER: opened.encoder, RANDOM: opened.random(), **steps}.items():
        found[name] = Fixed(opened.embed(encoder, stages.step))
        stages.next()
    connected = STRUCTURES["FC"].build(opened.shown)
    found[FC] = Fixed(opened.people.average(np.asarray(connected)))
    if (moved := motion(opened.shown)) is not None:
        found[MOTION] = Fixed(opened.people.average(moved))
    return found, {name: int(name.split()[1]) for name in steps}, notes, stages.step


def _checkpoints(opened: Opened, notes: list[str]) -> list[tuple[int, Encoder]]:
    """Load the teacher of every checkpoint of a run but the last step's, which is the encoder; say which cannot be."""
    record, found = opened.model / "run.json", []
    if not record.is_file():
        return []
    try:
        last = int(read_sealed(record)["steps_total"])
    except (DataError, KeyError, TypeError, ValueError) as error:
        notes.append(f"Checkpoints are left out: {error}")
        return []
    for path in sorted(opened.model.glob("checkpoints/step-*.safetensors")):
        step = int(named[1]) if (named := re.fullmatch(r"step-(\d+)", path.stem)) else last
        if step == last:
            continue
        try:
            tensors, _ = read_whole(path, "Delete it.")
            encoder = opened.random()
            load_state(encoder, under(tensors, _TEACHER), path)
        except WeightsError as error:
            notes.append(f"{path.name} is left out: {error}")
            continue
        found.append((step, encoder.eval()))
    return found


def _read_all(
    opened: Opened, sources: dict[str, FeatureSet], components: int, progress: Progress | None
) -> tuple[dict[str, list[Reading]], list[str]]:
    """Read every structure from every source; name those for which the cohort has no data."""
    folds = folds_of(opened.people.groups, opened.config.folds, opened.config.seed)
    pairs, _ = network_pairs(opened)
    network, rois = opened.cohort.atlas.network_index, opened.cohort.atlas.n_rois
    read_from = opened_to_reading(list(sources.values()), folds)
    found, lacking = {}, []
    for done, (name, structure) in enumerate(STRUCTURES.items(), start=1):
        built = sources[FC] if name == "FC" else structure.build(opened.shown)
        if built is None or (isinstance(built, ndarray) and not np.isfinite(built).any()):
            lacking.append(name)
            continue
        features = built if isinstance(built, FeatureSet) else Fixed(opened.people.average(np.asarray(built)))
        cells = None
        if structure.edges is not None:
            one, other = structure.edges(rois)
            cells = pairs[network[one], network[other]]
        found[name] = read(read_from, features, folds, cells=cells, components=components, seed=opened.config.seed)
        if progress:
            progress(done, len(STRUCTURES))
    return found, lacking


def _bytes(opened: Opened) -> int:
    """Count the bytes of all pairs of ROIs: FC, another structure, and five tables in double where it is read."""
    rois, people = opened.cohort.atlas.n_rois, len(opened.people)
    return rois * (rois + 1) // 2 * (8 * len(opened.cohort) + 40 * people)


def _orders(
    found: dict[str, list[Reading]], widths: dict[str, int], opened: Opened, steps: dict[str, int]
) -> pd.DataFrame:
    """Return one row per structure and source (given with its number of columns), with intervals over people."""
    sources = list(widths)
    drawn = resampling(opened.people.groups, opened.config.seed)
    rows: list[dict[str, Any]] = []
    for name, readings in found.items():
        samples = {
            source: np.nanmean(one.by_component(drawn), axis=1) for source, one in zip(sources, readings, strict=True)
        }
        means = {source: float(np.nanmean(one.by_component())) for source, one in zip(sources, readings, strict=True)}
        for source, one in zip(sources, readings, strict=True):
            gain = samples[source] - samples[RANDOM]
            rows.append(
                {
                    **{"order": STRUCTURES[name].order, "structure": name, "source": source},
                    **{"step": steps.get(source), "components": one.errors.shape[1]},
                    "held": float(one.held[min(widths[source], len(one.held)) - 1]),
                    **_between("explained", means[source], samples[source]),
                    **_between("whole", float(one.whole()), one.whole(drawn)),
                    **(_between("gain", means[source] - means[RANDOM], gain) if source != RANDOM else {}),
                }
            )
    return pd.DataFrame(rows)


def _between(name: str, value: float, samples: Float[ndarray, " sample"]) -> dict[str, float]:
    """Return a value and the ends of its 95 % interval."""
    low, high = np.nanpercentile(samples, (2.5, 97.5)).tolist()
    return {name: value, f"{name}_low": low, f"{name}_high": high}


def _by_component(found: dict[str, list[Reading]], sources: list[str]) -> pd.DataFrame:
    rows = []
    for name, readings in found.items():
        for source, one in zip(sources, readings, strict=True):
            share = one.spreads.sum(axis=0) / one.cell_spreads.sum()
            for number, (explained, part) in enumerate(zip(one.by_component(), share, strict=True), start=1):
                rows.append(
                    {"structure": name, "source": source, "component": number, "share": part, "explained": explained}
                )
    return pd.DataFrame(rows)


def _by_pair(found: dict[str, list[Reading]], sources: list[str], opened: Opened) -> pd.DataFrame:
    """Return the explained variance of every pair of networks, of structures that pairs of ROIs have."""
    pairs, count = network_pairs(opened)
    names = opened.card.atlas.network_names
    rows = []
    for name, readings in found.items():
        if STRUCTURES[name].edges is None:
            continue
        for source, one in zip(sources, readings, strict=True):
            values = np.full(count, np.nan)
            values[: one.cell_errors.shape[1]] = one.by_cell()
            for i, j in zip(*np.triu_indices(len(names)), strict=True):
                rows.append(
                    {
                        **{"structure": name, "source": source, "network": names[i], "other": names[j]},
                        "explained": values[pairs[i, j]],
                    }
                )
    return pd.DataFrame(rows)


def _answers(table: pd.DataFrame, width: int) -> list[str]:
    """Say what can be read of each structure, and whether training has added to it."""
    said = []
    for name, rows in table.groupby("structure", sort=False):
        by = rows.set_index("source")
        one, chance = by.loc[ENCODER], by.loc[RANDOM]
        low, high = one["gain_low"], one["gain_high"]
        verdict = (
            "training has added to it"
            if low > 0
            else "training has taken from it"
            if high < 0
            else "undecided whether training has added to it"
        )
        said.append(
            f"{name}: {_share(one['explained'])} of a component's variance can be read from the encoder, "
            f"{_share(chance['explained'])} from random weights; {verdict}."
        )
    if (table["structure"] == TANGENT).any():
        row = table[(table["structure"] == TANGENT) & (table["source"] == ENCODER)].iloc[0]
        low, high = share_words(row["whole_low"]), share_words(row["whole_high"])
        said.insert(
            0,
            f"An embedding of {width} columns keeps {_share(row['whole'])} of all variance of tangent FC between "
            f"people (95\u00a0% interval {low} to {high}); as many of its own components hold {_share(row['held'])}. "
            f"Of one of its first {plural(int(row['components']), 'component')} it keeps {_share(row['explained'])}.",
        )
    return said


def _share(value: Any) -> str:
    """Write explained variance; below zero, it is worse than saying the mean."""
    return share_words(value) + " (worse than the mean)" * (float(value) < 0)
