"""The methods of a probe by name: the encoder's readouts and every baseline, packaged or your own."""

import difflib
from collections.abc import Collection, Mapping, Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from semantoks.errors import ConfigError, DataError
from semantoks.evaluate.baselines.boxed import encoder_in_the_box
from semantoks.evaluate.baselines.components import principal_components
from semantoks.evaluate.baselines.connectivity import functional_connectivity, partial_correlation
from semantoks.evaluate.baselines.recorded import (
    demographics,
    motion,
    motion_and_scan,
    roi_moments,
    scan,
    site,
)
from semantoks.evaluate.baselines.spectra import network_spectra
from semantoks.evaluate.baselines.tangent import Tangent, tangent_space
from semantoks.evaluate.models.linear import BLOCK
from semantoks.evaluate.models.predictors import Fixed, Linear, Neighbours, Stacked, Svm
from semantoks.evaluate.settings import MOST_COMPARED, ProbeConfig, Probed
from semantoks.evaluate.study.shown import Build, Shown, crop_spans, in_full_band
from semantoks.evaluate.study.study import Sets, Study
from semantoks.evaluate.study.tasks import FeatureSet, Method, Plan
from semantoks.features.encode import Readout
from semantoks.features.stored import embed_stored
from semantoks.model.encoder import Encoder
from semantoks.statistics.methods import (
    BOTH,
    BOXED,
    ENCODER,
    FC,
    FC_FULL,
    METHODS,
    MOTION,
    MOTION_SCAN,
    OF_BLOCKS,
    OF_PEOPLE,
    PROBED,
    RANDOM,
    ROI,
    SCAN,
    SITE,
    TANGENT,
    TANGENT_BOTH,
    TANGENT_FULL,
)
from semantoks.storage.arrays import LARGE, LARGE_SCRATCH, empty, kept
from semantoks.storage.memory import WORKER, need_memory, need_room

ALWAYS = frozenset({ENCODER, FC, BOTH})
OPTIONAL = frozenset({BOXED, FC_FULL, TANGENT_FULL})
"""Baselines whose absence is no fault of the cohort."""
BASELINES: Mapping[str, Build] = {
    FC: functional_connectivity,
    "fc_partial": partial_correlation,
    ROI: roi_moments,
    "spectra": network_spectra,
    MOTION: motion,
    SCAN: scan,
    MOTION_SCAN: motion_and_scan,
    SITE: site,
    TANGENT: tangent_space,
    BOXED: encoder_in_the_box,
    "pca": principal_components,
    FC_FULL: in_full_band(functional_connectivity),
    TANGENT_FULL: in_full_band(tangent_space),
}
"""Baselines that depend on the recordings only; ``sets_for`` adds demographics, which also depend on the target."""
_LESS = "name fewer --methods, fewer --n-jobs, or --components (docs/performance.md says what these cost)"
STACKS: Mapping[str, tuple[str, str]] = {BOTH: (FC, ENCODER), TANGENT_BOTH: (TANGENT, ENCODER)}
"""Second models on the predictions of two methods."""


def check_extra(extra: Mapping[str, object]) -> None:
    """Raise ConfigError if a baseline of your own is none, or has the name of a packaged method."""
    for name, given in extra.items():
        if not hasattr(given, "words"):
            raise ConfigError(f"extra baseline {name!r} has to be a Baseline, not {type(given).__name__}.")
        if name in METHODS:
            raise ConfigError(f"extra baseline {name!r}: a packaged method already has this name; choose another one.")


def chosen_methods(config: ProbeConfig) -> Collection[str]:
    """Return the names of the methods that the settings ask for.

    Raises
    ------
    ConfigError
        For an unknown name; the message suggests the nearest one.
    """
    for name in config.methods:
        if name not in PROBED:
            near = difflib.get_close_matches(name, PROBED, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(PROBED)}."
            raise ConfigError(f"there is no method {name!r}. {hint}")
        if config.events is not None and name in OF_PEOPLE:
            raise ConfigError(f"--methods {name} says nothing of one block: with --events, leave it out.")
    named = set(config.methods)
    stacked = {TANGENT} if TANGENT_BOTH in named else set()
    return ALWAYS | named | stacked if named else PROBED if config.events is None else OF_BLOCKS


def check_memory(config: ProbeConfig, n_rois: int, rows: int, *, jobs: int = 1, training: int | None = None) -> None:
    """Say what memory features of so many recordings (or blocks), and models of them, will need; refuse too much.

    Parameters
    ----------
    jobs
        Processes that fit at once on this machine.
    training
        Bytes that trainings on the same splits need, beside what linear models of the features do; None = there are
        none.

    Raises
    ------
    MemoryShort
        When less is free.
    """
    if training is None:
        need_memory("probe", bytes_of(config, n_rois, rows, jobs), _LESS)
    else:
        need_memory("finetune", bytes_of(config, n_rois, rows, jobs) + training, "take a smaller --batch-size")


def feature_sets(study: Study) -> dict[str, FeatureSet]:
    """Make the feature sets that the settings ask for, and your own.

    A baseline for which the cohort has no data is left out, with a note. One of your own that predicts by itself has no
    features: it goes to ``Study.predictors``.

    Raises
    ------
    MemoryShort
        When the disk has no room for the large ones.
    """
    chosen = chosen_methods(study.config)
    builds = {name: build for name, build in BASELINES.items() if name in chosen}
    if study.work.folder is not None:
        remedy = "choose an --out with more room, or name fewer --methods"
        need_room("probe", _bytes_on_disk(study, builds), study.work.folder, remedy)
    sets: dict[str, FeatureSet] = {}
    for row, encoder in study.encoders.items():
        if row in chosen:
            sets |= _readouts(study, row, encoder)
    shown = Shown(
        cohort=study.cohort,
        people=study.people,
        spans=crop_spans(study.cohort, study.card.encoder, study.crops),
        seed=study.config.seed,
        n_jobs=study.work.n_jobs,
        folder=study.work.arrays,
    )
    builds |= {name: baseline.features for name, baseline in study.extra.items()}
    for name, build in builds.items():
        found = _built(name, build, shown)
        if isinstance(found, Method):
            study.predictors[name] = found
            continue
        if found is None and name in OPTIONAL and name not in study.config.methods:
            continue  # few atlases have the one, and a note says why there is no full band
        if found is None:
            study.notes.append(f"No {name} row: the cohort has no data for it ({study.words_of(name)}).")
        else:
            sets[name] = found
    if isinstance(tangent := sets.get(TANGENT), Tangent):
        study.notes.append(_shrinkage_words(tangent, study.plans))
    return sets


def _bytes_on_disk(study: Study, names: Collection[str]) -> int:
    """Count the bytes of the large tables, and of their rows in splits, which are files while a probe runs."""
    n_rois, rows = study.cohort.atlas.n_rois, len(study.cohort)
    pairs, squares = 4 * rows * n_rois * (n_rois - 1) // 2, 4 * rows * n_rois**2
    sizes = {FC: pairs, "fc_partial": pairs, FC_FULL: pairs, TANGENT: squares + pairs, TANGENT_FULL: squares + pairs}
    sizes["pca"] = 2 * squares
    kept_rows = sum(8 * len(plan.people) ** 2 * plan.again[0] for plan in study.plans if plan.again)
    return sum(size + kept_rows for name in names if (size := sizes.get(name, 0)) >= LARGE)


def bytes_of(config: ProbeConfig, n_rois: int, rows: int, jobs: int) -> int:
    """Count the bytes of all pairs of ROIs: of the methods that hold them, and, in double, of what each job fits.

    Tables larger than ``LARGE`` are in files, of which a block is read at a time.
    """
    edges = n_rois * (n_rois - 1) // 2
    held = sum(4 for name in chosen_methods(config) if name in (FC, "fc_partial", TANGENT, FC_FULL, TANGENT_FULL))
    in_memory = rows * edges * held if rows * edges * 4 < LARGE else 0
    each = (
        min(4 * rows * edges, LARGE_SCRATCH)
        + 3 * 4 * min(rows * edges, BLOCK)
        + 5 * 8 * rows * min(rows, edges + n_rois, config.components or rows)  # of fewer columns, themselves
    )
    if "reliability" in config.analyses:
        each = max(each, 2 * 2 * 4 * min(rows, MOST_COMPARED) * edges)  # both parts, while they are put together
    return int(in_memory + jobs * each + (jobs > 1) * jobs * WORKER)


def _shrinkage_words(tangent: Tangent, plans: Sequence[Plan]) -> str:
    """Say which shrinkage tangent FC has, and how it was chosen."""
    chosen = sorted({tangent.shrinkage(plan.people[train]) for plan in plans for train, _ in plan.splits})
    halfway = "halfway " if chosen == [0.5] else ""
    range_ = f"{chosen[0]:g}" if len(chosen) == 1 else f"{chosen[0]:g} to {chosen[-1]:g}"
    return (
        f"Tangent FC: correlation matrices are shrunk {halfway}towards the identity (share {range_}); the amount was "
        "chosen without labels, as the one that best predicts other frames of the training people."
    )


def _built(name: str, build: Build, shown: Shown) -> FeatureSet | Method | None:
    """Build a baseline's features; a table per recording is averaged over each person's recordings."""
    found = build(shown)
    if found is None or isinstance(found, FeatureSet | Method):
        return found
    if found.ndim != 2 or len(found) != len(shown):
        raise DataError(
            f"baseline {name!r} has to return one row per recording, [{len(shown)}, features], "
            f"but returned {list(found.shape)}."
        )
    size = (len(shown.people), found.shape[1])
    into = empty(size, shown.folder, f"{name}-people") if isinstance(found, np.memmap) else None
    return Fixed(kept(shown.people.average(found, into)))


def _readouts(study: Study, row: str, encoder: Encoder) -> dict[str, FeatureSet]:
    """Embed with every readout; the first keeps the row's name, and random weights have only that one."""
    names = study.readouts[: 1 if row == RANDOM else None]
    found = crops_of(study, encoder, names)
    rows = [row, *(f"{row}_{name}" for name in names[1:])]
    return {key: Fixed(study.people.average(found[name].mean(axis=1))) for key, name in zip(rows, names, strict=True)}


def crops_of(
    study: Study, encoder: Encoder, names: Sequence[Probed]
) -> dict[Probed, Float[ndarray, "recording crop feature"]]:
    """Embed every crop of every recording, or load what an earlier probe stored."""
    wanted: dict[Probed, Readout] = {name: "tokens" if name == "attention" else name for name in names}
    found = embed_stored(
        encoder,
        study.embedded,
        readouts=list(wanted.values()),
        crops=study.crops,
        device=study.device,
        folder=study.cache,
        progress=study.stages.step,
    )
    return {name: found[readout] for name, readout in wanted.items()}


def methods_for(study: Study, sets: Sets, plan: Plan) -> dict[str, Method]:
    """Make every method of the settings for one plan, and record its description in the study."""
    chosen = chosen_methods(study.config)
    methods = methods_from(sets_for(study, sets, plan), chosen) | study.predictors
    for place, readout in enumerate(study.readouts):
        name = f"encoder_{readout}" if place else ENCODER
        if readout == "attention" and name in sets:
            from semantoks.evaluate.models.attention import AttentionProbe

            methods[name] = AttentionProbe(sets[name], study.encoder.config.width)
    study.words |= {name: study.words_of(name) for name in (*PROBED, *study.extra) if name in methods}
    return methods


def sets_for(study: Study, sets: Sets, plan: Plan) -> dict[str, FeatureSet]:
    """Add the demographics, without the target itself; the site does not predict itself."""
    found = {name: features for name, features in sets.items() if name != SITE or plan.target.lower() != SITE}
    if "demographics" in chosen_methods(study.config):
        values = demographics(study.cohort, study.people, without=plan.target)
        if values is not None:
            found["demographics"] = Fixed(values)
    return found


def stacks_of(names: Collection[str]) -> dict[str, Method]:
    """Make the stacks whose parts are all there; they come after their parts."""
    return {name: Stacked(parts) for name, parts in STACKS.items() if set(parts) <= set(names)}


def methods_from(sets: Sets, chosen: Collection[str]) -> dict[str, Method]:
    """Make a linear model of every feature set, and the methods built on them."""
    methods: dict[str, Method] = {name: Linear(features) for name, features in sets.items()}
    methods |= stacks_of(sets)
    if FC in sets and "fc_svm" in chosen:
        methods["fc_svm"] = Svm(sets[FC])
    if ENCODER in sets and "encoder_knn" in chosen:
        methods["encoder_knn"] = Neighbours(sets[ENCODER])
    return methods
