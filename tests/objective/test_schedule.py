"""Schedules against their closed forms at the points that matter."""

import math

import pytest

from semantoks.objective.schedule import (
    fitting_momentum,
    initial_share,
    learning_rate,
    teacher_momentum,
    ttr_weight,
    weight_decay,
)


def test_learning_rate_rises_linearly_from_zero_then_falls_by_half_a_cosine_to_zero():
    rates = [learning_rate(k, 1000, 1.4e-3, 30) for k in range(1001)]
    assert rates[0] == 0.0
    assert rates[15] == pytest.approx(0.7e-3)
    assert rates[30] == pytest.approx(1.4e-3)
    assert rates[515] == pytest.approx(0.7e-3)
    assert rates[1000] == pytest.approx(0.0, abs=1e-12)
    assert rates[200] == pytest.approx(1.4e-3 * 0.5 * (1 + math.cos(math.pi * 170 / 970)))
    assert learning_rate(0, 10, 1.0, 0) == 1.0


def test_weight_decay_and_momentum_follow_the_published_half_cosines():
    assert weight_decay(0, 100, 0.05, 0.3) == pytest.approx(0.05)
    assert weight_decay(50, 100, 0.05, 0.3) == pytest.approx(0.175)
    assert weight_decay(100, 100, 0.05, 0.3) == pytest.approx(0.3)
    for k in (0, 33, 100):
        assert teacher_momentum(k, 100, 0.99) == pytest.approx(1 - 0.01 * 0.5 * (1 + math.cos(math.pi * k / 100)))


def test_the_regulariser_fades_over_its_share_of_the_training_and_stays_off():
    weights = [ttr_weight(k, 1000, 0.5, 0.05) for k in range(1000)]
    assert weights[0] == 0.5
    assert weights[25] == pytest.approx(0.25)
    assert weights[49] > 0
    assert all(w == 0 for w in weights[50:])
    assert ttr_weight(999, 1000, 0.5, 1.0) == 0.5
    assert ttr_weight(0, 1000, 0.5, 0.0) == 0.0


def test_what_the_teacher_keeps_of_its_start_is_the_product_of_the_momenta():
    assert initial_share(1, 0.99) == pytest.approx(0.99)
    assert initial_share(300, 0.99) == pytest.approx(math.exp(-0.01 * 150), rel=0.02)
    assert initial_share(7600, 0.99) < 1e-15
    assert fitting_momentum(7600) == pytest.approx(0.99)
    assert initial_share(300, fitting_momentum(300)) < 1e-15
    assert fitting_momentum(20) == 0.0
