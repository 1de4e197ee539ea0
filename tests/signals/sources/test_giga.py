"""giga_connectome's tables without labels: read by the order that their name states, or refused."""

import pickle

import numpy as np
import pandas as pd
import pytest
from families import only, reader_of

from semantoks.atlas.atlas import Atlas
from semantoks.atlas.catalog import get_atlas
from semantoks.errors import ConfigError, DataError
from semantoks.signals.prepare import prepare
from semantoks.signals.recording import Recording
from semantoks.signals.sources.memory import MemorySource
from semantoks.signals.sources.unlabelled import is_giga, open_giga
from semantoks.simulation.derivatives import described, write_json, write_table, write_xcpd

SEVEN, SEVENTEEN = get_atlas("schaefer100"), get_atlas("schaefer100-17")
SEG = "Schaefer2018100Parcels7Networks"


def made(participant="01", frames=100, tr=2.0, seed=0, n_rois=100, **facts):
    series = 10 + np.random.default_rng(seed).normal(size=(frames, n_rois)).cumsum(axis=0)
    return Recording(series=series.astype(np.float32), tr=tr, participant=participant, source="made", **facts)


def write_giga(out, recordings, *, seg=SEG, strategy="Simple", tool=True, scrubbed=0):
    if tool:
        described(out, "giga_connectome", [("giga_connectome", "0.6.0")])
    for one in recordings:
        labels = (("sub", one.participant), ("ses", one.session), ("task", "rest"), ("run", one.run))
        run = "_".join(f"{entity}-{label}" for entity, label in labels if label)
        folder = out / f"sub-{one.participant}" / "func"
        columns = [str(column) for column in range(one.series.shape[1])]
        write_table(folder / f"{run}_seg-{seg}_desc-denoise{strategy}_timeseries.tsv", columns, one.series)
        sidecar = {
            "ConfoundRegressors": ["trans_x"],
            "NumberOfVolumesDiscardedByMotionScrubbing": scrubbed,
            "NumberOfVolumesDiscardedByNonsteadyStatesDetector": 2,
            "MeanFramewiseDisplacement": 0.15,
            "SamplingFrequency": 1 / one.tr,
        }
        write_json(folder / f"{run}_desc-denoise{strategy}_timeseries.json", sidecar)
    return out


opened, read, reason = reader_of(open_giga, SEVEN)


def test_the_recordings_that_were_written_are_read(tmp_path):
    given = [made("01", session="a", run="1", tr=0.8), made("01", session="a", run="2", seed=1), made("0042", seed=2)]
    given[0].series[:, 7] = np.nan
    source = pickle.loads(pickle.dumps(opened(write_giga(tmp_path, given))))
    assert source.kind == "giga_connectome 0.6.0"
    assert source.notes() == [f"columns by position, in the order of {SEG}; denoised by denoiseSimple"]
    found = {item.key: source.read(item) for item in source.items()}
    keys = ["sub-01_ses-a_task-rest_run-1", "sub-01_ses-a_task-rest_run-2", "sub-0042_task-rest"]
    for key, expected in zip(keys, given, strict=True):
        np.testing.assert_array_equal(found[key].series, expected.series)
        assert found[key].tr == pytest.approx(expected.tr)
        assert (found[key].session, found[key].run) == (expected.session, expected.run)
        assert found[key].tr_from.startswith("1 / SamplingFrequency of sub-")
        assert found[key].mean_fd == 0.15


def test_the_round_trip_to_a_cohort_equals_the_direct_cohort(tmp_path):
    given = [made("01"), made("02", seed=1)]
    direct = prepare(MemorySource(given, atlas=SEVEN), out=tmp_path / "direct", atlas=SEVEN)
    again = prepare(opened(write_giga(tmp_path / "x", given)), out=tmp_path / "again", atlas=SEVEN)
    for index in range(2):
        np.testing.assert_array_equal(direct.series(index), again.series(index))


# By position, and only where the name says of what
def test_the_other_order_of_networks_is_named_and_brought_over_on_request(tmp_path):
    write_giga(tmp_path, [made()])
    with pytest.raises(DataError, match=rf"in the order of schaefer100-17: .*seg-{SEG}: .*--reorder"):
        opened(tmp_path, SEVENTEEN)
    (found,) = read(tmp_path, SEVENTEEN, reorder=True)
    place = [np.flatnonzero((SEVEN.centroids == centre).all(axis=1))[0] for centre in SEVENTEEN.centroids]
    np.testing.assert_array_equal(found.series, made().series[:, place])


@pytest.mark.parametrize("seg", ["MIST7", "Schaefer2018150Parcels7Networks", "Schaefer2018100Parcels9Networks"])
def test_a_segmentation_whose_name_tells_no_order_is_refused(tmp_path, seg):
    write_giga(tmp_path, [made()], seg=seg)
    with pytest.raises(DataError, match=f"seg-{seg} names no Schaefer2018<n>Parcels<7 or 17>Networks"):
        opened(tmp_path)


def test_another_number_of_parcels_is_refused_although_labels_are_spelled_the_same(tmp_path):
    write_giga(tmp_path, [made()])
    with pytest.raises(DataError, match="not the same set"):
        opened(tmp_path, get_atlas("schaefer200"))
    with pytest.raises(DataError, match=f"seg-{SEG} has no parcel of it"):
        opened(tmp_path, get_atlas("tian-s3"))


def test_columns_that_are_not_all_parcels_are_refused(tmp_path):
    write_giga(tmp_path, [made(n_rois=99)])
    assert "has 100 parcels, so a header 0 to 99 was expected, but it is '0' to '98' (99 columns)" in reason(tmp_path)
    path = only(tmp_path, "*timeseries.tsv")
    write_table(path, [str(column) for column in (*range(50), *range(51, 101))], made().series)
    assert "'0' to '100' (100 columns)" in reason(tmp_path)


def test_rois_of_other_atlases_beside_it_are_nan(tmp_path):
    write_giga(tmp_path, [made()])
    (found,) = read(tmp_path, get_atlas("schaefer100+tian-s1"))
    np.testing.assert_array_equal(found.series[:, :100], made().series)
    assert np.isnan(found.series[:, 100:]).all()


def test_of_several_segmentations_that_of_the_atlas_is_read(tmp_path):
    write_giga(tmp_path, [made()])
    write_giga(tmp_path, [made(n_rois=200, seed=3)], seg="Schaefer2018200Parcels7Networks")
    write_giga(tmp_path, [made(n_rois=100, seed=4)], seg="Schaefer2018100Parcels17Networks")
    (found,) = read(tmp_path)
    np.testing.assert_array_equal(found.series, made().series)
    unused = "not used: Schaefer2018100Parcels17Networks, Schaefer2018200Parcels7Networks"
    assert opened(tmp_path).notes()[1] == unused
    with pytest.raises(ConfigError, match=r"several segmentations.*Schaefer2018100Parcels17Networks \(1 file\)"):
        opened(tmp_path, reorder=True)


def test_several_strategies_are_asked_about(tmp_path):
    write_giga(tmp_path, [made()])
    write_giga(tmp_path, [made()], strategy="SimpleGSR")
    with pytest.raises(ConfigError, match=r"several denoising strategies.*denoiseSimple \(1 file\), denoiseSimpleGSR"):
        opened(tmp_path)


# Frames that are gone
@pytest.mark.parametrize("strategy", ["Scrubbing.5", "Scrubbing.2+gsr", "Scrubbing5", "Simple"])
def test_series_that_lost_frames_to_scrubbing_are_refused(tmp_path, strategy):
    write_giga(tmp_path, [made()], strategy=strategy, scrubbed=12)
    assert "has lost 12 frames to scrubbing, and nothing says which" in reason(tmp_path)


def test_a_scrubbed_series_that_lost_nothing_is_read_if_it_says_so(tmp_path):
    write_giga(tmp_path, [made()], strategy="Scrubbing.5")
    assert len(read(tmp_path)) == 1
    write_json(only(tmp_path, "sub*.json"), {"SamplingFrequency": 0.5})
    assert "no NumberOfVolumesDiscardedByMotionScrubbing in sub-01" in reason(tmp_path)
    write_giga(tmp_path / "s", [made()])
    write_json(only(tmp_path / "s", "sub*.json"), {"SamplingFrequency": 0.5})
    assert len(read(tmp_path / "s")) == 1


# The repetition time
@pytest.mark.parametrize(
    ("sidecar", "said"),
    [
        (
            {"SamplingFrequency": 0.004},
            r"1 / SamplingFrequency of sub-01_task-rest_desc-denoiseSimple_timeseries.json is",
        ),
        ({"SamplingFrequency": 0}, "no SamplingFrequency in"),
        ({"SamplingFrequency": "TR"}, "no SamplingFrequency in"),
        ({}, "no SamplingFrequency in"),
    ],
)
def test_a_sidecar_without_a_sampling_frequency_gives_no_repetition_time(tmp_path, sidecar, said):
    write_giga(tmp_path, [made()])
    write_json(only(tmp_path, "sub*.json"), sidecar)
    assert said in reason(tmp_path)
    assert read(tmp_path, tr=2.0)[0].tr_from == "--tr"


def test_what_the_table_says_of_motion_goes_before_the_sidecar(tmp_path):
    write_giga(tmp_path, [made("0050642")])
    table = pd.DataFrame({"participant_id": ["0050642"], "mean_fd": [0.3]})
    assert read(tmp_path, table=table)[0].mean_fd == 0.3
    assert reason(tmp_path, tr=0.8).startswith("--tr says 0.8 s, but 1 / SamplingFrequency")


# What cannot be used
def test_files_that_are_cut_off_or_something_else_are_a_reason(tmp_path):
    write_giga(tmp_path, [made()])
    path = only(tmp_path, "*timeseries.tsv")
    whole = path.read_bytes()
    for held in (b"", b"\xff\xfe\x00garbage", whole[:50], whole[: len(whole) // 2], whole.replace(b"1", b"x", 400)):
        path.write_bytes(held)
        assert path.name in reason(tmp_path)
    path.write_bytes(whole)
    only(tmp_path, "sub*.json").write_text("{")
    assert "cannot be read as JSON" in reason(tmp_path)


def test_a_folder_without_time_series_says_so(tmp_path):
    described(tmp_path, "giga_connectome", [("giga_connectome", "0.6.0")])
    with pytest.raises(DataError, match="no time series of giga_connectome"):
        opened(tmp_path)


def test_its_folders_are_told_and_those_of_others_are_not_its(tmp_path):
    assert is_giga(write_giga(tmp_path / "a", [made()]))
    assert is_giga(write_giga(tmp_path / "b", [made()], tool=False, strategy="Scrubbing.5"))
    labels = ("LH_Vis_1", "LH_Vis_2")
    write_xcpd(
        [made(n_rois=2)], tmp_path / "x", Atlas(name="two", labels=labels, networks=("Vis", "Vis")), version="0.9.1"
    )
    assert not is_giga(tmp_path / "x")
    (tmp_path / "x" / "dataset_description.json").unlink()
    assert not is_giga(tmp_path / "x")


def test_a_strategy_is_chosen_by_name(tmp_path):
    first, second = made(seed=1), made(seed=2)
    write_giga(tmp_path, [first], strategy="Simple")
    write_giga(tmp_path, [second], strategy="SimpleGSR")
    with pytest.raises(ConfigError, match=r"several denoising strategies.*Choose one with --variant"):
        opened(tmp_path)
    source = opened(tmp_path, variant="denoiseSimpleGSR")
    np.testing.assert_allclose(source.read(source.items()[0]).series, second.series, atol=1e-6)
