"""The page about a run or a cohort, in the order in which a reader asks: one HTML file that opens offline."""

import os
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from semantoks.errors import DataError
from semantoks.report.cohort.folder import CohortFolder, is_cohort, read_cohort
from semantoks.report.cohort.sections import facts as cohort_facts
from semantoks.report.cohort.sections import sections as cohort_sections
from semantoks.report.content import Block, Bullets, Item, Section, Words
from semantoks.report.run.amounts import learning_curves, reliability
from semantoks.report.run.answer import BAR, answer, optimism
from semantoks.report.run.confounds import confounds
from semantoks.report.run.evaluation import Evaluation
from semantoks.report.run.folder import RunFolder, read_run
from semantoks.report.run.networks import networks
from semantoks.report.run.provenance import checks, facts, provenance, training
from semantoks.report.run.targets import target_card


def write_report(run: Path | str, out: Path | str | None = None) -> Path:
    """Write the report of a run or a cohort and return its path.

    Parameters
    ----------
    run
        The folder of a run (the ``--out`` of ``semantoks pretrain``), a probe, or a cohort (of ``semantoks prepare``).
        A run that is still training, was stopped, or has no probe yet is reported as far as it went.
    out
        The HTML file to write, replaced whole if it exists; by default ``run/report.html``, and
        ``<cohort>_report.html`` beside a cohort, whose folder stays as it is.

    Raises
    ------
    DataError
        If ``run`` is neither a run's nor a probe's nor a cohort's folder, or ``out`` is a folder or inside the cohort.
    """
    run = Path(run)
    of_cohort = is_cohort(run)
    whole = run.resolve()
    usual = whole.with_name(f"{whole.name}_report.html") if of_cohort else run / "report.html"
    target = usual if out is None else Path(out)
    if target.is_dir():
        raise DataError(f"expected a file name for the report, but {target} is a folder. Try {target / usual.name}.")
    if of_cohort and target.resolve().is_relative_to(whole):
        raise DataError(f"--out {target} is inside the cohort {run}, which stays as prepare left it. Try {usual}.")
    page = render_cohort(read_cohort(run)) if of_cohort else render(read_run(run))
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    partial.write_text(page, encoding="utf-8")
    os.replace(partial, target)
    return target


def render(run: RunFolder) -> str:
    """Return the page of a run as HTML."""
    return _html(f"{'Run' if run.trained else 'Probe'} {run.name}", facts(run), sections(run))


def render_cohort(cohort: CohortFolder) -> str:
    """Return the page of a cohort as HTML."""
    return _html(cohort.title, cohort_facts(cohort), cohort_sections(cohort))


def _html(title: str, found: Sequence[tuple[str, str]], ordered: Sequence[Section]) -> str:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2").render(title=title, facts=found, sections=ordered)


def sections(run: RunFolder) -> list[Section]:
    """Return the sections of the page in their order."""
    found = [Section("answer", "Does it beat functional connectivity?", "Answer", [Words(BAR), *_answer(run)])]
    if (probe := run.probe) is not None:
        found += [
            Section("targets", "Target by target", "Targets", _cards(probe)),
            Section("learning", "How many labels does it need?", "Learning curves", learning_curves(probe)),
            Section("confounds", "Could confounds explain it?", "Confounds", confounds(probe)),
            Section("reliability", "Is it stable over time?", "Reliability", reliability(probe)),
            Section("networks", "Which networks carry it?", "Networks", networks(probe, run.atlas)),
            Section("optimism", "What would peeking have gained?", "Optimism", optimism(probe)),
        ]
    if (tuned := run.finetune) is not None:
        found.append(Section("finetune", "Does fine-tuning help?", "Fine-tuning", [*answer(tuned), *_cards(tuned)]))
    return [
        *found,
        Section("checks", "What was left out, and what was checked", "Exclusions and checks", checks(run)),
        Section("training", "How it was trained", "Training", training(run)),
        Section("provenance", "How to reproduce it", "Provenance", provenance(run)),
    ]


def _answer(run: RunFolder) -> list[Block]:
    if run.probe is not None:
        return answer(run.probe)
    if run.probe_notes:
        return [
            Words("The scores cannot be shown, so there is no answer:"),
            Bullets([Item(n) for n in run.probe_notes]),
        ]
    return [
        Words(
            "This run has no probe yet, so it is not known what the encoder has learnt. "
            "`semantoks probe` scores it beside these bars."
        )
    ]


def _cards(evaluation: Evaluation) -> list[Block]:
    return [target_card(evaluation, target) for target in evaluation.targets()]
