"""The page about a study of many runs: what it has shown, the numbers, the runs, and how it was done."""

from dataclasses import dataclass
from math import isfinite, isnan
from pathlib import Path
from typing import Any

import pandas as pd

from semantoks.counted import plural
from semantoks.errors import DataError
from semantoks.reporting.content import (
    Block,
    Bullets,
    Cell,
    Code,
    Figure,
    Figures,
    Folded,
    Item,
    Pairs,
    Section,
    Table,
    Words,
)
from semantoks.reporting.curriculum import curriculum
from semantoks.reporting.figures.scores import Estimate, Line, Mark, draw_lines, draw_rows
from semantoks.reporting.recipes import drawn_scores, numbers
from semantoks.reporting.wording import duration, interval, metric_words, number, p_value, score
from semantoks.statistics.methods import ENCODER, FC, RANDOM, TANGENT, method_look, method_name
from semantoks.statistics.tables import METRICS
from semantoks.storage.checksums import check_sum, leads_out, read_sealed, read_sums
from semantoks.storage.tables import read_typed_table

STUDY, RESULTS, SUMMARY, LAWS, ANSWERS = "study.json", "results.tsv", "summary.tsv", "laws.tsv", "answers.tsv"
RECIPES = "recipes.tsv"
"""What a study's folder holds beside its runs."""
_TEXTS = (
    "run",
    "condition",
    "differs",
    "status",
    "target",
    "metric",
    "group",
    "verdict",
    "expected",
    "answer",
    "over",
    "fc_verdict",
    "tangent_verdict",
)
_LAW_TEXTS = ("target", "law", "formula", "best")
TITLES = {"ablate": "Ablations", "scale": "Scaling", "compare": "Recipes side by side"}
QUESTIONS = {
    "ablate": "What does each part of the recipe do?",
    "scale": "Does it gain with more, and by a law?",
    "compare": "Which recipe is better, and is one better than FC?",
}


@dataclass(frozen=True, kw_only=True)
class StudyFolder:
    """A study as read: study.json, and its tables."""

    folder: Path
    about: dict[str, Any]
    results: pd.DataFrame
    summary: pd.DataFrame
    answers: pd.DataFrame
    laws: pd.DataFrame
    recipes: pd.DataFrame

    @property
    def title(self) -> str:
        """Name the page."""
        return f"{TITLES.get(str(self.about.get('kind')), 'Study')} of {Path(str(self.about.get('cohort', ''))).name}"


def is_study(folder: Path) -> bool:
    """Say whether a folder is a study's."""
    return (folder / STUDY).is_file()


def read_study(folder: Path) -> StudyFolder:
    """Read a study's folder.

    Raises
    ------
    DataError
        If a file is damaged, or nothing was assembled yet.
    """
    try:
        about = read_sealed(folder / STUDY)
    except DataError as error:
        raise DataError(f"{error} Run the study's command again.") from error
    if not (folder / RESULTS).is_file():
        raise DataError(f"{folder} has no {RESULTS} yet: assemble it with the study's command and --assemble.")
    tables = {
        name: _table(folder / name, _LAW_TEXTS if name == LAWS else _TEXTS)
        for name in (RESULTS, SUMMARY, ANSWERS, LAWS, RECIPES)
    }
    if outside := [name for name in tables[RESULTS].get("run", []) if leads_out(name)]:
        raise DataError(f"{folder / RESULTS} names a run outside its folder, {outside[0][:80]!r}: it was changed.")
    return StudyFolder(
        folder=folder,
        about=about,
        results=tables[RESULTS],
        summary=tables[SUMMARY],
        answers=tables[ANSWERS],
        laws=tables[LAWS],
        recipes=tables[RECIPES],
    )


def _table(path: Path, texts: tuple[str, ...]) -> pd.DataFrame:
    sums = read_sums(path.parent)
    if not path.is_file() and path.name not in sums:
        return pd.DataFrame()
    check_sum(path, sums, path.name, "Assemble the study again.")
    if path.stat().st_size <= 1:
        return pd.DataFrame()
    table = read_typed_table(path, texts, what="a study's table", remedy="assemble the study again")
    return table.fillna({name: "" for name in texts if name in table})


def facts(study: StudyFolder) -> list[tuple[str, str]]:
    """List what the study is."""
    about, done = study.about, study.results.drop_duplicates("run")
    over = int(done["status"].isin(["finished", "failed"]).sum())
    return [
        ("Runs", f"{over} of {len(done)} done"),
        ("Trained on", f"up to {plural(int(about.get('pool', 0)), 'person')}"),
        ("Tested", f"{plural(int(about.get('test_people', 0)), 'person')}, the same for all runs, in no training"),
        ("Targets", ", ".join(map(str, about.get("targets", [])))),
    ]


def sections(study: StudyFolder) -> list[Section]:
    """Return the sections of the page."""
    kind = str(study.about.get("kind"))
    drawn = {"scale": _scaling, "compare": _comparison}.get(kind, _ablation)(study)
    return [
        Section("answer", QUESTIONS.get(kind, "What has it shown?"), "Answer", [*_answers(study), *drawn]),
        Section("numbers", "The numbers", "Numbers", _numbers(study)),
        Section(
            "training", "How the trainings went", "Training", curriculum(study.folder / "runs", _conditions(study))
        ),
        Section("runs", "The runs", "Runs", _runs(study)),
        Section("how", "How it was done", "How", _how(study)),
    ]


def _answers(study: StudyFolder) -> list[Block]:
    if not len(study.answers):
        return [Words("No run is probed yet, so there is no answer.")]
    items = [
        Item(row["answer"], lead=f"{row['target']}: " if row["target"] else "")
        for row in study.answers.to_dict("records")
    ]
    return [Bullets(items)]


def _ablation(study: StudyFolder) -> list[Block]:
    """Draw the differences from the full model, target by target."""
    found = []
    for target, rows in study.summary.groupby("target", sort=False) if len(study.summary) else ():
        others = rows[rows["diff"].notna()]
        if not len(others):
            continue
        metric = str(others["metric"].iloc[0])
        looks = method_look(ENCODER)
        estimates = [
            (
                row["condition"],
                [
                    Estimate(
                        name=row["condition"], value=row["diff"], low=row["diff_low"], high=row["diff_high"], look=looks
                    )
                ],
            )
            for row in others.to_dict("records")
        ]
        axis = f"difference in {METRICS.get(metric, metric)}"
        drawing = draw_rows(f"ablation {target}", str(target), axis, estimates, [Mark(name="full model", value=0.0)])
        found.append(Figure(drawing, "Mean over seeds, with its 95\u00a0% interval over seeds and test people."))
    return [Figures(found)] if found else []


def _comparison(study: StudyFolder) -> list[Block]:
    return drawn_scores(study.summary)


def _scaling(study: StudyFolder) -> list[Block]:
    """Draw the scores over the amount, target by target."""
    found = []
    for target, rows in study.summary.groupby("target", sort=False) if len(study.summary) else ():
        metric, over = str(rows["metric"].iloc[0]), str(rows["over"].iloc[0])
        amounts = [float(x) for x in rows["amount"]]
        spread = ((rows["high"] - rows["low"]) / 2).tolist()
        random = rows["random_weights"].tolist()
        lines = [
            Line(name="encoder", amounts=amounts, values=rows["score"].tolist(), sds=spread, look=method_look(ENCODER)),
            Line(
                name="random weights", amounts=amounts, values=random, sds=[0.0] * len(rows), look=method_look(RANDOM)
            ),
        ]
        marks = [
            Mark(name=method_name(method), value=float(rows[method].iloc[0]), paint=method_look(method).paint)
            for method in (FC, TANGENT)
            if method in rows and isfinite(rows[method].iloc[0])
        ]
        drawing = draw_lines(f"scaling {target}", str(target), METRICS.get(metric, metric), over, lines, marks=marks)
        found.append(Figure(drawing, "Mean over seeds; ribbon: 95\u00a0% interval over seeds and test people."))
    return [Figures(found)] if found else []


def _numbers(study: StudyFolder) -> list[Block]:
    if study.about.get("kind") == "compare":
        return numbers(study.summary, study.recipes, str(study.about.get("reference")))
    if not len(study.summary):
        return [Words("There are none yet.")]
    if "amount" in study.summary:
        return [_amounts(study), *([_laws(study)] if len(study.laws) else [])]
    rows = []
    for row in study.summary.to_dict("records"):
        metric = row["metric"]
        away = score(row["diff"], metric, sign=True) if not isnan(row["diff"]) else ""
        seen = [f"{row['collapsed']:.0f} collapsed"] if row["collapsed"] else []
        seen += [f"{row['failed']:.0f} failed"] if row["failed"] else []
        rows.append(
            [
                Cell(f"{row['target']}: {row['condition']}", under=row["differs"]),
                Cell(score(row["score"], metric), under=interval(row["low"], row["high"], metric)),
                Cell(away, under=interval(row["diff_low"], row["diff_high"], metric, sign=True)),
                Cell("", under=p_value(row["p_holm"]), verdict=row["verdict"]) if row["verdict"] else Cell(""),
                Cell(score(row["gain"], metric, sign=True)),
                Cell(f"{row['seeds']:.0f}", notes=seen),
            ]
        )
    return [
        Table(
            label="All conditions",
            caption="Mean over seeds, with its 95\u00a0% interval over seeds and test people below; p by Holm over the "
            "conditions of a target.",
            columns=(
                "Target and condition",
                "Encoder",
                "minus full model",
                "vs full model",
                "minus random weights",
                "Seeds",
            ),
            rows=rows,
        )
    ]


def _amounts(study: StudyFolder) -> Table:
    rows = [
        [
            Cell(f"{row['target']}: {number(row['amount'])} {row['over']}", under=metric_words(row["metric"])),
            Cell(score(row["score"], row["metric"]), under=interval(row["low"], row["high"], row["metric"])),
            Cell(
                score(row["gain"], row["metric"], sign=True),
                under=interval(row["gain_low"], row["gain_high"], row["metric"], sign=True),
            ),
            *(Cell(score(row.get(m, float("nan")), row["metric"])) for m in (RANDOM, FC, TANGENT)),
            Cell(f"{row['seeds']:.0f}"),
        ]
        for row in study.summary.to_dict("records")
    ]
    return Table(
        label="All sizes",
        caption="Mean over seeds, with its 95\u00a0% interval over seeds and test people below.",
        columns=("Target and size", "Encoder", "minus random weights", "Random weights", "FC", "FC, tangent", "Seeds"),
        rows=rows,
    )


def _laws(study: StudyFolder) -> Table:
    rows = []
    for row in study.laws.to_dict("records"):
        values = [
            f"{name} = {number(row[name])} ({number(row[f'{name}_low'])} to {number(row[f'{name}_high'])})"
            for name in ("a", "b", "c", "k")
            if isfinite(row.get(name, float("nan")))
        ]
        behind = row["behind"]
        rows.append(
            [
                Cell(f"{row['target']}: {row['law']}", under=row["formula"]),
                Cell("", notes=values),
                Cell(number(row["extrapolation_error"]) if isfinite(row["extrapolation_error"]) else "n/a"),
                Cell(f"{100 * behind:.0f}\u00a0%"),
                Cell("the best" if row["best"] == "yes" else row["best"]),
            ]
        )
    return Table(
        label="The laws",
        caption="Of the gain y over random weights; x counts in smallest sizes. The error is that of extrapolating to "
        "the next larger size; a law is told "
        "apart from the best one where it is worse in 95\u00a0% of the bootstrap samples over seeds and people.",
        columns=(
            "Target and law",
            "Values (95\u00a0% interval)",
            "Extrapolation error",
            "Worse than the best in",
            "Verdict",
        ),
        rows=rows,
    )


def _conditions(study: StudyFolder) -> list[tuple[str, list[str]]]:
    """Return the conditions with their runs; those about the objective, and what they are compared with, first."""
    runs = study.results.drop_duplicates("run")
    names = list(dict.fromkeys(runs["condition"]))
    first = [study.about.get("reference")]
    if "group" in study.summary:
        first += study.summary.loc[study.summary["group"] == "objective", "condition"].tolist()
    names.sort(key=lambda name: name not in first)
    return [(name, runs.loc[runs["condition"] == name, "run"].tolist()) for name in names]


def _runs(study: StudyFolder) -> list[Block]:
    rows = []
    for row in study.results.drop_duplicates("run").to_dict("records"):
        cost = row.get("tflop", float("nan"))
        seconds = row.get("seconds", float("nan"))
        step = row.get("collapse_warning_at", float("nan"))
        rows.append(
            [
                Cell(row["run"], under=row["differs"]),
                Cell(row["status"], notes=[] if isnan(step) else [f"collapse warning at step {step:.0f}"]),
                Cell(f"{row['people']:,.0f}"),
                Cell(f"{row['steps']:,.0f}" if isfinite(row.get("steps", float("nan"))) else ""),
                Cell(f"{cost:,.3g}" if isfinite(cost) else ""),
                Cell(duration(seconds) if isfinite(seconds) else ""),
            ]
        )
    table = Table(
        label="All runs",
        caption="Each is a run folder in runs/, like any other: `semantoks report` writes its page.",
        columns=("Run", "Status", "People", "Steps", "TFLOP", "Training"),
        rows=rows,
    )
    return [Folded(f"All {len(rows)} runs", [table])]


def _how(study: StudyFolder) -> list[Block]:
    about = study.about
    blocks: list[Block] = [Pairs("What was asked", [(str(name), str(value)) for name, value in about.get("about", [])])]
    if notes := about.get("notes"):
        blocks.append(Bullets([Item(str(note)) for note in notes]))
    if left_out := about.get("left_out"):
        blocks += [
            Words(f"{plural(len(left_out), 'condition')} left out:"),
            Bullets([Item(str(why), lead=f"{name}: ") for name, why in left_out]),
        ]
    if command := about.get("command"):
        blocks.append(Code(str(command)))
    return blocks
