"""The mean over seeds: its interval covers other seeds and other test people, paired by both."""

import numpy as np
import pandas as pd
import pytest

from semantoks.errors import DataError
from semantoks.statistics.scores import value_scores
from semantoks.statistics.seeds import over_seeds, resampled


def test_its_interval_has_the_variance_of_seeds_and_of_people_added():
    values = np.array([0.1, 0.2, 0.3])
    samples = values[:, None] + np.array([-0.05, 0.0, 0.05])
    found = over_seeds(values, samples)
    error = np.sqrt(0.01 / 3 + 0.0025)
    assert found.mean == pytest.approx(0.2)
    assert found.high - found.mean > 1.96 * error  # the few degrees of freedom of three seeds widen it
    alone = over_seeds(values[:1], samples[:1])
    assert alone.high - alone.mean == pytest.approx(1.96 * 0.05, rel=1e-3)
    assert alone.seeds == 1


def test_a_false_difference_is_found_in_about_one_study_of_twenty():
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(400):
        people = rng.normal() * 0.02
        values = people + rng.normal(size=3) * 0.02
        found += over_seeds(values, values[:, None] + rng.normal(size=60) * 0.02).p < 0.05
    assert 8 <= found <= 36


def predictions(noise, *, people=40, splits=4, seed=0, shift=0):
    rng = np.random.default_rng(seed)
    truth = np.random.default_rng(9).normal(size=people)
    tables = []
    for split in range(splits):
        test = np.arange(people)[split::splits] + shift
        guess = truth[test - shift] + rng.normal(size=len(test)) * noise
        tables.append(pd.DataFrame({"split": split, "person": test, "group": test, "truth": truth[test - shift]}))
        tables[-1]["predicted"] = guess
    table = pd.concat(tables, ignore_index=True).assign(analysis="main", condition="", target="age", kind="value")
    return table.assign(method="encoder", truth_name="", probability=[np.zeros(0, np.float32)] * people)


def test_scores_are_the_means_over_splits_and_samples_are_of_the_same_people():
    good, bad = predictions(0.5), predictions(2.0, seed=1)
    means, samples = resampled({"a": good, "b": good, "c": bad}, "r", n_train=30.0, samples=50)
    by_split = [value_scores(t["truth"].to_numpy(), t["predicted"].to_numpy())["r"] for _, t in good.groupby("split")]
    assert means[0] == pytest.approx(np.mean(by_split))
    assert means[2] < means[0]
    np.testing.assert_array_equal(samples[0], samples[1])
    assert samples.shape == (3, 50)


def test_other_test_people_are_refused():
    with pytest.raises(DataError, match="every method must have predicted each"):
        resampled({"a": predictions(0.5), "b": predictions(0.5, shift=1)}, "r", n_train=30.0, samples=5)
