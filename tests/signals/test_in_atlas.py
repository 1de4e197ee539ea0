"""A cohort of a wider or narrower atlas, seen by its ROIs of another one, is what preparing with that one gives."""

import numpy as np
import pytest
from scripted import ROIS, TOY, noise, scripted

from semantoks.atlas.atlas import Atlas
from semantoks.errors import DataError
from semantoks.signals.cohort import Cohort
from semantoks.signals.part import InAtlas
from semantoks.signals.prepare import prepare


def named(labels):
    return Atlas(name="other", labels=tuple(labels), networks=("one",) * len(labels))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    holes = noise(98)
    holes[:, [1, 4]] = np.nan
    return prepare(scripted(3, q_holes=holes), out=tmp_path_factory.mktemp("part") / "cohort", atlas=TOY)


def test_rois_are_found_by_label_and_those_that_are_lacking_are_missing(whole):
    part = InAtlas(whole, named([TOY.labels[4], "elsewhere", TOY.labels[0]]))
    assert (len(part), part.tr, part.path) == (len(whole), whole.tr, whole.path)
    for index in range(len(part)):
        expected = whole.series(index)[:, [4, 4, 0]].copy()
        expected[:, 1] = 0
        np.testing.assert_array_equal(part.series(index), expected)
    assert part.missing.tolist() == [[False, True, False]] * 3 + [[True, True, False]]
    assert part.recordings["missing_rois"].tolist() == ["1"] * 3 + ["0,1"]
    np.testing.assert_array_equal(part.moments[:, :, 2], whole.moments[:, :, 0])
    assert np.isnan(part.moments[:, :, 1]).all()
    assert part.first_frames.tolist() == whole.first_frames.tolist()
    part.check_signals()


def test_what_was_read_of_the_whole_before_is_no_part_of_it(whole):
    assert (whole.missing.shape[1], len(whole.shards), whole.moments.shape[2]) == (ROIS, 1, ROIS)
    part = InAtlas(whole, named(TOY.labels[:2]))
    assert (part.missing.shape[1], part.shards[0].shape[1], part.moments.shape[2]) == (2, 2, 2)
    assert Cohort(whole.path).recordings.equals(whole.recordings)


def test_less_than_half_of_the_rois_are_no_part(whole):
    with pytest.raises(DataError, match=r"with it 1 of the 3 ROIs of other: half of them are needed"):
        InAtlas(whole, named([TOY.labels[0], "x", "y"]))
