"""The three protocols by name: nested cross-validation, the paper's probe, and that of the Brainmarks benchmark."""

from collections.abc import Mapping

from semantoks.evaluate.baselines.recorded import random_encoder
from semantoks.evaluate.methods import crops_of, methods_for, sets_for
from semantoks.evaluate.models.brainmarks import LogisticCV
from semantoks.evaluate.models.paper import paper_probes
from semantoks.evaluate.study.crossval import Results, cross_validate
from semantoks.evaluate.study.people import first_repeats
from semantoks.evaluate.study.study import Study
from semantoks.evaluate.study.tasks import FeatureSet, Method
from semantoks.statistics.methods import METHODS


def run_protocol(study: Study, sets: Mapping[str, FeatureSet]) -> Results:
    """Score every method on every target by the protocol of the settings."""
    return {"nested": _nested, "paper": _paper, "brainmarks": _brainmarks}[study.config.protocol](study, sets)


def _nested(study: Study, sets: Mapping[str, FeatureSet]) -> Results:
    results = Results()
    tick = study.stages.ticks(sum(len(plan.splits) for plan in study.plans))
    for plan in study.plans:
        methods = methods_for(study, sets, plan)
        often = {
            name: method for name, method in methods.items() if not METHODS[name].costly or name in study.config.methods
        }
        once = first_repeats(plan, study.config)
        for part, asked, first in ((once, methods, 0), (plan, often, len(once.splits))):
            results.add(
                cross_validate(part, asked, seed=study.config.seed, first=first, n_jobs=study.n_jobs, tick=tick)
            )
    return results


def _paper(study: Study, sets: Mapping[str, FeatureSet]) -> Results:
    """Train the paper's probe on the crops of both encoders at once; the baselines use both training sides."""
    results, config = Results(), study.config
    encoders = {"encoder": study.encoder, "random_weights": random_encoder(study.card)}
    readout = config.readouts[0]
    crops = {name: crops_of(study, encoder, [readout])[readout] for name, encoder in encoders.items() if name in sets}
    trained = paper_probes(crops, study.people.owner, study.plans, seed=config.seed, device=study.device)
    tick = study.stages.ticks(sum(len(plan.splits) for plan in study.plans))
    for plan in study.plans:
        methods = methods_for(study, sets, plan) | trained[plan.target]
        results.add(cross_validate(plan, methods, seed=config.seed, n_jobs=study.n_jobs, tick=tick))
    return results


def _brainmarks(study: Study, sets: Mapping[str, FeatureSet]) -> Results:
    """Give every feature set the benchmark's classifier."""
    results = Results()
    tick = study.stages.ticks(sum(len(plan.splits) for plan in study.plans))
    for plan in study.plans:
        methods: dict[str, Method] = methods_for(study, sets, plan)
        methods |= {name: LogisticCV(features) for name, features in sets_for(study, sets, plan).items()}
        asked = {
            name: method for name, method in methods.items() if not METHODS[name].costly or name in study.config.methods
        }
        results.add(cross_validate(plan, asked, seed=study.config.seed, n_jobs=study.n_jobs, tick=tick))
    return results
