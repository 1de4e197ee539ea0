"""What an encoder is worth for people that it never saw: unlabelled fit, labels and test kept apart by groups.

    python -m benchmarks.new_people cohort/ [--columns 128 256 512] [--ablate]
    python -m benchmarks.new_people cohort/ --run RECIPE --out runs/ [--seeds 0 1 2] [--steps N]
    python -m benchmarks.new_people visits/ --by participant_id --groups 2 --target

Sites (or people, ``--by participant_id``) are dealt into groups of about equal size. For each, all is made of the
people of all other groups, without labels: the reference of the tangent space, its principal components, encoders in
closed form (``--ablate``: and with one change each), and, with ``--run``, encoders that are pretrained by that recipe,
one per seed. Then a ridge (penalty by ten folds of the training people) is fitted to whole recordings of the others,
and predicts the people of the group: from their whole recordings, from 60 s and from 30 s at a random place.

Prints AUC (mean over the groups) or r (over everybody) with its 95 % interval over people, the intervals of its
differences from FC and from tangent FC, and how often people are found again: where they have several recordings, by
the whole of another one (of another session, if there is one); else by the second half, which is the easy case.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from benchmarks.box import Edges
from benchmarks.measure import show
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.stats import rankdata

from semantoks import Cohort, Encoder, EncoderConfig, load_recipe, pretrain
from semantoks.evaluate.baselines.connectivity import functional_connectivity
from semantoks.evaluate.study.people import people_of
from semantoks.evaluate.study.shown import Build, Shown
from semantoks.features.encode import embed_crops, open_encoder, own_readout
from semantoks.model.encoder import random_encoder
from semantoks.model.tokenizers.connectivity import ConnectivityConfig
from semantoks.signals.part import Part
from semantoks.statistics.identity import identification
from semantoks.train.closed_form import Recordings, mean_correlation, start_in_closed_form

FC, TANGENT = "FC", "FC, tangent"
SECONDS = (None, 60, 30)
ABLATIONS: dict[str, dict[str, Any]] = {
    "first order, no logarithm": {"log": False},
    "shrinkage 0.1": {"shrinkage": 0.1},
    "shrinkage 0.5": {"shrinkage": 0.5},
    "half the components": {"components": 7},
    "all components": {"components": 1000},
    "with a lag of 1 frame": {"lag": 1},
}
PENALTIES = np.logspace(-2, 6, 25)
Spans = Int[ndarray, "recording 2"]
Features = Float[ndarray, "recording feature"]
Method = Callable[[Spans], Features]


def deal(names: ndarray, count: int) -> Int[ndarray, " recording"]:
    """Deal sites (or people) into groups, the largest first, each to the smallest group so far."""
    size = np.zeros(count, dtype=int)
    group = {}
    sizes = pd.Series(names).value_counts().sort_index().sort_values(ascending=False, kind="stable")
    for name, recordings in sizes.items():
        group[name] = int(size.argmin())
        size[group[name]] += recordings
    return np.array([group[name] for name in names])


def draw_spans(cohort: Cohort) -> dict[str, Spans]:
    """Return whole recordings, pieces of their first halves, and both halves: (first frame, frames)."""
    frames = cohort.recordings["frames"].to_numpy()
    half, rng = frames // 2, np.random.default_rng(0)
    spans = {"whole": np.stack([0 * frames, frames], axis=1), "second": np.stack([half, frames - half], axis=1)}
    spans["half"] = np.stack([0 * frames, half], axis=1)
    for seconds in filter(None, SECONDS):
        count = np.minimum(round(seconds / cohort.tr), half)
        spans[f"{seconds}"] = np.stack([rng.integers(0, half - count + 1), count], axis=1)
    return spans


def visits(cohort: Cohort) -> tuple[Int[ndarray, " person"], Int[ndarray, " person"]] | None:
    """Return the first recordings of people who have several, and those by which they are to be found again."""
    first, other = [], []
    for _, own in cohort.recordings.reset_index(drop=True).groupby("participant_id"):
        apart = own[own["session_id"] != own["session_id"].iloc[0]]
        if len(own) > 1:
            first.append(own.index[0])
            other.append(apart.index[0] if len(apart) else own.index[1])
    return (np.array(first), np.array(other)) if first else None


def built(cohort: Cohort, build: Build) -> Method:
    """Return what a baseline of the probe makes of the pieces."""
    people = people_of(cohort)
    return lambda spans: build(Shown(cohort=cohort, people=people, spans=spans))


def encoded(cohort: Cohort, encoder: Encoder) -> Method:
    """Return what an encoder makes of the pieces."""
    readout = own_readout(encoder)

    def build(spans: Spans) -> Features:
        device = torch.device("cpu")
        found, _ = embed_crops(encoder, cohort, readouts=[readout], crops=None, device=device, spans=spans)
        return found[readout].mean(axis=1)

    return build


def principal(features: Method, whole: Spans, train: Int[ndarray, " recording"], columns: int) -> Method:
    """Return a method's features on their principal components over the training people."""
    rows = features(whole)[train]
    mean = rows.mean(axis=0)
    axes = np.linalg.svd(rows - mean, full_matrices=False)[2][:columns].T
    return lambda spans: (features(spans) - mean) @ axes


def closed_form(part: Cohort, width: int, **tokenizer: Any) -> Encoder:
    """Return the encoder in closed form of some people."""
    settings = ConnectivityConfig(**{"components": 14} | tokenizer)
    size = EncoderConfig(width=width, depth=0, norm=False, patch=100, tokenizer=settings)
    encoder = random_encoder(size, part.atlas.network_index, seed=0)
    start_in_closed_form(encoder, [part], 0.0)
    return encoder.eval()


def ridge(rows: Features, labels: Float[ndarray, "row target"], seed: int = 0) -> Callable[[Features], ndarray]:
    """Fit a ridge for each target, all features at one scale; its penalty is the best of ten folds."""
    if not labels.shape[1]:
        return lambda new: np.zeros((len(new), 0))
    centre, scale = rows.mean(axis=0), (rows - rows.mean(axis=0)).std()
    gram_rows = ((rows - centre) / scale).astype(np.float64)
    gram = gram_rows @ gram_rows.T / rows.shape[1]
    fold = np.random.default_rng(seed).permutation(len(rows)) % 10
    error = np.zeros((len(PENALTIES), labels.shape[1]))
    for k in range(10):
        inner, out = fold != k, fold == k
        for place, fitted in enumerate(_path(gram[np.ix_(inner, inner)], labels[inner])):
            error[place] += np.square(labels[out] - labels[inner].mean(axis=0) - gram[np.ix_(out, inner)] @ fitted).sum(
                0
            )
    best = error.argmin(axis=0)
    every = list(_path(gram, labels))
    dual = np.stack([every[place][:, target] for target, place in enumerate(best)], axis=1)
    weights = gram_rows.T @ dual / rows.shape[1]
    return lambda new: ((new - centre) / scale) @ weights + labels.mean(axis=0)


def _path(gram: ndarray, labels: ndarray) -> list[ndarray]:
    values, turned = np.linalg.eigh(gram)
    turned_labels = turned.T @ (labels - labels.mean(axis=0))
    return [turned @ (turned_labels / (values.clip(0) + penalty)[:, None]) for penalty in PENALTIES]


def score(predicted: ndarray, truth: ndarray, groups: ndarray, *, classes: bool) -> float:
    """Return the mean over groups of the AUC, weighted by people, or r over everybody."""
    if not classes:
        return float(np.corrcoef(predicted, truth)[0, 1])
    areas, weights = [], []
    for group in np.unique(groups):
        ranks, member = rankdata(predicted[groups == group]), truth[groups == group] > 0.5
        positive, negative = member.sum(), (~member).sum()
        if positive and negative:
            areas.append((ranks[member].sum() - positive * (positive + 1) / 2) / (positive * negative))
            weights.append(len(member))
    return float(np.average(areas, weights=weights))


def found_again(one: Features, other: Features) -> float:
    """Return how often the most similar row of the other half is the person's own, both ways."""
    unit = [part - part.mean(axis=0) for part in (one, other)]
    unit = [part / np.linalg.norm(part, axis=1, keepdims=True) for part in unit]
    return identification(unit[0] @ unit[1].T)


def read_labels(cohort: Cohort, targets: list[str]) -> tuple[Float[ndarray, "recording target"], list[bool]]:
    """Return numbers (log age; NaN = missing), and for each target whether it has two classes."""
    people = cohort.participants.drop_duplicates("participant_id").set_index("participant_id")
    people = people.loc[cohort.recordings["participant_id"]]
    labels, classes = np.zeros((len(people), len(targets))), []
    for place, target in enumerate(targets):
        given = people[target].mask(people[target].isin(["", "n/a"]))
        numbers = pd.to_numeric(given, errors="coerce")
        classes.append(bool(numbers.isna().sum() > given.isna().sum()) or numbers.nunique() == 2)
        codes = pd.Series(pd.factorize(given, sort=True)[0]).replace(-1, np.nan)
        labels[:, place] = codes if classes[-1] else np.log(numbers) if target == "age" else numbers
    return labels, classes


def methods_of(
    cohort: Cohort, train: Int[ndarray, " recording"], whole: Spans, given: argparse.Namespace, place: int
) -> dict[str, Method]:
    """Make everything of the other groups' people, without labels."""
    others = cohort.recordings["participant_id"].to_numpy()[train].tolist()
    part, share = Part(cohort, people=others), given.shrinkage
    reference = mean_correlation(Recordings([part], 0.0), lambda: None)
    tangent = built(cohort, Edges(reference, cohort.atlas.n_rois, share))
    methods = {FC: built(cohort, functional_connectivity), TANGENT: tangent}
    for columns in given.columns:
        methods[f"{TANGENT}, {columns} components"] = principal(tangent, whole, train, columns)
        methods[f"closed form, {columns}"] = encoded(cohort, closed_form(part, columns, shrinkage=share))
    for components in given.edges:
        edges = Edges(reference, components, share)
        methods[f"edges of {components} components of the mean"] = built(cohort, edges)
    for name, changed in (ABLATIONS if given.ablate else {}).items():
        methods[name] = encoded(cohort, closed_form(part, given.columns[-1], **{"shrinkage": share} | changed))
    for seed in given.seeds if given.run else ():
        run = given.out / f"seed-{seed}" / f"{place}"
        if not (run / "encoder" / "config.json").exists():
            recipe = load_recipe(given.run)
            recipe = replace(recipe, seed=seed, steps=given.steps or recipe.steps)
            pretrain([part], out=run, config=recipe, resume=(run / "run.json").exists())
        methods[f"pretrained, seed {seed}"] = encoded(cohort, open_encoder(run)[0])
    return methods


@dataclass
class Found:
    """What all groups together gave, for each method."""

    labels: Float[ndarray, "recording target"]
    predicted: dict[str, dict[str, ndarray]] = field(default_factory=dict)
    again: dict[str, list[list[float]]] = field(default_factory=dict)

    def add(self, name: str, test: ndarray, pieces: dict[str, ndarray]) -> None:
        """Keep the predictions of a group's people."""
        for piece, predictions in pieces.items():
            kept = self.predicted.setdefault(name, {}).setdefault(piece, np.zeros_like(self.labels))
            kept[test] = predictions


def judge(cohort: Cohort, groups: ndarray, labels: ndarray, given: argparse.Namespace) -> Found:
    """Go through the groups: make, fit, predict, and find again."""
    found, spans, names = Found(labels), draw_spans(cohort), ["whole", *map(str, filter(None, SECONDS))]
    pairs = visits(cohort)
    for group in range(given.groups):
        train, test = np.flatnonzero(groups != group), np.flatnonzero(groups == group)
        methods, mine = methods_of(cohort, train, spans["whole"], given, group), {}
        for name, build in methods.items():
            of = {piece: build(span) for piece, span in spans.items()}
            model = ridge(of["whole"][train], labels[train])
            mine[name] = {piece: model(of[piece][test]) for piece in names}
            if pairs is None:
                sides = [(of[piece][test], of["second"][test]) for piece in ("half", *names[1:])]
            else:
                first, other = (rows[np.isin(rows, test)] for rows in pairs)
                sides = [(of[piece][first], of["whole"][other]) for piece in names]
            found.again.setdefault(name, []).append([found_again(*both) for both in sides])
        for name in [m for m in methods if m.startswith(("closed form", "pretrained", "edges"))]:
            # beside tangent FC: the mean of both predictions, each of its own ridge
            mine[f"{TANGENT} + {name}"] = {p: (mine[name][p] + mine[TANGENT][p]) / 2 for p in names}
        for name, pieces in mine.items():
            found.add(name, test, pieces)
    return found


def report(found: Found, classes: list[bool], groups: ndarray, given: argparse.Namespace) -> None:
    """Print a table for each length: scores with intervals, and differences from both bars."""
    rng, labels = np.random.default_rng(0), found.labels
    everybody = np.arange(len(labels))
    draws = [everybody, *(rng.integers(0, len(labels), len(labels)) for _ in range(given.draws))]
    for number, piece in enumerate(found.predicted[FC]):

        def scores(predicted: ndarray) -> ndarray:
            each = [
                [score(predicted[d, t], labels[d, t], groups[d], classes=c) for t, c in enumerate(classes)]
                for d in draws
            ]
            return np.array(each).reshape(len(draws), len(classes))

        samples = {name: scores(of[piece]) for name, of in found.predicted.items()}
        rows = []
        for name, of in samples.items():
            cells = [f"{value:.3f} {_interval(of[1:, t], '.3f')}" for t, value in enumerate(of[0])]
            away = [[_interval((of - samples[bar])[1:, t], "+.3f") if name != bar else "" for bar in (FC, TANGENT)]
                    for t in range(len(classes))]  # fmt: skip
            rate = f"{np.mean([rates[number] for rates in found.again[name]]):.3f}" if name in found.again else ""
            rows.append([name, *(part for t, cell in enumerate(cells) for part in (cell, *away[t])), rate])
        title = "Whole recordings" if piece == "whole" else f"From {piece} s"
        heads = [head for target in given.target for head in (target, "less FC", "less tangent FC")]
        show(title, ["", *heads, "found again"], rows)


def _interval(draws: ndarray, digits: str) -> str:
    low, high = np.quantile(draws, [0.025, 0.975])
    return f"[{low:{digits}}, {high:{digits}}]"


def main() -> None:
    """Read what is asked, judge, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cohort", type=Path)
    parser.add_argument("--columns", nargs="+", type=int, default=[128, 256, 512])
    parser.add_argument("--edges", nargs="+", type=int, default=[], help="components of encoders like those in the box")
    parser.add_argument("--ablate", action="store_true", help="the last of --columns with one setting changed, too")
    parser.add_argument("--run", help="a recipe to pretrain by, beside the closed form")
    parser.add_argument("--out", type=Path, help="where those runs are kept")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--steps", type=int, help="instead of the recipe's")
    parser.add_argument("--target", nargs="*", default=["sex", "dx", "age"])
    parser.add_argument("--by", choices=["site", "participant_id"], default="site", help="what is dealt into groups")
    parser.add_argument("--groups", type=int, default=5)
    parser.add_argument("--draws", type=int, default=2000, help="of people, for the intervals")
    parser.add_argument("--shrinkage", type=float, default=0.3)
    given = parser.parse_args()
    if given.run and not given.out:
        parser.error("--run needs --out, the folder of its runs")
    cohort = Cohort(given.cohort)
    known = ~np.isnan(read_labels(cohort, given.target)[0]).any(axis=1)
    cohort = Part(cohort, people=cohort.recordings["participant_id"][known].tolist())
    labels, classes = read_labels(cohort, given.target)
    groups = deal(cohort.recordings[given.by].to_numpy(), given.groups)
    report(judge(cohort, groups, labels, given), classes, groups, given)


if __name__ == "__main__":
    main()
