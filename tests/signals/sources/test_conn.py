"""CONN's series of ROIs: found by name, whole recordings first, or refused with what to do."""

import pickle
import shutil

import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.io
from families import reader_of

from semantoks.atlas.atlas import Atlas
from semantoks.atlas.catalog import get_atlas
from semantoks.errors import ConfigError, DataError, UnknownTRError
from semantoks.signals.prepare import prepare
from semantoks.signals.recording import Recording
from semantoks.signals.sources.conn import is_conn, open_conn
from semantoks.signals.sources.memory import MemorySource

LABELS = ("FP r (Frontal Pole Right)", "FP l (Frontal Pole Left)", "Default.MPFC", "Vis (V1)")
ATLAS = Atlas(name="four", labels=LABELS, networks=("A", "A", "B", "B"))
TISSUES = ("Grey Matter", "White Matter", "CSF")


def made(seed=0, frames=140, rois=4):
    return (500 + np.random.default_rng(seed).normal(size=(frames, rois)).cumsum(axis=0)).astype(np.float32)


def cell(elements):
    held = np.empty((1, len(elements)), dtype=object)
    for i, element in enumerate(elements):
        held[0, i] = element
    return held


def save(project, series, *, subject="001", condition="000", names=None, data=None, **beside):
    """A file as CONN writes it: tissues first, then a column a ROI."""
    path = project / "results" / "preprocessing" / f"ROI_Subject{subject}_Condition{condition}.mat"
    path.parent.mkdir(parents=True, exist_ok=True)
    names = [f"atlas.{label}" for label in LABELS] if names is None else names
    tissue = np.zeros((len(series), 1)) + np.arange(len(series))[:, None]
    data = [series[:, i : i + 1].astype(float) for i in range(series.shape[1])] if data is None else data
    variables = {"data": cell([tissue] * 3 + data), "names": cell([*TISSUES, *names]), "xyz": cell([np.zeros((1, 3))])}
    scipy.io.savemat(path, variables | beside, do_compression=True)
    return path


opened, read, _ = reader_of(open_conn, ATLAS, tr=2.0)


def save_project(project, seconds):
    """The project's own file, beside its folder."""
    project.mkdir(parents=True, exist_ok=True)
    path = project.with_name(f"{project.name}.mat")
    scipy.io.savemat(path, {"CONN_x": {"name": "study", "Setup": {"RT": seconds, "nsubjects": 2}}})
    return path


@pytest.mark.parametrize("place", ["", "results/preprocessing"])
def test_the_repetition_time_is_the_projects(tmp_path, place):
    project = tmp_path / "conn_a"
    save(project, made())
    save_project(project, 0.8)
    (recording,) = read(project / place, tr=None)
    assert (recording.tr, recording.tr_from) == (0.8, "Setup.RT of conn_a.mat")


def test_a_repetition_time_of_nan_is_unknown(tmp_path):
    project = tmp_path / "conn_a"
    save(project, made())
    save_project(project, np.nan)
    (item,) = opened(project, tr=None).items()
    with pytest.raises(DataError, match=r"no repetition time for .*: Setup\.RT of conn_a\.mat: NaN; .* pass --tr"):
        opened(project, tr=None).read(item)
    assert opened(project, tr=2.0).read(item).tr == 2.0


def test_of_several_repetition_times_a_subject_has_its_own_and_one_too_many_has_none(tmp_path):
    project = tmp_path / "conn_a"
    for subject in ("001", "002", "003"):
        save(project, made(), subject=subject)
    save_project(project, [0.8, 2.0])
    source = opened(project, tr=None)
    first, second, third = source.items()
    assert (source.read(first).tr, source.read(second).tr) == (0.8, 2.0)
    with pytest.raises(DataError, match=r"Setup\.RT of conn_a\.mat has none for subject 003"):
        source.read(third)


def test_a_repetition_time_that_contradicts_the_projects_is_refused(tmp_path):
    project = tmp_path / "conn_a"
    save(project, made())
    save_project(project, 0.8)
    with pytest.raises(DataError, match=r"--tr says 2 s, but Setup\.RT of conn_a\.mat says 0\.8 s"):
        read(project, tr=2.0)


@pytest.mark.parametrize("variables", [{"other": 1.0}, {"CONN_x": 3.0}, {"CONN_x": {"Setup": {"RT": "two"}}}])
def test_a_project_without_a_number_there_says_nothing(tmp_path, variables):
    project = tmp_path / "conn_a"
    save(project, made())
    scipy.io.savemat(project.with_name("conn_a.mat"), variables)
    with pytest.raises(ConfigError, match="--tr"):
        read(project, tr=None)
    assert read(project, tr=2.0)[0].tr_from == "--tr"


@pytest.mark.slow
def test_every_subject_is_a_recording_from_wherever_the_project_is_given(tmp_path):
    project = tmp_path / "conn_project01"
    for seed, subject in enumerate(("001", "002", "010")):
        save(project, made(seed), subject=subject)
    for root in (project, project / "results" / "preprocessing", tmp_path):
        assert is_conn(root)
        source = pickle.loads(pickle.dumps(opened(root)))
        assert [item.participant for item in source.items()] == ["001", "002", "010"]
        for seed, item in enumerate(source.items()):
            found = source.read(item)
            np.testing.assert_array_equal(found.series, made(seed))
            assert (found.tr, found.tr_from, found.session, found.run, found.band) == (2.0, "--tr", "", "", None)
    assert not is_conn(project / "results")
    with pytest.raises(DataError, match="has no series of CONN"):
        opened(project / "results")


def test_through_prepare_it_equals_the_direct_cohort_to_the_bit(tmp_path):
    save(tmp_path / "conn", made())
    given = Recording(series=made(), tr=2.0, participant="001", source="made")
    direct = prepare(MemorySource([given], atlas=ATLAS), out=tmp_path / "direct", atlas=ATLAS)
    again = prepare(opened(tmp_path / "conn"), out=tmp_path / "again", atlas=ATLAS)
    np.testing.assert_array_equal(direct.series(0), again.series(0))


# Conditions
def test_condition_000_is_the_recording_and_the_others_are_its_parts(tmp_path):
    save(tmp_path, made())
    save(tmp_path, made(1), condition="001")
    save(tmp_path, made(2), condition="002")
    source = opened(tmp_path)
    np.testing.assert_array_equal(source.read(source.items()[0]).series, made())
    assert source.notes()[-1] == "2 files of other conditions left out: their frames are in condition 000"
    one, two = read(tmp_path, task_label=("001", "002"))
    assert (one.run, two.run) == ("001", "002")
    np.testing.assert_array_equal(two.series, made(2))


def test_the_only_condition_is_read_and_several_without_000_are_asked_about(tmp_path):
    save(tmp_path, made(1), condition="001")
    np.testing.assert_array_equal(read(tmp_path)[0].series, made(1))
    save(tmp_path, made(2), condition="002")
    with pytest.raises(
        ConfigError, match=r"several conditions.*001 \(1 file\), 002 \(1 file\)\. Choose one with --task"
    ):
        opened(tmp_path)
    np.testing.assert_array_equal(read(tmp_path, task_label=("002",))[0].series, made(2))


def test_a_subject_without_the_condition_that_is_read_is_listed_as_excluded(tmp_path):
    save(tmp_path / "conn", made())
    save(tmp_path / "conn", made(1), subject="002", condition="001")
    cohort = prepare(opened(tmp_path / "conn"), out=tmp_path / "c", atlas=ATLAS)
    assert cohort.recordings["participant_id"].tolist() == ["001"]
    assert "Subject002_Condition000.mat does not exist, although other conditions" in cohort.excluded["reason"].item()


def test_two_projects_are_not_mixed(tmp_path):
    save(tmp_path / "a", made())
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    with pytest.raises(ConfigError, match="several versions"):
        opened(tmp_path)


# Names
def test_rois_are_found_by_name_whatever_their_order_and_the_rest_is_left_out(tmp_path):
    names = ["networks.Default.MPFC", "atlas.FP l (Frontal Pole Left)", "atlas.Other", "Vis (V1)"]
    save(tmp_path, made(), names=names)
    (found,) = read(tmp_path)
    np.testing.assert_array_equal(found.series[:, [2, 1, 3]], made()[:, [0, 1, 3]])
    assert np.isnan(found.series[:, 0]).all()


def test_the_tissues_are_no_rois_even_where_the_atlas_has_one_of_their_name(tmp_path):
    atlas = Atlas(name="five", labels=(*LABELS, "CSF"), networks=("A",) * 5)
    save(tmp_path, made())
    assert np.isnan(read(tmp_path, atlas)[0].series[:, 4]).all()
    save(tmp_path, made(), names=[*(f"atlas.{label}" for label in LABELS[:3]), "mine.CSF"])
    np.testing.assert_array_equal(read(tmp_path, atlas)[0].series[:, 4], made()[:, 3])


@pytest.mark.slow
def test_scales_of_one_atlas_beside_each_other_are_told_apart_by_their_files(tmp_path):
    large, small, tian = (get_atlas(name) for name in ("schaefer200", "schaefer100", "tian-s3"))
    names = [f"Schaefer100.7Networks_{label}" for label in small.labels]
    names += [f"Schaefer200.7Networks_{label}" for label in large.labels]
    names += [f"Tian.{label}" for label in tian.labels]
    save(tmp_path, made(rois=350), names=names)
    for name, columns in (("schaefer200+tian-s3", slice(100, 350)), ("schaefer100", slice(0, 100))):
        np.testing.assert_array_equal(read(tmp_path, get_atlas(name))[0].series, made(rois=350)[:, columns])
    with pytest.raises(DataError, match="they are not the same set"):
        read(tmp_path, get_atlas("schaefer400"))


def test_the_other_order_of_networks_is_brought_over_on_request(tmp_path):
    seven, seventeen = get_atlas("schaefer100"), get_atlas("schaefer100-17")
    save(tmp_path, made(rois=100), names=[f"Schaefer.17Networks_{label}" for label in seventeen.labels])
    with pytest.raises(DataError, match="--reorder"):
        read(tmp_path, seven)
    place = [np.flatnonzero((seventeen.centroids == centre).all(axis=1))[0] for centre in seven.centroids]
    np.testing.assert_array_equal(read(tmp_path, seven, reorder=True)[0].series, made(rois=100)[:, place])


def test_names_of_another_atlas_are_refused_with_a_few_of_them(tmp_path):
    save(tmp_path, made())
    message = r"none of its 7 ROIs is one of the atlas cc200: it has 'atlas\.FP r .*and 1 more, the atlas '1', '2', '3'"
    with pytest.raises(DataError, match=message):
        read(tmp_path, get_atlas("cc200"))


# Data
def test_of_an_roi_of_several_dimensions_the_first_is_taken_and_an_empty_one_is_missing(tmp_path):
    series = made()
    data = [np.c_[series[:, 0], np.full((140, 4), 7.0)], np.zeros((0, 0)), series[:, 2:3], series[:, 3:4]]
    save(tmp_path, series, data=data)
    (found,) = read(tmp_path)
    np.testing.assert_array_equal(found.series[:, [0, 2, 3]], series[:, [0, 2, 3]])
    assert np.isnan(found.series[:, 1]).all()


@pytest.mark.parametrize(
    "broken",
    [
        lambda series: np.zeros((139, 1)),
        lambda series: {"a": 1.0},
        lambda series: "text",
        lambda series: cell([series]),
        lambda series: series[:, :1] + 1j,
    ],
)
def test_what_is_no_series_is_refused(tmp_path, broken):
    series = made()
    save(tmp_path, series, data=[broken(series), *(series[:, i : i + 1] for i in (1, 2, 3))])
    with pytest.raises(DataError, match=r"arrays of numbers \[frame, dimension\] of one length"):
        read(tmp_path)


def test_a_file_without_cells_or_with_too_few_names_is_refused(tmp_path):
    path = save(tmp_path, made(), names=["a", "b"])
    with pytest.raises(DataError, match="has 7 series, but 5 names"):
        read(tmp_path)
    scipy.io.savemat(path, {"data": made(), "names": cell(["a"])})
    with pytest.raises(DataError, match=r"has to contain a cell array data; it contains data \[140, 4\] float32"):
        read(tmp_path)
    with h5py.File(path, "w", userblock_size=512) as file:
        file["data"] = made()
    with pytest.raises(DataError, match="save it with -v7"):
        read(tmp_path)
    path.write_bytes(b"MATLAB 5.0 cut off")
    with pytest.raises(DataError, match=r"cannot be read as \.mat"):
        read(tmp_path)


def test_one_damaged_file_is_listed_and_the_others_are_prepared(tmp_path):
    save(tmp_path / "conn", made())
    path = save(tmp_path / "conn", made(1), subject="002")
    path.write_bytes(path.read_bytes()[:300])
    cohort = prepare(opened(tmp_path / "conn"), out=tmp_path / "c", atlas=ATLAS)
    assert cohort.recordings["participant_id"].tolist() == ["001"]
    assert "Subject002_Condition000.mat cannot be read" in cohort.excluded["reason"].item()


# Repetition time and table
def test_the_repetition_time_comes_from_the_table_or_the_option_alone(tmp_path):
    save(tmp_path, made())
    with pytest.raises(UnknownTRError, match="no repetition time"):
        opened(tmp_path, tr=None)
    table = pd.DataFrame({"participant_id": ["001"], "tr": [2.5], "site": ["x"]})
    (found,) = read(tmp_path, tr=None, table=table)
    assert (found.tr, found.tr_from, found.site) == (2.5, "the participants table", "x")
    with pytest.raises(UnknownTRError, match="participant 001, the only one, is not among the 1 of"):
        opened(tmp_path, tr=None, table=table.assign(participant_id="2"))


def test_subjects_are_chosen_by_number(tmp_path):
    for seed, subject in enumerate(("001", "002")):
        save(tmp_path, made(seed), subject=subject)
    np.testing.assert_array_equal(read(tmp_path, participant_label=("002",))[0].series, made(1))
    with pytest.raises(ConfigError, match="has no sub-003; it has 001, 002"):
        opened(tmp_path, participant_label=("003",))
