"""Which axis is time, against a loop."""

import numpy as np
import pytest

from semantoks.doctor.orders import autocorrelation, time_axis


def test_autocorrelation_is_a_loop_over_lines_and_finds_time():
    rng = np.random.default_rng(1)
    walk = rng.normal(size=(200, 5))
    for frame in range(1, 200):
        walk[frame] += 0.8 * walk[frame - 1]
    walk += np.arange(5) * 10.0
    lines = []
    for roi in range(5):
        x = walk[:, roi] - walk[:, roi].mean()
        lines.append(sum(x[i] * x[i + 1] for i in range(199)) / sum(x**2))
    assert autocorrelation(walk, 0) == pytest.approx(np.mean(lines))
    assert time_axis(walk - walk.mean(axis=0)) == 0
    assert time_axis((walk - walk.mean(axis=0)).T) == 1
    assert time_axis(rng.normal(size=(50, 50))) is None
    assert time_axis(np.ones((5, 5))) is None
