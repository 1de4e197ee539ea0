"""How well each network alone predicts a target: bars of scores, and the brain shaded by them."""

from math import nan

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from semantoks.reporting.content import Block, Bullets, Card, Cell, Figure, Figures, Folded, Item, Table, Words
from semantoks.reporting.figures.brain import draw_brain
from semantoks.reporting.figures.scores import Estimate, chance_marks, draw_bars
from semantoks.reporting.run.evaluation import Evaluation, chance_of
from semantoks.reporting.run.folder import Atlas
from semantoks.reporting.wording import listed, mean_sd, metric_words, score
from semantoks.statistics.methods import method_look, method_name
from semantoks.statistics.spread import differ
from semantoks.statistics.tables import MAIN, METRICS

MOST_BARS = 20
NOISE = "The networks do not differ by more than noise"


def networks(evaluation: Evaluation, atlas: Atlas | None) -> list[Block]:
    """Lay out one card per target that was scored from single networks."""
    targets = evaluation.targets("network")
    if not targets:
        return [Words("Single networks were not scored.")]
    blocks: list[Block] = [
        Words(
            "The encoder sees one network at a time; all others are hidden. A high bar says that this network alone "
            "predicts the target, not that the others do not."
        )
    ]
    if atlas is None:
        blocks.append(Words("No brain is drawn: the run's encoder has no coordinates of its ROIs.", tone="quiet"))
    elif len(known := np.isfinite(atlas.centroids).all(axis=1)) and not known.all():
        many = f"{int((~known).sum())} of {len(known)}" if known.any() else "all"
        blocks.append(
            Words(f"The coordinates of {many} ROIs are not known; they are not drawn on the brain.", tone="quiet")
        )
    blocks.append(Bullets([Item(_in_short(evaluation, target), lead=f"{target}: ") for target in targets]))
    return [
        *blocks,
        *(Folded(f"{target}, network by network", [_card(evaluation, atlas, target)]) for target in targets),
    ]


def _in_short(evaluation: Evaluation, target: str) -> str:
    """Name the network that alone scores highest, or say that their differences are noise."""
    metric, subject = MAIN[evaluation.kind(target, "network")], evaluation.subject
    names = evaluation.conditions("network", target)
    found = {n: s for n in names if (s := evaluation.over_splits("network", n, target, subject, metric))}
    if not found:
        return f"not scored from the {method_name(subject)}."
    best = max(found, key=lambda name: found[name].mean)
    ties = [name for name in found if score(found[name].mean, metric) == score(found[best].mean, metric)]
    of_best = mean_sd(found[best].mean, found[best].sd if len(ties) == 1 else nan, metric)
    highest = "alone scores highest" if len(ties) == 1 else "each alone score highest"
    words = f"{listed(ties)} {highest}, {metric_words(metric)} {of_best}"
    beyond = _beyond_noise(evaluation, target, metric)
    if beyond is None:
        return f"{words}; whether networks differ by more than noise cannot be told."
    return f"{words}." if beyond else f"{NOISE} ({words})."


def _beyond_noise(evaluation: Evaluation, target: str, metric: str) -> bool | None:
    """Return whether the networks' scores differ by more than noise; None where that cannot be told."""
    rows = evaluation.scores
    rows = rows[(rows["analysis"] == "network") & (rows["target"] == target) & (rows["method"] == evaluation.subject)]
    each = rows.pivot_table(index="split", columns="condition", values=metric).to_numpy(float)
    return differ(each, float(rows["n_train"].mean()), float(rows["n_test"].mean())) if each.size else None


def _card(evaluation: Evaluation, atlas: Atlas | None, target: str) -> Card:
    metric = MAIN[evaluation.kind(target, "network")]
    methods, names = evaluation.methods("network", target), evaluation.conditions("network", target)
    found = {(n, m): evaluation.over_splits("network", n, target, m, metric) for n in names for m in methods}
    scores = {n: one.mean for n in names if (one := found.get((n, evaluation.subject)))}
    ranked = sorted(names, key=lambda n: -scores.get(n, -np.inf))
    rows = [
        (
            name,
            [
                Estimate(
                    name=method_name(m),
                    value=one.mean,
                    low=one.mean - one.sd,
                    high=one.mean + one.sd,
                    look=method_look(m),
                )
                for m in methods
                if (one := found[name, m]) is not None
            ],
        )
        for name in ranked[:MOST_BARS]
    ]
    marks = chance_marks(chance_of(metric, evaluation.classes(target)))
    bars = draw_bars(
        f"{evaluation.key} network {target}", "Score from each network alone", METRICS[metric], rows, marks
    )
    caption = "Mean over splits; thin lines: ± one standard deviation over splits." + (
        f" The best {MOST_BARS} of {len(names)} networks." if len(names) > MOST_BARS else ""
    )
    figures = [Figure(bars, caption)]
    if atlas is not None and scores and _placed(atlas, scores):
        key = f"{evaluation.key} brain {target}"
        shaded = _beyond_noise(evaluation, target, metric) is not False
        title = f"On the brain: {METRICS[metric]}"
        brain = draw_brain(key, title, atlas.centroids, atlas.networks, scores, shaded=shaded)
        words = "One dot per ROI, shaded by the encoder's score from its network." if shaded else "One dot per ROI."
        figures.append(Figure(brain, words))
    table = Table(
        label=f"{target} by network",
        caption=f"{target}: {metric_words(metric)} from one network, mean ± standard deviation over splits.",
        columns=("Network", *map(method_name, methods)),
        rows=[
            (Cell(n), *(Cell(mean_sd(one.mean, one.sd, metric) if (one := found[n, m]) else "") for m in methods))
            for n in ranked
        ],
    )
    return Card(title=target, blocks=[Figures(figures), Folded("The numbers behind the bars", [table])])


def _placed(atlas: Atlas, scores: dict[str, float]) -> bool:
    """Return whether any ROI of a scored network has known coordinates."""
    places: Float[ndarray, "roi 3"] = atlas.centroids
    return any(np.isfinite(place).all() for place, name in zip(places, atlas.networks, strict=True) if name in scores)
