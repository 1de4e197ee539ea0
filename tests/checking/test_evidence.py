"""Which axis is time, against a loop; what correlations say of an order, against what they could say."""

import numpy as np
import pytest
from geometric import recordings

from semantoks.atlas.atlas import Atlas
from semantoks.atlas.catalog import get_atlas
from semantoks.checking.evidence import (
    Evidence,
    autocorrelation,
    evidence,
    fits,
    mean_correlations,
    reach,
    time_axis,
    trusted,
)
from semantoks.signals.recording import Recording


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


CORTEX = get_atlas("schaefer200")


def test_only_good_frames_are_looked_at_and_what_is_not_finite_in_them_becomes_the_mean_of_its_roi():
    series = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    series[:, 3] = 7
    series[5] = 1e6
    series[6, 1] = np.inf
    series[7] = np.nan
    good = np.arange(30) != 5
    found = trusted(Recording(series=series, tr=2.0, participant="a", good=good, source="memory"))
    kept = np.delete(series, [5, 7], axis=0)
    assert found.shape == (28, 4)
    np.testing.assert_array_equal(found[:, 0], kept[:, 0])
    assert found[5, 1] == pytest.approx(np.delete(kept[:, 1], 5).mean(), rel=1e-5)
    assert np.isnan(found[:, 3]).all()
    assert trusted(Recording(series=series[:9], tr=2.0, participant="a", source="memory")) is None


def test_what_is_within_reach_is_judged_by_the_other_half_of_the_frames():
    atlas = Atlas(
        name="four", labels=("a", "b", "c", "d"), networks=("x", "x", "y", "y"), hemisphere=("L", "R", "L", "R")
    )
    rng = np.random.default_rng(2)
    shared = rng.normal(size=(400, 2))
    series = np.stack([shared[:, 0], shared[:, 1], shared[:, 1], shared[:, 0]], axis=1) + rng.normal(size=(400, 4))
    halves = [np.corrcoef(half, rowvar=False) for half in (series[:200], series[200:])]
    # the best pairs across the sides are a-d and b-c; as many pairs as there are within networks: both of these, too
    across = [(half[0, 3] + half[2, 1]) / 2 - half[np.ix_([0, 2], [1, 3])].mean() for half in halves]
    others = [
        (half[0, 3] + half[2, 1]) / 2 - np.mean([half[0, 1], half[0, 2], half[1, 3], half[2, 3]]) for half in halves
    ]
    found = reach([series.astype(np.float32)], atlas)
    assert found.homotopic == pytest.approx(np.mean(across), abs=1e-6)
    assert found.within == pytest.approx(np.mean(others), abs=1e-6)


@pytest.mark.parametrize("people", [1, 6])
def test_the_right_order_reaches_what_the_recordings_can_and_shuffled_ones_do_not(people):
    series = recordings(CORTEX, people=people)
    possible = reach(series, CORTEX)
    assert fits(evidence(mean_correlations(series), CORTEX), possible)
    rng = np.random.default_rng(3)
    for share in (1.0, 0.5):
        moved = rng.choice(CORTEX.n_rois, int(share * CORTEX.n_rois), replace=False)
        columns = np.arange(CORTEX.n_rois)
        columns[np.sort(moved)] = moved
        shuffled = [one[:, columns] for one in series]
        assert not fits(evidence(mean_correlations(shuffled), CORTEX), reach(shuffled, CORTEX))


def test_evidence_that_is_half_of_what_is_within_reach_does_not_fit():
    possible = Evidence(within=0.2, homotopic=0.42)
    assert fits(Evidence(within=0.11, homotopic=0.42), possible)
    assert not fits(Evidence(within=0.05, homotopic=0.09), possible)
    assert fits(Evidence(within=0.25, homotopic=0.1), possible)  # networks alone explain everything: simulated people
    assert not fits(Evidence(within=0.01, homotopic=0.02), Evidence(within=0.01, homotopic=0.02))
    unknown = float("nan")
    assert fits(Evidence(within=0.1, homotopic=unknown), Evidence(within=0.3, homotopic=unknown))
