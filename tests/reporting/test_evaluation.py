import dataclasses

import numpy as np
import pytest
from simulated_probe import CLASSES, CONFOUNDED, METHODS, NETWORKS, SIGNAL, Size, tables

from semantoks.reporting.run.evaluation import Evaluation, table_of
from semantoks.reporting.run.folder import RunFolder
from semantoks.statistics.methods import in_order
from semantoks.statistics.summary import summarise

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def probe(whole: RunFolder) -> Evaluation:
    assert whole.probe is not None
    return whole.probe


def test_the_numbers_are_those_of_the_summary_of_the_two_tables(probe: Evaluation) -> None:
    scores, predictions = tables(Size())
    expected = summarise(scores, predictions).set_index(["analysis", "target", "method"])
    for analysis in ("main", "deconfounded", "motion_matched"):
        for target in SIGNAL if analysis == "main" else CONFOUNDED:
            for method, found in probe.compared(target, analysis).items():
                row = expected.loc[(analysis, target, method)]
                assert found.verdict == row["verdict"]
                for name in (
                    "mean",
                    "sd",
                    "low",
                    "high",
                    "diff",
                    "diff_low",
                    "diff_high",
                    "p_holm",
                    "null_mean",
                    "p_null",
                ):
                    np.testing.assert_allclose(getattr(found, name), row[name], err_msg=f"{analysis} {method} {name}")


def test_methods_are_in_the_order_of_display(probe: Evaluation) -> None:
    assert list(probe.compared("sex")) == [
        *("encoder", "fc+encoder", "tangent+encoder", "random_weights", "fc", "fc_tangent", "motion")
    ]
    assert probe.methods("reliability", "identity, halves") == ["encoder", "random_weights", "fc"]


def test_spreads_over_splits_are_those_of_a_plain_loop(probe: Evaluation) -> None:
    scores, _ = tables(Size())
    values = [
        r["auroc"]
        for r in scores.to_dict("records")
        if (r["analysis"], r["target"], r["method"]) == ("main", "sex", "fc")
    ]
    found = probe.over_splits("main", "", "sex", "fc", "auroc")
    assert found is not None
    assert (found.mean, found.sd, found.splits) == (
        pytest.approx(sum(values) / 6),
        pytest.approx(float(np.std(values, ddof=1))),
        6,
    )
    assert probe.over_splits("main", "", "age", "fc", "auroc") is None
    assert probe.over_splits("main", "", "nothing", "fc", "r") is None


def test_targets_conditions_and_classes_are_known(probe: Evaluation) -> None:
    assert probe.targets() == list(SIGNAL)
    assert probe.targets("decode") == ["site", "mean_fd"]
    assert probe.conditions("network", "age") == list(NETWORKS)
    assert probe.conditions("network", "nobody") == []
    assert probe.classes("sex") == CLASSES["sex"]
    assert probe.classes("age") == probe.classes("nobody") == []
    assert (probe.kind("age"), probe.kind("site", "decode")) == ("value", "class")


def test_the_order_of_the_rows_changes_nothing(probe: Evaluation) -> None:
    scores, predictions = (table.sample(frac=1.0, random_state=1) for table in (probe.scores, probe.predictions))
    again = dataclasses.replace(probe, scores=scores, summary=summarise(scores, predictions))
    assert repr(again.compared("sex")) == repr(probe.compared("sex"))  # NaN equals NaN here


def test_a_method_without_a_row_of_the_summary_is_not_there(probe: Evaluation) -> None:
    summary = probe.summary[probe.summary["method"] != "fc"]
    assert list(dataclasses.replace(probe, summary=summary).compared("sex")) == in_order(
        m for m in METHODS if m != "fc"
    )


def test_a_key_that_holds_no_table_is_an_empty_one() -> None:
    assert table_of({"a": {"b": 1}}, "a") == {"b": 1}
    assert table_of({"a": [1]}, "a") == table_of({}, "a") == {}


def test_the_fine_tuned_encoder_is_what_fine_tuning_is_about(probe: Evaluation) -> None:
    assert probe.subject == "encoder"
    assert dataclasses.replace(probe, key="finetune").subject == "finetuned"


def test_the_simulated_scores_are_those_of_their_predictions() -> None:
    scores, predictions = tables(Size(targets=("age",), methods=("encoder", "fc")))
    one = predictions.query("analysis == 'main' and method == 'fc' and split == 3")
    row = scores.query("analysis == 'main' and method == 'fc' and split == 3").iloc[0]
    assert row["r"] == pytest.approx(np.corrcoef(one["truth"], one["predicted"])[0, 1])
