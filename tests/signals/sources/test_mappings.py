"""Arrays in memory, of neurocaps and nilearn: recordings in the atlas's order, or a sentence."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nilearn.maskers import NiftiLabelsMasker

from semantoks.atlas.catalog import get_atlas
from semantoks.errors import DataError
from semantoks.signals.prepare import prepare
from semantoks.signals.sources.memory import MemorySource, recordings_from_arrays, recordings_from_mapping

LABELS = ["Default", "Vis_R", "Mot_R", "Elsewhere", "Vis_L"]
"""Columns in another order than the atlas's, Mot_L lacking."""
PLACE = [4, 1, 3, 0]


@pytest.fixture
def expected(series):
    """Five columns called LABELS, in the order of the atlas."""
    brought = np.full_like(series, np.nan)
    brought[:, PLACE] = series[:, [0, 1, 2, 4]]
    return brought


# Mappings
def test_a_mapping_of_neurocaps_gives_a_recording_a_run(series, atlas):
    given = {"sub-01": {"run-1": series, "run_2": series + 1}, 7: {1: series + 2}}
    found = recordings_from_mapping(given, tr=2.0, atlas=atlas)
    assert [(one.participant, one.run, one.tr) for one in found] == [
        ("01", "1", 2.0),
        ("01", "2", 2.0),
        ("7", "1", 2.0),
    ]
    for index, one in enumerate(found):
        np.testing.assert_array_equal(one.series, series + index)
    assert found[2].source == "participant 7 run 1"


def test_labels_bring_the_columns_of_a_mapping_into_the_atlass_order(series, atlas, expected):
    (found,) = recordings_from_mapping({"1": {"run-1": series}}, tr=2.0, labels=LABELS, atlas=atlas)
    np.testing.assert_array_equal(found.series, expected)
    (turned,) = recordings_from_mapping({"1": {"run-1": series.T}}, tr=2.0, labels=LABELS, atlas=atlas)
    np.testing.assert_array_equal(turned.series, expected)


def test_a_cohort_can_be_made_of_a_mapping(tmp_path, atlas):
    series = np.random.default_rng(0).normal(size=(160, 5))
    given = recordings_from_mapping({"1": {"run-1": series}}, tr=2.0, atlas=atlas)
    cohort = prepare(MemorySource(given, atlas=atlas), out=tmp_path / "c", atlas=atlas)
    assert cohort.recordings[["participant_id", "run", "frames"]].to_numpy().tolist() == [["1", "1", 160]]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ([], "participant -> run -> array, not an empty list. .*recordings_from_arrays"),
        ({}, "not an empty dict"),
        ({"1": {}}, "participant 1: expected a mapping of run -> array, not an empty dict"),
        ({"1": np.zeros((8, 5))}, r"participant 1: expected a mapping of run -> array, not ndarray \[8, 5\]"),
        ({"1": {"run-1": np.zeros((8, 5)), 1: np.zeros((8, 5))}}, "run 1: this participant has another run '1'"),
        ({"1": {"run-1": np.zeros((8, 4))}}, "participant 1 run run-1: wrong number of ROIs"),
        (
            {"1": {"run-1": np.zeros((8, 5)) > 0}},
            r"expected an array \[frame, roi\] of real numbers, not ndarray .* bool",
        ),
    ],
)
def test_what_is_no_such_mapping_is_refused(atlas, given, reason):
    with pytest.raises(DataError, match=reason):
        recordings_from_mapping(given, tr=2.0, atlas=atlas)


# Lists of arrays
def test_a_list_of_arrays_and_one_array_give_the_same(series, atlas):
    whole = np.stack([series, series + 1])
    for given in (list(whole), tuple(whole), whole, [whole[0].tolist(), whole[1]]):
        found = recordings_from_arrays(given, tr=2.0, atlas=atlas)
        assert [(one.participant, one.session, one.run) for one in found] == [("1", "", ""), ("2", "", "")]
        np.testing.assert_array_equal([one.series for one in found], whole)


def test_arrays_of_different_lengths_have_their_own_people_sessions_runs_and_times(series, atlas):
    ragged = np.empty(2, dtype=object)
    ragged[0], ragged[1] = series, series[:6]
    for given in (ragged, list(ragged)):
        found = recordings_from_arrays(
            given, tr=[2.0, 0.8], participants=["sub-01", "01"], sessions=["ses-a", "b"], runs=[1, "run-2"], atlas=atlas
        )
        who = [(one.participant, one.session, one.run, one.tr) for one in found]
        assert who == [("01", "a", "1", 2.0), ("01", "b", "2", 0.8)]
        assert [len(one.series) for one in found] == [8, 6]


def test_columns_of_a_data_frame_are_labels_unless_they_only_count(series, atlas, expected):
    named = pd.DataFrame(series, columns=LABELS)
    counted = pd.DataFrame(series)
    first, second = recordings_from_arrays([named, counted], tr=2.0, atlas=atlas)
    np.testing.assert_array_equal(first.series, expected)
    np.testing.assert_array_equal(second.series, series)
    (third,) = recordings_from_arrays([counted], tr=2.0, labels=LABELS, atlas=atlas)
    np.testing.assert_array_equal(third.series, expected)
    recordings_from_arrays([named], tr=2.0, labels=LABELS, atlas=atlas)
    with pytest.raises(DataError, match="other names than the labels that were given"):
        recordings_from_arrays([named], tr=2.0, labels=LABELS[::-1], atlas=atlas)


def test_what_a_masker_of_nilearn_makes_is_read_with_its_names(atlas):
    regions = np.zeros((6, 3, 3), dtype=np.int16)
    regions[:] = np.arange(6)[:, None, None]  # 1 to 5 beside the background, the atlas's second at value 4
    signal = np.random.default_rng(0).normal(size=(6, 1, 1, 8)) * np.ones((6, 3, 3, 8))
    image = nib.Nifti1Image(signal.astype(np.float32), np.eye(4))
    order = ["Default", "Mot_R", "Mot_L", "Vis_R", "Vis_L"]
    lut = pd.DataFrame({"index": range(6), "name": ["Background", *order]})
    masker = NiftiLabelsMasker(nib.Nifti1Image(regions, np.eye(4)), lut=lut, standardize=None)
    frame = masker.set_output(transform="pandas").fit_transform(image)
    (found,) = recordings_from_arrays([frame], tr=2.0, atlas=atlas)
    for index, label in enumerate(atlas.labels):
        np.testing.assert_allclose(found.series[:, index], signal[1 + order.index(label), 0, 0], rtol=1e-6)
    plain = NiftiLabelsMasker(nib.Nifti1Image(regions, np.eye(4)), standardize=None)
    one_volume = plain.fit().transform(nib.Nifti1Image(image.get_fdata()[..., 0], np.eye(4)))
    assert one_volume.shape == (5,)
    with pytest.raises(DataError, match=r"array 0 .*: it is 1-D, 5 values\. .*nilearn \(0\.12 and later\).*4-D image"):
        recordings_from_arrays([one_volume], tr=2.0, atlas=atlas)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ([], r"expected a list of arrays \[frame, roi\], or one \[n, frame, roi\], not an empty list"),
        (np.zeros((8, 5)), r"not ndarray \[8, 5\] of float64\. One recording is a list of one"),
        (pd.DataFrame(np.zeros((8, 5))), r"not DataFrame \[8, 5\] of columns\. One recording is a list of one"),
        (np.zeros(5), "the array: it is 1-D, 5 values"),
        ({"1": np.zeros((8, 5))}, "not dict"),
        ("a.npy", "not str"),
        (iter([]), "not list_iterator"),
        ([np.zeros((8, 5, 2))], r"array 0 \(participant 1\): expected an array \[frame, roi\] of real numbers"),
        ([[["a"]]], "of real numbers, not ndarray"),
        ([[[1.0, 2.0], [3.0]]], r"it is no array \[frame, roi\]"),
        ([None], r"of real numbers, not ndarray \[\] of object"),
        ([np.zeros((8, 4))], "wrong number of ROIs"),
        ([np.zeros((5, 5))], r"it is 5 x 5 .* either axis could be time\. Say what the columns are with labels="),
    ],
)
def test_what_is_no_list_of_arrays_is_refused(atlas, given, reason):
    with pytest.raises(DataError, match=reason):
        recordings_from_arrays(given, tr=2.0, atlas=atlas)


def test_lengths_have_to_agree(series, atlas):
    for name, given in (("participants", ["1"]), ("sessions", ["1"]), ("runs", ["1"]), ("tr", [2.0])):
        with pytest.raises(DataError, match=f"there are 2 arrays, but 1 {name}: give one for each"):
            recordings_from_arrays([series, series], **({"tr": 2.0} | {name: given}), atlas=atlas)
    with pytest.raises(DataError, match="there are 4 labels, but the array is 8 x 5: give each column one"):
        recordings_from_arrays([series], tr=2.0, labels=LABELS[:4], atlas=atlas)


def test_labels_say_which_axis_is_time_where_both_are_as_long_as_the_atlas(series, atlas, expected):
    (found,) = recordings_from_arrays([series[:5]], tr=2.0, labels=LABELS, atlas=atlas)
    np.testing.assert_array_equal(found.series, expected[:5])


def test_labels_of_another_atlas_and_of_the_other_order_are_refused_unless_asked_for(series, atlas):
    with pytest.raises(DataError, match="none of its 5 labels is a label of the atlas five"):
        recordings_from_arrays([series], tr=2.0, labels=["a", "b", "c", "d", "f"], atlas=atlas)
    seven, seventeen = get_atlas("schaefer100"), get_atlas("schaefer100-17")
    columns = np.random.default_rng(0).normal(size=(8, 100))
    with pytest.raises(DataError, match="other order of networks"):
        recordings_from_arrays([columns], tr=2.0, labels=seventeen.labels, atlas=seven)
    (found,) = recordings_from_arrays([columns], tr=2.0, labels=seventeen.labels, atlas=seven, reorder=True)
    place = [np.flatnonzero((seventeen.centroids == centre).all(axis=1))[0] for centre in seven.centroids]
    np.testing.assert_array_equal(found.series, columns[:, place].astype(np.float32))


@pytest.mark.parametrize("tr", [0.0, 2000.0])
def test_a_repetition_time_that_cannot_be_is_refused(series, atlas, tr):
    with pytest.raises(DataError, match=r"0\.3 to 6 s was expected"):
        recordings_from_arrays([series], tr=tr, atlas=atlas)


@pytest.mark.parametrize(
    "labels",
    [
        [label.encode() for label in LABELS],
        np.array([label.encode() for label in LABELS]),
        [str(label.encode()) for label in LABELS],
        ["Background", *LABELS],
        [b"Background", *(label.encode() for label in LABELS)],
    ],
)
def test_labels_as_nilearn_has_them_are_understood(series, atlas, expected, labels):
    (found,) = recordings_from_arrays([series], tr=2.0, labels=labels, atlas=atlas)
    assert np.array_equal(found.series, expected, equal_nan=True)
    (found,) = recordings_from_mapping({"1": {"run-1": series}}, tr=2.0, labels=labels, atlas=atlas)
    assert np.array_equal(found.series, expected, equal_nan=True)


def test_a_repetition_time_that_is_none_is_refused_and_the_remedy_named(series, atlas):
    for make, held in ((recordings_from_arrays, [series]), (recordings_from_mapping, {"1": {"1": series}})):
        with pytest.raises(
            DataError, match=r"tr has to be the repetition time in seconds.*not None.*t_r of the masker"
        ):
            make(held, tr=None, atlas=atlas)
    with pytest.raises(DataError, match="not None"):
        recordings_from_arrays([series, series], tr=[2.0, None], atlas=atlas)
