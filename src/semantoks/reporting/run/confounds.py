"""Confounds: what can be decoded besides the targets, and what remains of the scores without confounds."""

from collections.abc import Sequence
from math import isfinite

from semantoks.reporting.content import Block, Bullets, Cell, Figure, Figures, Folded, Item, Table, Words
from semantoks.reporting.figures.scores import Estimate, chance_marks, draw_rows
from semantoks.reporting.run.answer import NOT_RUN, score_cell
from semantoks.reporting.run.evaluation import Compared, Evaluation, chance_of
from semantoks.reporting.wording import CONFOUNDS, listed, mean_sd, metric_words, number, p_cell, score
from semantoks.statistics.methods import FC, Look, method_look, method_name
from semantoks.statistics.tables import MAIN, METRICS

SHARE = 2.0
"""A confound counts as decodable if its mean score is more than this many standard deviations above chance."""
LOOKS = {
    "main": ("as it is", Look(paint="deep")),
    "deconfounded": ("confounds removed", Look(paint="orange", marker="s")),
    "motion_matched": ("motion-matched", Look(paint="green", marker="^")),
}


def confounds(evaluation: Evaluation) -> list[Block]:
    """Lay out the decode panel, the scores without confounds and the partial confounder test."""
    return [*_decode(evaluation), *_without(evaluation), *_tests(evaluation)]


def _decode(evaluation: Evaluation) -> list[Block]:
    names = evaluation.targets("decode")
    if not names:
        return [Words("Confounds were not decoded.")]
    figures, sentences = [], []
    for alike in _alike(evaluation, names):
        name, words = alike[0], " = ".join(CONFOUNDS.get(one, one) for one in alike)
        metric = MAIN[evaluation.kind(name, "decode")]
        chance = chance_of(metric, evaluation.classes(name))
        rows = []
        for method in evaluation.methods("decode", name):
            found = evaluation.over_splits("decode", "", name, method, metric)
            if found is not None:
                label, ends = method_name(method), {"low": found.mean - found.sd, "high": found.mean + found.sd}
                rows.append((label, [Estimate(name=label, value=found.mean, look=method_look(method), **ends)]))
        if rows:
            title, key = words[:1].upper() + words[1:], f"{evaluation.key} decode {name}"
            same = f" The same for {listed(CONFOUNDS.get(one, one) for one in alike)}." if len(alike) > 1 else ""
            drawing = draw_rows(key, title, METRICS[metric], rows, chance_marks(chance))
            figures.append(Figure(drawing, f"Mean over splits ± one standard deviation over splits.{same}"))
        sentences.append(Item(_decoded_sentence(evaluation, name, metric, chance), lead=f"{words}: "))
    about = (
        "Each set of features predicts variables that should not matter. What can be decoded can also drive the "
        "score of a target that is related to it."
    )
    told = Words(_decoded_in_short(evaluation, names))
    return [
        told,
        Folded("What else can be decoded from the features?", [Words(about), Bullets(sentences), Figures(figures)]),
    ]


def _decoded_in_short(evaluation: Evaluation, names: Sequence[str]) -> str:
    """Say in a sentence which confounds the subject's features predict."""
    whose = f"From the {method_name(evaluation.subject)}'s features"
    known = [n for n in names if chance_of(MAIN[evaluation.kind(n, "decode")], evaluation.classes(n)) is not None]
    carried = [CONFOUNDS.get(n, n) for n in known if decodable(evaluation, n, evaluation.subject)]
    others = [CONFOUNDS.get(n, n) for n in known if not decodable(evaluation, n, evaluation.subject)]
    parts = [
        f"{listed(carried)} can be decoded" if carried else "",
        f"{listed(others)} {'is' if len(others) == 1 else 'are'} not decoded above chance" if others else "",
    ]
    return f"{whose}, {'; '.join(filter(None, parts))}." if any(parts) else f"{whose}, confounds were decoded."


def _alike(evaluation: Evaluation, names: Sequence[str]) -> list[list[str]]:
    """Group confounds whose scores are the same in every method, as those of sites with one scanner setting each."""
    groups: dict[object, list[str]] = {}
    for name in names:
        metric = MAIN[evaluation.kind(name, "decode")]
        scores = (
            (m, evaluation.over_splits("decode", "", name, m, metric)) for m in evaluation.methods("decode", name)
        )
        key = (metric, *((m, s and (round(s.mean, 9), round(s.sd, 9))) for m, s in scores))
        groups.setdefault(key, []).append(name)
    return list(groups.values())


def decodable(evaluation: Evaluation, name: str, method: str) -> bool:
    """Return whether a confound is decoded above chance, by ``SHARE`` standard deviations, from a method's features."""
    metric = MAIN[evaluation.kind(name, "decode")]
    found, chance = (
        evaluation.over_splits("decode", "", name, method, metric),
        chance_of(metric, evaluation.classes(name)),
    )
    return found is not None and chance is not None and found.mean - SHARE * found.sd > chance


def _decoded_sentence(evaluation: Evaluation, name: str, metric: str, chance: float | None) -> str:
    scores = []
    for method in (evaluation.subject, FC):
        if found := evaluation.over_splits("decode", "", name, method, metric):
            scores.append(f"{method_name(method)} {mean_sd(found.mean, found.sd, metric)}")
    if not scores:
        return "not decoded from the encoder's features."
    against = f"chance {number(round(chance, 3))}" if chance is not None else "chance is not recorded"
    if chance is None:
        start = "decoded"
    elif decodable(evaluation, name, evaluation.subject):
        start = f"can be decoded from the {method_name(evaluation.subject)}'s features"
    else:
        start = (
            f"is not decoded above chance (by {SHARE:g} standard deviations over splits) from the "
            f"{method_name(evaluation.subject)}'s features, which does not rule it out"
        )
    return f"{start}; {METRICS[metric]} {listed(scores)}, {against}."


def _without(evaluation: Evaluation) -> list[Block]:
    targets = [t for t in evaluation.targets() if any(evaluation.conditions(a, t) for a in list(LOOKS)[1:])]
    if not targets:
        return [Words("No target was scored with confounds regressed out or with motion matched.")]
    figures, rows, sentences = [], [], []
    for target in targets:
        found = {analysis: evaluation.compared(target, analysis) for analysis in LOOKS}
        sentences.append(Item(_left_sentence(evaluation, target, found), lead=f"{target}: "))
        figures.append(_dumbbells(evaluation, target, found))
        for method in evaluation.methods("main", target):
            if any(method in found[analysis] for analysis in list(LOOKS)[1:]):
                cells = (score_cell(found[a][method]) if method in found[a] else NOT_RUN for a in LOOKS)
                metric = next(iter(found["main"].values())).metric
                rows.append((Cell(f"{target}: {method_name(method)}", under=metric_words(metric)), *cells))
    table = Table(
        label="Scores with and without confounds",
        caption="Mean over splits, with its 95\u00a0% interval below.",
        columns=("Target and method", *(words.capitalize() for words, _ in LOOKS.values())),
        rows=rows,
    )
    return [Folded("What remains without confounds?", [Bullets(sentences), Figures(figures), table])]


def _dumbbells(evaluation: Evaluation, target: str, found: dict[str, dict[str, Compared]]) -> Figure:
    metric = next(iter(found["main"].values())).metric
    rows = []
    for method in evaluation.methods("main", target):
        estimates = [
            Estimate(name=words, value=found[analysis][method].mean, look=look)
            for analysis, (words, look) in LOOKS.items()
            if method in found[analysis]
        ]
        if len(estimates) > 1:
            rows.append((method_name(method), estimates))
    marks = chance_marks(chance_of(metric, evaluation.classes(target)))
    drawing = draw_rows(f"{evaluation.key} without {target}", target, METRICS[metric], rows, marks, joined=True)
    conditions = [c.split("+") for c in evaluation.conditions("deconfounded", target)]
    removed = " or ".join(listed(CONFOUNDS.get(name, name) for name in names) for names in conditions)
    return Figure(drawing, f"Regressed out inside each training fold: {removed}." if removed else "")


def _left_sentence(evaluation: Evaluation, target: str, found: dict[str, dict[str, Compared]]) -> str:
    subject = evaluation.subject
    plain, left = found["main"].get(subject), found["deconfounded"].get(subject)
    parts = []
    if plain and left:
        carried = [
            CONFOUNDS.get(n, n)
            for n in evaluation.targets("decode")
            if n != target and decodable(evaluation, n, subject)
        ]
        falls = plain.mean - left.mean > plain.sd
        change = f"from {score(plain.mean, plain.metric)} to {score(left.mean, plain.metric)}"
        if falls and carried:
            parts.append(
                f"the {method_name(subject)} falls {change} once confounds are regressed out, and its features also "
                f"predict {listed(carried)}: part of its score may come from that"
            )
        elif falls:
            parts.append(f"the {method_name(subject)} falls {change} once confounds are regressed out")
        else:
            parts.append(
                f"regressing confounds out takes the {method_name(subject)} {change}, within its standard deviation "
                "over splits"
            )
    if plain and (matched := found["motion_matched"].get(subject)):
        rows = evaluation.scores.query("analysis == 'motion_matched' and target == @target")
        count = (rows["n_train"] + rows["n_test"]).max()
        parts.append(f"among {count:,.0f} motion-matched people it reaches {score(matched.mean, plain.metric)}")
    return "; ".join(parts) + "." if parts else f"the {method_name(subject)} was not scored without confounds."


def _tests(evaluation: Evaluation) -> list[Block]:
    rows = evaluation.scores
    rows = rows[rows["analysis"] == "confound_test"]
    if rows.empty or "p" not in rows:
        return [Words("The partial confounder test was not run.")]
    names = list(dict.fromkeys(rows["condition"]))
    found = {(r["target"], r["method"], r["condition"]): float(r["p"]) for r in rows.to_dict("records")}
    lines = [
        (
            Cell(f"{target}: {method_name(method)}"),
            *(Cell(_p_with_star(found.get((target, method, name), float("nan")))) for name in names),
        )
        for target in evaluation.targets("confound_test")
        for method in evaluation.methods("confound_test", target)
    ]
    about = (
        "The partial confounder test (Spisak 2022) asks whether predictions depend on a confound beyond what the "
        "true target explains. A small p says that they do; a large p does not prove that they do not."
    )
    table = Table(
        label="Partial confounder test",
        caption="p of the partial confounder test; * marks p < 0.05, not corrected for the number of tests.",
        columns=("Predictions", *(CONFOUNDS.get(name, name) for name in names)),
        rows=lines,
    )
    return [Folded("Do the predictions follow a confound?", [Words(about), table])]


def _p_with_star(p: float) -> str:
    return p_cell(p) + (" *" if isfinite(p) and p < 0.05 else "")
