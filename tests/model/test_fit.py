"""An encoder is used only on series like those it was trained on."""

from pathlib import Path
from unittest.mock import create_autospec

import numpy as np
import pytest

from semantoks.atlas.atlas import Atlas
from semantoks.errors import DataError, WeightsError
from semantoks.model.card import EncoderCard, check_fit
from semantoks.model.encoder import EncoderConfig
from semantoks.signals.cohort import Cohort

ATLAS = Atlas(name="two", labels=("a", "b"), networks=("x", "y"), hemisphere=("L", "R"), centroids=np.zeros((2, 3)))
CARD = EncoderCard(encoder=EncoderConfig(width=16, depth=1), atlas=ATLAS, tr=2.0, band=(0.01, 0.1))


def cohort(tr=2.0, band=(0.01, 0.1), atlas=ATLAS, recordings=1):
    fake = create_autospec(Cohort, instance=True)
    fake.__class__ = Cohort
    values = {
        "path": Path("c"),
        "atlas": atlas,
        "tr": tr,
        "description": {"Band": None if band is None else list(band)},
    }
    for name, value in values.items():
        setattr(fake, name, value)
    fake.__len__.return_value = recordings
    return fake


def test_the_same_atlas_tr_and_band_fit_and_an_unknown_band_is_not_compared():
    check_fit(CARD, cohort())
    check_fit(CARD, cohort(band=None))


@pytest.mark.parametrize(
    ("other", "remedy"),
    [
        ({"tr": 0.7}, "--target-tr 2"),
        ({"band": (0.01, 0.08)}, "--band 0.01 0.1"),
        ({"atlas": Atlas(**{**vars(ATLAS), "networks": ("x", "x")})}, "encoder's atlas"),
    ],
)
def test_other_series_are_refused_with_the_remedy(other, remedy):
    with pytest.raises(WeightsError, match=remedy):
        check_fit(CARD, cohort(**other))


def test_an_empty_cohort_is_refused():
    with pytest.raises(DataError, match="has no recordings"):
        check_fit(CARD, cohort(recordings=0))
