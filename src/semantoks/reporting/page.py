"""The page about a run or a cohort, in the order in which a reader asks: one HTML file that opens offline."""

import datetime
import logging
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from semantoks.config import as_list
from semantoks.errors import ConfigError, DataError
from semantoks.reporting.cohort.folder import is_cohort, read_cohort
from semantoks.reporting.cohort.sections import facts as cohort_facts
from semantoks.reporting.cohort.sections import sections as cohort_sections
from semantoks.reporting.comparison import compare
from semantoks.reporting.content import Block, Bullets, Folded, Item, Section, Words
from semantoks.reporting.inside import audit, explain, vocabulary
from semantoks.reporting.inside.folder import facts as inside_facts
from semantoks.reporting.inside.folder import is_inside, read_inside
from semantoks.reporting.run.amounts import learning_curves, reliability
from semantoks.reporting.run.answer import BAR, answer, optimism
from semantoks.reporting.run.confounds import confounds
from semantoks.reporting.run.evaluation import Evaluation
from semantoks.reporting.run.folder import RunFolder, read_run
from semantoks.reporting.run.lengths import lengths
from semantoks.reporting.run.methods import methods
from semantoks.reporting.run.networks import networks
from semantoks.reporting.run.provenance import checks, facts, provenance, training
from semantoks.reporting.run.targets import target_card
from semantoks.reporting.study import facts as study_facts
from semantoks.reporting.study import is_study, read_study
from semantoks.reporting.study import sections as study_sections
from semantoks.reporting.tables import write_tables
from semantoks.reporting.wording import listed
from semantoks.signals.cohort import Cohort
from semantoks.storage.durable import write_durably
from semantoks.storage.lock import hold_file
from semantoks.visible import visible

FURTHER = {
    "confounds": ("decode", "deconfounded", "motion_matched", "confound_test"),
    "learning": ("learning_curve",),
    "seconds": ("seconds",),
    "reliability": ("reliability",),
    "networks": ("network",),
}
"""The analyses of a section, which is left out where the tables have none of them."""
INSIDE = {"audit": audit, "vocabulary": vocabulary, "explain": explain}
"""The pages of looks inside an encoder, by the command."""
WHY = "They are analyses of `semantoks probe`; where they were asked for, the notes say why there are none."
TOLD = logging.getLogger("semantoks.reporting")
MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def report(
    run: Cohort | Path | str | Sequence[Path | str], out: Path | str | None = None, *, show_ids: bool = False
) -> Path:
    """Write the report of a run or a cohort, or of several runs beside each other, and return its path.

    The tables of the page are written beside it, as TSV files in ``<page>_tables``.

    Parameters
    ----------
    run
        The folder of a run (the ``--out`` of ``semantoks pretrain``), a probe, a study (of ``ablate``, ``scale`` or
        ``compare``), a look inside (of ``audit``, ``vocabulary`` or ``explain``), or a cohort (of ``semantoks
        prepare``); or several runs and probes, to compare. A run that is still training, was stopped, or has no probe
        yet is reported as far as it went.
    out
        The HTML file to write, replaced whole if it exists; by default ``run/report.html``,
        ``<cohort>_report.html`` beside a cohort, whose folder stays as it is, and ``comparison.html`` beside the first
        of several runs.
    show_ids
        Name recordings on the page of a cohort; else they are numbered.

    Raises
    ------
    DataError
        If ``run`` is neither a run's nor a probe's nor a cohort's folder, or ``out`` is a folder or inside the cohort.
    ConfigError
        If several folders are given and one is a cohort, or ``show_ids`` where there are no recordings.
    """
    given = [Path(one) for one in as_list(run.path if isinstance(run, Cohort) else run)]
    if not given:
        raise ConfigError("expected one or more folders of runs, probes or a cohort, and got none.")
    cohorts = [one for one in given if is_cohort(one)]
    if cohorts and len(given) > 1:
        raise ConfigError(f"{cohorts[0]} is a cohort: only runs and probes can be compared. Give it alone.")
    studies = [one for one in given if is_study(one)]
    if studies and len(given) > 1:
        raise ConfigError(f"{studies[0]} is a study of many runs: give it alone, or some of the folders in its runs/.")
    if len(given) > 1 and (alone := [one for one in given if is_inside(one)]):
        raise ConfigError(f"{alone[0]} is a look inside an encoder, not a run or a probe: give it alone.")
    if show_ids and not cohorts:
        raise ConfigError("--show-ids names the recordings of a cohort, and this page has none: leave it out.")
    first, whole = given[0], given[0].resolve()
    usual = first / "report.html" if len(given) == 1 else whole.with_name("comparison.html")
    usual = whole.with_name(f"{whole.name}_report.html") if cohorts else usual
    target = usual if out is None else Path(out)
    if target.is_dir():
        raise DataError(f"expected a file name for the report, but {target} is a folder. Try {target / usual.name}.")
    if cohorts and target.resolve().is_relative_to(whole):
        raise DataError(f"--out {target} is inside the cohort {first}, which stays as prepare left it. Try {usual}.")
    page, found = _written(given, of_cohort=bool(cohorts), show_ids=show_ids)  # first: holding makes the folder
    with hold_file(target):
        write_durably(target, page.encode())
        write_tables(target, found)
    return target


def _tell(notes: Sequence[str]) -> None:
    """Say what a page says of missing and damaged files, too, to whoever asked for it."""
    for note in notes:
        TOLD.warning("%s", note)


def _written(given: Sequence[Path], *, of_cohort: bool, show_ids: bool) -> tuple[str, list[Section]]:
    """Return a page as HTML, and its sections."""
    if of_cohort:
        cohort = read_cohort(given[0], show_ids=show_ids)
        _tell(cohort.notes)
        found = cohort_sections(cohort)
        return _html(cohort.title, cohort_facts(cohort), found), found
    if is_inside(given[0]):
        inside = read_inside(given[0])
        page = INSIDE[inside.kind]
        found = page.sections(inside)
        return _html(f"{page.TITLE}: {Path(inside.about['model']).name}", inside_facts(inside), found), found
    if is_study(given[0]):
        study = read_study(given[0])
        found = study_sections(study)
        return _html(study.title, study_facts(study), found), found
    runs = [read_run(one) for one in given]
    _tell([note for run in runs for note in (*run.notes, *run.probe_notes)])
    if len(runs) > 1:
        found = compare(runs, given)
        return _html(f"{len(runs)} runs compared", [], found), found
    (run,) = runs
    found = sections(run)
    return _html(f"The {'run' if run.trained else 'probe'} “{run.name}”", facts(run), found), found


def _html(title: str, found: Sequence[tuple[str, str]], ordered: Sequence[Section]) -> str:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2").render(title=title, facts=found, sections=ordered, written=_today())


def _today() -> str:
    """Return the date of the page: ``27 November 2026 · semantoks 0.1.0``."""
    today = datetime.date.today()
    return f"{today.day} {MONTHS[today.month - 1]} {today.year} · semantoks {version('semantoks')}"


def sections(run: RunFolder) -> list[Section]:
    """Return the sections of the page in their order."""
    found = [Section("answer", "Does it beat functional connectivity?", "Answer", _answer(run))]
    lacking: list[Block] = []
    if (probe := run.probe) is not None:
        found.append(Section("targets", "Target by target", "Targets", _cards(probe)))
        further = (
            Section("confounds", "Could confounds explain it?", "Confounds", confounds(probe)),
            Section("learning", "How many labels does it need?", "Labels", learning_curves(probe)),
            Section("seconds", "How much data does it need of a person?", "Seconds", lengths(probe)),
            Section("reliability", "Is it stable over time?", "Reliability", reliability(probe)),
            Section("networks", "Which networks carry it?", "Networks", networks(probe, run.atlas)),
        )
        without = [one for one in further if not any(map(probe.targets, FURTHER[one.key]))]
        found += [one for one in further if one not in without]
        found.append(Section("optimism", "What would peeking have gained?", "Peeking", optimism(probe)))
        if without:
            lacking = [Words(f"No results of: {listed(one.short.lower() for one in without)}. {WHY}")]
    if (tuned := run.finetune) is not None:
        found.append(Section("finetune", "Does fine-tuning help?", "Fine-tuning", [*answer(tuned), *_cards(tuned)]))
    return [
        *found,
        Section("checks", "What was left out, and what was checked", "Checks", [*checks(run), *lacking]),
        Section("training", "How it was trained", "Training", training(run)),
        Section("methods", "Methods, to paste into a paper", "Methods", methods(run)),
        Section("provenance", "How to reproduce it", "Provenance", provenance(run)),
    ]


def _answer(run: RunFolder) -> list[Block]:
    if run.probe is not None:
        return answer(run.probe)
    if run.probe_notes:
        return [
            Words(BAR),
            Words("The scores cannot be shown, so there is no answer:"),
            Bullets([Item(n) for n in run.probe_notes]),
        ]
    return [
        Words(BAR),
        Words(
            "This run has no probe yet, so it is not known what the encoder has learnt. "
            "`semantoks probe` scores it beside these bars."
        ),
    ]


def _cards(evaluation: Evaluation) -> list[Block]:
    cards = {target: target_card(evaluation, target) for target in evaluation.targets()}
    return [Folded(f"{target}: all methods, predictions, calibration", [card]) for target, card in cards.items()]
