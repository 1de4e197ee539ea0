import numpy as np
import pytest
from scripted import ROIS, TOY

from semantoks.errors import ConfigError, DataError
from semantoks.signals.clean import CleaningConfig, clean
from semantoks.signals.quality import GateConfig, measure, missing_networks, spectrum
from semantoks.signals.recording import Recording

GATES = GateConfig()


def made(series, **facts):
    return Recording(series=series, tr=2.0, participant="1", source="here", **facts)


def measured(recording, **changes):
    cleaned = clean(recording.series, recording.tr, CleaningConfig(), good=recording.good)
    return measure(recording, cleaned, 2.0, TOY, GateConfig(**changes))


def noise(frames=150, seed=0):
    return (1000 + 20 * np.random.default_rng(seed).normal(size=(frames, ROIS))).astype(np.float32)


def test_every_number_is_a_loop():
    series, fd = noise(), np.r_[np.nan, np.linspace(0.1, 0.3, 149)]
    row, traces = measured(made(series, fd=fd))
    assert row["mean_fd"] == pytest.approx(0.2)
    assert row["max_fd"] == pytest.approx(0.3)
    assert (row["seconds"], row["good_seconds"]) == (300, 300)
    sd = series.std(axis=0)
    jumps = [np.sqrt(np.mean(((series[t] - series[t - 1]) / sd) ** 2)) for t in range(1, 150)]
    assert row["dvars"] == pytest.approx(np.mean(jumps), abs=1e-3)
    assert row["tsnr"] == pytest.approx(np.median(series.mean(axis=0) / sd), abs=0.01)
    assert row["in_band_after"] > 0.9 > row["in_band_before"]
    assert row["above_band_before"] == pytest.approx(0.6, abs=0.1)
    np.testing.assert_array_equal(traces.fd, fd)
    assert traces.spectra.shape == (2, 64)
    assert row["flags"] == ""


def test_coverage_is_counted_by_network():
    series = noise()
    series[:, [0, 2, 3]] = 0
    row, _ = measured(made(series))
    assert row["coverage"] == pytest.approx(0.5)
    assert [row[f"coverage_{name}"] for name in ("One", "Two", "Three")] == pytest.approx([1 / 2, 1 / 3, 1], abs=1e-3)


def test_series_without_their_mean_have_no_signal_to_noise_ratio_and_unknown_motion_is_unknown():
    row, traces = measured(made(noise() - 1000))
    assert np.isnan(row["tsnr"])
    assert np.isnan(row["mean_fd"])
    assert np.isnan(row["max_fd"])
    assert len(traces.fd) == 0


def test_recordings_are_flagged_by_motion_and_length():
    good = np.ones(150, dtype=bool)
    good[100:] = False
    row, _ = measured(made(noise(), mean_fd=0.4, good=good))
    assert row["good_seconds"] == 200
    assert row["flags"] == "mean FD above 0.3 mm; less than 240 s of good data"
    row, _ = measured(made(noise(60), mean_fd=0.2))
    assert row["flags"] == "less than 240 s of good data; less than a window of 100 frames"
    assert measured(made(noise(), mean_fd=0.4), warn_fd=0.5)[0]["flags"] == ""


def test_the_gate_refuses_what_moves_too_much_and_passes_what_is_not_known():
    with pytest.raises(DataError, match=r"motion: mean framewise displacement is 0\.51 mm, above 0\.5 \(--max-fd\)"):
        GATES.check(made(noise(), mean_fd=0.51))
    GATES.check(made(noise(), mean_fd=0.5))
    GATES.check(made(noise()))
    GateConfig(max_fd=None).check(made(noise(), mean_fd=9.0))
    with pytest.raises(ConfigError, match="above 0 mm"):
        GateConfig(max_fd=0.0)


def test_mean_fd_is_that_of_the_frames_where_they_are_known():
    recording = made(noise(4), fd=np.array([np.nan, 0.2, 0.4, 0.6]), mean_fd=9.0)
    assert recording.mean_fd == pytest.approx(0.4)
    for name in ("fd", "good"):
        with pytest.raises(DataError, match=f"{name} has 3 values, but the recording has 4 frames"):
            made(noise(4), **{name: np.ones(3, dtype=bool if name == "good" else float)})


@pytest.mark.parametrize(("lost", "hidden"), [(49, False), (50, False), (51, True)])
def test_a_network_is_missing_when_more_than_half_of_its_rois_are(lost, hidden):
    missing = np.zeros((1, 110), dtype=bool)
    missing[0, :lost] = True
    assert missing_networks(missing, np.repeat([0, 1], [100, 10])).tolist() == [[hidden, False]]


def test_no_scale_of_a_recording_changes_its_spectrum():
    series = np.random.default_rng(0).normal(size=(120, 6)).astype(np.float32)
    expected = spectrum(series, 2.0)
    for scale in (1e30, 1e-30):
        found = spectrum(series * np.float32(scale), 2.0)
        assert (found.inside, found.above) == pytest.approx((expected.inside, expected.above), rel=1e-5)
    doubled = spectrum(series * np.float32(2.0**60), 2.0)
    np.testing.assert_array_equal(doubled.density, expected.density)
