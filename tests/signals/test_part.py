"""Part of a cohort: the people asked for and nobody else, the same numbers, nothing copied."""

import numpy as np
import pytest

from semantoks.errors import ConfigError, DataError
from semantoks.signals.clean import gaps_text
from semantoks.signals.part import Part
from tiny_people import make_people, write_cohort


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return write_cohort(tmp_path_factory.mktemp("whole"), *make_people(6))


def test_a_part_has_the_recordings_of_its_people_as_they_are_in_the_whole(whole):
    part = Part(whole, people=["03", "01"])
    assert part.recordings["participant_id"].tolist() == ["01", "01", "03", "03"]
    assert sorted(part.participants["participant_id"]) == ["01", "03"]
    for row, name in enumerate(part.recordings["recording_id"]):
        there = whole.recordings.index[whole.recordings["recording_id"] == name][0]
        np.testing.assert_array_equal(part.series(row), whole.series(there))
        np.testing.assert_array_equal(part.moments[row], whole.moments[there])
        assert part.first_frames[row] == whole.first_frames[there]
        assert part.quality["recording_id"][row] == name
    assert part.missing.shape == (4, 8)
    assert part.verify() == []


def test_the_first_minutes_are_the_first_frames_and_count_their_good_ones(whole):
    frames = int(whole.recordings["frames"][0])
    good = np.ones(frames, dtype=bool)
    good[[2, 29, 30, 31, frames - 1]] = False
    marked = Part(whole)
    marked.recordings = whole.recordings.copy()
    marked.recordings.loc[0, ["bad_frames", "good_frames"]] = [gaps_text(good), int(good.sum())]
    part = Part(marked, minutes=1.0)
    assert part.recordings["frames"].tolist() == [30] * 12
    assert part.recordings["bad_frames"][0] == "2,29"
    assert part.recordings["good_frames"].tolist() == [28] + [30] * 11
    np.testing.assert_array_equal(part.series(0), whole.series(0)[:30])
    assert part.good[: int(part.first_frames[0]) + 30].sum() == 28
    long = Part(whole, minutes=100.0).recordings
    assert long["frames"].tolist() == whole.recordings["frames"].tolist()
    with pytest.raises(ConfigError, match=r"0\.01 minutes hold fewer than two frames of 2 s"):
        Part(whole, minutes=0.01)


def test_other_networks_are_the_same_rois(whole):
    assert Part(whole, networks="one").atlas.n_networks == 1
    assert Part(whole, networks="each").atlas.n_networks == 8
    assert Part(whole, networks="each").atlas.labels == whole.atlas.labels


def test_people_without_a_recording_and_nobody_are_refused(whole):
    with pytest.raises(DataError, match="has no recording of 1 of the 2 people asked for"):
        Part(whole, people=["01", "ghost"])
    with pytest.raises(DataError, match=r"no recording of .* is left"):
        Part(whole, people=[])
