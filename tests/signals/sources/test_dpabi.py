"""Files of DPABI and of REST-meta-MDD: read right, or asked about, or refused with what to do."""

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
from semantoks.signals.sources.dpabi import is_dpabi, open_dpabi
from semantoks.signals.sources.memory import MemorySource

ATLAS = get_atlas("aal")


def made(seed=0, frames=140, rois=116):
    return (500 + np.random.default_rng(seed).normal(size=(frames, rois)).cumsum(axis=0)).astype(np.float32)


def save(path, series, **beside):
    """A file as DPABI writes it: .mat, or text as MATLAB saves it with ``-ascii -double -tabs``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".mat":
        scipy.io.savemat(path, {"ROISignals": series, **beside}, do_compression=True)
    else:
        np.savetxt(path, series, fmt="  %.16e", delimiter="\t")
    return path


opened, read, _ = reader_of(open_dpabi, ATLAS, tr=2.0)


@pytest.mark.parametrize("suffix", [".mat", ".txt"])
def test_every_file_is_a_recording_and_its_id_stays_text(tmp_path, suffix):
    for seed, name in enumerate(("0050642", "Sub_001", "sub-02")):
        save(tmp_path / "Results" / "ROISignals_FunImgARCW" / f"ROISignals_{name}{suffix}", made(seed))
        save(tmp_path / "Results" / "ROISignals_FunImgARCW" / f"ROICorrelation_{name}.mat", np.eye(116))
    source = pickle.loads(pickle.dumps(opened(tmp_path)))
    assert [item.key for item in source.items()] == ["sub-0050642", "sub-Sub_001", "sub-02"]
    assert source.notes() == ["processing FunImgARCW"]
    for seed, item in enumerate(source.items()):
        found = source.read(item)
        np.testing.assert_array_equal(found.series, made(seed))
        assert (found.tr, found.tr_from, found.band, found.session) == (2.0, "--tr", None, "")
        assert found.participant == ("0050642", "Sub_001", "02")[seed]
    assert is_dpabi(tmp_path)


def test_through_prepare_it_equals_the_direct_cohort_to_the_bit(tmp_path):
    save(tmp_path / "dpabi" / "ROISignals_1.mat", made())
    given = Recording(series=made(), tr=2.0, participant="1", source="made")
    direct = prepare(MemorySource([given], atlas=ATLAS), out=tmp_path / "direct", atlas=ATLAS)
    again = prepare(opened(tmp_path / "dpabi"), out=tmp_path / "again", atlas=ATLAS)
    np.testing.assert_array_equal(direct.series(0), again.series(0))


# Which files
def test_a_recording_in_both_formats_is_read_once(tmp_path):
    save(tmp_path / "ROISignals_1.mat", made())
    save(tmp_path / "ROISignals_1.txt", made())
    save(tmp_path / "ROISignals_2.txt", made(1))
    source = opened(tmp_path)
    assert [item.path.name for item in source.items()] == ["ROISignals_1.mat", "ROISignals_2.txt"]
    assert source.notes() == ["1 .txt file left out: the same recordings are there as .mat"]


def test_ways_of_processing_are_asked_about_and_one_folder_of_them_is_read(tmp_path):
    for seed, steps in enumerate(("ARCWF", "ARglobalCWF")):
        save(tmp_path / f"ROISignals_FunImg{steps}" / "ROISignals_S1-1-0001.mat", made(seed))
    with pytest.raises(
        ConfigError, match=r"FunImgARCWF \(1 file\), FunImgARglobalCWF \(1 file\)\. Choose one with --variant"
    ):
        opened(tmp_path)
    (chosen,) = read(tmp_path, variant="FunImgARglobalCWF")
    np.testing.assert_array_equal(chosen.series, made(1))
    (found,) = read(tmp_path / "ROISignals_FunImgARglobalCWF")
    np.testing.assert_array_equal(found.series, made(1))
    assert found.participant == "S1-1-0001"


@pytest.mark.parametrize(
    ("steps", "filtered"), [("ARCWF", True), ("ARCFWS", True), ("ARglobalCW", False), ("ARCW", False)]
)
def test_the_f_among_the_steps_says_that_the_band_is_taken(tmp_path, steps, filtered):
    save(tmp_path / "Results" / f"ROISignals_FunImg{steps}" / "ROISignals_1.mat", made())
    assert read(tmp_path)[0].band == ((None, None) if filtered else None)


def test_folders_of_further_sessions_are_sessions(tmp_path):
    for seed, results in enumerate(("Results", "S2_Results")):
        save(tmp_path / results / "ROISignals_FunImgARCW" / "ROISignals_1.mat", made(seed))
    first, second = read(tmp_path)
    assert (first.session, second.session) == ("1", "2")
    np.testing.assert_array_equal(second.series, made(1))
    assert [one.session for one in read(tmp_path, session_label=("2",))] == ["2"]


def test_the_same_recording_twice_is_refused(tmp_path):
    save(tmp_path / "a" / "ROISignals_1.mat", made())
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    with pytest.raises(ConfigError, match="several versions of a run, for example sub-1"):
        opened(tmp_path)


def test_other_folders_are_not_taken(tmp_path):
    (tmp_path / "ROISignals_FunImgARCW").mkdir()
    for name in ("ROI_OrderKey_Sub_001.tsv", "ROICorrelation_Sub_001.mat", "ROISignals_Sub_001.csv", "signals.txt"):
        (tmp_path / "ROISignals_FunImgARCW" / name).touch()
    assert not is_dpabi(tmp_path)
    with pytest.raises(DataError, match="has no series of DPABI"):
        opened(tmp_path)


# What is in the files
def test_the_columns_of_rest_meta_mdd_are_not_guessed_even_where_the_frames_are_as_many_as_the_rois(tmp_path):
    save(tmp_path / "ROISignals_S1-1-0001.mat", made(frames=116, rois=1833))
    with pytest.raises(
        DataError, match=r"116 x 1833, and the atlas aal has 116\. 1833 columns are the atlases of REST"
    ):
        read(tmp_path)
    labels = tuple(f"roi{i}" for i in range(1833))
    whole = Atlas(name="meta", labels=labels, networks=("all",) * 1833)
    np.testing.assert_array_equal(read(tmp_path, whole)[0].series, made(frames=116, rois=1833))


def test_another_number_of_columns_is_refused_and_as_many_frames_as_rois_are_frames(tmp_path):
    save(tmp_path / "ROISignals_1.mat", made(frames=116, rois=90))
    save(tmp_path / "ROISignals_2.mat", made(frames=116))
    source = opened(tmp_path)
    short, square = source.items()
    with pytest.raises(DataError, match=r"It is time x ROI, 116 x 90, and the atlas aal has 116\. Choose the atlas"):
        source.read(short)
    np.testing.assert_array_equal(source.read(square).series, made(frames=116))


def test_a_delimiter_at_the_end_of_each_line_is_no_roi(tmp_path):
    path = save(tmp_path / "ROISignals_1.txt", made())
    path.write_text(path.read_text().replace("\n", "\t\n"))
    np.testing.assert_array_equal(read(tmp_path)[0].series, made())


def test_other_variables_do_not_matter_and_a_file_without_rois_says_what_it_has(tmp_path):
    save(tmp_path / "ROISignals_1.mat", made(), Other=np.zeros((140, 116)))
    scipy.io.savemat(tmp_path / "ROISignals_2.mat", {"Signals": made()})
    source = opened(tmp_path)
    good, bad = source.items()
    np.testing.assert_array_equal(source.read(good).series, made())
    with pytest.raises(DataError, match=r"array of real numbers ROISignals; it contains Signals \[140, 116\] float32"):
        source.read(bad)


def test_version_7_3_as_matlab_writes_it_has_its_axes_in_reverse(tmp_path):
    with h5py.File(tmp_path / "ROISignals_1.mat", "w", userblock_size=512) as file:
        file["ROISignals"] = made(frames=130).T
        file["ROISignals"].attrs["MATLAB_class"] = np.bytes_("single")
    np.testing.assert_array_equal(read(tmp_path)[0].series, made(frames=130))


def test_columns_of_zeros_are_missing(tmp_path):
    series = made()
    series[:, [3, 90]] = 0
    save(tmp_path / "d" / "ROISignals_1.mat", series)
    cohort = prepare(opened(tmp_path / "d"), out=tmp_path / "c", atlas=ATLAS)
    assert np.flatnonzero(cohort.missing[0]).tolist() == [3, 90]


def test_one_damaged_file_is_listed_and_the_others_are_prepared(tmp_path):
    for i in range(3):
        save(tmp_path / "d" / f"ROISignals_{i}.mat", made(i))
    (tmp_path / "d" / "ROISignals_0.mat").write_bytes(b"MATLAB 5.0 MAT-file, cut off")
    (tmp_path / "d" / "ROISignals_1.mat").write_bytes(b"")
    cohort = prepare(opened(tmp_path / "d"), out=tmp_path / "c", atlas=ATLAS)
    assert cohort.recordings["participant_id"].tolist() == ["2"]
    assert cohort.excluded["reason"].str.contains("cannot be read").all()


# Repetition time and table
def test_the_repetition_time_comes_from_the_table_or_the_option_alone(tmp_path):
    save(tmp_path / "ROISignals_0050642.mat", made())
    with pytest.raises(UnknownTRError, match="no repetition time"):
        opened(tmp_path, tr=None)
    table = pd.DataFrame({"participant_id": ["0050642"], "tr": [2.5], "site": ["S1"], "mean_fd": [0.1]})
    (found,) = read(tmp_path, tr=None, table=table)
    assert (found.tr, found.tr_from, found.site, found.mean_fd) == (2.5, "the participants table", "S1", 0.1)
    with pytest.raises(UnknownTRError, match="participant 0050642, the only one, is not among the 1 of"):
        opened(tmp_path, tr=None, table=table.assign(participant_id="50643"))
