"""Commands of many runs: ablate, scale, compare."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import Positional, arg

from semantoks.cli.everywhere import found
from semantoks.cli.everywhere import say as print
from semantoks.cli.typed import TYPED, worded, words_if_empty
from semantoks.errors import EXIT_OK, EXIT_PARTIAL
from semantoks.studies.settings import StudyConfig

if TYPE_CHECKING:
    from semantoks.studies.command import StudyResult

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
    people and splits. Each run is a run folder in OUT/runs; a run that is there is not run again, and the same command
    resumes a killed study. Writes results.tsv, summary.tsv and report.html.

    Args:
        cohort: A prepared cohort.
        target: One or more columns of participants.tsv to predict.
        out: Folder of the study.
        grid: The conditions: paper, or a FILE.toml.
        only: Conditions, or groups of them, to run in addition to the full model.
        recipe: The full model: the name of a recipe, or a FILE.toml.
        config: The settings.
        part: Carry out one of several parts, e.g. 2/8, on this machine; assemble them afterwards.
        assemble: Train nothing; make tables and page of what is there.
        dry_run: Print the plan with hours and operations on this machine, and run nothing.
    """
    from semantoks.studies.ablate import ablate as run

    how = _how(config, part, assemble, dry_run)
    return _tell(run(cohort, targets=target, out=out, grid=grid, only=only, recipe=recipe, **how))


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
    they extrapolate to the next size. Each run is a run folder in OUT/runs; a run that is there is not run again, and
    the same command resumes a killed study. Writes results.tsv, summary.tsv, laws.tsv and report.html.

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
    from semantoks.studies.scale import scale as run

    how = _how(config, part, assemble, dry_run)
    return _tell(run(cohort, targets=target, out=out, over=over, values=values, equal=equal, recipe=recipe, **how))


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
    and splits, compared with FC, tangent FC, motion and random weights. Each run is a run folder in OUT/runs;
    a run that is there is not run again, and the same command resumes a killed study. Writes results.tsv, summary.tsv,
    recipes.tsv (re-identification, cost, collapse) and report.html.

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
    from semantoks.studies.compare import compare as run

    how = _how(config, part, assemble, dry_run)
    return _tell(run(cohort, targets=target, out=out, recipes=recipes, grid=grid, views=views, equal=equal, **how))


def _how(config: _Settings, part: str | None, assemble: bool, dry_run: bool) -> dict[str, Any]:
    """Return the options that all studies take, and how they are shown here."""
    asked = {"config": StudyConfig(**vars(config)), "part": part, "assemble": assemble, "dry_run": dry_run}
    return {**asked, "command": TYPED.get(), "verbose": True, "tell": print}


def _tell(study: "StudyResult") -> int:
    """Say what is left to do, and how."""
    found(out=study.out, there=study.there, missing=study.missing, left_out=study.left_out, answers=study.answers)
    found(page=study.page)
    if study.plan:
        found(plan=study.plan)
        return EXIT_PARTIAL if study.left_out else EXIT_OK
    if study.missing:
        states = list(study.missing.values())
        counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
        again = " ".join(word for word in TYPED.get().replace("--assemble", "").split())
        runs = len(study.there) + len(states)
        print(f"{len(study.there)} of {runs} runs are there; not: {counts}. Go on with: {again}")
    return EXIT_PARTIAL if study.left_out or study.missing else EXIT_OK
