import numpy as np
import pandas as pd
import pytest
from simulated_run import scores_table

from semantoks.report.compare import paired_difference, summarise


def test_the_reading_is_yes_only_beyond_the_sd_of_the_paired_differences() -> None:
    second = pd.Series([0.5, 0.6, 0.7, 0.8])
    step = np.array([-1.0, 1.0, -1.0, 1.0]) * 0.01
    sd = float(np.std(step, ddof=1))
    above = paired_difference(second + step + 1.01 * sd, second)
    within = paired_difference(second + step + 0.99 * sd, second)
    below = paired_difference(second + step - 1.01 * sd, second)
    assert above is not None
    assert within is not None
    assert below is not None
    assert (above.reading, within.reading, below.reading) == ("yes", "not distinguishable", "no")
    assert above.sd == pytest.approx(sd)
    assert above.mean == pytest.approx(1.01 * sd)


def test_a_lower_error_is_the_better_one() -> None:
    first, second = pd.Series([4.0, 5.1, 6.0]), pd.Series([5.0, 6.0, 7.0])
    found = paired_difference(first, second, lower_is_better=True)
    assert found is not None
    assert (found.reading, round(found.mean, 3)) == ("yes", -0.967)


def test_only_shared_splits_are_paired_and_two_of_them_are_too_few() -> None:
    first = pd.Series([0.9, 0.9, 0.9], index=["0", "1", "2"])
    second = pd.Series([0.1, 0.1, 0.5], index=["1", "2", "3"])
    found = paired_difference(first, second)
    assert found is not None
    assert (found.splits, found.reading, found.mean) == (2, "not distinguishable", pytest.approx(0.8))
    assert paired_difference(first, pd.Series([0.1], index=["9"])) is None


def test_identical_methods_cannot_be_told_apart() -> None:
    found = paired_difference(pd.Series([0.5] * 5), pd.Series([0.5] * 5))
    assert found is not None
    assert (found.mean, found.sd, found.reading) == (0, 0, "not distinguishable")


def test_means_spreads_and_differences_are_those_of_the_table() -> None:
    table = scores_table()
    result = summarise(table, "sex")
    wide = table[(table.target == "sex") & (table.metric == "balanced_accuracy")].pivot(
        index="split", columns="method", values="value"
    )
    score = result.scores["encoder", "balanced_accuracy"]
    assert (score.mean, score.sd, score.splits) == (
        pytest.approx(wide["encoder"].mean()),
        pytest.approx(wide["encoder"].std()),
        10,
    )
    assert result.over["fc"].mean == pytest.approx((wide["encoder"] - wide["fc"]).mean())
    assert result.over["motion"].sd == pytest.approx((wide["encoder"] - wide["motion"]).std())
    assert result.to_fc["random_weights"].mean == pytest.approx((wide["random_weights"] - wide["fc"]).mean())
    assert result.methods == ("encoder", "fc+encoder", "fc", "random_weights", "motion")
    assert (result.n_train, result.n_test) == ((644, 644), (160, 161))


def test_the_best_method_has_to_beat_every_other_one() -> None:
    table = scores_table()
    assert summarise(table, "sequence").best["r"] is None  # encoder and fc+encoder lie within their spread
    alone = table[table.method != "fc+encoder"]
    assert summarise(alone, "sequence").best["r"] == "encoder"
    assert summarise(alone, "sequence").best["mae"] == "encoder"
    assert summarise(alone[alone.method == "encoder"], "sequence").best["r"] is None
