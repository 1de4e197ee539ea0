"""What the commands of studies share: people are chosen, the plan shown, the runs carried out, the page written."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from semantoks.counted import plural
from semantoks.errors import ConfigError
from semantoks.notebook import as_html
from semantoks.progress import shown_if
from semantoks.reporting.page import report
from semantoks.reporting.study import RESULTS, read_study
from semantoks.signals.cohort import Cohort
from semantoks.signals.writer import Progress
from semantoks.storage.checksums import write_sums_of_tables
from semantoks.storage.lock import hold_file
from semantoks.studies.engine import MOMENTS, Done, Tell, begin, carry_out, done_of
from semantoks.studies.settings import StudyConfig
from semantoks.studies.sides import Sides, check_targets, hold_out, keep_apart
from semantoks.studies.table import Study, measure_rate, plan_table
from semantoks.train.recipe import PretrainConfig, load_recipe

Assemble = Callable[[Study], Sequence[tuple[str, str]]]
"""Writes a study's tables from what is there, and returns (target, what was found)."""


def recipe_and_sides(
    cohort: Cohort | str | Path, targets: Sequence[str], config: StudyConfig, recipe_name: str
) -> tuple[PretrainConfig, Sides]:
    """Read the recipe, choose the people, and check that they can be probed."""
    if not targets:
        raise ConfigError("a study needs at least one target: a column of the cohort's participants.tsv.")
    recipe, opened = load_recipe(recipe_name), cohort if isinstance(cohort, Cohort) else Cohort(Path(cohort))
    recipe = recipe if config.steps is None else replace(recipe, steps=config.steps)
    seconds = recipe.min_seconds
    if config.probe is None:
        sides = hold_out(opened, config.held_out, min_seconds=seconds, family=config.family)
    else:
        sides = keep_apart(opened, Cohort(config.probe), min_seconds=seconds)
    check_targets(sides, targets, config.probing())
    return recipe, sides


def plan_words(study: Study) -> str:
    """Return the plan as text: a line per condition, and what all will cost."""
    over = [run.name for run in done_of(study).there]
    stated = study.settings.tflops
    rate, how = (stated * 1e12, "as stated") if stated else measure_rate(study)
    table = plan_table(study, rate, over)
    open_rows = table[table["there"] == ""]
    lines = [*condition_lines(table), ""]
    lines.append(
        f"{len(table)} runs, {len(table) - len(open_rows)} there; the others train {open_rows['hours'].sum():.2g} h, "
        f"{open_rows['tflop'].sum():.3g} TFLOP at {rate / 1e9:.3g} GFLOP/s ({how}). The probe of each run comes on top."
    )
    return "\n".join([*lines, *left_out_words(study)])


def condition_lines(table: pd.DataFrame) -> list[str]:
    """Lay out `plan_table`, a line per condition with the hours of all its runs, and below it how it differs."""
    width = max(len("condition"), *(len(name) for name in table["condition"]))
    lines = [f"{'condition':<{width}} {'runs':>4} {'there':>5} {'people':>6} {'steps':>6} {'hours':>6}"]
    for name, runs in table.groupby("condition", sort=False):
        first, there = runs.iloc[0], int((runs["there"] != "").sum())
        hours = runs["hours"].sum()
        shown = "<0.001" if hours < 0.001 else f"{hours:.0f}" if hours >= 10 else f"{hours:.2g}"
        numbers = f"{len(runs):4} {there:5} {first['people']:6} {first['steps']:6} {shown:>6}"
        lines += [f"{name:<{width}} {numbers}", *([f"  {first['differs']}"] if first["differs"] else [])]
    return lines


def left_out_words(study: Study) -> list[str]:
    """Say which conditions are left out, and what of the people."""
    return [*(f"Left out: {name}: {why}" for name, why in study.left_out), *study.sides.notes]


@dataclass(frozen=True, kw_only=True, repr=False)
class StudyResult:
    """What a study has shown, and how far it is."""

    out: Path
    there: tuple[str, ...] = ()
    """The runs that are over, by name."""
    missing: dict[str, str] = field(default_factory=dict)
    """The others, and how far each is."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Conditions or recipes that do not fit the cohort, and why."""
    answers: tuple[str, ...] = ()
    """What it has shown, in sentences."""
    summary: pd.DataFrame = field(default_factory=pd.DataFrame)
    """One row per target and condition, size or recipe, as in summary.tsv; empty before anything is assembled."""
    page: Path | None = None
    """The report; None before anything is assembled."""
    plan: str = ""
    """Of a dry run: what would be trained, and how long it would take."""

    def __repr__(self) -> str:
        """Say how far it is, and what it has shown."""
        runs = f"{len(self.there)} of {len(self.there) + len(self.missing)} runs are there"
        return f"StudyResult({str(self.out)!r}: {runs}, {plural(len(self.answers), 'answer')})"

    def _repr_html_(self) -> str:
        rows = [*(("", answer) for answer in self.answers), ("there", ", ".join(self.there)), ("page", self.page)]
        rows += [("missing", f"{name}: {state}") for name, state in self.missing.items()]
        return as_html(str(self.out), [*rows, *(("left out", f"{one}: {why}") for one, why in self.left_out.items())])


def run_study(
    study: Study,
    assemble_it: Assemble,
    *,
    part: str | None,
    assemble: bool,
    dry_run: bool,
    verbose: bool,
    progress: Progress | None,
    tell: Tell | None,
) -> StudyResult:
    """Show the plan of a study, or carry it (or a part) out and assemble what is there: tables, answers, page."""
    if part is not None and assemble:
        raise ConfigError("--part carries out, --assemble does not: give one of them.")
    if study.settings.scheduler is not None and assemble:
        raise ConfigError("--scheduler carries out, --assemble does not: give one of them.")
    say, about = tell or (lambda _: None), StudyResult(out=study.out, left_out=dict(study.left_out))
    if dry_run:
        words = plan_words(study)
        say(words)
        return replace(about, plan=words, **_how_far(done_of(study)))
    for words in left_out_words(study):
        say(words)
    if assemble:
        begin(study)
        done = done_of(study)
    else:
        with shown_if(verbose, study.kind, "%", progress) as shown:
            done = carry_out(study, part=part, progress=shown, tell=say)
    about = replace(about, **_how_far(done))
    if part is not None and done.missing:
        return about
    with hold_file(study.out / RESULTS, patience=MOMENTS):  # the last two parts may end at once
        answers = tuple(f"{target}: {answer}" if target else answer for target, answer in assemble_it(study))
        for answer in answers:
            say(answer)
        write_sums_of_tables(study.out)
        page = report(study.out)
        say(f"Open {page} in a browser.")
        return replace(about, answers=answers, summary=read_study(study.out).summary, page=page)


def _how_far(done: Done) -> dict[str, Any]:
    """Return names of runs: those that are there, and how far the others are."""
    return {"there": tuple(run.name for run in done.there), "missing": {run.name: state for run, state in done.missing}}
