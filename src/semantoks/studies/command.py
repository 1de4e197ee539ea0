"""What the commands of studies share: people are chosen, the plan shown, the runs carried out, the page written."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from semantoks.reporting.page import report
from semantoks.signals.cohort import Cohort
from semantoks.signals.writer import Progress
from semantoks.storage.checksums import write_sums_of_tables
from semantoks.studies.engine import Done, Tell, begin, carry_out, done_of
from semantoks.studies.settings import StudyConfig
from semantoks.studies.sides import Sides, check_targets, hold_out, keep_apart
from semantoks.studies.table import Study, measure_rate, plan_table
from semantoks.train.recipe import PretrainConfig, load_recipe

Assemble = Callable[[Study], Sequence[tuple[str, str]]]
"""Writes a study's tables from what is there, and returns (target, what was found)."""


def recipe_and_sides(
    cohort: Path, targets: Sequence[str], config: StudyConfig, recipe_name: str
) -> tuple[PretrainConfig, Sides]:
    """Read the recipe, choose the people, and check that they can be probed."""
    recipe, opened = load_recipe(recipe_name), Cohort(cohort)
    recipe = recipe if config.steps is None else replace(recipe, steps=config.steps)
    seconds = recipe.min_seconds
    if config.probe is None:
        sides = hold_out(opened, config.held_out, min_seconds=seconds, family=config.family)
    else:
        sides = keep_apart(opened, Cohort(config.probe), min_seconds=seconds)
    check_targets(sides, targets, config.probing())
    return recipe, sides


def plan_words(study: Study) -> str:
    """Return the plan as text: the table of runs, and what all will cost."""
    over = [run.name for run in done_of(study).there]
    stated = study.settings.tflops
    rate, how = (stated * 1e12, "as stated") if stated else measure_rate(study)
    table = plan_table(study, rate, over)
    open_rows = table[table["there"] == ""]
    lines = [table.to_string(index=False), ""]
    lines.append(
        f"{len(table)} runs, {len(table) - len(open_rows)} there; the others train {open_rows['hours'].sum():.2g} h, "
        f"{open_rows['tflop'].sum():.3g} TFLOP at {rate / 1e9:.3g} GFLOP/s ({how}). The probe of each run comes on top."
    )
    return "\n".join([*lines, *left_out_words(study)])


def left_out_words(study: Study) -> list[str]:
    """Say which conditions are left out, and what of the people."""
    return [*(f"Left out: {name}: {why}" for name, why in study.left_out), *study.sides.notes]


def run_study(
    study: Study,
    assemble: Assemble,
    *,
    part: str | None,
    only_assemble: bool,
    progress: Progress | None,
    tell: Tell,
) -> Done:
    """Carry a study (or a part) out, and assemble what is there: tables, answers, page."""
    if only_assemble:
        begin(study)
        done = done_of(study)
    else:
        done = carry_out(study, part=part, progress=progress, tell=tell)
    if part is None or not done.missing:
        for target, answer in assemble(study):
            tell(f"{target}: {answer}" if target else answer)
        write_sums_of_tables(study.out)
        tell(f"Open {report(study.out)} in a browser.")
    return done
