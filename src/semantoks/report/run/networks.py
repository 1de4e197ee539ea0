"""What each network alone says of a target: bars of scores, and the brain shaded by them."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from semantoks.report.content import Block, Card, Cell, Figure, Figures, Folded, Table, Words
from semantoks.report.figures.brain import draw_brain
from semantoks.report.figures.scores import Estimate, Mark, draw_bars
from semantoks.report.run.evaluation import Evaluation
from semantoks.report.run.folder import Atlas
from semantoks.report.run.targets import chance_of
from semantoks.report.wording import metric_words, spread
from semantoks.statistics.methods import method_look, method_name
from semantoks.statistics.tables import MAIN, METRICS

MOST_BARS = 20


def networks(evaluation: Evaluation, atlas: Atlas | None) -> list[Block]:
    """Lay out a card for each target whose score was asked of single networks."""
    targets = evaluation.targets("network")
    if not targets:
        return [Words("Single networks were not scored.")]
    blocks: list[Block] = [
        Words(
            "The encoder is shown one network at a time, all others hidden. A high bar says that this network alone "
            "tells the target; it does not say that the others do not."
        )
    ]
    if atlas is None:
        blocks.append(Words("The brain is not drawn: the run's encoder does not say where its ROIs lie.", tone="quiet"))
    elif len(known := np.isfinite(atlas.centroids).all(axis=1)) and not known.all():
        many = f"{int((~known).sum())} of {len(known)}" if known.any() else "all"
        blocks.append(Words(f"The place of {many} ROIs is not known; these are not drawn on the brain.", tone="quiet"))
    return [*blocks, *(_card(evaluation, atlas, target) for target in targets)]


def _card(evaluation: Evaluation, atlas: Atlas | None, target: str) -> Card:
    metric = MAIN[evaluation.kind(target, "network")]
    methods, names = evaluation.methods("network", target), evaluation.conditions("network", target)
    found = {(n, m): evaluation.spread("network", n, target, m, metric) for n in names for m in methods}
    scores = {n: one.mean for n in names if (one := found.get((n, evaluation.subject)))}
    ranked = sorted(names, key=lambda n: -scores.get(n, -np.inf))
    rows = [
        (
            name,
            [
                Estimate(name=method_name(m), value=one.mean, look=method_look(m))
                for m in methods
                if (one := found[name, m]) is not None
            ],
        )
        for name in ranked[:MOST_BARS]
    ]
    chance = chance_of(metric, evaluation.classes(target))
    marks = [Mark(name="chance", value=chance)] if chance is not None else []
    bars = draw_bars(
        f"{evaluation.key} network {target}", "Score from each network alone", METRICS[metric], rows, marks
    )
    caption = "Mean over splits." + (
        f" The best {MOST_BARS} of {len(names)} networks." if len(names) > MOST_BARS else ""
    )
    figures = [Figure(bars, caption)]
    if atlas is not None and scores and _placed(atlas, scores):
        key = f"{evaluation.key} brain {target}"
        brain = draw_brain(key, f"On the brain: {METRICS[metric]}", atlas.centroids, atlas.networks, scores)
        figures.append(Figure(brain, "A dot an ROI, shaded by the encoder's score from its network."))
    table = Table(
        label=f"{target} by network",
        caption=f"{target}: {metric_words(metric)} from one network, mean ± standard deviation over splits.",
        columns=("Network", *map(method_name, methods)),
        rows=[
            (Cell(n), *(Cell(spread(one.mean, one.sd, metric) if (one := found[n, m]) else "") for m in methods))
            for n in ranked
        ],
    )
    return Card(title=target, blocks=[Figures(figures), Folded("The numbers behind the bars", [table])])


def _placed(atlas: Atlas, scores: dict[str, float]) -> bool:
    """Say whether any ROI of a scored network has a known place."""
    places: Float[ndarray, "roi 3"] = atlas.centroids
    return any(np.isfinite(place).all() for place, name in zip(places, atlas.networks, strict=True) if name in scores)
