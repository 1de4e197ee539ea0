"""The protocols, one line each, and how to run one: nested cross-validation, the paper's probe, Brainmarks."""

from collections.abc import Mapping

from semantoks.evaluate.methods import chosen_methods, crops_of, methods_for, sets_for
from semantoks.evaluate.models.brainmarks import BINS, LogisticCV, brainmarks_splits
from semantoks.evaluate.models.paper import paper_probes, paper_splits
from semantoks.evaluate.models.sgd_probe import SgdRecipe
from semantoks.evaluate.study.crossval import cross_validate_all
from semantoks.evaluate.study.study import Protocol, Sets, Study
from semantoks.evaluate.study.tasks import Method
from semantoks.evaluate.study.work import Results
from semantoks.statistics.methods import COSTLY

Special = Mapping[str, Mapping[str, Method]]
"""target -> name -> the method that replaces the linear model."""


def run_protocol(study: Study, sets: Sets) -> Results:
    """Score every method on every target by the protocol of the study."""
    protocol, config = study.protocol, study.config
    special = protocol.methods(study, sets) if protocol.methods else {}
    tick = study.stages.ticks(sum(len(plan.splits) for plan in study.plans))
    plans = []
    for plan in study.plans:
        methods = methods_for(study, sets, plan) | dict(special.get(plan.target, {}))
        if protocol.costly == "if named":
            named = chosen_methods(config) if config.methods else ()
            methods = {name: method for name, method in methods.items() if name not in COSTLY or name in named}
        plans.append((plan, methods))
    return cross_validate_all(plans, seed=config.seed, work=study.work, tick=tick)


def _paper_methods(study: Study, sets: Sets) -> Special:
    """Train the paper's probe on the crops of both encoders; baselines train on its training and validation people."""
    readout = study.readouts[0]
    shown = {name: encoder for name, encoder in study.encoders.items() if name in sets}
    crops = {name: crops_of(study, encoder, [readout])[readout] for name, encoder in shown.items()}
    recipe = SgdRecipe(seed=study.config.seed, device=study.device)
    return paper_probes(crops, study.people.owner, study.plans, recipe)


def _brainmarks_methods(study: Study, sets: Sets) -> Special:
    """Give every feature set the benchmark's classifier."""
    return {
        plan.target: {name: LogisticCV(features) for name, features in sets_for(study, sets, plan).items()}
        for plan in study.plans
    }


PROTOCOLS: Mapping[str, Protocol] = {
    "nested": Protocol(repeats=5, analyses=True),
    "paper": Protocol(repeats=10, splits=paper_splits, methods=_paper_methods),
    "brainmarks": Protocol(
        repeats=100, splits=brainmarks_splits, methods=_brainmarks_methods, costly="if named", bins=BINS
    ),
}
"""Protocols by the name passed to ``--protocol``."""
