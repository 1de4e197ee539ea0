"""Who is tested and who is trained: nobody is both, families stay whole, fewer people are among more."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from semantoks.errors import ConfigError, DataError
from semantoks.evaluate.settings import ProbeConfig
from semantoks.signals.part import Part
from semantoks.studies.sides import check_targets, hold_out, keep_apart
from tiny_people import make_people, write_cohort


def ids(cohort):
    return set(cohort.recordings["participant_id"])


def test_nobody_is_tested_and_trained_and_the_share_is_the_one_asked_for(people, most):
    assert len(ids(most.tested)) == 12
    assert set(most.pool) == ids(people) - ids(most.tested)
    assert most.notes == ()


def test_the_same_people_are_tested_whatever_is_trained_and_other_shares_are_others(people, most, halves):
    again = hold_out(people, 0.3, min_seconds=0.0)
    assert most.fingerprint == again.fingerprint != halves.fingerprint


def test_subsets_of_a_seed_are_nested_and_those_of_another_seed_are_others(most):
    few, many, other = most.trained(5, 0), most.trained(20, 0), most.trained(5, 1)
    assert len(few) == 5
    assert set(few) < set(many) < set(most.pool)
    assert set(few) != set(other)
    assert set(most.trained(28, 3)) == set(most.pool)


def test_families_are_on_one_side(tmp_path):
    series, table = make_people(20)
    cohort = write_cohort(tmp_path, series, table.assign(family_id=np.arange(20) // 4))
    sides = hold_out(cohort, 0.4, min_seconds=0.0)
    family = pd.Series(np.arange(20) // 4, index=table["participant_id"])
    assert not set(family[list(sides.pool)]) & set(family[list(ids(sides.tested))])
    assert len(ids(sides.tested)) == 8


def test_who_is_in_the_probe_s_cohort_by_id_or_by_recording_is_in_no_training(people):
    clinic = Part(people, people=["00", "01", "02", "03"])
    renamed = Part(people, people=["04", "05"])
    renamed.recordings = renamed.recordings.assign(participant_id=["x", "x", "y", "y"])
    for tested, out in ((clinic, {"00", "01", "02", "03"}), (renamed, {"04", "05"})):
        tested.path = people.path.parent / "clinic"
        sides = keep_apart(people, tested, min_seconds=0.0)
        assert set(sides.pool) == ids(people) - out
        assert f"{len(out)} people have an id or a recording in" in sides.notes[0]


def test_people_without_a_long_recording_are_not_trained_on_and_counted(people, most):
    seconds = 2.0 * people.recordings["good_frames"]
    longest = people.recordings.assign(s=seconds).groupby("participant_id")["s"].max()[list(most.pool)]
    limit = float(np.median(longest))
    sides = hold_out(people, 0.3, min_seconds=limit)
    assert set(sides.pool) == set(longest.index[longest >= limit])
    assert f"{len(most.pool) - len(sides.pool)} people have less than {limit:g} s" in sides.notes[0]


def test_what_leaves_too_few_people_and_shares_out_of_range_are_refused(people):
    with pytest.raises(ConfigError, match="has to lie between 0 and 1, not 1"):
        hold_out(people, 1.0, min_seconds=0.0)
    with pytest.raises(DataError, match=r"2 people of .* are left to train on, and a study needs 4: hold fewer out"):
        hold_out(people, 0.95, min_seconds=0.0)


def test_targets_that_the_test_people_cannot_answer_are_refused_before_any_training(halves):
    config = ProbeConfig(folds=2, repeats=1, analyses=())
    check_targets(halves, ["sex", "age"], config)
    with pytest.raises(DataError, match="agee"):
        check_targets(halves, ["agee"], config)
    with pytest.raises(DataError, match="Use --folds 5"):
        check_targets(halves, ["sex"], dataclasses.replace(config, folds=9))
    with pytest.raises(ConfigError, match="at least one target"):
        check_targets(halves, [], config)
