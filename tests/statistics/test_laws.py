"""Laws of a gain: planted ones are found with their exponents, noise has none, and close ones are not told apart."""

import numpy as np
import pytest
from scipy.optimize import curve_fit

from semantoks.statistics.laws import LAWS, extrapolation_errors, judge, slope_of, words_of

SIZES = np.array([10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0])
BY_NAME = {law.name: law for law in LAWS}


def measured(curve, *, noise, seeds=3, seed=0, draws=100):
    """Gains [seed, size] around a curve with noise of trainings and of test people, and samples of the latter."""
    rng = np.random.default_rng(seed)
    gains = curve + rng.normal(size=len(curve)) * noise + rng.normal(size=(seeds, len(curve))) * noise
    return gains, gains[:, :, None] + rng.normal(size=(1, len(curve), draws)) * noise


PLANTED = {
    "log-linear": 0.02 + 0.05 * np.log(SIZES / 10),
    "power": 0.02 * (SIZES / 10) ** 0.6,
    "saturating": 0.4 - 0.38 * (SIZES / 10) ** -0.5,
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_law_is_found_and_told_apart(name):
    found = judge(SIZES, *measured(PLANTED[name], noise=0.001), draws=60)
    assert found.best is not None
    assert (found.best.name, found.also) == (name, ())
    assert f"The law is {name}" in words_of(found, "people")
    assert "flat" in [one.law.name for one in found.judged if one.behind == 1]


@pytest.mark.parametrize(("name", "exponent"), [("power", 0.6), ("saturating", 0.5)])
def test_the_exponent_is_the_planted_one_within_its_interval(name, exponent):
    found = judge(SIZES, *measured(PLANTED[name], noise=0.002), draws=60)
    value, low, high = next(one.values["k"] for one in found.judged if one.law.name == name)
    assert value == pytest.approx(exponent, abs=0.05)
    assert low < exponent < high
    assert high - low < 0.2


def test_a_fit_goes_through_the_points_where_there_is_no_noise():
    for name, curve in PLANTED.items():
        law = BY_NAME[name]
        fitted = law.fit(SIZES / 10, curve[None])
        np.testing.assert_allclose([law.predict(x, fitted)[0] for x in SIZES / 10], curve, atol=5e-4)
        assert extrapolation_errors(law, SIZES / 10, curve[None])[0] < 1e-6


def test_exponent_and_coefficients_are_those_of_scipy():
    curve = measured(PLANTED["saturating"], noise=0.01)[0].mean(axis=0)
    values, _ = curve_fit(lambda x, c, a, k: c - a * x**-k, SIZES / 10, curve, p0=(0.4, 0.4, 0.5))
    fitted = BY_NAME["saturating"].fit(SIZES / 10, curve[None])
    np.testing.assert_allclose([*fitted.coefficients[0], fitted.exponents[0]], values, atol=0.01)


def test_the_slope_is_per_tenfold_and_its_interval_is_above_zero_for_what_grows():
    found = judge(SIZES, *measured(PLANTED["log-linear"], noise=0.001), draws=2)
    assert found.slope.mean == pytest.approx(0.05 * np.log(10), abs=0.002)
    assert found.slope.low > 0
    assert found.sure


def test_noise_has_no_law_in_about_nineteen_of_twenty_studies():
    slopes = [slope_of(SIZES, *measured(np.zeros(6), noise=0.02, seed=s, draws=60)) for s in range(200)]
    sure = [slope.p < 0.05 for slope in slopes]
    assert 2 <= sum(sure) <= 20
    quiet = judge(SIZES, *measured(np.zeros(6), noise=0.02, seed=int(np.argmin(sure))), draws=2)
    assert words_of(quiet, "people").startswith("No law can be told: the gain does not change measurably with people")


def test_laws_that_noise_hides_are_not_told_apart():
    found = judge(SIZES, *measured(PLANTED["log-linear"], noise=0.03), draws=60)
    assert found.sure
    assert found.also
    assert "No law can be told apart" in words_of(found, "people")


def test_three_sizes_give_a_slope_and_no_law():
    found = judge(SIZES[:3], *measured(PLANTED["power"][:3], noise=0.001), draws=5)
    assert found.best is None
    assert "cannot be told from fewer than 4 sizes" in words_of(found, "people")
