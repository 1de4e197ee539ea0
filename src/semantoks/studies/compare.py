"""Recipes side by side, with everything else equal: each held against FC, tangent FC and the first recipe."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from semantoks.config import as_list, check_arguments, to_plain
from semantoks.counted import plural
from semantoks.errors import ConfigError, SemantoksError
from semantoks.reporting.content import rows_of
from semantoks.reporting.recipes import LINES
from semantoks.reporting.study import RECIPES
from semantoks.signals.cohort import Cohort
from semantoks.signals.writer import Progress
from semantoks.statistics.methods import ENCODER, FC, MOTION, RANDOM, TANGENT, method_name
from semantoks.statistics.paired import holm
from semantoks.statistics.tables import SCORES, read_scores
from semantoks.storage.tables import write_table
from semantoks.studies.ablate import Condition, load_grid
from semantoks.studies.command import StudyResult, recipe_and_sides, run_study
from semantoks.studies.engine import Tell, status_of
from semantoks.studies.results import (
    Scored,
    conditions_of,
    count_bad,
    read_scored,
    results_table,
    trained,
    verdict_of,
    write_results,
)
from semantoks.studies.settings import StudyConfig
from semantoks.studies.sides import Sides
from semantoks.studies.table import Planned, Study, build, changed, folder_name, seeded
from semantoks.train.recipe import PretrainConfig, load_recipe

SHARED = ("views", "batch_size", "accumulate", "min_seconds", "band")
"""Settings that the first recipe decides for all, if views are the first's: what is seen of whom."""
BARS = {"fc": FC, "tangent": TANGENT}
"""What every recipe is compared with, and what begins the names of its columns."""
LeftOut = tuple[tuple[str, str], ...]


def named_recipes(recipes: Sequence[str], grid: str | Path | None = None) -> dict[str, PretrainConfig | Condition]:
    """Return recipes by their names (of a file, without folder and ending), and the conditions of a grid.

    Raises
    ------
    ConfigError
        For fewer than two in all, two of one name, or one that there is not.
    """
    found: list[tuple[str, PretrainConfig | Condition]] = [
        (Path(name).stem if name.endswith(".toml") else name, load_recipe(name)) for name in recipes
    ]
    if not found:
        raise ConfigError("compare needs recipes: --recipes a.toml b.toml, or --recipes small-published.")
    if grid is not None:
        found += [(one.name, one) for one in load_grid(grid).condition]
    if len(found) < 2:
        raise ConfigError(
            f"{found[0][0]} is alone: give --recipes a second one, or --grid objectives, whose objectives are put in "
            "its place one by one."
        )
    folders = [folder_name(name, 0) for name, _ in found]
    if twice := [name for (name, _), folder in zip(found, folders, strict=True) if folders.count(folder) > 1]:
        raise ConfigError(f"recipes need names of their own, and two are called {twice[0]!r}: rename a file.")
    return dict(found)


def plan_comparison(
    named: Mapping[str, PretrainConfig | Condition],
    first: PretrainConfig,
    sides: Sides,
    seeds: Sequence[int],
    *,
    views: Literal["first", "own"] = "first",
    equal: Literal["steps", "operations"] = "steps",
) -> tuple[tuple[Planned, ...], LeftOut, tuple[str, ...]]:
    """Return the runs, the first recipe's first; the recipes that do not fit, with the reason; what was made equal.

    Parameters
    ----------
    named
        Recipes by name, and conditions that change the first one.
    first
        The first recipe, with the steps that were asked for.
    views
        Whether all take views, batch, band and shortest recordings of the first recipe (``SHARED``).
    equal
        Whether all take as many steps, or as many floating-point operations, as the first recipe.
    """
    names, notes, left_out = list(named), list[str](), list[tuple[str, str]]()
    found = seeded(names[0], first, sides, seeds, differs="")
    found = [replace(run, analyses=("reliability",)) for run in found]
    found[0] = replace(found[0], methods=(RANDOM, TANGENT, MOTION))
    cost = _cost(found[0], sides)
    for name in names[1:]:
        one = named[name]
        try:
            config, differs, words = _equalled(name, one, first, views)
            networks = one.networks if isinstance(one, Condition) else "own"
            runs = seeded(name, config, sides, seeds, differs=differs, networks=networks)
            each = _cost(runs[0], sides) / runs[0].config.total_steps(len(sides.pool))
        except SemantoksError as error:
            left_out.append((name, str(error)))
            continue
        if equal == "operations":
            steps = max(1, round(cost / each))
            runs = [replace(run, config=replace(run.config, steps=steps)) for run in runs]
        notes += words
        found += [replace(run, analyses=("reliability",)) for run in runs]
    return tuple(found), tuple(left_out), tuple(notes)


def _cost(run: Planned, sides: Sides) -> float:
    """Count the operations of a run; ConfigError says why its recipe does not fit the cohort."""
    config = run.config
    return config.total_steps(run.people) * config.objective.flops(build(run, sides), config.batch_size)


def _equalled(
    name: str, one: PretrainConfig | Condition, first: PretrainConfig, views: str
) -> tuple[PretrainConfig, str, list[str]]:
    """Return a recipe with what it shares with the first one, how it differs from it, and what was replaced."""
    if isinstance(one, Condition):
        return changed(first, one.set, f"condition {name!r}"), one.differs, []
    config, notes = replace(one, steps=first.steps, epochs=first.epochs), []
    if views == "first":
        other = [key for key in SHARED if getattr(one, key) != getattr(first, key)]
        config = replace(config, **{key: getattr(first, key) for key in SHARED})
        notes = [f"{name}: {', '.join(other)} as in the first recipe (--views own keeps its own)."] if other else []
    return config, _differing(config, first), notes


def _differing(one: PretrainConfig, other: PretrainConfig) -> str:
    """List the settings of a recipe that another one has otherwise; of another objective, those that are not usual."""
    usual = to_plain(other)
    if one.objective.kind != other.objective.kind:
        usual["objective"] = to_plain(type(one.objective)()) | {"kind": other.objective.kind}
    known = dict(rows_of(usual))
    return "; ".join(f"{key} {value}" for key, value in rows_of(to_plain(one)) if known.get(key) != value)


def summarise_comparison(study: Study, scored: Sequence[Scored]) -> pd.DataFrame:
    """Return one row per target and recipe: its score, and how it differs from what has to be beaten.

    Columns: target, metric, condition, differs, seeds, score, low, high (95 % interval over seeds and people); the same
    of the gain over random weights; ``fc_``, ``tangent_`` and without prefix: difference from FC, tangent FC and the
    first recipe (diff, diff_low, diff_high, p, p_holm over recipes, verdict); the scores of FC, tangent FC and motion.
    """
    conditions, rows = conditions_of(study), list[dict[str, Any]]()
    for one in scored:
        first = {run.seed: run for run in one.runs if run.condition == study.reference}
        table = []
        for name in conditions:
            runs = [run for run in one.runs if run.condition == name]
            score, gain = one.over(runs), one.over(runs, RANDOM)
            pairs = [(run, first[run.seed]) for run in runs if run.seed in first and name != study.reference]
            away = {f"{bar}_": one.beside(runs, method) for bar, method in BARS.items()} | {"": one.differences(pairs)}
            row: dict[str, Any] = {"target": one.target, "metric": one.metric, "condition": name}
            row |= {"differs": conditions[name][0].differs, "seeds": len(runs)}
            row |= {"score": score.mean, "low": score.low, "high": score.high}
            row |= {"gain": gain.mean, "gain_low": gain.low, "gain_high": gain.high}
            for bar, found in away.items():
                row |= {f"{bar}diff": found.mean, f"{bar}diff_low": found.low, f"{bar}diff_high": found.high}
                row |= {f"{bar}p": found.p}
            table.append(row | {method: line.mean for method, line in one.lines.items()})
        for bar in (*(f"{bar}_" for bar in BARS), ""):
            p = holm(np.array([row[f"{bar}p"] for row in table], dtype=float))
            for row, value in zip(table, p, strict=True):
                row |= {f"{bar}p_holm": value, f"{bar}verdict": verdict_of(row[f"{bar}diff"], value)}
        rows += table
    return pd.DataFrame(rows)


def table_of_recipes(study: Study) -> pd.DataFrame:
    """Return one row per recipe, whatever the target: people found again, cost, spread, collapse.

    Columns: condition, seeds; ``found_again`` and its lowest and highest seed: the share of the test people who are
    found again from the other half of a recording (or another session, where there are some), by ``minutes`` of each
    half; the same of FC, tangent FC and random weights in rows of their own; steps, tflop, seconds, peak_memory_gib
    (means over seeds); spread and dimensions of the test people (``objective.watch.spread_of``); collapsed, failed.
    """
    rows, others = [], dict[str, list[dict[str, float]]]()
    for name, runs in conditions_of(study).items():
        over = [run for run in runs if status_of(study, run) == "finished"]
        again = [_found_again(study, run) for run in over]
        for one in again:
            for method, value in one.items():
                if method != ENCODER:
                    others.setdefault(method, []).append(value)
        costs = pd.DataFrame([trained(study, run) for run in over])
        row: dict[str, Any] = {"condition": name, "seeds": len(over)}
        row |= _of_seeds([one[ENCODER] for one in again if ENCODER in one])
        wanted = ("steps", "tflop", "seconds", "peak_memory_gib", "spread", "dimensions")
        row |= {column: pd.to_numeric(costs[column]).mean() for column in wanted if column in costs}
        rows.append(row | count_bad(study, runs))
    rows += [{"condition": method_name(method), **_of_seeds(each)} for method, each in others.items()]
    return pd.DataFrame(rows)


def _of_seeds(each: Sequence[Mapping[str, float]]) -> dict[str, float]:
    values = [one["found"] for one in each]
    if not values:
        return {}
    ends = {"found_low": min(values), "found_high": max(values)}
    return {"found_again": float(np.mean(values)), **ends, "minutes": each[0]["minutes"], "people": each[0]["people"]}


def _found_again(study: Study, run: Planned) -> dict[str, dict[str, float]]:
    """Return by method how many test people are found again from the most minutes, in the hardest comparison."""
    table = read_scores(study.folder(run) / "probe" / SCORES)
    table = table[table["analysis"] == "reliability"]
    if not len(table):
        return {}
    table = table[table["target"] == table["target"].iloc[0]]
    minutes = pd.to_numeric(table["condition"])
    last = table[minutes == minutes.max()]
    return {
        str(row["method"]): {
            "found": float(row["identification"]),
            "minutes": float(row["condition"]),
            "people": float(row["n_test"]),
        }
        for row in last.to_dict("records")
    }


def answers_of(study: Study, summary: pd.DataFrame, recipes: pd.DataFrame) -> list[tuple[str, str]]:
    """Say in sentences, target by target, which recipe reaches what, and of the trainings, which collapsed."""
    said = []
    for target, rows in summary.groupby("target", sort=False) if len(summary) else ():
        best = rows.sort_values("score", ascending=False).iloc[0]
        seeds = " (one seed: other trainings are in no interval)" if best["seeds"] == 1 else ""
        said.append(
            (
                str(target),
                f"The highest score is that of {best['condition']}: {best['score']:.3f} [{best['low']:.3f}, "
                f"{best['high']:.3f}], beside {_lines(best)}{seeds}. It was chosen by looking, so its lead is no test.",
            )
        )
        for bar, method in BARS.items():
            said += [(str(target), sentence) for sentence in _verdicts(rows, f"{bar}_", method_name(method))]
        said += [(str(target), sentence) for sentence in _verdicts(rows, "", str(study.reference))]
    for row in recipes.to_dict("records"):
        if row.get("failed", 0) > 0:
            said.append(("", f"{row['condition']}: {plural(int(row['failed']), 'training')} did not stay finite."))
        if row.get("collapsed", 0) > 0:
            said.append(("", f"{row['condition']}: {plural(int(row['collapsed']), 'training')} ended collapsed."))
    return said


def _lines(row: pd.Series) -> str:
    return ", ".join(f"{row[method]:.3f} of {method_name(method)}" for method in LINES if method in row)


def _verdicts(rows: pd.DataFrame, bar: str, name: str) -> list[str]:
    """Say which recipes are above and below a bar, and how many are undecided."""
    if not len(known := rows[rows[f"{bar}diff"].notna()]):
        return []
    parts = []
    for verdict, words in (("higher", "above"), ("lower", "below")):
        hit = known[known[f"{bar}verdict"] == verdict].to_dict("records")
        each = ", ".join(f"{row['condition']} ({row[f'{bar}diff']:+.3f})" for row in hit)
        parts += [f"{words}: {each}"] if hit else []
    undecided = known.loc[known[f"{bar}verdict"] == "undecided", "condition"].tolist()
    if not parts:
        return [f"Compared with {name}, all are undecided, which is not “equal”."]
    parts += [f"undecided, which is not “equal”: {', '.join(undecided)}"] if undecided else []
    return [f"Compared with {name}, {'; '.join(parts)}."]


def assemble_comparison(study: Study) -> list[tuple[str, str]]:
    """Write the tables of what is there, and say what was found."""
    scored = read_scored(study)
    summary, recipes = summarise_comparison(study, scored), table_of_recipes(study)
    answers = answers_of(study, summary, recipes)
    write_results(study, results_table(study, scored), summary, answers)
    write_table(study.out / RECIPES, recipes)
    return answers


def compare(
    cohort: Cohort | str | Path,
    *,
    targets: Sequence[str] | str,
    out: str | Path,
    recipes: Sequence[str] | str = ("small-published",),
    grid: str | Path | None = None,
    views: Literal["first", "own"] = "first",
    equal: Literal["steps", "operations"] = "steps",
    config: StudyConfig | None = None,
    part: str | None = None,
    assemble: bool = False,
    dry_run: bool = False,
    command: str = "",
    verbose: bool = False,
    progress: Progress | None = None,
    tell: Tell | None = None,
) -> StudyResult:
    """Pretrain by several recipes, with everything else equal: which is better, and is one better than FC?

    Every recipe is trained with every seed on the same people, views and steps, and probed on the same held-out people
    and splits, beside FC, tangent FC, motion and random weights. Each run is a run folder in ``out/runs``; one that is
    there is not run again.

    Parameters
    ----------
    cohort
        A prepared cohort.
    targets
        Columns of participants.tsv to predict.
    out
        Folder of the study: results.tsv, summary.tsv, recipes.tsv, report.html, and the runs.
    recipes
        Names of recipes, or FILE.toml; the others are compared with the first one, too.
    grid
        Conditions that are changes of the first recipe, e.g. objectives, or a FILE.toml: each is a recipe, too.
    views
        Views, batch, band and shortest recordings of the first recipe for all, or each recipe's own.
    equal
        As many steps as the first recipe, or as many operations.
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
    check_arguments(compare, locals())
    config, targets = config or StudyConfig(), as_list(targets)
    recipes = [str(one) for one in as_list(recipes)]
    named = named_recipes(recipes, grid)
    first, sides = recipe_and_sides(cohort, targets, config, recipes[0])
    runs, left_out, notes = plan_comparison(named, first, sides, config.seeds, views=views, equal=equal)
    chosen = (("Grid", str(grid or "none")), ("Views", views), ("Equal", equal))
    study = Study(
        kind="compare",
        out=Path(out),
        sides=replace(sides, notes=(*sides.notes, *notes)),
        targets=tuple(dict.fromkeys(targets)),
        settings=config,
        runs=runs,
        reference=runs[0].condition,
        left_out=left_out,
        about=(*config.about(", ".join(recipes)), *chosen),
        command=command,
    )
    return run_study(
        study,
        assemble_comparison,
        part=part,
        assemble=assemble,
        dry_run=dry_run,
        verbose=verbose,
        progress=progress,
        tell=tell,
    )
