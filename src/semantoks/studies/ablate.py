"""Ablations: one change of the recipe at a time, each held against the full model on the same test people."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from semantoks.config import as_list, check_arguments, check_fields, from_plain, read_toml
from semantoks.errors import ConfigError, SemantoksError
from semantoks.reporting.content import rows_of
from semantoks.signals.cohort import Cohort
from semantoks.signals.part import Networks
from semantoks.signals.writer import Progress
from semantoks.statistics.methods import MOTION, RANDOM, TANGENT
from semantoks.statistics.paired import holm
from semantoks.studies.command import StudyResult, recipe_and_sides, run_study
from semantoks.studies.engine import Tell
from semantoks.studies.results import (
    Scored,
    conditions_of,
    count_bad,
    read_scored,
    results_table,
    verdict_of,
    write_results,
)
from semantoks.studies.settings import StudyConfig
from semantoks.studies.sides import Sides
from semantoks.studies.table import Planned, Study, build, changed, folder_name, seeded
from semantoks.train.recipe import PretrainConfig

FULL = "full model"


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One change of the recipe."""

    name: str
    """In tables and figures, and in the name of its run folders."""
    group: str = ""
    """Conditions of a group stand together."""
    set: dict[str, Any] = field(default_factory=dict)
    """Settings of a recipe that it changes."""
    networks: Networks = "own"
    """The atlas's own networks, all ROIs in one, or each ROI a network."""
    expect: Literal["", "collapse"] = ""
    """What the training has to show: that it collapses, and that the watch for collapse says so."""

    def __post_init__(self) -> None:
        """Check that it is named, and changes something."""
        check_fields(self)
        if not self.name.strip() or self.name == FULL:
            raise ConfigError(f"a condition needs a name other than {FULL!r}, not {self.name!r}.")
        if not self.set and self.networks == "own":
            raise ConfigError(f"the condition {self.name!r} changes nothing: give it set.SETTING = VALUE, or networks.")

    @property
    def differs(self) -> str:
        """What it changes, in words."""
        words = [f"{key} {value}" for key, value in rows_of(self.set)]
        return "; ".join(words + ([] if self.networks == "own" else [f"networks {self.networks}"]))


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A file of conditions."""

    condition: tuple[Condition, ...]
    recipe: str = "small"
    """The full model, if no other is asked for."""

    def __post_init__(self) -> None:
        """Check that there are conditions, each with a name of its own."""
        names = [folder_name(one.name, 0) for one in self.condition]
        if not names:
            raise ConfigError("a grid needs at least one [[condition]].")
        if twice := [one.name for one, name in zip(self.condition, names, strict=True) if names.count(name) > 1]:
            raise ConfigError(f"a grid has conditions with the same name: {', '.join(twice)}.")


def list_grids() -> list[str]:
    """Return the names of the packaged grids."""
    return sorted(Path(r.name).stem for r in resources.files("semantoks.studies.grids").iterdir() if ".toml" in r.name)


def load_grid(name: str | Path, only: Sequence[str] = ()) -> Grid:
    """Read a packaged grid by its name, or a TOML file; ``only`` keeps some conditions, or groups of them.

    Raises
    ------
    ConfigError
        If there is no such grid, condition or group, or a condition is wrong.
    """
    check_arguments(load_grid, locals())
    if str(name) in list_grids():
        with resources.as_file(resources.files("semantoks.studies.grids") / f"{name}.toml") as path:
            grid = from_plain(Grid, read_toml(path), f"grid {name}")
    elif Path(name).suffix == ".toml":
        grid = from_plain(Grid, read_toml(Path(name)), str(name))
    else:
        raise ConfigError(f"there is no grid {str(name)!r}: use {', '.join(list_grids())}, or a FILE.toml.")
    known = {word for one in grid.condition for word in (one.name, one.group)} - {""}
    if unknown := [word for word in only if word not in known]:
        raise ConfigError(
            f"the grid {name} has no condition or group {unknown[0]!r}; it has {', '.join(sorted(known))}."
        )
    kept = tuple(one for one in grid.condition if not only or {one.name, one.group} & set(only))
    return replace(grid, condition=kept)


def plan_ablation(
    grid: Grid, recipe: PretrainConfig, sides: Sides, seeds: Sequence[int]
) -> tuple[tuple[Planned, ...], tuple[tuple[str, str], ...]]:
    """Return the runs, the full model's first, and the conditions that do not fit this cohort, with the reason."""
    found = seeded(FULL, recipe, sides, seeds, differs="")
    found[0] = replace(found[0], methods=(RANDOM, TANGENT, MOTION))
    build(found[0], sides)  # what is wrong with the recipe itself is an error
    left_out = []
    for one in grid.condition:
        changed(PretrainConfig(), one.set, f"condition {one.name!r}")  # what there is not is an error
        try:
            config = changed(recipe, one.set, "with this recipe")
        except ConfigError as error:
            left_out.append((one.name, str(error)))
            continue
        if config == recipe and one.networks == "own":
            left_out.append((one.name, "it is the full model of this recipe"))
            continue
        runs = seeded(one.name, config, sides, seeds, differs=one.differs, networks=one.networks)
        try:
            build(runs[0], sides)
        except SemantoksError as error:
            left_out.append((one.name, str(error)))
        else:
            found += runs
    return tuple(found), tuple(left_out)


def summarise_ablation(study: Study, grid: Grid, scored: Sequence[Scored]) -> pd.DataFrame:
    """Return one row per target and condition: score, difference from the full model, and whether it collapsed.

    Columns: target, metric, condition, group, differs, seeds, score, low, high (95 % interval over seeds and people),
    gain (over random weights), diff, diff_low, diff_high, p, p_holm (over conditions), verdict; of its runs, how many
    collapsed and failed, and what was expected of them.
    """
    conditions = conditions_of(study)
    known = {one.name: one for one in grid.condition}
    watched = {name: count_bad(study, runs) for name, runs in conditions.items()}
    rows = []
    for one in scored:
        full = {run.seed: run for run in one.runs if run.condition == FULL}
        table = []
        for name in conditions:
            runs = [run for run in one.runs if run.condition == name]
            score, gain = one.over(runs), one.over(runs, RANDOM)
            away = one.differences([(run, full[run.seed]) for run in runs if run.seed in full and name != FULL])
            about = known.get(name)
            table.append(
                {
                    **{"target": one.target, "metric": one.metric, "condition": name},
                    **{"group": about.group if about else "", "differs": conditions[name][0].differs},
                    **{"seeds": len(runs), "score": score.mean, "low": score.low, "high": score.high},
                    **{"gain": gain.mean, "diff": away.mean, "diff_low": away.low, "diff_high": away.high},
                    **{"p": away.p, **watched[name], "expected": about.expect if about else ""},
                }
            )
        p = holm(np.array([row["p"] for row in table], dtype=float))
        rows += [
            {**row, "p_holm": p[n], "verdict": verdict_of(float(row["diff"]), p[n])} for n, row in enumerate(table)
        ]
    return pd.DataFrame(rows)


def answers_of(summary: pd.DataFrame) -> list[tuple[str, str]]:
    """Say in sentences, target by target, what the ablations have shown; without a target, of the trainings."""
    if not len(summary):
        return []
    said = []
    for target, rows in summary.groupby("target", sort=False):
        said += [(str(target), sentence) for sentence in _of_target(rows)]
    first = summary[summary["target"] == summary["target"].iloc[0]]
    for row in first.to_dict("records"):
        runs = row["seeds"] + row["failed"]
        if row["failed"]:
            said.append(("", f"{row['condition']}: {row['failed']} of {runs} trainings did not stay finite."))
        if row["collapsed"]:
            expected = ", as it has to" if row["expected"] else ""
            said.append(("", f"{row['condition']}: {row['collapsed']} of {runs} trainings ended collapsed{expected}."))
        elif row["expected"] and not row["failed"]:
            said.append(("", f"{row['condition']}: no training ended collapsed, although that was expected."))
    return said


def _of_target(rows: pd.DataFrame) -> list[str]:
    said = []
    for row in rows[rows["condition"] == FULL].to_dict("records"):
        seeds = " (one seed: other trainings are in no interval)" if row["seeds"] == 1 else ""
        said.append(
            f"The full model scores {row['score']:.3f} [{row['low']:.3f}, {row['high']:.3f}], {row['gain']:+.3f} over "
            f"random weights{seeds}."
        )
    for verdict in ("lower", "higher"):
        hit = rows[rows["verdict"] == verdict].to_dict("records")
        each = ", ".join(
            f"{row['condition']} ({row['diff']:+.3f} [{row['diff_low']:+.3f}, {row['diff_high']:+.3f}])" for row in hit
        )
        said += [f"{verdict.capitalize()} than the full model: {each}."] if hit else []
    undecided = rows.loc[rows["verdict"] == "undecided", "condition"].tolist()
    said += [f"Undecided, which is not “equal”: {', '.join(undecided)}."] if undecided else []
    return said


def assemble_ablation(study: Study, grid: Grid) -> list[tuple[str, str]]:
    """Write the tables of what is there, and say what was found."""
    scored = read_scored(study)
    summary = summarise_ablation(study, grid, scored)
    answers = answers_of(summary)
    write_results(study, results_table(study, scored), summary, answers)
    return answers


def ablate(
    cohort: Cohort | str | Path,
    *,
    targets: Sequence[str] | str,
    out: str | Path,
    grid: str | Path = "paper",
    only: Sequence[str] | str = (),
    recipe: str | Path | None = None,
    config: StudyConfig | None = None,
    part: str | None = None,
    assemble: bool = False,
    dry_run: bool = False,
    command: str = "",
    verbose: bool = False,
    progress: Progress | None = None,
    tell: Tell | None = None,
) -> StudyResult:
    """Change one part of a recipe at a time, and compare each change with the full model.

    Every condition and the full model are trained with every seed on the same people, and probed on the same held-out
    people and splits. Each run is a run folder in ``out/runs``; one that is there is not run again.

    Parameters
    ----------
    cohort
        A prepared cohort.
    targets
        Columns of participants.tsv to predict.
    out
        Folder of the study: results.tsv, summary.tsv, report.html, and the runs.
    grid
        The conditions: paper, or a FILE.toml.
    only
        Conditions, or groups of them, that are run beside the full model; empty = all.
    recipe
        The full model: the name of a recipe, or a FILE.toml; None = the grid's.
    config
        People, seeds, folds, device: what every study asks.
    part
        Carry out one of several parts, e.g. ``2/8``, on this machine; assemble them afterwards.
    assemble
        Train nothing; make tables and page of what is there.
    dry_run
        Return the plan with hours and operations on this machine, and run nothing.
    verbose
        Show a bar while it works, in a terminal or a notebook; ``progress`` is called instead, if given.
    tell
        Called with what is said on the way, line by line: what is left out, each run that is over, the answers.

    Returns
    -------
    StudyResult
        What it has shown, and which runs are there. The same call goes on with those that are not.

    Raises
    ------
    ConfigError, DataError
        For settings, recipes, people or targets that cannot be.
    """
    check_arguments(ablate, locals())
    config, targets = config or StudyConfig(), as_list(targets)
    conditions = load_grid(grid, as_list(only))
    name = str(recipe or conditions.recipe)
    full, sides = recipe_and_sides(cohort, targets, config, name)
    runs, left_out = plan_ablation(conditions, full, sides, config.seeds)
    study = Study(
        kind="ablate",
        out=Path(out),
        sides=sides,
        targets=tuple(dict.fromkeys(targets)),
        settings=config,
        runs=runs,
        reference=FULL,
        left_out=left_out,
        about=(*config.about(name), ("Grid", str(grid))),
        command=command,
    )
    return run_study(
        study,
        lambda one: assemble_ablation(one, conditions),
        part=part,
        assemble=assemble,
        dry_run=dry_run,
        verbose=verbose,
        progress=progress,
        tell=tell,
    )
