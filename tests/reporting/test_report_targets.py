import dataclasses
import re

import numpy as np
import pytest
from simulated_probe import CLASSES

from semantoks.reporting.content import Beside, Bullets, Card, Figure, Figures, Table
from semantoks.reporting.run.evaluation import Evaluation, chance_of
from semantoks.reporting.run.folder import RunFolder
from semantoks.reporting.run.targets import target_card
from semantoks.reporting.wording import interval, mean_sd, score
from semantoks.statistics.methods import method_name

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def probe(whole: RunFolder) -> Evaluation:
    assert whole.probe is not None
    return whole.probe


def figures_of(card: Card) -> list[Figure]:
    """Return encoder's and FC's predictions, then their calibration."""
    (both,) = (part for part in card.blocks if isinstance(part, Beside))
    (left,), (right,) = both.left, both.right
    assert isinstance(left, Figures)
    assert isinstance(right, Figures)
    return [*right.figures, *left.figures[1:]]


def test_a_class_target_has_confusions_of_both_and_a_calibration(probe: Evaluation) -> None:
    card = target_card(probe, "sex")
    encoder, fc, calibration = figures_of(card)
    for method, figure in (("encoder", encoder), ("fc", fc)):
        own = probe.predictions
        own = own[(own["analysis"] == "main") & (own["target"] == "sex") & (own["method"] == method)]
        counts = np.zeros((2, 2), int)
        for truth, predicted in zip(own["truth"], own["predicted"], strict=True):
            counts[int(truth), int(predicted)] += 1
        texts = re.findall(r"<text[^>]*>([^<]*)</text>", figure.drawing.svg)
        assert [int(t) for t in texts if t.isdigit()] == counts.ravel().tolist()
        assert figure.caption == "Rows add up to 100\u00a0%. 180 predictions: 90 people, each tested twice."
    ece = [probe.over_splits("main", "", "sex", name, "ece") for name in ("encoder", "fc")]
    shown = " and ".join(f"{n} {score(e.mean, 'ece')}" for n, e in zip(("encoder", "FC"), ece, strict=True) if e)
    assert calibration.caption.endswith(f"Expected calibration error: {shown}.")
    assert calibration.drawing.alt.startswith("Calibration, sex: calibration: share correct, by stated confidence")


def test_a_confusion_of_unequal_classes_says_why_the_rare_one_is_predicted_so_often(probe: Evaluation) -> None:
    words = "a rare class is predicted more often than it occurs"
    assert words not in figures_of(target_card(probe, "sex"))[0].caption
    own = probe.predictions
    rare = own[(own["target"] != "sex") | (own["truth"] == 0) | (own["person"] % 3 == 0)]
    few = dataclasses.replace(probe, predictions=rare)
    assert words in figures_of(target_card(few, "sex"))[0].caption


def test_the_table_holds_every_method_and_metric(probe: Evaluation) -> None:
    (table,) = (part for part in target_card(probe, "age").blocks if isinstance(part, Table))
    assert table.columns == (
        "Method",
        "correlation r",
        "minus FC",
        "vs FC",
        "minus tangent FC",
        "vs tangent FC",
        "closed-form ridge",
        "R²",
        "mean absolute error (years) ↓",
    )
    for (method, found), row in zip(probe.compared("age").items(), table.rows, strict=True):
        mae = probe.over_splits("main", "", "age", method, "mae")
        assert mae is not None
        assert row[0].text == method_name(method)
        assert (row[1].text, row[1].under) == (score(found.mean, "r"), interval(found.low, found.high, "r"))
        assert (row[3].verdict, row[8].text) == (found.verdict, mean_sd(mae.mean, mae.sd, "mae"))
        hard = probe.compared("age", bar="fc_tangent")[method]
        assert row[5].verdict == hard.verdict
        assert row[4].text == ("" if method == "fc_tangent" else score(hard.diff, "r", sign=True))


def test_fewer_splits_than_the_others_are_said(probe: Evaluation) -> None:
    summary = probe.summary.copy()
    summary.loc[summary["method"] == "motion", "splits"] = 4
    (table,) = (
        p for p in target_card(dataclasses.replace(probe, summary=summary), "sex").blocks if isinstance(p, Table)
    )
    assert [row[0].under for row in table.rows] == [""] * 6 + ["4 of 6 splits"]


def test_a_value_s_scatter_has_each_person_once_and_is_thinned_to_400(probe: Evaluation) -> None:
    scatter = figures_of(target_card(probe, "age"))[0]
    assert scatter.drawing.alt.startswith("Scatter plot, age, encoder: 90 people.")
    assert "evenly chosen" not in scatter.caption
    people = 1000
    many = probe.predictions.query("analysis == 'main' and target == 'age' and split == 0")
    many = many.loc[np.repeat(many.index, -(-people // 30))].groupby("method").head(people)
    many = many.assign(person=many.groupby("method").cumcount())
    thinned = figures_of(target_card(dataclasses.replace(probe, predictions=many), "age"))[0]
    assert thinned.drawing.alt.startswith("Scatter plot, age, encoder: 400 people.")
    assert "400 of 1,000 people, evenly chosen" in thinned.caption


def test_the_calibration_of_a_value_is_by_tenths_of_the_predictions(probe: Evaluation) -> None:
    calibration = figures_of(target_card(probe, "age"))[2]
    own = probe.predictions.query("analysis == 'main' and target == 'age' and method == 'fc'").sort_values("predicted")
    lowest = own.head(18)
    said = f"{float(f'{lowest.truth.mean():.3g}'):g} at {float(f'{lowest.predicted.mean():.3g}'):g}"
    assert f"FC: {said}," in calibration.drawing.alt


def test_the_card_says_who_was_trained_on_and_tested(probe: Evaluation) -> None:
    card = target_card(probe, "site")
    assert card.about == (
        f"15 classes: {', '.join(CLASSES['site'])} · 90 people · 6 splits, trained on 60 and tested on 30 people each"
    )
    assert card.verdict == probe.compared("site")["encoder"].verdict


def test_missing_bars_are_called_missing(probe: Evaluation) -> None:
    summary = probe.summary[~probe.summary["method"].isin(["random_weights", "fc"])].assign(verdict="")
    card = target_card(dataclasses.replace(probe, summary=summary), "sex")
    bullets = card.blocks[0]
    assert isinstance(bullets, Bullets)
    said = [f"{item.lead}{item.text}" for item in bullets.items]
    assert "Missing here: FC and random weights. Scores mean little without them." in said
    assert card.verdict == "not compared"


def test_without_predictions_there_are_no_figures_of_them(probe: Evaluation) -> None:
    none = dataclasses.replace(probe, predictions=probe.predictions.head(0))
    (beside,) = (part for part in target_card(none, "sex").blocks if isinstance(part, Beside))
    assert [len(part.figures) for part in beside.right if isinstance(part, Figures)] == [1]


@pytest.mark.parametrize(
    ("metric", "classes", "chance"),
    [
        ("balanced_accuracy", ["a", "b", "c", "d"], 0.25),
        ("balanced_accuracy", [], None),
        ("r", [], 0.0),
        ("mae", [], None),
    ],
)
def test_chance_is_known_for_what_can_be_guessed(metric: str, classes: list[str], chance: float | None) -> None:
    assert chance_of(metric, classes) == chance
