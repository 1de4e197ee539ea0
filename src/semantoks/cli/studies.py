"""Commands of many runs: ablate, scale, compare."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

from semantoks.cli.everywhere import found
from semantoks.cli.typed import TYPED, worded, words_if_empty
from semantoks.errors import EXIT_OK, EXIT_PARTIAL, ConfigError
from semantoks.progress import progress
from semantoks.studies.settings import StudyConfig

if TYPE_CHECKING:
    from semantoks.studies.command import Assemble
    from semantoks.studies.table import Study

    _Settings = StudyConfig
else:
    _Settings = worded(
        StudyConfig,
        steps="the recipe's",
        probe="people of COHORT",
        scheduler="none, on this machine",
        tflops="a few steps are timed",
    )

Recordings = Positional[Annotated[Path, arg(metavar="COHORT")]]
Targets = Annotated[tuple[str, ...], arg(metavar="NAME [NAME ...]")]
Flags = Annotated[_Settings, arg(name="")]
Part = Annotated[str | None, arg(metavar="NUMBER/PARTS", help_behavior_hint="(default: all)")]


def ablate(
    cohort: Recordings,
    target: Targets,
    out: Path,
    grid: str = "paper",
    only: Annotated[tuple[str, ...], words_if_empty("all")] = (),
    recipe: Annotated[str | None, words_if_empty("the grid's")] = None,
    config: Flags = _Settings(),  # noqa: B008
    part: Part = None,
    assemble: bool = False,
    dry_run: bool = False,
) -> int:
    """Change one part of a recipe at a time, and compare each change with the full model.

    Example: semantoks ablate cohort/ --grid paper --target age sex --out studies/ablate

    Every condition and the full model are trained with every seed on the same people, and probed on the same held-out
    people and splits. Each run is a run folder in OUT/runs; a run that is there is not run again, and a killed study
    goes on with the same command. Writes results.tsv, summary.tsv and report.html.

    Args:
        cohort: A prepared cohort.
        target: One or more columns of participants.tsv to predict.
        out: Folder of the study.
        grid: The conditions: paper, or a FILE.toml.
        only: Conditions, or groups of them, that are run beside the full model.
        recipe: The full model: the name of a recipe, or a FILE.toml.
        config: The settings.
        part: Carry out one of several parts, e.g. 2/8, on this machine; assemble them afterwards.
        assemble: Train nothing; make tables and page of what is there.
        dry_run: Print the plan with hours and operations on this machine, and run nothing.
    """
    from semantoks.studies.ablate import FULL, assemble_ablation, load_grid, plan_ablation
    from semantoks.studies.command import recipe_and_sides
    from semantoks.studies.table import Study

    conditions, settings = load_grid(grid, only), StudyConfig(**vars(config))
    name = recipe or conditions.recipe
    full, sides = recipe_and_sides(cohort, target, settings, name)
    runs, left_out = plan_ablation(conditions, full, sides, settings.seeds)
    study = Study(
        kind="ablate",
        out=out,
        sides=sides,
        targets=tuple(dict.fromkeys(target)),
        settings=settings,
        runs=runs,
        reference=FULL,
        left_out=left_out,
        about=(*settings.about(name), ("Grid", grid)),
        command=TYPED.get(),
    )
    return _carried_out(study, lambda one: assemble_ablation(one, conditions), part, assemble, dry_run)


def scale(
    cohort: Recordings,
    target: Targets,
    out: Path,
    over: Literal["people", "width", "depth", "minutes"] = "people",
    values: Annotated[tuple[float, ...], words_if_empty("1 3 10 30 100 percent of the people")] = (),
    equal: Literal["steps", "epochs"] = "steps",
    recipe: str = "small",
    config: Flags = _Settings(),  # noqa: B008
    part: Part = None,
    assemble: bool = False,
    dry_run: bool = False,
) -> int:
    """Train on more and more people (or wider, deeper, on longer recordings): does it gain, and by a law?

    Example: semantoks scale cohort/ --target age --values 3 10 30 100 --out studies/scale

    Pretrains on nested random subsets of people, each seed with subsets of its own, and probes every run on the same
    held-out people and splits. Log-linear, power and saturating laws of the gain over random weights are judged by how
    they extrapolate to the next size. Each run is a run folder in OUT/runs; a run that is there is not run again, and a
    killed study goes on with the same command. Writes results.tsv, summary.tsv, laws.tsv and report.html.

    Args:
        cohort: A prepared cohort.
        target: One or more columns of participants.tsv to predict.
        out: Folder of the study.
        over: What grows: the people, width or depth of the encoder, or the minutes of each recording.
        values: Percent of the people that may be trained on; or widths, depths, minutes.
        equal: Fewer people get as many steps as all, or as many epochs.
        recipe: The name of a recipe, or a FILE.toml.
        config: The settings.
        part: Carry out one of several parts, e.g. 2/8, on this machine; assemble them afterwards.
        assemble: Train nothing; make tables and page of what is there.
        dry_run: Print the plan with hours and operations on this machine, and run nothing.
    """
    from semantoks.studies.command import recipe_and_sides
    from semantoks.studies.scale import assemble_scaling, plan_scaling
    from semantoks.studies.table import Study

    settings = StudyConfig(**vars(config))
    whole, sides = recipe_and_sides(cohort, target, settings, recipe)
    study = Study(
        kind="scale",
        out=out,
        sides=sides,
        targets=tuple(dict.fromkeys(target)),
        settings=settings,
        runs=plan_scaling(whole, sides, settings.seeds, over=over, values=values, equal=equal),
        about=(*settings.about(recipe), ("What grows", over), ("Equal", equal)),
        command=TYPED.get(),
    )
    return _carried_out(study, lambda one: assemble_scaling(one, over), part, assemble, dry_run)


def compare(
    cohort: Recordings,
    target: Targets,
    out: Path,
    recipes: Annotated[tuple[str, ...], arg(metavar="RECIPE [RECIPE ...]")] = ("small-published",),
    grid: Annotated[str | None, words_if_empty("none")] = None,
    views: Literal["first", "own"] = "first",
    equal: Literal["steps", "operations"] = "steps",
    config: Flags = _Settings(),  # noqa: B008
    part: Part = None,
    assemble: bool = False,
    dry_run: bool = False,
) -> int:
    """Pretrain by several recipes, with everything else equal: which is better, and is one better than FC?

    Example: semantoks compare cohort/ --recipes small-published --grid objectives --target age sex --out studies/rivals

    Every recipe is trained with every seed on the same people, views and steps, and probed on the same held-out people
    and splits, beside FC, tangent FC, motion and random weights. Each run is a run folder in OUT/runs; a run that is
    there is not run again, and a killed study goes on with the same command. Writes results.tsv, summary.tsv,
    recipes.tsv (people found again, cost, collapse) and report.html.

    Args:
        cohort: A prepared cohort.
        target: One or more columns of participants.tsv to predict.
        out: Folder of the study.
        recipes: Names of recipes, or FILE.toml; the others are compared with the first one, too.
        grid: Conditions that are changes of the first recipe, e.g. objectives, or a FILE.toml: each is a recipe, too.
        views: Views, batch, band and shortest recordings of the first recipe for all, or each recipe's own.
        equal: As many steps as the first recipe, or as many operations.
        config: The settings.
        part: Carry out one of several parts, e.g. 2/8, on this machine; assemble them afterwards.
        assemble: Train nothing; make tables and page of what is there.
        dry_run: Print the plan with hours and operations on this machine, and run nothing.
    """
    from semantoks.studies.command import recipe_and_sides
    from semantoks.studies.compare import assemble_comparison, named_recipes, plan_comparison
    from semantoks.studies.table import Study

    settings, named = StudyConfig(**vars(config)), named_recipes(recipes, grid)
    first, sides = recipe_and_sides(cohort, target, settings, recipes[0])
    runs, left_out, notes = plan_comparison(named, first, sides, settings.seeds, views=views, equal=equal)
    study = Study(
        kind="compare",
        out=out,
        sides=replace(sides, notes=(*sides.notes, *notes)),
        targets=tuple(dict.fromkeys(target)),
        settings=settings,
        runs=runs,
        reference=runs[0].condition,
        left_out=left_out,
        about=(*settings.about(", ".join(recipes)), ("Grid", grid or "none"), ("Views", views), ("Equal", equal)),
        command=TYPED.get(),
    )
    return _carried_out(study, assemble_comparison, part, assemble, dry_run)


def _carried_out(study: "Study", assemble_it: "Assemble", part: str | None, assemble: bool, dry_run: bool) -> int:
    """Show the plan, or carry it out and say what is left."""
    from semantoks.studies.command import left_out_words, plan_words, run_study

    if part is not None and assemble:
        raise ConfigError("--part carries out, --assemble does not: give one of them.")
    if study.settings.scheduler is not None and assemble:
        raise ConfigError("--scheduler carries out, --assemble does not: give one of them.")
    if dry_run:
        print(plan_words(study))
        return EXIT_PARTIAL if study.left_out else EXIT_OK
    print("\n".join(left_out_words(study)), file=sys.stderr)
    with progress(study.kind, "%") as shown:
        done = run_study(study, assemble_it, part=part, only_assemble=assemble, progress=shown, tell=print)
    found(out=study.out, there=[run.name for run in done.there], missing={run.name: why for run, why in done.missing})
    if done.missing:
        states = [state for _, state in done.missing]
        counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
        again = " ".join(word for word in TYPED.get().replace("--assemble", "").split())
        print(f"{len(done.there)} of {len(study.runs)} runs are there; not: {counts}. Go on with: {again}")
    return EXIT_PARTIAL if study.left_out or done.missing else EXIT_OK
