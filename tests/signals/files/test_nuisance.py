"""Nuisance regression: nilearn's confounds, fitted on good frames, taken out of all; or a reason."""

import numpy as np
import pandas as pd
import pytest
from families import only
from nilearn import signal
from nilearn.interfaces.fmriprep import load_confounds_strategy
from tiny_fmriprep import (
    FRAMES,
    confounds_of,
    labels_of,
    made,
    opened,
    read,
    reasons,
    residual,
    write_fmriprep,
    write_labels,
)

from semantoks.signals.recording import Recording


@pytest.fixture
def labels(tmp_path):
    return write_labels(tmp_path / "labels.nii.gz", labels_of(5))


def test_a_planted_confound_is_taken_out_and_the_signal_stays(tmp_path, labels):
    confounds = confounds_of(FRAMES)
    wave = np.sin(np.arange(FRAMES) * 0.9)
    series = 500 + wave[:, None] + np.outer(confounds["trans_x"], np.arange(5)) * 40
    one = Recording(series=series.astype(np.float32), tr=2.0, participant="01", source="made")
    write_fmriprep(tmp_path / "d", [one], confounds=confounds)
    (found,) = read(tmp_path / "d", labels)
    for roi in range(5):
        assert np.corrcoef(found.series[:, roi], wave)[0, 1] > 0.85
        assert abs(np.corrcoef(found.series[:, roi], confounds["trans_x"])[0, 1]) < 1e-3
        assert found.series[:, roi].mean() == pytest.approx(series[:, roi].mean(), abs=1e-2)


@pytest.mark.parametrize("strategy", ["simple", "scrubbing", "compcor"])
def test_good_frames_are_what_nilearns_clean_leaves_and_no_frame_is_taken_out(tmp_path, labels, strategy):
    fd = np.r_[np.nan, np.full(FRAMES - 1, 0.1)]
    fd[[30, 34, 80]] = 0.9
    confounds = confounds_of(FRAMES, non_steady=3, fd=fd)
    given = made()
    write_fmriprep(tmp_path / "d", [given], confounds=confounds)
    (found,) = read(tmp_path / "d", labels, confounds=strategy)
    bad = {0, 1, 2} | ({30, 31, 32, 33, 34, 80} if strategy == "scrubbing" else set())
    assert found.series.shape == (FRAMES, 5)
    assert set(np.flatnonzero(~found.good)) == bad
    table, mask = load_confounds_strategy(found.source, denoise_strategy=strategy)
    cleaned = signal.clean(
        given.series.astype(np.float64), confounds=table, sample_mask=mask, detrend=False, standardize=None
    )
    np.testing.assert_allclose(found.series[found.good], cleaned, rtol=0, atol=2e-3)
    np.testing.assert_allclose(found.series, residual(given.series, table.to_numpy(), mask), rtol=0, atol=5e-3)
    np.testing.assert_array_equal(found.fd, fd)


def test_the_global_signal_is_regressed_on_request(tmp_path, labels):
    confounds = confounds_of(FRAMES)
    series = 500 + np.outer(confounds["global_signal"], np.ones(5)) + made().series / 10
    given = Recording(series=series.astype(np.float32), tr=2.0, participant="01", source="made")
    write_fmriprep(tmp_path / "d", [given], confounds=confounds)
    (plain,), (without,) = read(tmp_path / "d", labels), read(tmp_path / "d", labels, global_signal=True)
    kept = [np.abs(np.corrcoef(one.series.T, confounds["global_signal"])[:-1, -1]) for one in (plain, without)]
    assert kept[0].min() > 0.05 > 1e-3 > kept[1].max()
    assert "simple of nilearn and the global signal" in opened(tmp_path / "d", labels, global_signal=True).notes()[1]


def test_scrubbing_that_leaves_nothing_is_a_reason(tmp_path, labels):
    write_fmriprep(tmp_path / "d", [made()], confounds=confounds_of(FRAMES, fd=np.full(FRAMES, 0.9)))
    assert "all 120 frames are non-steady state or scrubbed" in reasons(tmp_path / "d", labels, confounds="scrubbing")
    assert len(read(tmp_path / "d", labels)) == 1


def test_too_few_frames_for_the_regressors_are_a_reason(tmp_path, labels):
    write_fmriprep(tmp_path / "d", [made(frames=29)])
    assert "29 good frames for 29 regressors and a constant" in reasons(tmp_path / "d", labels)


def test_confounds_that_are_missing_damaged_or_of_another_run_are_a_reason(tmp_path, labels):
    write_fmriprep(tmp_path / "d", [made()])
    path = only(tmp_path / "d", "*confounds_timeseries.tsv")
    whole = path.read_text()
    table = pd.read_csv(path, sep="\t")
    table.iloc[:-1].to_csv(path, sep="\t", index=False, na_rep="n/a")
    assert "has 120 frames, but its table of confounds has 119 rows" in reasons(tmp_path / "d", labels)
    table.drop(columns="trans_x").to_csv(path, sep="\t", index=False, na_rep="n/a")
    assert "does not have those of 'simple'" in reasons(tmp_path / "d", labels)
    table.loc[50, "csf"] = np.nan
    table.to_csv(path, sep="\t", index=False, na_rep="n/a")
    assert "the confound csf is not finite" in reasons(tmp_path / "d", labels)
    for text in ("", "1\t2\n3\t4\n", whole[: len(whole) // 2], whole.replace("0.1", "x", 3)):
        path.write_text(text)
        assert "sub-01_task-rest" in reasons(tmp_path / "d", labels)
    path.write_bytes(b"\xff\xfe\x00garbage")
    assert "does not have those of 'simple'" in reasons(tmp_path / "d", labels)
    path.unlink()
    assert "no table of confounds" in reasons(tmp_path / "d", labels)
