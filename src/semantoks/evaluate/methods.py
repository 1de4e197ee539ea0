"""The methods of a probe: the encoder's readouts and every baseline, by name, with words for the reader."""

import difflib
from collections.abc import Callable, Collection, Mapping, Sequence

from jaxtyping import Float
from numpy import ndarray

from semantoks.errors import ConfigError
from semantoks.evaluate.baselines import recorded
from semantoks.evaluate.baselines.components import principal_components
from semantoks.evaluate.baselines.connectivity import functional_connectivity, partial_correlation, tangent_space
from semantoks.evaluate.baselines.shown import crop_spans
from semantoks.evaluate.baselines.spectra import network_spectra
from semantoks.evaluate.models.predictors import Fixed, Linear, Neighbours, Stacked, Svm
from semantoks.evaluate.settings import Probed
from semantoks.evaluate.study.study import Study
from semantoks.evaluate.study.tasks import FeatureSet, Method, Plan
from semantoks.features.encode import Readout
from semantoks.features.stored import embed_stored
from semantoks.model.encoder import Encoder
from semantoks.statistics.methods import BOTH, ENCODER, FC, METHODS, PROBED

ALWAYS = frozenset({ENCODER, FC, BOTH})
Sets = dict[str, FeatureSet]


def chosen_methods(study: Study) -> Collection[str]:
    """Return the names of the rows that the settings ask for.

    Raises
    ------
    ConfigError
        For a name that is none; the nearest one is given.
    """
    for name in study.config.methods:
        if name not in PROBED:
            near = difflib.get_close_matches(name, PROBED, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(PROBED)}."
            raise ConfigError(f"there is no method {name!r}. {hint}")
    return ALWAYS | set(study.config.methods) if study.config.methods else PROBED


def feature_sets(study: Study) -> Sets:
    """Make the feature sets that the settings name; what depends on the target (demographics) comes with its plan.

    A baseline for which the cohort has nothing is left out, with a note.
    """
    chosen = chosen_methods(study)
    sets: Sets = {}
    for row, encoder in (("encoder", study.encoder), ("random_weights", recorded.random_encoder(study.card))):
        if row in chosen:
            sets |= _readouts(study, row, encoder)
    cohort, people, jobs = study.cohort, study.people, study.n_jobs
    shown = crop_spans(cohort, study.card.encoder.frames, study.config.crops)
    tables: dict[str, Callable[[], ndarray | None]] = {
        "fc": lambda: functional_connectivity(cohort, shown),
        "fc_partial": lambda: partial_correlation(cohort, shown, n_jobs=jobs),
        "roi": lambda: recorded.roi_moments(cohort),
        "spectra": lambda: network_spectra(cohort, shown),
        "motion": lambda: recorded.motion(cohort),
    }
    for name, table in tables.items():
        if name in chosen:
            values = table()
            if values is None:
                study.notes.append(f"No {name} row: the cohort holds nothing for it ({METHODS[name].words}).")
            else:
                sets[name] = Fixed(people.average(values))
    if "fc_tangent" in chosen:
        sets["fc_tangent"] = tangent_space(cohort, people, shown, seed=study.config.seed, n_jobs=jobs)
    if "pca" in chosen:
        sets["pca"] = principal_components(cohort, people, shown)
    return sets


def _readouts(study: Study, row: str, encoder: Encoder) -> Sets:
    """Embed with every readout; the first one carries the row's own name, random weights have no other."""
    names = study.config.readouts[: 1 if row == "random_weights" else None]
    found = crops_of(study, encoder, names)
    rows = [row, *(f"{row}_{name}" for name in names[1:])]
    return {key: Fixed(study.people.average(found[name].mean(axis=1))) for key, name in zip(rows, names, strict=True)}


def crops_of(
    study: Study, encoder: Encoder, names: Sequence[Probed]
) -> dict[Probed, Float[ndarray, "recording crop feature"]]:
    """Embed every crop of every recording, or take what an earlier probe has kept."""
    wanted: dict[Probed, Readout] = {name: "tokens" if name == "attention" else name for name in names}
    found = embed_stored(
        encoder,
        study.cohort,
        readouts=list(wanted.values()),
        crops=study.config.crops,
        device=study.device,
        folder=study.cache,
        progress=study.stages.step,
    )
    return {name: found[readout] for name, readout in wanted.items()}


def methods_for(study: Study, sets: Mapping[str, FeatureSet], plan: Plan) -> dict[str, Method]:
    """Make every method of the settings for one plan, and write down what they are."""
    chosen = chosen_methods(study)
    methods = methods_from(sets_for(study, sets, plan), chosen)
    for place, readout in enumerate(study.config.readouts):
        name = f"encoder_{readout}" if place else "encoder"
        if readout == "attention" and name in sets:
            from semantoks.evaluate.models.attention import AttentionProbe

            methods[name] = AttentionProbe(sets[name], study.encoder.config.width)
    study.words |= {name: METHODS[name].words for name in PROBED if name in methods}
    return methods


def sets_for(study: Study, sets: Mapping[str, FeatureSet], plan: Plan) -> Sets:
    """Add the demographics without the target itself."""
    found = dict(sets)
    if "demographics" in chosen_methods(study):
        values = recorded.demographics(study.cohort, study.people, without=plan.target)
        if values is not None:
            found["demographics"] = Fixed(values)
    return found


def methods_from(sets: Mapping[str, FeatureSet], chosen: Collection[str]) -> dict[str, Method]:
    """Make a linear model of every feature set, and the methods that are made of these."""
    methods: dict[str, Method] = {name: Linear(features) for name, features in sets.items()}
    if "encoder" in sets and "fc" in sets:
        methods["fc+encoder"] = Stacked(("fc", "encoder"))
    if "fc" in sets and "fc_svm" in chosen:
        methods["fc_svm"] = Svm(sets["fc"])
    if "encoder" in sets and "encoder_knn" in chosen:
        methods["encoder_knn"] = Neighbours(sets["encoder"])
    return methods
