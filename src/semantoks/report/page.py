"""The page: what a run folder says, in the order in which a reader asks, in one HTML file that opens offline."""

import os
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from semantoks.errors import DataError
from semantoks.report.amounts import learning_curves, reliability
from semantoks.report.answer import BAR, answer, optimism
from semantoks.report.confounds import confounds
from semantoks.report.evaluation import Evaluation
from semantoks.report.gather import RunFolder, read_run
from semantoks.report.networks import networks
from semantoks.report.parts import Bullets, Item, Part, Section, Words
from semantoks.report.provenance import checks, facts, provenance, training
from semantoks.report.targets import target_card


def write_report(run: Path | str, out: Path | str | None = None) -> Path:
    """Write the report of a run folder and return where it lies.

    Parameters
    ----------
    run
        The run folder (the ``--out`` of ``semantoks pretrain``), or a probe's folder; a run that still goes on, was
        stopped, or has no probe yet is reported as far as it went.
    out
        The HTML file to write, replaced whole if it exists; ``run/report.html`` by default.

    Raises
    ------
    DataError
        If ``run`` is neither a run's nor a probe's folder, or ``out`` is a folder.
    """
    run = Path(run)
    target = run / "report.html" if out is None else Path(out)
    if target.is_dir():
        raise DataError(f"expected a file name for the report, but {target} is a folder. Try {target / 'report.html'}.")
    page = render(read_run(run))
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    partial.write_text(page, encoding="utf-8")
    os.replace(partial, target)
    return target


def render(run: RunFolder) -> str:
    """Return the page as HTML."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    sort = "run" if run.trained else "probe"
    page = environment.get_template("page.html.j2")
    return page.render(name=run.name, sort=sort, facts=facts(run), sections=sections(run))


def sections(run: RunFolder) -> list[Section]:
    """Return the sections of the page in their order."""
    found = [Section("answer", "Does it beat functional connectivity?", "Answer", [Words(BAR), *_answer(run)])]
    if (probe := run.probe) is not None:
        found += [
            Section("targets", "Target by target", "Targets", _cards(probe)),
            Section("learning", "How many labels does it need?", "Learning curves", learning_curves(probe)),
            Section("confounds", "Could confounds explain it?", "Confounds", confounds(probe)),
            Section("reliability", "Is it stable over time?", "Reliability", reliability(probe)),
            Section("networks", "Which networks tell it?", "Networks", networks(probe, run.atlas)),
            Section("optimism", "What would peeking have gained?", "Optimism", optimism(probe)),
        ]
    if (tuned := run.finetune) is not None:
        found.append(Section("finetune", "And with fine-tuning?", "Fine-tuning", [*answer(tuned), *_cards(tuned)]))
    return [
        *found,
        Section("checks", "What was left out, and what was checked", "Exclusions and checks", checks(run)),
        Section("training", "How it was trained", "Training", training(run)),
        Section("provenance", "How to make it again", "Provenance", provenance(run)),
    ]


def _answer(run: RunFolder) -> list[Part]:
    if run.probe is not None:
        return answer(run.probe)
    if run.probe_notes:
        return [
            Words("The scores cannot be shown, so nothing can be said:"),
            Bullets([Item(n) for n in run.probe_notes]),
        ]
    return [
        Words(
            "This run has no probe yet, so nothing can be said about what the encoder has learnt. "
            "`semantoks probe` scores it beside these bars."
        )
    ]


def _cards(evaluation: Evaluation) -> list[Part]:
    return [target_card(evaluation, target) for target in evaluation.targets()]
