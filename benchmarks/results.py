"""The headline table of docs/results.md: what is learned over several seeds, beside what is not.

    make results COHORT=cohort/ [OUT=results/]
    python -m benchmarks.results cohort/ --out results/ [--seeds 0 1 2] [--target sex age dx] [--steps N]

Pretrains the recipe `small-published` at width 128 once per seed, fits one encoder in closed form, and probes each on
the same people and splits. What is already in ``--out`` is not computed again. Prints, per target, the main score: of
what is learned the mean over seeds and their range, of everything else its 95 % interval over people. Then how the
encoder in closed form, alone and stacked, compares with tangent FC, and all methods from short windows of the test
people.
"""

import argparse
import json
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pandas as pd
from benchmarks.measure import show

from semantoks import Cohort, FitConfig, PretrainConfig, ProbeConfig, fit, load_recipe, pretrain, probe, summarise
from semantoks.statistics.tables import PREDICTIONS, SCORES, read_predictions, read_scores

BASELINES = ("random_weights", "fc_tangent", "fc_partial", "motion")
STACKED = {"encoder": "encoder", "fc+encoder": "FC + encoder", "tangent+encoder": "tangent FC + encoder"}
LEARNED = {**STACKED, "random_weights": "random weights"}
OTHERS = {"fc": "FC", "fc_partial": "FC, partial", "fc_tangent": "tangent FC", "motion": "motion"}
SECONDS = (30.0, 60.0, 180.0)


def recipe(seed: int, steps: int | None) -> PretrainConfig:
    """Return `small-published` at width 128."""
    small = load_recipe("small-published")
    return replace(small, encoder=replace(small.encoder, width=128), seed=seed, steps=steps or small.steps)


def probed(model: Path, cohort: Cohort, targets: list[str], config: ProbeConfig) -> pd.DataFrame:
    """Return the summary of a probe, which is run unless it is there."""
    out = model / "probe"
    if not (out / "probe.json").exists():
        probe(model, cohort, targets=targets, out=out, config=config)
    return summarise(read_scores(out / SCORES), read_predictions(out / PREDICTIONS))


def encoder_of(cohort: Cohort, out: Path, seed: int, steps: int | None) -> Path:
    """Return the run of a seed, finished."""
    run = out / f"seed-{seed}"
    if not (run / "run.json").exists() or json.loads((run / "run.json").read_text())["status"] != "finished":
        pretrain([cohort], out=run, config=recipe(seed, steps), resume=run.exists(), command="benchmarks.results")
    return run


def cells(
    tables: list[pd.DataFrame], method: str, targets: list[str], analysis: str = "main", condition: str = ""
) -> list[str]:
    """Write a method's cell for every target: a range over tables where there are several, else the interval."""
    key = {"analysis": analysis, "condition": condition, "method": method}
    written = []
    for target in targets:
        rows = [t[(t[[*key, "target"]] == [*key.values(), target]).all(axis=1)] for t in tables]
        means = pd.concat(rows)["mean"]
        one = rows[0].iloc[0] if len(rows[0]) else None
        if one is None:
            written.append("")
        elif len(means) > 1:
            written.append(f"{means.mean():.3f} ({means.min():.3f} to {means.max():.3f})")
        else:
            written.append(f"{one['mean']:.3f} [{one['low']:.3f}, {one['high']:.3f}]")
    return written


def beside_tangent(table: pd.DataFrame, targets: list[str]) -> list[list[str]]:
    """Return how each stack compares with tangent FC, one row each."""
    main = table[table["analysis"] == "main"].set_index(["method", "target"])
    found = {name: [main.loc[(name, target)] for target in targets] for name in STACKED}
    return [
        [
            f"closed form, {STACKED[name]}",
            *(
                f"{one['tangent_diff']:+.3f} [{one['tangent_diff_low']:+.3f}, {one['tangent_diff_high']:+.3f}], "
                f"p {one['tangent_p_holm']:.3f}, {one['tangent_verdict']}"
                for one in rows
            ),
        ]
        for name, rows in found.items()
    ]


def main() -> None:
    """Train, fit, probe and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cohort", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--target", nargs="+", default=["sex", "age", "dx"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--repeats", type=int, default=2, help="of five folds")
    parser.add_argument("--columns", type=int, default=256, help="of the encoder in closed form")
    parser.add_argument("--steps", type=int, help="of each pretraining; the recipe's if not given")
    given = parser.parse_args()
    cohort, targets = Cohort(given.cohort), given.target
    runs = [encoder_of(cohort, given.out, seed, given.steps) for seed in given.seeds]
    config = ProbeConfig(repeats=given.repeats, methods=BASELINES, analyses=())
    tables = [probed(runs[0], cohort, targets, config)]
    some = replace(config, methods=("random_weights", "fc_tangent"))
    tables += [probed(run, cohort, targets, some) for run in runs[1:]]
    closed = given.out / "closed-form"
    if not (closed / "config.json").exists():
        fit([cohort], out=closed, config=FitConfig(columns=given.columns))
    fitted = [probed(closed, cohort, targets, replace(config, methods=("fc_tangent",), seconds=SECONDS))]
    record = json.loads((runs[0] / "run.json").read_text())
    people = sum(part["participants"] for part in record["cohorts"])
    seeds = ", ".join(map(str, given.seeds))
    print(
        f"semantoks {version('semantoks')}; {record['steps_total']} steps on {people} of {len(cohort.participants)} "
        f"people, seeds {seeds}: mean (least to largest); others: [95 % interval]."
    )
    rows = [[words, *cells(tables, name, targets)] for name, words in LEARNED.items()]
    rows += [[f"closed form, {words}", *cells(fitted, name, targets)] for name, words in STACKED.items()]
    rows += [[words, *cells(tables[:1], name, targets)] for name, words in OTHERS.items()]
    show("Scores", ["", *targets], rows)
    show("Difference from tangent FC", ["", *targets], beside_tangent(fitted[0], targets))
    rows = [
        [f"{words}, {'all' if seconds == 'all' else f'{seconds} s'}", *cells(fitted, name, targets, "seconds", seconds)]
        for name, words in {"encoder": "closed form", "fc": "FC", "fc_tangent": "tangent FC"}.items()
        for seconds in (*(f"{s:g}" for s in SECONDS), "all")
    ]
    show("One window of each test person, trained on whole recordings, first repeat", ["", *targets], rows)


if __name__ == "__main__":
    main()
