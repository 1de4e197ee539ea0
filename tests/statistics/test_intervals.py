"""The weighted bootstrap against people who are really drawn and scored again."""

import numpy as np
import pytest
from simulated_predictions import plain_score, said, sides, taken

from semantoks.errors import ConfigError
from semantoks.statistics.intervals import beyond, bootstrap, draw, interval, stretched
from semantoks.statistics.tested import count_units, held_out

pytestmark = pytest.mark.slow

CASES = [
    ("class", 2, "balanced_accuracy"),
    ("class", 3, "balanced_accuracy"),
    ("class", 2, "auroc"),
    ("class", 3, "auroc"),
    ("value", 0, "r"),
    ("value", 0, "r2"),
    ("value", 0, "mae"),
]


@pytest.mark.parametrize(("kind", "classes", "metric"), CASES)
def test_weights_score_like_rows_that_are_really_repeated(kind, classes, metric):
    held = sides(kind=kind, classes=classes, groups=np.arange(40) // 2)
    weights = draw(count_units(held), 5, np.random.default_rng(1))
    found = bootstrap(held, metric, weights)
    for s, side in enumerate(held):
        for sample in range(6):
            rows = np.repeat(np.arange(len(side.unit)), weights[side.unit, sample].astype(int))
            for method in range(3):
                plain = plain_score(taken(side, rows), method, metric)
                assert found[s, method, sample] == pytest.approx(plain, abs=1e-9, nan_ok=True), (s, sample, method)


def test_a_draw_has_as_many_units_as_there_are_and_every_unit_once_in_the_mean():
    weights = draw(30, 4000, np.random.default_rng(0))
    assert weights.shape == (30, 4001)
    assert (weights[:, 0] == 1).all()
    assert (weights.sum(axis=0) == 30).all()
    assert weights.mean(axis=1) == pytest.approx(np.ones(30), abs=5 * np.sqrt(29 / 30 / 4000))


def test_without_resampling_the_bootstrap_is_the_score():
    held = sides(kind="value")
    once = np.ones((count_units(held), 1))
    assert bootstrap(held, "r", once)[3, 1, 0] == pytest.approx(plain_score(held[3], 1, "r"))


def test_the_interval_holds_95_percent_of_the_means_over_splits_by_people():
    samples, people = np.random.default_rng(0).normal(size=(5, 2, 999)), np.array([10, 20, 5, 10, 30])
    samples[1, 0] = np.nan
    samples[:, 1, 7] = np.nan
    plain, wide = (interval(stretched(samples, people, overlap)) for overlap in (0.0, 1.0))
    for method in range(2):
        known = np.delete(samples[:, method], 7, axis=1) if method else np.delete(samples[:, method], 1, axis=0)
        means = np.average(known, weights=people if method else np.delete(people, 1), axis=0)
        assert plain[method] == pytest.approx(np.quantile(means[1:], [0.025, 0.975]))
        assert wide[method] - means[0] == pytest.approx(np.sqrt(2) * (plain[method] - means[0]))


def test_beyond_the_bound_is_the_larger_share_of_samples_on_either_side():
    samples = np.array([[-0.3, -0.1, 0.0, 0.1, 0.2, 0.25, 0.3, 0.1, 0.0], [0.0] * 9, [np.nan] * 9])
    assert beyond(samples, 0.2) == pytest.approx([4 / 10, 1 / 10, np.nan], nan_ok=True)
    draws = np.random.default_rng(0).normal(0.05, 0.05, size=(30, 1999))
    within = np.abs(np.quantile(draws, [0.05, 0.95], axis=1)).max(axis=0) < 0.13
    assert ((beyond(draws, 0.13) <= 0.05) == within).mean() > 0.9


def test_a_sample_of_nobody_and_a_method_without_the_split_have_no_score():
    _, table = said()
    held = held_out(table[(table["method"] != "fc") | (table["split"] > 0)], ["encoder", "fc", "motion"])
    weights = np.ones((40, 2))
    weights[held[0].unit, 1] = 0
    for metric in ("balanced_accuracy", "auroc"):
        found = bootstrap(held, metric, weights)
        assert np.isnan(found[0, 1]).all()
        assert np.isnan(found[0, :, 1]).all()
        assert not np.isnan(found[0, [0, 2], 0]).any()
    for metric in ("r", "r2", "mae"):
        assert np.isnan(bootstrap(sides(kind="value")[:1], metric, weights * 0)).all()


def test_a_constant_prediction_has_r_zero_and_a_constant_truth_no_r():
    held = sides(kind="value")[0]
    held.predicted[0] = 0.3
    weights = draw(40, 20, np.random.default_rng(0))
    assert (bootstrap([held], "r", weights)[0, 0] == 0).all()
    held.truth[:] = 2.0
    assert np.isnan(bootstrap([held], "r", weights)).all()


def test_the_interval_of_a_mean_is_that_of_its_standard_error():
    """The mean of |error| over 400 people: ± 1.96 standard errors, known in closed form."""
    held = sides(kind="value", n=400, folds=1, repeats=1)
    error = np.abs(held[0].truth - held[0].predicted[0])
    low, high = interval(
        stretched(bootstrap(held, "mae", draw(400, 4000, np.random.default_rng(0))), np.array([400]), 0.0)
    )[0]
    expected = error.mean() + np.array([-1.96, 1.96]) * error.std() / 20
    assert [low, high] == pytest.approx(expected, abs=0.1 * error.std() / 20)


def test_families_widen_the_interval_of_what_they_share():
    """Four people of a family with one and the same error are one piece of evidence: twice the width."""
    alone = sides(kind="value", n=400, folds=1, repeats=1)[0]
    alone.predicted[:] = alone.truth + np.repeat(np.random.default_rng(0).normal(size=100), 4)
    families = sides(kind="value", n=400, folds=1, repeats=1, groups=np.arange(400) // 4)[0]
    families.predicted[:] = alone.predicted
    rng = np.random.default_rng(0)
    narrow, wide = (
        float(np.ptp(interval(stretched(bootstrap([side], "mae", draw(units, 2000, rng)), np.array([400]), 0.0))[0]))
        for side, units in ((alone, 400), (families, 100))
    )
    assert wide / narrow == pytest.approx(2, rel=0.15)


def test_an_unknown_metric_is_refused():
    with pytest.raises(ConfigError, match="no bootstrap for the metric 'brier'"):
        bootstrap(sides(), "brier", np.ones((40, 1)))
