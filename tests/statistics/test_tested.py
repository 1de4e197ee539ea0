"""Tables of predictions as arrays."""

import numpy as np
import pandas as pd
import pytest
from simulated_predictions import said

from semantoks.errors import DataError
from semantoks.statistics.tested import count_units, held_out, overlap, standard


def test_every_answer_lands_on_its_person_and_method_whatever_the_order_of_the_rows():
    _, table = said(classes=3, groups=np.repeat(np.arange(20), 2))
    shuffled = table.sample(frac=1, random_state=0)
    sides = held_out(shuffled, ["motion", "fc"])
    assert len(sides) == 8
    assert count_units(sides) == 20
    for split, side in enumerate(sides):
        for place, method in enumerate(["motion", "fc"]):
            rows = table[(table["split"] == split) & (table["method"] == method)].sort_values("person")
            assert (side.unit == rows["group"]).all()
            assert (side.truth == rows["truth"]).all()
            assert (side.predicted[place] == rows["predicted"]).all()
            assert (side.probability[place] == np.stack(rows["probability"])).all()


def test_a_method_that_lacks_a_split_is_marked_there():
    _, table = said()
    sides = held_out(table[(table["method"] != "fc") | (table["split"] > 0)], ["encoder", "fc", "motion"])
    assert sides[0].lacking[:, 0].tolist() == [False, True, False]
    assert not sides[1].lacking.any()
    assert np.isnan(sides[0].predicted[1]).all()
    assert np.isnan(sides[0].probability[1]).all()


def test_methods_that_were_asked_about_other_people_are_refused():
    _, table = said()
    less = table.drop(index=table.index[table["method"] == "fc"][0])
    for wrong in (less, pd.concat([table, table.iloc[[0]]]), pd.concat([table.iloc[1:], table.iloc[[1]]])):
        with pytest.raises(DataError, match="split 0 of target 't'"):
            held_out(wrong, ["encoder", "fc"])


def test_training_people_are_tested_elsewhere_in_folds_and_not_beside_a_single_test_side():
    assert overlap(100, 80.0, 20.0) == 1  # five folds
    assert overlap(20, 80.0, 20.0) == 0  # one test side
    assert overlap(60, 80.0, 20.0) == 0.5  # three test sides; forty people are only trained on
    assert overlap(0, 80.0, 20.0) == 0  # no predictions


def test_standard_values_have_mean_zero_and_spread_one_and_constants_are_zero():
    found = standard(np.array([[1.0, 2.0, 6.0], [0.1, 0.1, 0.1]]))
    assert found[0] == pytest.approx((np.array([1, 2, 6]) - 3) / np.std([1, 2, 6]))
    assert (found[1] == 0).all()
