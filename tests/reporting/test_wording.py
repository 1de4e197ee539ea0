from math import inf, nan

import pytest

from semantoks.reporting.wording import (
    duration,
    interval,
    listed,
    mean_sd,
    metric_words,
    p_cell,
    p_value,
    score,
    short,
)
from semantoks.statistics.methods import in_order, method_name


@pytest.mark.parametrize(("seconds", "words"), [(42.0, "42 s"), (1380.0, "23 min"), (11_100.0, "3 h 05 min")])
def test_durations_are_written_for_people(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(("count", "words"), [(19_200.0, "19,200"), (5.312e6, "5.31 million"), (3.2e15, "3.20 × 10¹⁵")])
def test_large_counts_are_written_in_three_digits(count: float, words: str) -> None:
    assert short(count) == words


def test_scores_have_three_decimals_and_errors_three_digits() -> None:
    assert score(0.63449, "auroc") == "0.634"
    assert score(-0.5, "r2") == "−0.500"
    assert score(0.04, "r", sign=True) == "+0.040"
    assert score(8.1349, "mae") == "8.13"
    assert score(123.4, "mae") == "123"
    assert score(nan, "r") == score(inf, "r") == "n/a"


def test_a_spread_has_the_decimals_of_its_mean() -> None:
    assert mean_sd(0.63449, 0.02, "auroc") == "0.634\u00a0±\u00a00.020"
    assert mean_sd(8.1349, 0.094, "mae") == "8.13\u00a0±\u00a00.09"
    assert mean_sd(0.6, nan, "r") == "0.600"


def test_an_interval_that_is_not_known_is_not_written() -> None:
    assert interval(-0.1, 0.25, "r", sign=True) == "−0.100 to +0.250"
    assert interval(nan, nan, "r") == ""


def test_a_p_value_is_never_zero() -> None:
    assert (p_value(0.0123), p_value(0.00001), p_value(nan)) == ("p\u00a0=\u00a00.012", "p\u00a0<\u00a00.001", "")
    assert (p_cell(0.0123), p_cell(0.00001), p_cell(nan)) == ("0.012", "<\u00a00.001", "")


def test_every_method_has_a_name() -> None:
    assert method_name("fc+encoder") == "FC + encoder"
    assert method_name("encoder_network") == "encoder (token per network)"
    assert method_name("encoder_attention") == "encoder (attention readout)"
    assert method_name("finetuned") == "fine-tuned encoder"
    assert method_name("my own") == "my own"


def test_methods_are_ordered_and_the_unknown_stand_before_what_is_fine_tuned() -> None:
    names = ["finetuned_random", "finetuned", "mine", "motion", "encoder_cls", "fc", "encoder", "fc"]
    assert in_order(names) == ["encoder", "fc", "motion", "encoder_cls", "mine", "finetuned", "finetuned_random"]


def test_what_should_be_low_is_marked() -> None:
    assert (metric_words("ece"), metric_words("r2")) == ("expected calibration error ↓", "R²")


def test_names_are_joined_as_one_speaks() -> None:
    assert (listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])) == ("a", "a and b", "a, b and c")
