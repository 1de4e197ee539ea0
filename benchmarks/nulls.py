"""Do the p-values and verdicts of ``semantoks probe`` mean what they say? Simulated people whose answers are known.

    python -m benchmarks.nulls [--runs 200] [--figure docs/figures/nulls.svg]

1. Labels that have nothing to do with the features: p-values should be uniform or larger, and scores at chance. Three
   runs in ten predict two classes (five folds), the others a value (five folds, twice); 80 people, 60 features. The
   permutation null, which is cheap, gets five times as many runs, the first of them of the same people.
   "encoder" and "fc" are two feature sets of noise. Twins are 40 pairs who share features and label.
   "Overlap ignored" is the paired permutation with an overlap of 0: why ``statistics.tested.overlap`` is there.
2. A planted effect of growing size: how often is it found, and how often is the encoder called better than an "fc" of
   noise?
3. Labels that are head motion, with features that are motion: what stays after the confound is regressed out, and does
   the partial confounder test reject? Beside them, features that hold the label and no motion.

KS: the Kolmogorov-Smirnov distance of the p-values' distribution from the uniform one, its p, and the p against the
one-sided alternative that p-values are too small (a test that is on the safe side fails the first, never the second).
"""

import argparse
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from benchmarks.measure import show
from benchmarks.nulls_figure import ALPHA, draw
from scipy.stats import kstest

from semantoks.evaluate.analyses.confounds import confound_tests
from semantoks.evaluate.analyses.deconfounded import LinearWithout
from semantoks.evaluate.analyses.run import null_scores
from semantoks.evaluate.models.predictors import Fixed, Linear
from semantoks.evaluate.study.crossval import cross_validate
from semantoks.evaluate.study.splits import split_people
from semantoks.evaluate.study.tasks import FeatureSet, Plan
from semantoks.statistics.paired import paired_permutation, unit_contributions
from semantoks.statistics.summary import summarise
from semantoks.statistics.tables import MAIN, TargetKind
from semantoks.statistics.tested import held_out

PEOPLE, FEATURES, FOLDS = 80, 60, 5
REPEATS = {"class": 1, "value": 2}
PERMUTATIONS, FLIPS = 199, 999
EFFECTS = (0.0, 0.03, 0.06, 0.09, 0.12, 0.15, 0.2)
KINDS: tuple[TargetKind, ...] = ("class", "value")
CHANCE = {"class": 0.5, "value": 0.0}


def plan_of(kind: TargetKind, labels: np.ndarray, groups: np.ndarray, seed: int, repeats: int = 1) -> Plan:
    """Split the people five ways."""
    splits = split_people(labels, groups, kind=kind, folds=FOLDS, repeats=repeats, seed=seed, inner=3)
    people = np.arange(len(labels))
    return Plan(target="t", kind=kind, people=people, labels=labels, groups=groups, splits=tuple(splits))


def labels_of(kind: TargetKind, hidden: np.ndarray) -> np.ndarray:
    """Turn a normal variable into a label: itself, or two classes of equal size."""
    return np.where(hidden > np.median(hidden), "b", "a") if kind == "class" else hidden


def noise(rng: np.random.Generator, people: int = PEOPLE) -> np.ndarray:
    """Features that know nothing."""
    return rng.normal(size=(people, FEATURES))


def evaluate(plan: Plan, sets: Mapping[str, FeatureSet], seed: int, *, null: bool = True) -> pd.DataFrame:
    """Cross-validate, test against the permutation null (or not), summarise: as the probe does, by method.

    ``p_flip_alone`` is the paired permutation without regard to the overlap of training and test sides.
    """
    found = cross_validate(plan, {name: Linear(features) for name, features in sets.items()}, seed=seed)
    if null:
        once = replace(plan, splits=plan.splits[:FOLDS])
        found.scores.extend(null_scores([(once, sets)], permutations=PERMUTATIONS, seed=seed))
    scores, predictions = found.tables()
    table = summarise(scores, predictions, samples=200, flips=FLIPS, seed=seed).set_index("method")
    parts = unit_contributions(held_out(predictions, list(sets)), MAIN[plan.kind], list(sets).index("fc"))
    alone = paired_permutation(parts, overlap=0.0, flips=FLIPS, rng=np.random.default_rng(seed))
    return table.assign(p_flip_alone=pd.Series(alone, index=list(sets)))


def people_without(seed: int) -> tuple[TargetKind, Plan, dict[str, FeatureSet]]:
    """Simulate labels, and two feature sets that know nothing of them."""
    rng, kind = np.random.default_rng([1, seed]), KINDS[seed % 10 > 2]
    labels, groups = labels_of(kind, rng.normal(size=PEOPLE)), np.arange(PEOPLE)
    plan = plan_of(kind, labels, groups, seed, REPEATS[kind])
    return kind, plan, {"encoder": Fixed(noise(rng)), "fc": Fixed(noise(rng))}


def without_effect(runs: int) -> pd.DataFrame:
    """Evaluate two sets of noise on labels of noise; a row a run."""
    rows = []
    for seed in range(runs):
        kind, plan, sets = people_without(seed)
        table = evaluate(plan, sets, seed, null=False)
        encoder = table.loc["encoder"]
        row = {"kind": kind, **encoder[["p_t", "p_flip", "p_flip_alone", "p", "verdict", "mean"]]}
        covered = encoder["diff_low"] <= 0 <= encoder["diff_high"]
        rows.append({**row, "fc": table.loc["fc", "mean"], "covered": covered})
    return pd.DataFrame(rows)


def permuted(runs: int) -> pd.DataFrame:
    """Permutation nulls of the same two sets, and of more such people; a row a run and set."""
    rows = []
    for seed in range(runs):
        kind, plan, sets = people_without(seed)
        once = replace(plan, splits=plan.splits[:FOLDS])
        for found in null_scores([(once, sets)], permutations=PERMUTATIONS, seed=seed):
            rows.append({"kind": kind, "method": found["method"], "p": found["p"], "mean": found[MAIN[kind]]})
    return pd.DataFrame(rows)


def twins(runs: int) -> pd.DataFrame:
    """Permutation nulls of pairs who share label and features: moved as blocks, and as if they were strangers."""
    rows = []
    for seed in range(runs):
        rng = np.random.default_rng([2, seed])
        groups = np.repeat(np.arange(PEOPLE // 2), 2)
        labels = rng.normal(size=PEOPLE // 2)[groups] + 0.3 * rng.normal(size=PEOPLE)
        features = Fixed(noise(rng, PEOPLE // 2)[groups] + 0.3 * noise(rng))
        plan = plan_of("value", labels, groups, seed)
        row = {}
        for name, known in (("as blocks", plan), ("as strangers", replace(plan, groups=np.arange(PEOPLE)))):
            row[name] = null_scores([(known, {"encoder": features})], permutations=PERMUTATIONS, seed=seed)[0]["p"]
        rows.append(row)
    return pd.DataFrame(rows)


def with_effect(runs: int) -> pd.DataFrame:
    """Plant a value into the encoder's features, more and more of it; a row a size: shares of runs that find it."""
    rows = []
    for effect in EFFECTS:
        found = []
        for seed in range(runs):
            rng = np.random.default_rng([3, seed])  # the same people at every size
            hidden = rng.normal(size=PEOPLE)
            encoder = noise(rng) + effect * hidden[:, None] * rng.choice([-1, 1], FEATURES)
            plan = plan_of("value", hidden, np.arange(PEOPLE), seed)
            table = evaluate(plan, {"encoder": Fixed(encoder), "fc": Fixed(noise(rng))}, seed)
            found.append({**table.loc["encoder", ["p_null", "p_t", "p_flip", "verdict", "mean"]]})
        each = pd.DataFrame(found)
        shares = {name: float((each[name] < ALPHA).mean()) for name in ("p_null", "p_t", "p_flip")}
        verdicts = {
            "higher": float((each["verdict"] == "higher").mean()),
            "lower": float((each["verdict"] == "lower").mean()),
        }
        rows.append({"effect": effect, "r": float(each["mean"].mean()), **shares, **verdicts})
    return pd.DataFrame(rows)


CASES = {
    "label: motion; features: motion": (1.0, True),
    "label: motion; features: label": (1.0, False),
    "label: no motion; features: label": (0.0, False),
}
"""How much of motion is in the label, and whether motion, not the label, is what the features hold."""


def people_who_move(share: float, hold_motion: bool, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Simulate motion, labels of two classes, and features."""
    motion, own = rng.normal(size=(2, 2 * PEOPLE))
    labels = labels_of("class", share * motion + 0.6 * own)
    source = motion if hold_motion else np.where(labels == "b", 1, -1)
    return motion, labels, noise(rng, 2 * PEOPLE) + 0.3 * source[:, None] * rng.choice([-1, 1], FEATURES)


def with_motion(runs: int) -> pd.DataFrame:
    """Predict two classes in each case; a row a run: scores with and without motion, and the confounder test."""
    rows = []
    for case, (share, hold_motion) in CASES.items():
        for seed in range(runs):
            rng = np.random.default_rng([4, seed])
            motion, labels, features = people_who_move(share, hold_motion, rng)
            plan = plan_of("class", labels, np.arange(len(labels)), seed)
            known = Fixed(features)
            methods = {"features": Linear(known), "deconfounded": LinearWithout(known, motion[:, None])}
            found = cross_validate(plan, methods, seed=seed)
            scores, predictions = found.tables()
            row: dict[str, Any] = scores.groupby("method")["balanced_accuracy"].mean().to_dict()
            table, groups = pd.DataFrame({"motion": motion}), np.arange(len(labels))
            tests = confound_tests(predictions, table, ["motion"], groups, permutations=PERMUTATIONS, seed=seed)
            row |= {"p " + each["method"]: each["p"] for each in tests}
            rows.append({"case": case, **row})
    return pd.DataFrame(rows)


def uniformity(name: str, p: pd.Series) -> list[str]:
    """Say in a row how far p-values are from uniform."""
    values = p.to_numpy(float)
    both, small = kstest(values, "uniform"), kstest(values, "uniform", alternative="greater")
    share = f"{np.mean(values <= ALPHA):.3f}"
    return [name, str(len(values)), f"{values.mean():.3f}", share, *(f"{x:.3f}" for x in (*both[:2], small.pvalue))]


def score_row(kind: str, method: str, means: pd.Series) -> list[str]:
    """Say in a row how far a method's mean score over runs is from chance."""
    error = means.std(ddof=1) / np.sqrt(len(means))
    away = (means.mean() - CHANCE[kind]) / error
    return [kind, method, f"{CHANCE[kind]:.2f}", f"{means.mean():.3f}", f"{error:.3f}", f"{away:+.1f}"]


def tell_without_effect(null: pd.DataFrame, dealt: pd.DataFrame, pairs: pd.DataFrame) -> None:
    """Print the tables of runs in which there is nothing to find."""
    names = {
        "p_t": "corrected t, encoder - fc",
        "p_flip": "paired permutation, encoder - fc",
        "p_flip_alone": "… overlap ignored",
        "p": "the larger of both",
    }
    header = ["p-values without an effect", "runs", "mean", f"<= {ALPHA}", "KS", "p of KS", "p, too small"]
    rows = [
        uniformity(f"permutation null, {name}", dealt.loc[dealt[by] == name, "p"])
        for by, names in (("method", ("encoder", "fc")), ("kind", KINDS))
        for name in names
    ]
    rows += [uniformity(words, null[name]) for name, words in names.items()]
    rows += [uniformity(f"permutation null, twins {name}", pairs[name]) for name in pairs]
    show("1. Labels apart from features", header, rows)
    rows = [
        score_row(kind, name, null.loc[null["kind"] == kind, column])
        for kind in KINDS
        for name, column in (("encoder", "mean"), ("fc", "fc"))
    ]
    rows += [score_row(kind, "the null's model", dealt.loc[dealt["kind"] == kind, "mean"]) for kind in KINDS]
    show("Scores beside chance", ["kind", "method", "chance", "mean", "standard error", "errors away"], rows)
    verdicts = null["verdict"].value_counts()
    print(
        f"Verdicts of {len(null)}: {verdicts.get('higher', 0)} higher, {verdicts.get('lower', 0)} lower; the 95 % "
        f"interval of the difference holds 0 in {null['covered'].mean():.3f} of the runs.\n"
    )


def tell_with_effect(power: pd.DataFrame, motion: pd.DataFrame) -> None:
    """Print the tables of runs in which there is something to find."""
    shares = ["p_null", "p_t", "p_flip", "higher", "lower"]
    rows = [
        [f"{row['effect']:.2f}", f"{row['r']:+.2f}", *(f"{row[n]:.2f}" for n in shares)] for _, row in power.iterrows()
    ]
    show(f"2. Share of runs with p < {ALPHA}", ["effect", "r", "null", "t", "flips", '"higher"', '"lower"'], rows)
    rows = []
    for case, each in motion.groupby("case", sort=False):
        means = [f"{each[name].mean():.3f}" for name in ("features", "deconfounded")]
        rejected = [f"{(each['p ' + name] < ALPHA).mean():.2f}" for name in ("features", "deconfounded")]
        rows.append([str(case), *means, *rejected])
    header = ["", "balanced accuracy", "deconfounded", "confounder test rejects", "deconfounded"]
    show("3. Motion", header, rows)


def main() -> None:
    """Print the tables and write the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--runs", type=int, default=200, help="runs without an effect; the rest have fewer, at most 25 and 12"
    )
    parser.add_argument("--figure", type=Path, default=Path("docs/figures/nulls.svg"))
    options = parser.parse_args()
    begin = time.perf_counter()
    null, dealt, pairs = without_effect(options.runs), permuted(5 * options.runs), twins(options.runs)
    power, motion = with_effect(min(25, max(2, options.runs // 8))), with_motion(min(12, max(2, options.runs // 16)))
    tell_without_effect(null, dealt, pairs)
    tell_with_effect(power, motion)
    draw(null, dealt, pairs, power, motion, options.figure)
    print(f"{time.perf_counter() - begin:.0f} s; the figure is {options.figure}.")


if __name__ == "__main__":
    main()
