from pathlib import Path

import numpy as np
import pytest
from small_cohort import made, recording, words_of

from semantoks.atlas.atlas import homotopic_pairs
from semantoks.reporting.cohort.folder import read_cohort
from semantoks.reporting.cohort.signals import MOST_CORRELATED, connectivity
from semantoks.signals.cohort import Cohort

pytestmark = pytest.mark.slow


def test_the_mean_correlation_is_that_of_a_naive_loop(whole_cohort: Path) -> None:
    cohort, found = Cohort(whole_cohort), connectivity(read_cohort(whole_cohort))
    assert found is not None
    z = []
    for index, first in enumerate(cohort.first_frames):
        good = cohort.good[first : first + cohort.recordings["frames"][index]]
        series = cohort.series(index)[good].astype(float)
        with np.errstate(invalid="ignore", divide="ignore"):
            r = np.corrcoef(series, rowvar=False)
        r[cohort.missing[index]] = r[:, cohort.missing[index]] = np.nan
        np.fill_diagonal(r, np.nan)
        z.append(np.arctanh(r))
    known = np.isfinite(z)
    mean = np.tanh(np.where(known, z, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1))
    mean[~known.any(axis=0)] = np.nan
    np.testing.assert_allclose(found.mean, mean, atol=1e-6)
    index = cohort.atlas.network_index
    pairs = [(mean[i, j], index[i] == index[j]) for i in range(457) for j in range(457) if np.isfinite(mean[i, j])]
    assert found.within == pytest.approx(np.mean([r for r, same in pairs if same]))
    assert found.between == pytest.approx(np.mean([r for r, same in pairs if not same]))
    twins = homotopic_pairs(cohort.atlas)
    assert found.homotopic == pytest.approx(np.nanmean([mean[i, j] for i, j in twins]))
    assert found.homotopic > found.across + 0.2
    assert found.within > found.between + 0.2
    assert found.recordings == len(cohort)


def test_of_a_large_cohort_recordings_are_taken_evenly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cohort = made(tmp_path / "c", [recording(str(n), seed=n) for n in range(7)])
    monkeypatch.setattr("semantoks.reporting.cohort.signals.MOST_CORRELATED", 3)
    found = connectivity(read_cohort(cohort))
    assert found is not None
    assert found.recordings == 3 < MOST_CORRELATED
    assert "Mean over 3 recordings of 7" in words_of(cohort, tmp_path)
