"""CIFTI series by the names of BIDS or HCP: parcels by label, dense series by place, repetition time from the file."""

import pickle
import re
import shutil

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from families import only
from nibabel.cifti2.cifti2_axes import ScalarAxis, SeriesAxis
from tiny_cifti import ATLAS, KEYS, LABELS, NAMES, hcp, made, opened, places, read, reason, write_dlabel
from tiny_fmriprep import write_fmriprep

from semantoks.atlas.atlas import Atlas
from semantoks.atlas.catalog import get_atlas
from semantoks.errors import ConfigError, DataError
from semantoks.signals.prepare import prepare
from semantoks.signals.recording import Recording
from semantoks.signals.sources.cifti import is_cifti
from semantoks.signals.sources.memory import MemorySource
from semantoks.simulation.derivatives import write_json, write_ptseries, write_xcpd


@pytest.fixture
def dlabel(tmp_path):
    return write_dlabel(tmp_path / "five.dlabel.nii", KEYS, NAMES, places())


# Parcel series
def test_parcel_series_give_the_recordings_that_were_written(tmp_path):
    given = [made("01", session="a", run="1"), made("01", session="a", run="2", seed=1), made("0042", tr=2.0, seed=2)]
    given[0].series[:, 3] = np.nan
    write_ptseries(given, tmp_path, ATLAS)
    source = pickle.loads(pickle.dumps(opened(tmp_path)))
    assert source.kind == "CIFTI parcel series"
    assert source.notes() == ["parcel series as their maker cleaned them: five"]
    found = {item.key: source.read(item) for item in source.items()}
    keys = ["sub-01_ses-a_task-rest_run-1", "sub-01_ses-a_task-rest_run-2", "sub-0042_task-rest"]
    for key, expected in zip(keys, given, strict=True):
        one = found[key]
        np.testing.assert_array_equal(one.series, expected.series)
        assert (one.tr, one.participant, one.session, one.run) == (
            expected.tr,
            expected.participant,
            expected.session,
            expected.run,
        )
        assert one.tr_from.endswith(".ptseries.nii")
        assert one.band is None


def test_the_round_trip_to_a_cohort_equals_the_direct_cohort_to_the_bit(tmp_path):
    given = [made("01", frames=300), made("02", frames=300, seed=1, band=(0.01, 0.1)), made("03", frames=300, seed=2)]
    write_ptseries(given, tmp_path / "x", ATLAS)
    direct = prepare(MemorySource(given, atlas=ATLAS), out=tmp_path / "direct", atlas=ATLAS)
    again = prepare(opened(tmp_path / "x"), out=tmp_path / "again", atlas=ATLAS)
    for index in range(3):
        np.testing.assert_array_equal(direct.series(index), again.series(index))


@pytest.mark.parametrize("band", [(0.01, 0.08), (None, 0.1), (0.01, None)])
def test_the_band_of_the_sidecar_is_read(tmp_path, band):
    write_ptseries([made(band=band)], tmp_path, ATLAS)
    assert read(tmp_path)[0].band == band


def test_labels_decide_and_not_the_order_of_parcels(tmp_path):
    prefixed = Atlas(name="other", labels=tuple(reversed(LABELS)), networks=("a",) * 5)
    write_ptseries([made()], tmp_path, prefixed)
    (found,) = read(tmp_path)
    np.testing.assert_array_equal(found.series, made().series[:, ::-1])


def test_schaefers_other_order_is_named_and_brought_over_on_request(tmp_path):
    seven, seventeen = get_atlas("schaefer100"), get_atlas("schaefer100-17")
    write_ptseries([made(n_rois=100)], tmp_path, seven)
    with pytest.raises(DataError, match="--reorder"):
        opened(tmp_path, seventeen)
    (found,) = read(tmp_path, seventeen, reorder=True)
    place = [np.flatnonzero((seven.centroids == centre).all(axis=1))[0] for centre in seventeen.centroids]
    np.testing.assert_array_equal(found.series, made(n_rois=100).series[:, place])


def test_files_of_several_atlases_complement_each_other(tmp_path):
    first, second = ATLAS.select(LABELS[:3]), ATLAS.select(LABELS[2:])
    foreign = Atlas(name="foreign", labels=("a", "b"), networks=("x", "x"))
    given = made()
    for name, atlas, series in (("A", first, given.series[:, :3]), ("B", second, given.series[:, 2:] + 7)):
        named = Atlas(name=name, labels=atlas.labels, networks=atlas.networks)
        write_ptseries([Recording(series=series, tr=0.72, participant="01", source="made")], tmp_path, named)
    write_ptseries([made(n_rois=2)], tmp_path, foreign)
    source = opened(tmp_path)
    assert source.notes() == ["parcel series as their maker cleaned them: A + B", "not used, no label of five: foreign"]
    (found,) = read(tmp_path)
    np.testing.assert_array_equal(found.series[:, :3], given.series[:, :3])
    np.testing.assert_array_equal(found.series[:, 3:], given.series[:, 3:] + 7)
    write_ptseries([made(frames=90, n_rois=3)], tmp_path, Atlas(name="B", labels=LABELS[2:], networks=("x",) * 3))
    assert "has 90 frames, but another file of this run has 100" in reason(tmp_path)


def test_parcel_series_without_any_label_of_the_atlas_are_refused(tmp_path):
    write_ptseries([made()], tmp_path, ATLAS)
    with pytest.raises(DataError, match=r"no parcel series has labels of cc200.*its first label is 'Vis_L'"):
        opened(tmp_path, get_atlas("cc200"))


def test_versions_of_a_run_are_asked_about_and_concatenations_left_out(tmp_path):
    write_ptseries([made(run="1"), made(run="2", seed=1)], tmp_path, ATLAS)
    path = only(tmp_path, "*run-1*.ptseries.nii")
    shutil.copy(path, path.with_name(path.name.replace("_run-1", "")))
    source = opened(tmp_path)
    assert len(source.items()) == 2
    assert source.notes()[1] == "1 concatenated file left out: their runs are there one by one"
    shutil.copy(path, path.with_name(path.name.replace("_timeseries", "_desc-smooth_timeseries")))
    with pytest.raises(
        ConfigError, match="several versions of a run, for example sub-01_task-rest_run-1: no desc or desc-smooth"
    ):
        opened(tmp_path)
    twice = only(tmp_path, "*desc-smooth*")
    twice.rename(tmp_path / path.name)
    with pytest.raises(ConfigError, match=rf"several versions of a run, .*: {path.name}, sub-01/func/{path.name}\."):
        opened(tmp_path)


# The repetition time
def test_a_sidecar_may_not_contradict_the_file(tmp_path):
    write_ptseries([made()], tmp_path, ATLAS)
    path = only(tmp_path, "*.ptseries.nii")
    sidecar = path.with_name(path.name.replace(".ptseries.nii", ".json"))
    write_json(sidecar, {"RepetitionTime": 0.8})
    assert re.search(r"json says a repetition time of 0.8 s, but sub-01.*ptseries.nii says 0.72 s", reason(tmp_path))
    write_json(sidecar, {"RepetitionTime": "n/a", "SamplingFrequency": "TR"})
    assert read(tmp_path)[0].tr == 0.72
    sidecar.write_text("[")
    assert "JSON" in reason(tmp_path)


def test_an_option_that_contradicts_the_file_is_refused(tmp_path):
    write_ptseries([made()], tmp_path, ATLAS)
    assert "--tr says 2 s, but sub-01" in reason(tmp_path, tr=2.0)


# What cannot be used
def test_files_that_are_cut_off_or_something_else_are_a_reason(tmp_path, dlabel):
    path = hcp(tmp_path / "d", "100307", "rfMRI_REST1_LR")
    whole = path.read_bytes()
    for held in (b"", b"garbage", whole[:300], whole[:2000], whole[: len(whole) - 500]):
        path.write_bytes(held)
        assert path.name in reason(tmp_path / "d", parcellation=dlabel)
    nib.save(nib.Nifti1Image(np.ones((2, 2, 2, 5), np.float32), np.eye(4)), path)
    assert "has to be CIFTI-2" in reason(tmp_path / "d", parcellation=dlabel)
    nib.save(nib.Cifti2Image(np.ones((5, len(KEYS)), np.float32), (ScalarAxis(list("abcde")), places())), path)
    assert "has to be frames x places, SeriesAxis x BrainModelAxis" in reason(tmp_path / "d", parcellation=dlabel)
    nib.save(nib.Cifti2Image(np.ones((len(KEYS), 5), np.float32), (places(), SeriesAxis(0, 1, 5))), path)
    assert "but is BrainModelAxis x SeriesAxis" in reason(tmp_path / "d", parcellation=dlabel)
    path.unlink()
    path.symlink_to("../../.git/annex/objects/not-here")
    assert "datalad get" in reason(tmp_path / "d", parcellation=dlabel)


@pytest.mark.parametrize("frames", [10**6, 10**12, 2**62, -5])
def test_a_header_that_claims_more_frames_than_its_file_holds_is_a_reason(tmp_path, dlabel, frames):
    path = hcp(tmp_path / "d", "100307", "rfMRI_REST1_LR")
    content = bytearray(path.read_bytes())
    dims = np.frombuffer(content, np.int64, 8, offset=16)
    dims[5] = frames
    path.write_bytes(content)
    assert path.name in reason(tmp_path / "d", parcellation=dlabel)


def test_the_first_person_s_file_of_other_labels_costs_nobody_else_the_atlas(tmp_path):
    given = [made(f"0{i}", seed=i) for i in range(1, 4)]
    write_ptseries(given, tmp_path, ATLAS)
    other = Atlas(name="five", labels=tuple("ABCDE"), networks=("a",) * 5)
    write_ptseries(given[:1], tmp_path, other)
    source = opened(tmp_path)
    with pytest.raises(DataError, match=r"sub-01.*has none of the labels that other runs have"):
        source.read(source.items()[0])
    np.testing.assert_array_equal(source.read(source.items()[2]).series, given[2].series)


def test_one_damaged_run_is_listed_and_the_others_are_prepared(tmp_path):
    write_ptseries([made(f"0{i}", frames=300, seed=i) for i in range(1, 5)], tmp_path / "x", ATLAS)
    paths = sorted((tmp_path / "x").rglob("*.ptseries.nii"))
    paths[0].write_bytes(paths[0].read_bytes()[:-900])
    paths[1].write_bytes(b"garbage")
    paths[2].write_bytes(paths[2].read_bytes()[:-900])
    cohort = prepare(opened(tmp_path / "x"), out=tmp_path / "c", atlas=ATLAS)
    assert cohort.recordings["participant_id"].tolist() == ["04"]
    assert cohort.excluded["participant_id"].tolist() == ["01", "02", "03"]
    paths[3].write_bytes(b"garbage")
    paths[0].write_bytes(b"")
    paths[2].write_bytes(b"")
    with pytest.raises(DataError, match=r"no parcel series has labels of five.*sub-04.*cannot be read as CIFTI"):
        opened(tmp_path / "x")
    assert all("ptseries.nii" in reason for reason in cohort.excluded["reason"])


def test_ids_stay_text_and_the_table_knows_site_and_motion(tmp_path):
    write_ptseries([made("0050642")], tmp_path, ATLAS)
    table = pd.DataFrame({"participant_id": ["0050642"], "site": ["x"], "mean_fd": [0.2]})
    (found,) = read(tmp_path, table=table)
    assert (found.participant, found.site, found.mean_fd) == ("0050642", "x", 0.2)


# Whose folder it is
def test_folders_of_series_are_told_but_those_of_xcpd_and_fmriprep(tmp_path):
    write_ptseries([made()], tmp_path / "p", ATLAS)
    hcp(tmp_path / "h", "100307", "rfMRI_REST1_LR")
    assert is_cifti(tmp_path / "p")
    assert is_cifti(tmp_path / "h")
    write_xcpd([made(n_rois=400)], tmp_path / "x", get_atlas("schaefer400"))
    series = only(tmp_path / "p", "*.ptseries.nii")
    beside = only(tmp_path / "x", "*_outliers.tsv").parent
    name = "sub-01_task-rest_space-fsLR_atlas-Tian_den-91k_stat-mean_timeseries.ptseries.nii"
    shutil.copy(series, beside / name)
    assert not is_cifti(tmp_path / "x")
    (tmp_path / "x" / "dataset_description.json").unlink()
    assert not is_cifti(tmp_path / "x")
    write_fmriprep(tmp_path / "f", [made(n_rois=len(KEYS))], dense=places(), version="")
    assert not is_cifti(tmp_path / "f")
    (tmp_path / "n").mkdir()
    assert not is_cifti(tmp_path / "n")
