import numpy as np
import pytest

from semantoks.errors import DataError
from semantoks.signals.recording import Recording


def make(**changes):
    told = {"series": np.ones((4, 3)), "tr": 2.0, "participant": "01", "source": "a.npy"} | changes
    return Recording(**told)


def test_a_recording_keeps_its_series_as_float32_in_time_by_roi():
    series = np.arange(12).reshape(4, 3)
    recording = make(series=series)
    assert recording.series.dtype == np.float32
    np.testing.assert_array_equal(recording.series, series)


def test_labels_lose_their_bids_prefix_once():
    recording = make(participant=" sub-sub-7", session="ses-2", run="run-1")
    assert (recording.participant, recording.session, recording.run) == ("sub-7", "2", "1")
    assert make(participant="0050642").participant == "0050642"


@pytest.mark.parametrize("shape", [(5,), (2, 3, 4)])
def test_a_series_that_is_not_two_dimensional_is_refused_by_file(shape):
    with pytest.raises(DataError, match=r"a\.npy.*2-D array"):
        make(series=np.ones(shape))


@pytest.mark.parametrize("tr", [2000.0, 0.1, 0.0, -2.0, np.nan, np.inf])
def test_a_repetition_time_out_of_range_is_refused(tr):
    with pytest.raises(DataError, match=r"0\.3 to 6 s was expected \(RT of a\.mat\)\. Give it in seconds"):
        make(tr=tr, tr_from="RT of a.mat")
    with pytest.raises(DataError, match=r"0\.3 to 6 s was expected\. Give it"):
        make(tr=tr)


@pytest.mark.parametrize("tr", [0.3, 6.0])
def test_the_ends_of_the_range_are_allowed(tr):
    assert make(tr=tr).tr == tr


@pytest.mark.parametrize("kind", ["U3", bool, complex])
def test_values_that_are_no_real_numbers_are_refused(kind):
    with pytest.raises(DataError, match="real numbers"):
        make(series=np.ones((4, 3)).astype(kind))


@pytest.mark.parametrize("participant", ["", "  ", "sub-"])
def test_an_empty_participant_is_refused(participant):
    with pytest.raises(DataError, match="participant"):
        make(participant=participant)


def test_a_value_beyond_float32_becomes_infinite_and_not_a_warning():
    assert make(series=np.full((2, 2), 1e300)).series[0, 0] == np.inf


@pytest.mark.parametrize("blank", [0.0, np.nan])
def test_a_frame_that_is_zero_or_nan_in_every_roi_is_censored(blank: float) -> None:
    series = np.random.default_rng(0).normal(size=(9, 4))
    series[:, 3] = np.nan  # a missing ROI
    series[:, 2] = 0  # another
    series[[2, 7, 8]] = blank
    recording = Recording(series=series, tr=2.0, participant="1", source="x")
    assert recording.good is not None
    assert np.flatnonzero(~recording.good).tolist() == [2, 7, 8]
    known = np.arange(9) != 4
    assert np.flatnonzero(~Recording(series=series, tr=2.0, participant="1", source="x", good=known).good).tolist() == [
        2,
        4,
        7,
        8,
    ]


def test_zeros_that_censor_nothing_leave_all_frames_good() -> None:
    series = np.random.default_rng(0).normal(size=(9, 2))
    series[3, 0] = 0
    for one in (series, series[:, :1], np.zeros((9, 4)), np.full((9, 4), np.nan)):
        assert Recording(series=one, tr=2.0, participant="1", source="x").good is None


def test_a_recording_that_is_nearly_all_zero_has_the_few_frames_that_are_left() -> None:
    series = np.zeros((200, 4))
    series[50:53] = np.random.default_rng(0).normal(size=(3, 4))
    recording = Recording(series=series, tr=2.0, participant="1", source="x")
    assert recording.good is not None
    assert np.flatnonzero(recording.good).tolist() == [50, 51, 52]


@pytest.mark.parametrize(
    ("band", "low_passed"),
    [(None, False), ((0.008, None), False), ((None, 0.1), True), ((0.01, 0.1), True), ((None, None), True)],
)
def test_a_high_pass_alone_does_not_replace_the_band_pass(band, low_passed: bool) -> None:
    assert make(band=band).low_passed is low_passed
