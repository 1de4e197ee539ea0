import numpy as np
import pytest
from scipy.signal import welch

from semantoks.evaluate.baselines.spectra import BANDS, band_edges, network_spectra
from semantoks.signals.clean import CleaningConfig
from semantoks.signals.prepare import prepare
from tiny_people import ATLAS, make_people, shown, write_cohort

RNG = np.random.default_rng(0)


def by_network(features):
    """[network, band] of one recording."""
    return features.reshape(ATLAS.n_networks, BANDS)


def sines(hertz, frames=300, tr=2.0):
    """A sine for every ROI, with a little noise."""
    phase = 2 * np.pi * np.outer(np.arange(frames) * tr, hertz)
    return np.sin(phase) + 0.01 * RNG.normal(size=(frames, 8))


def test_a_sine_stands_in_the_band_of_its_frequency_and_in_its_network(tmp_path):
    edges = np.linspace(0.01, 0.25, BANDS + 1)
    middle = (edges[:-1] + edges[1:]) / 2
    hertz = middle[[1, 4, 1, 6, 4, 6, 1, 6]]  # networks x y x z y z x z
    cohort = write_cohort(tmp_path, {"sub-1": sines(hertz), "sub-2": sines(middle[[7] * 8], frames=50)})
    np.testing.assert_allclose(band_edges(cohort), edges)
    long, short = map(by_network, network_spectra(shown(cohort)))
    assert long.argmax(axis=1).tolist() == [1, 4, 6]
    others = np.sort(long, axis=1)[:, :-1]
    assert np.all(long.max(axis=1) - others.max(axis=1) > np.log(8))
    assert short.argmax(axis=1).tolist() == [7, 7, 7]


def test_the_features_are_scipys_welch_averaged_over_rois_and_frequencies(cohort):
    edges = band_edges(cohort)
    segment = int(np.ceil(2 / ((edges[1] - edges[0]) * 2.0)))
    found = network_spectra(shown(cohort))
    for i in (0, 33, 79):
        series = cohort.series(i).astype(float)
        frequency, density = welch(series / series.std(axis=0), 0.5, nperseg=segment, axis=0)
        for network in range(ATLAS.n_networks):
            members = density[:, ATLAS.network_index == network]
            for band in range(BANDS):
                last = band == BANDS - 1
                inside = (frequency >= edges[band]) & (
                    (frequency <= edges[band + 1]) if last else (frequency < edges[band + 1])
                )
                assert inside.sum() >= 2
                expected = np.log(members[inside].mean())
                assert by_network(found[i])[network, band] == pytest.approx(expected, abs=1e-3)


def test_several_spans_give_the_mean_of_their_spectra_by_length_and_their_gaps_nothing(cohort):
    both = np.tile([[0, 30], [45, 15], [80, 1]], (len(cohort), 1, 1))
    alone = [network_spectra(shown(cohort, both[:, k])) for k in (0, 1)]
    found = network_spectra(shown(cohort, both))
    # Each part alone is z-scored by itself, so only a person whose parts are alike would agree exactly.
    mixed = np.log((2 * np.exp(alone[0]) + np.exp(alone[1])) / 3)
    assert np.median(np.abs(found - mixed)) < 0.1
    assert np.corrcoef(found.ravel(), mixed.ravel())[0, 1] > 0.95
    np.testing.assert_allclose(network_spectra(shown(cohort, both[:, [0, 0, 0]])), alone[0], rtol=1e-6)


def test_missing_rois_take_no_part_and_a_network_without_any_is_nan(tmp_path):
    first, second = make_people(1)[0].values()
    hole, empty = second.copy(), second.copy()
    hole[:, [0, 2]] = 0  # of x: 0, 2, 6
    empty[:, [1, 4]] = 0  # of y: all
    alone = second.copy()
    alone[:, [0, 2]] = alone[:, [6, 6]]
    cohort = write_cohort(tmp_path, {f"sub-{n}": s for n, s in enumerate([first, second, hole, empty, alone], 1)})
    _, whole, holed, emptied, repeated = map(by_network, network_spectra(shown(cohort)))
    np.testing.assert_allclose(holed, repeated, rtol=1e-5)
    assert not np.allclose(holed[0], whole[0], atol=1e-2)
    assert np.isnan(emptied[1]).all()
    np.testing.assert_allclose(emptied[[0, 2]], whole[[0, 2]], rtol=1e-5)


def test_the_bands_fill_the_cohorts_own_and_short_recordings_still_have_all_of_them(tmp_path):
    raw = tmp_path / "raw"
    raw.mkdir()
    for name, frames in (("sub-1", 200), ("sub-2", 20)):
        np.save(raw / f"{name}_timeseries.npy", sines(np.full(8, 0.05), frames).astype(np.float32))
    cohort = prepare(raw, out=tmp_path / "cohort", atlas=ATLAS, tr=2.0, cleaning=CleaningConfig(min_frames=20))
    edges = band_edges(cohort)
    assert (edges[0], edges[-1], len(edges)) == (0.01, 0.1, BANDS + 1)
    found = network_spectra(shown(cohort))
    assert found.shape == (2, ATLAS.n_networks * BANDS)
    assert np.isfinite(found).all()
    assert set(by_network(found[0]).argmax(axis=1)) == {3}  # 0.04375 to 0.055 Hz


def test_several_processors_and_gains_change_no_spectrum(cohort):
    np.testing.assert_array_equal(network_spectra(shown(cohort, n_jobs=2)), network_spectra(shown(cohort)))
