"""Scaling: one recipe on more and more people (or wider, deeper, on longer recordings): does it gain, by a law?"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from semantoks.config import as_list, check_arguments, check_value
from semantoks.errors import ConfigError
from semantoks.signals.cohort import Cohort
from semantoks.signals.writer import Progress
from semantoks.statistics.laws import Verdict, judge, words_of
from semantoks.statistics.methods import MOTION, RANDOM, TANGENT
from semantoks.studies.command import StudyResult, recipe_and_sides, run_study
from semantoks.studies.engine import Tell
from semantoks.studies.results import Scored, read_scored, results_table, write_results
from semantoks.studies.settings import StudyConfig
from semantoks.studies.sides import FEWEST, Sides
from semantoks.studies.table import Planned, Study, build, changed, folder_name, for_people
from semantoks.train.recipe import PretrainConfig

Over = Literal["people", "width", "depth", "minutes"]
Equal = Literal["steps", "epochs"]
SHARES = (1.0, 3.0, 10.0, 30.0, 100.0)
"""Percent of the people, if nothing else is asked for."""
UNITS = {"people": "people", "width": "width", "depth": "depth", "minutes": "minutes"}


def plan_scaling(
    recipe: PretrainConfig,
    sides: Sides,
    seeds: Sequence[int],
    *,
    over: Over = "people",
    values: Sequence[int | float] = (),
    equal: Equal = "steps",
) -> tuple[Planned, ...]:
    """Return the runs, sizes ascending, and the largest size's first: its probe scores FC and motion, too.

    Parameters
    ----------
    over
        What grows: people (nested random subsets, another order for each seed), width or depth of the encoder, or
        minutes of each recording.
    values
        Percent of the people (1, 3, 10, 30, 100 if not given), or widths, depths, minutes.
    equal
        Whether fewer people get as many steps, or as many epochs.

    Raises
    ------
    ConfigError
        For a value out of range, fewer than two, two that are the same, or subsets of fewer than four people.
    """
    check_value(over, Over, "over")
    check_value(equal, Equal, "equal")
    if over != "people" and not values:
        raise ConfigError(f"over {over} needs values: --over {over} --values 2 4 8")
    amounts = sorted(_amounts(sides, values or SHARES) if over == "people" else values)
    if len(amounts) < 2 or len(set(amounts)) < len(amounts) or amounts[0] <= 0:
        raise ConfigError(f"a scaling needs two or more different {UNITS[over]} above 0, not {amounts}.")
    found = []
    for amount in amounts:
        for seed in seeds:
            run = _run(recipe, sides, seed, over, float(amount), equal)
            build(run, sides)
            found.append(run)
    whole = found[-len(seeds)]
    lines = dataclasses.replace(whole, methods=(RANDOM, TANGENT, MOTION))
    return tuple(lines if run is whole else run for run in found)


def _amounts(sides: Sides, shares: Sequence[int | float]) -> list[int]:
    if wrong := [share for share in shares if not 0 < share <= 100]:
        raise ConfigError(f"people are given in percent, above 0 and up to 100, not {wrong[0]:g}.")
    found = [round(share / 100 * len(sides.pool)) for share in shares]
    if min(found) < FEWEST:
        least = 100 * FEWEST / len(sides.pool)
        raise ConfigError(
            f"{min(shares):g} % of {len(sides.pool)} people are {min(found)}, and a training needs {FEWEST}: "
            f"begin with --values {np.ceil(10 * least) / 10:g}."
        )
    return found


def _run(recipe: PretrainConfig, sides: Sides, seed: int, over: Over, amount: float, equal: Equal) -> Planned:
    people, minutes, whole = len(sides.pool), None, len(sides.pool)
    words = f"{amount:g} {UNITS[over]}" if over in ("people", "minutes") else f"{over} {amount:g}"
    config = changed(recipe, {"seed": seed}, words)
    if over == "people":
        people = int(amount)
    elif over == "minutes":
        minutes = amount
        config = changed(config, {"min_seconds": min(config.min_seconds, 60 * amount)}, words)
    else:
        if amount != int(amount):
            raise ConfigError(f"{over} has to be a whole number, not {amount:g}.")
        config = changed(config, {"encoder": {over: int(amount)}}, words)
    return Planned(
        name=folder_name(words, seed),
        condition=words,
        seed=seed,
        people=people,
        config=for_people(config, people, whole, equal),
        differs=words,
        minutes=minutes,
    )


def amount_of(run: Planned, over: Over) -> float:
    """Return how much a run has of what grows."""
    values = {"people": run.people, "minutes": run.minutes or 0.0}
    return float(values[over] if over in values else getattr(run.config.encoder, over))


def summarise_scaling(over: Over, scored: Sequence[Scored]) -> tuple[pd.DataFrame, pd.DataFrame, list[tuple[str, str]]]:
    """Return one row per target and amount, one per target and law, and what they have shown in sentences.

    Columns of the first: target, metric, over, amount, seeds, score, gain over random weights and its interval over
    seeds and people, and the scores of FC, tangent FC and random weights. Of the second: target, law, formula,
    values with intervals, error of extrapolation, how often it is behind the best one, best.
    """
    sizes, laws, said = [], [], []
    for one in scored:
        amounts = sorted({amount_of(run, over) for run in one.runs})
        for amount in amounts:
            runs = [run for run in one.runs if amount_of(run, over) == amount]
            score, gain = one.over(runs), one.over(runs, RANDOM)
            sizes.append(
                {
                    **{"target": one.target, "metric": one.metric, "over": over, "amount": amount, "seeds": len(runs)},
                    **{"score": score.mean, "low": score.low, "high": score.high},
                    **{"gain": gain.mean, "gain_low": gain.low, "gain_high": gain.high},
                    "random_weights": float(np.mean([one.means[run.name, RANDOM] for run in runs])),
                    **{method: line.mean for method, line in one.lines.items()},
                }
            )
        verdict = _judged(one, over, amounts)
        if verdict is None:
            said.append(
                (one.target, "Fewer than two sizes are there for every seed: nothing can be said of growth yet.")
            )
            continue
        said.append((one.target, words_of(verdict, UNITS[over])))
        laws += [{"target": one.target, **row} for row in _law_rows(verdict)]
    return pd.DataFrame(sizes), pd.DataFrame(laws), said


def _judged(one: Scored, over: Over, amounts: Sequence[float]) -> Verdict | None:
    """Judge the laws on the amounts that every seed has."""
    runs = {(run.seed, amount_of(run, over)): run for run in one.runs}
    seeds = sorted({seed for seed, _ in runs})
    whole = [amount for amount in amounts if all((seed, amount) in runs for seed in seeds)]
    if len(whole) < 2:
        return None
    each = [[one.of(runs[seed, amount], RANDOM) for amount in whole] for seed in seeds]
    gains = np.array([[mean for mean, _ in row] for row in each])
    samples = np.array([[drawn for _, drawn in row] for row in each])
    return judge(np.array(whole), gains, samples)


def _law_rows(verdict: Verdict) -> list[dict[str, object]]:
    return [
        {
            "law": one.law.name,
            "formula": one.law.formula,
            **{
                f"{name}{end}": v
                for name, all_ in one.values.items()
                for end, v in zip(("", "_low", "_high"), all_, strict=True)
            },
            "extrapolation_error": one.error,
            "behind": one.behind,
            "best": "yes" if one.law is verdict.best else "not told apart" if one.law in verdict.also else "",
        }
        for one in verdict.judged
    ]


def assemble_scaling(study: Study, over: Over) -> list[tuple[str, str]]:
    """Write the tables of what is there, and say what was found."""
    scored = read_scored(study)
    summary, laws, said = summarise_scaling(over, scored)
    write_results(study, results_table(study, scored), summary, said, laws)
    return said


def scale(
    cohort: Cohort | str | Path,
    *,
    targets: Sequence[str] | str,
    out: str | Path,
    over: Over = "people",
    values: Sequence[int | float] = (),
    equal: Equal = "steps",
    recipe: str | Path = "small",
    config: StudyConfig | None = None,
    part: str | None = None,
    assemble: bool = False,
    dry_run: bool = False,
    command: str = "",
    verbose: bool = False,
    progress: Progress | None = None,
    tell: Tell | None = None,
) -> StudyResult:
    """Train on more and more people (or wider, deeper, on longer recordings): does it gain, and by a law?

    Pretrains on nested random subsets of people, each seed with subsets of its own, and probes every run on the same
    held-out people and splits. Log-linear, power and saturating laws of the gain over random weights are judged by how
    they extrapolate to the next size. Each run is a run folder in ``out/runs``; one that is there is not run again.

    Parameters
    ----------
    cohort
        A prepared cohort.
    targets
        Columns of participants.tsv to predict.
    out
        Folder of the study: results.tsv, summary.tsv, laws.tsv, report.html, and the runs.
    over
        What grows: the people, width or depth of the encoder, or the minutes of each recording.
    values
        Percent of the people that may be trained on (empty = 1, 3, 10, 30, 100); or widths, depths, minutes.
    equal
        Fewer people get as many steps as all, or as many epochs.
    recipe
        The name of a recipe, or a FILE.toml.
    config, part, assemble, dry_run, verbose, progress, tell
        As for `ablate`.

    Returns
    -------
    StudyResult
        What it has shown, and which runs are there. The same call goes on with those that are not.

    Raises
    ------
    ConfigError, DataError
        For settings, recipes, people or targets that cannot be.
    """
    check_arguments(scale, locals())
    config, targets = config or StudyConfig(), as_list(targets)
    whole, sides = recipe_and_sides(cohort, targets, config, str(recipe))
    study = Study(
        kind="scale",
        out=Path(out),
        sides=sides,
        targets=tuple(dict.fromkeys(targets)),
        settings=config,
        runs=plan_scaling(whole, sides, config.seeds, over=over, values=values, equal=equal),
        about=(*config.about(str(recipe)), ("What grows", over), ("Equal", equal)),
        command=command,
    )
    return run_study(
        study,
        lambda one: assemble_scaling(one, over),
        part=part,
        assemble=assemble,
        dry_run=dry_run,
        verbose=verbose,
        progress=progress,
        tell=tell,
    )
