"""One card per target: the scores of all methods, and the predictions of encoder and FC side by side."""

from math import isfinite

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from numpy import ndarray

from semantoks.counted import plural
from semantoks.reporting.content import Beside, Block, Bullets, Card, Cell, Figure, Figures, Item, Table
from semantoks.reporting.figures.predictions import (
    MOST_DOTS,
    Calibration,
    draw_calibration,
    draw_confusion,
    draw_scatter,
)
from semantoks.reporting.figures.scores import Estimate, Mark, chance_marks, draw_rows, named
from semantoks.reporting.run.answer import adds_sentence, difference_cell, fc_sentence, verdict_cell
from semantoks.reporting.run.evaluation import Compared, Evaluation, chance_of, table_of
from semantoks.reporting.wording import in_units, interval, listed, mean_sd, metric_words, p_value, score
from semantoks.statistics.methods import FC, MOTION, RANDOM, TANGENT, method_look, method_name
from semantoks.statistics.scores import reliability_curve
from semantoks.statistics.tables import METRICS

UNEQUAL = 1.5
"""Classes whose sizes differ by more than this factor make a confusion matrix look odd, and it is explained."""


def target_card(evaluation: Evaluation, target: str) -> Card:
    """Lay out everything about one target."""
    rows = evaluation.compared(target)
    subject = rows.get(evaluation.subject)
    classes = _classes(evaluation, target)
    said, forest = Bullets(_answers(evaluation, target, rows)), _forest(evaluation, target, rows, classes)
    if drawn := _predictions(evaluation, target, classes):
        *pair, calibration = drawn
        left, right = [forest], pair
        lower = sum(one.drawing.height for one in left) <= sum(one.drawing.height for one in right)
        (left if lower else right).append(calibration)
        shown: list[Block] = [said, Beside([Figures(left)], [Figures(right)])]
    else:
        shown = [Beside([said], [Figures([forest])])]
    blocks = [*shown, _table(evaluation, target, rows)]
    verdict = (subject.verdict if subject else "") or "not compared"
    return Card(title=target, verdict=verdict, about=_about(evaluation, target, rows, classes), blocks=blocks)


def _classes(evaluation: Evaluation, target: str) -> list[str]:
    """Return a target's classes in order, as the predictions name them or else as probe.json does."""
    if evaluation.kind(target) != "class":
        return []
    known = evaluation.classes(target)
    predictions = evaluation.predictions
    named = predictions[(predictions["target"] == target) & (predictions["analysis"] == "main")].drop_duplicates(
        "truth"
    )
    if named.empty:
        return known
    most = max(int(named["truth"].max()) + 1, max(map(len, named["probability"])))
    found = known if len(known) == most else [str(number) for number in range(most)]
    for number, name in zip(named["truth"], named["truth_name"], strict=True):
        found[int(number)] = str(name)
    return found


def _about(evaluation: Evaluation, target: str, rows: dict[str, Compared], classes: list[str]) -> str:
    def span(name: str) -> str:
        counts = sizes[name].dropna().astype(int)
        low, high = (counts.min(), counts.max()) if len(counts) else (0, 0)
        return f"{low:,}" if low == high else f"{low:,} to {high:,}"

    scores = evaluation.scores
    sizes = scores[(scores["analysis"] == "main") & (scores["target"] == target)]
    people = table_of(table_of(evaluation.about, "targets"), target).get("n")
    splits = max(row.splits for row in rows.values())
    tested = f"tested on {span('n_test')} {evaluation.units} each"
    parts = [
        f"{plural(len(classes), 'class', 'classes')}: {', '.join(classes)}" if classes else "a value",
        plural(people, evaluation.unit) if isinstance(people, int) else "",
        f"{plural(splits, 'split')}, trained on {span('n_train')} and {tested}",
    ]
    return " · ".join(part for part in parts if part)


def _answers(evaluation: Evaluation, target: str, rows: dict[str, Compared]) -> list[Item]:
    name = method_name(evaluation.subject)
    items = [
        Item(fc_sentence(rows, evaluation.subject), lead="Compared with FC: "),
        Item(adds_sentence(rows), lead="Does the encoder add to FC? "),
    ]
    if TANGENT in rows:
        hard = evaluation.compared(target, bar=TANGENT)
        items += [
            Item(fc_sentence(hard, evaluation.subject, TANGENT), lead="Compared with tangent FC: "),
            Item(adds_sentence(hard, TANGENT), lead="Does the encoder add to tangent FC? "),
        ]
    others = [(rows[m], method_name(m)) for m in (RANDOM, MOTION) if m in rows]
    if others:
        bars = listed(f"{words} {score(row.mean, row.metric)} ({_within(row)})" for row, words in others)
        items.append(Item(f"{bars}.", lead="The other bars: "))
    missing = [words for m, words in ((FC, "FC"), (RANDOM, "random weights"), (MOTION, "motion")) if m not in rows]
    if missing:
        them = "it" if len(missing) == 1 else "them"
        items.append(Item(f"{listed(missing)}. Scores mean little without {them}.", lead="Missing here: "))
    if (own := rows.get(evaluation.subject)) and isfinite(own.p_null) and isfinite(own.null_mean):
        ridge = f"A closed-form ridge on the same features scores {score(own.null_mean, own.metric)}"
        tested = f"{ridge} ({p_value(own.p_null)}, labels permuted and everything refitted)."
        items.append(Item(tested, lead=f"Is the {name} better than guessing? "))
    return items


def _within(row: Compared) -> str:
    return interval(row.low, row.high, row.metric) or f"sd over splits {score(row.sd, row.metric)}"


def _forest(evaluation: Evaluation, target: str, rows: dict[str, Compared], classes: list[str]) -> Figure:
    metric = next(iter(rows.values())).metric
    marks = chance_marks(chance_of(metric, classes))
    if FC in rows:
        marks.append(Mark(name="FC", value=rows[FC].mean, paint="orange"))
    drawn = [
        (method_name(m), [Estimate(name=method_name(m), value=r.mean, low=r.low, high=r.high, look=method_look(m))])
        for m, r in rows.items()
    ]
    drawing = draw_rows(f"{evaluation.key} forest {target}", "All methods", METRICS[metric], drawn, marks)
    return Figure(drawing, f"Mean over splits with its 95\u00a0% interval{named(marks)}.")


def _table(evaluation: Evaluation, target: str, rows: dict[str, Compared]) -> Table:
    main = next(iter(rows.values())).metric
    known = evaluation.all_over_splits
    each = {m: known["main", "", target, m] for m in rows if ("main", "", target, m) in known}
    others = [m for m in METRICS if m != main and any(m in found for found in each.values())]
    most = max(row.splits for row in rows.values())
    nulls = any(isfinite(row.p_null) for row in rows.values())
    hard = evaluation.compared(target, bar=TANGENT) if TANGENT in rows else {}
    lines = []
    for method, row in rows.items():
        few = f"{row.splits} of {plural(most, 'split')}" if row.splits < most else ""
        lines.append(
            (
                Cell(method_name(method), under=few),
                Cell(score(row.mean, main), under=interval(row.low, row.high, main)),
                difference_cell(row),
                verdict_cell(row),
                *((difference_cell(hard[method]), verdict_cell(hard[method])) if hard else ()),
                *([_null_cell(row)] if nulls else []),
                *(Cell(mean_sd(s.mean, s.sd, m) if (s := each.get(method, {}).get(m)) else "") for m in others),
            )
        )
    return Table(
        label=f"All scores of {target}",
        caption=f"{target}: {metric_words(main)} and differences from both bars with 95\u00a0% intervals, p by Holm "
        "over the targets. The closed-form ridge is a model of its own; its p, from permuted labels, is of its own "
        "score. Other scores as mean ± standard deviation over splits (↓ lower is better).",
        columns=(
            "Method",
            metric_words(main),
            "minus FC",
            "vs FC",
            *(("minus tangent FC", "vs tangent FC") if hard else ()),
            *(["closed-form ridge"] if nulls else []),
            *(
                metric_words(m).replace("error", in_units("error", target)) if m == "mae" else metric_words(m)
                for m in others
            ),
        ),
        rows=lines,
    )


def _null_cell(row: Compared) -> Cell:
    """Show the score of the permuted model above its p."""
    return Cell(score(row.null_mean, row.metric), under=p_value(row.p_null)) if isfinite(row.p_null) else Cell("")


def _predictions(evaluation: Evaluation, target: str, classes: list[str]) -> list[Figure]:
    predictions = evaluation.main_predictions(target)
    pair = [m for m in (evaluation.subject, FC) if (predictions["method"] == m).any()]
    drawn = []
    for method in pair:
        own, key = predictions[predictions["method"] == method], f"{evaluation.key} {method} {target}"
        if classes:
            drawn.append(_confusion(key, target, method, own, classes, evaluation.unit))
        else:
            drawn.append(_scatter(key, target, own, evaluation.compared(target)[method], evaluation))
    if pair:
        drawn.append(_calibration(evaluation, target, predictions, pair, classes))
    return drawn


def _confusion(key: str, target: str, method: str, own: pd.DataFrame, classes: list[str], unit: str) -> Figure:
    counts: Int[ndarray, "truth predicted"] = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(counts, (own["truth"].to_numpy(int), own["predicted"].to_numpy(int)), 1)
    people, times = own["person"].nunique(), len(own) / max(own["person"].nunique(), 1)
    often = {"1": "once", "2": "twice"}.get(f"{times:.3g}", f"{times:.3g}\u00a0times")
    counted = f"{plural(len(own), 'prediction')}: {plural(people, unit)}, each tested {often}."
    caption = f"Rows add up to 100\u00a0%. {counted}"
    sizes = counts.sum(axis=1)
    if sizes.max() > UNEQUAL * sizes.min():
        caption += " Classes weigh alike, whatever their size: a rare class is predicted more often than it occurs."
    return Figure(draw_confusion(key, f"{target}, {method_name(method)}", counts, classes), caption)


def _scatter(key: str, target: str, own: pd.DataFrame, found: Compared, evaluation: Evaluation) -> Figure:
    method = str(own["method"].iloc[0])
    first = own.sort_values(["person", "split"], kind="stable").drop_duplicates("person")
    kept = first.iloc[np.unique(np.linspace(0, len(first) - 1, min(len(first), MOST_DOTS)).round().astype(int))]
    drawing = draw_scatter(
        key,
        f"{target}, {method_name(method)}",
        kept["truth"].to_numpy(float),
        kept["predicted"].to_numpy(float),
        method_look(method),
        (in_units("true value", target), in_units("predicted", target)),
        evaluation.unit,
    )
    thinned = f", {len(kept):,} of {len(first):,} {evaluation.units}, evenly chosen" if len(kept) < len(first) else ""
    ending = f" Mean {METRICS[found.metric]} over splits: {score(found.mean, found.metric)}."
    return Figure(
        drawing,
        f"One dot per {evaluation.unit}, from the first split that tested them{thinned}. Dashed: predicted = true."
        f"{ending}",
    )


def _calibration(
    evaluation: Evaluation, target: str, predictions: pd.DataFrame, pair: list[str], classes: list[str]
) -> Figure:
    """Draw both methods' calibration: of the probability of the predicted class, or of the predicted value."""
    by_method = {m: predictions[predictions["method"] == m] for m in pair}
    found = {m: _by_confidence(own) if classes else _by_tenth(own) for m, own in by_method.items()}
    curves = [
        Calibration(name=method_name(m), look=method_look(m), predicted=predicted, observed=observed)
        for m, (predicted, observed) in found.items()
    ]
    key, title = f"{evaluation.key} calibration {target}", f"{target}: calibration"
    if not classes:
        every = np.concatenate([part for x, y in found.values() for part in (x, y)])
        ends = (float(every.min()), float(every.max()))
        across, upright = in_units("mean predicted", target), in_units("mean true value", target)
        drawing = draw_calibration(key, title, across, upright, curves, ends)
        return Figure(drawing, "One dot per tenth of the predictions, lowest to highest. Dashed: predicted = true.")
    drawing = draw_calibration(key, title, "stated confidence", "share correct", curves, (1 / len(classes), 1.0))
    caption = "Dashed: perfect calibration. Below it, a method is overconfident."
    errors = [(m, evaluation.over_splits("main", "", target, m, "ece")) for m in pair]
    known = [f"{method_name(m)} {score(one.mean, 'ece')}" for m, one in errors if one is not None]
    return Figure(drawing, caption + (f" Expected calibration error: {listed(known)}." if known else ""))


def _by_confidence(own: pd.DataFrame) -> tuple[Float[ndarray, " bin"], Float[ndarray, " bin"]]:
    sure = np.array([max(chances) for chances in own["probability"]], dtype=float)
    curve = reliability_curve((own["truth"] == own["predicted"]).to_numpy(bool), sure)
    return curve["confidence"].to_numpy(float), curve["accuracy"].to_numpy(float)


def _by_tenth(own: pd.DataFrame) -> tuple[Float[ndarray, " bin"], Float[ndarray, " bin"]]:
    tenth = pd.qcut(own["predicted"], 10, labels=False, duplicates="drop").fillna(0)
    means = own.groupby(tenth)[["predicted", "truth"]].mean()
    return means["predicted"].to_numpy(float), means["truth"].to_numpy(float)
