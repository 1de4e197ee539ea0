"""HALFpipe's tables without header: by position and number of columns, the repetition time by its odd name."""

import json
import pickle

import numpy as np
import pytest
from families import only, reader_of

from semantoks.atlas.atlas import Atlas
from semantoks.atlas.catalog import get_atlas
from semantoks.errors import ConfigError, DataError
from semantoks.signals.prepare import prepare
from semantoks.signals.recording import Recording
from semantoks.signals.sources.memory import MemorySource
from semantoks.signals.sources.unlabelled import is_halfpipe, open_halfpipe
from semantoks.simulation.derivatives import described, write_json, write_xcpd

LABELS = ("Vis_L", "Vis_R", "Mot_L", "Mot_R", "Default")
ATLAS = Atlas(name="five", labels=LABELS, networks=("Vis", "Vis", "Mot", "Mot", "Default"))


def made(participant="01", frames=120, tr=2.0, seed=0, n_rois=5, **facts):
    series = 10 + np.random.default_rng(seed).normal(size=(frames, n_rois)).cumsum(axis=0)
    return Recording(series=series.astype(np.float32), tr=tr, participant=participant, source="made", **facts)


def write_halfpipe(out, recordings, *, feature="corrMatrix", atlas="mine", tool=True, ending=".tsv"):
    if tool:
        described(out, "HALFpipe", [("HALFpipe", "1.3.2")])
    for one in recordings:
        labels = (("sub", one.participant), ("ses", one.session), ("task", "rest"), ("run", one.run))
        run = "_".join(f"{entity}-{label}" for entity, label in labels if label)
        path = out / f"sub-{one.participant}" / "func" / "task-rest" / f"{run}_feature-{feature}_atlas-{atlas}"
        path.parent.mkdir(parents=True, exist_ok=True)
        table = path.with_name(f"{path.name}_timeseries{ending}")
        np.savetxt(table, one.series, fmt="%.10f", delimiter="\t")
        coverage = np.where(np.isnan(one.series).all(axis=0), 0.1, 1.0).tolist()
        write_json(table.with_suffix(".json"), {"SamplingFrequency": one.tr, "Coverage": coverage})
    return out


opened, read, reason = reader_of(open_halfpipe, ATLAS)


@pytest.mark.parametrize("ending", [".tsv", ".txt"])
def test_the_recordings_that_were_written_are_read(tmp_path, ending):
    given = [made("01", session="a", run="1", tr=0.8), made("01", session="a", run="2", seed=1), made("0042", seed=2)]
    given[0].series[:, 0] = np.nan
    source = pickle.loads(pickle.dumps(opened(write_halfpipe(tmp_path, given, ending=ending))))
    assert source.kind == "HALFpipe 1.3.2"
    assert source.notes()[0] == "feature corrMatrix, atlas mine; columns by position, in the order of five"
    assert "--already-filtered" in source.notes()[1]
    found = {item.key: source.read(item) for item in source.items()}
    keys = ["sub-01_ses-a_task-rest_run-1", "sub-01_ses-a_task-rest_run-2", "sub-0042_task-rest"]
    for key, expected in zip(keys, given, strict=True):
        np.testing.assert_allclose(found[key].series, expected.series, rtol=1e-7, atol=1e-10)
        assert (found[key].tr, found[key].session, found[key].run) == (expected.tr, expected.session, expected.run)
        assert found[key].tr_from.startswith("SamplingFrequency of sub-")
        assert found[key].tr_from.endswith("where HALFpipe writes the repetition time")


def test_the_round_trip_to_a_cohort_equals_the_direct_cohort(tmp_path):
    given = [made("01"), made("02", seed=1)]
    direct = prepare(MemorySource(given, atlas=ATLAS), out=tmp_path / "direct", atlas=ATLAS)
    again = prepare(opened(write_halfpipe(tmp_path / "x", given)), out=tmp_path / "again", atlas=ATLAS)
    for index in range(2):
        np.testing.assert_array_equal(direct.series(index), again.series(index))


# The repetition time
@pytest.mark.parametrize(
    ("sidecar", "said"),
    [
        ({"SamplingFrequency": 0.05}, "writes the repetition time, is 0.05 s, not 0.3 to 6 s"),
        ({"SamplingFrequency": 2000}, "is 2000 s, not 0.3 to 6 s"),
        ({"SamplingFrequency": "2.0 s"}, "no SamplingFrequency in"),
        ({"SamplingFrequency": True}, "no SamplingFrequency in"),
        ({}, "no SamplingFrequency in"),
    ],
)
def test_a_frequency_that_is_no_repetition_time_is_not_taken_for_one(tmp_path, sidecar, said):
    write_halfpipe(tmp_path, [made()])
    write_json(only(tmp_path, "sub*.json"), sidecar)
    assert said in reason(tmp_path)
    assert read(tmp_path, tr=2.0)[0].tr_from == "--tr"


def test_an_option_that_contradicts_the_sidecar_is_refused(tmp_path):
    write_halfpipe(tmp_path, [made()])
    assert "--tr says 0.5 s, but SamplingFrequency of" in reason(tmp_path, tr=0.5)


# Columns
def test_another_number_of_columns_is_refused_even_where_frames_are_as_many_as_rois(tmp_path):
    write_halfpipe(tmp_path, [made(frames=5, n_rois=7)])
    assert "wrong number of ROIs. It is time x ROI, 5 x 7, and the atlas five has 5" in reason(tmp_path)
    write_halfpipe(tmp_path, [made(frames=5)])
    np.testing.assert_allclose(read(tmp_path)[0].series, made(frames=5).series, rtol=1e-7)


def test_coverage_of_another_number_of_parcels_is_refused(tmp_path):
    write_halfpipe(tmp_path, [made()])
    write_json(only(tmp_path, "sub*.json"), {"SamplingFrequency": 2.0, "Coverage": [1.0] * 6})
    assert "has 5 columns, but the Coverage in sub-01" in reason(tmp_path)


def test_an_atlas_whose_name_tells_its_order_is_taken_by_that(tmp_path):
    seven, seventeen = get_atlas("schaefer100"), get_atlas("schaefer100-17")
    write_halfpipe(tmp_path, [made(n_rois=100)], atlas="Schaefer2018100Parcels17Networks")
    (found,) = read(tmp_path, seventeen)
    np.testing.assert_allclose(found.series, made(n_rois=100).series, rtol=1e-7)
    assert opened(tmp_path, seventeen).notes()[0].endswith("in the order of Schaefer2018100Parcels17Networks")
    assert "--reorder brings them into the atlas's order" in reason(tmp_path, atlas=seven)
    place = [np.flatnonzero((seventeen.centroids == centre).all(axis=1))[0] for centre in seven.centroids]
    (found,) = read(tmp_path, seven, reorder=True)
    np.testing.assert_allclose(found.series, made(n_rois=100).series[:, place], rtol=1e-7)
    write_halfpipe(tmp_path, [made()], atlas="Schaefer2018100Parcels17Networks")
    assert "has 5 columns, but Schaefer2018100Parcels17Networks has 100 parcels" in reason(tmp_path)


@pytest.mark.parametrize("what", ["feature", "atlas"])
def test_several_features_or_atlases_are_asked_about(tmp_path, what):
    write_halfpipe(tmp_path, [made()], **{what: "one"})
    write_halfpipe(tmp_path, [made()], **{what: "two"})
    plural = {"feature": "features", "atlas": "atlases"}[what]
    with pytest.raises(ConfigError, match=rf"several {plural}.*one \(1 file\), two \(1 file\)"):
        opened(tmp_path)


# What cannot be used
def test_files_that_are_cut_off_or_something_else_are_a_reason(tmp_path):
    write_halfpipe(tmp_path, [made()])
    path = only(tmp_path, "*timeseries.tsv")
    whole = path.read_bytes()
    for held in (b"", b"\xff\xfe\x00garbage", whole[:20], whole[: len(whole) - 30], whole.replace(b".", b"x", 9)):
        path.write_bytes(held)
        assert path.name in reason(tmp_path)
    path.write_bytes(whole)
    for text in ("{", "[1]"):
        only(tmp_path, "sub*.json").write_text(text)
        assert "JSON" in reason(tmp_path)


def test_one_damaged_run_is_listed_and_the_others_are_prepared(tmp_path):
    write_halfpipe(tmp_path / "x", [made("01"), made("02", seed=1)])
    only(tmp_path / "x", "sub-01*.tsv").write_text("")
    cohort = prepare(opened(tmp_path / "x"), out=tmp_path / "c", atlas=ATLAS)
    assert cohort.recordings["participant_id"].tolist() == ["02"]
    assert cohort.excluded["participant_id"].tolist() == ["01"]


def test_a_folder_without_time_series_says_so(tmp_path):
    described(tmp_path, "HALFpipe", [("HALFpipe", "1.3.2")])
    with pytest.raises(DataError, match="no time series of HALFpipe"):
        opened(tmp_path)


def test_its_folders_are_told_and_those_of_others_are_not_its(tmp_path):
    assert is_halfpipe(write_halfpipe(tmp_path / "a", [made()]))
    assert is_halfpipe(write_halfpipe(tmp_path / "b", [made()], tool=False))
    labels = ("LH_Vis_1", "LH_Vis_2")
    write_xcpd([made(n_rois=2)], tmp_path / "x", Atlas(name="two", labels=labels, networks=("Vis", "Vis")))
    assert not is_halfpipe(tmp_path / "x")
    (tmp_path / "x" / "dataset_description.json").write_text(json.dumps({}))
    assert not is_halfpipe(tmp_path / "x")


def test_a_feature_is_chosen_by_name(tmp_path):
    first, second = made(seed=1), made(seed=2)
    write_halfpipe(tmp_path, [first], feature="corrMatrix1")
    write_halfpipe(tmp_path, [second], feature="corrMatrix2")
    with pytest.raises(ConfigError, match=r"several features.*corrMatrix1 \(1 file\).*Choose one with --variant"):
        opened(tmp_path)
    (found,) = read(tmp_path, variant="corrMatrix2")
    np.testing.assert_allclose(found.series, second.series, atol=1e-6)
    with pytest.raises(
        ConfigError, match=r"no version called 'corr'. There are: feature-corrMatrix1, feature-corrMatrix2"
    ):
        opened(tmp_path, variant="corr")


def test_of_several_atlases_the_one_in_the_order_of_ours_is_read(tmp_path):
    ours = get_atlas("schaefer100")
    given = made(n_rois=100)
    write_halfpipe(tmp_path, [given], atlas="Schaefer2018100Parcels7Networks")
    write_halfpipe(tmp_path, [made(n_rois=7, seed=3)], atlas="seven")
    (found,) = read(tmp_path, atlas=ours)
    np.testing.assert_allclose(found.series, given.series, atol=1e-6)


def test_a_repetition_time_that_is_stated_has_to_be_the_frequencys(tmp_path):
    write_halfpipe(tmp_path, [made(tr=0.8)])
    (path,) = tmp_path.rglob("*_timeseries.json")
    write_json(path, json.loads(path.read_text()) | {"RepetitionTime": 1.25, "FDMean": 0.21})
    assert "RepetitionTime" in reason(tmp_path)
    write_json(path, json.loads(path.read_text()) | {"RepetitionTime": 0.8})
    (found,) = read(tmp_path)
    assert (found.tr, found.mean_fd) == (0.8, 0.21)
