import pytest

from semantoks.report.compare import Difference, Score
from semantoks.report.wording import duration, fc_sentence, short, spread


@pytest.mark.parametrize(("seconds", "words"), [(42.0, "42 s"), (1380.0, "23 min"), (11_100.0, "3 h 05 min")])
def test_durations_are_written_for_people(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(("count", "words"), [(19_200.0, "19,200"), (5.312e6, "5.31 million"), (3.2e15, "3.20 × 10¹⁵")])
def test_large_counts_are_written_in_three_digits(count: float, words: str) -> None:
    assert short(count) == words


def test_scores_have_three_decimals_and_errors_three_digits() -> None:
    assert spread(Score(mean=0.63449, sd=0.02, splits=5), "auroc") == "0.634\u00a0±\u00a00.020"
    assert spread(Score(mean=8.1349, sd=0.094, splits=5), "mae") == "8.13\u00a0±\u00a00.09"
    assert spread(Score(mean=-0.5, sd=float("nan"), splits=1), "r2") == "−0.500"


def test_the_fc_sentence_says_which_way_and_over_how_many_splits() -> None:
    worse = Difference(mean=-0.094, sd=0.015, splits=10, reading="no")
    assert fc_sentence(worse, "auroc", "AUROC") == (
        "No, the encoder is below functional connectivity: "
        "mean difference in AUROC −0.094\u00a0±\u00a00.015 over the same 10 splits."
    )
    few = Difference(mean=0.4, sd=0.01, splits=2, reading="not distinguishable")
    assert fc_sentence(few, "auroc", "AUROC").startswith("Not distinguishable: 2 shared split(s)")
    assert fc_sentence(None, "auroc", "AUROC").startswith("It cannot be said")
