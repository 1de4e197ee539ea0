"""Baselines against NumPy: motion, demographics and moments."""

from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest

from semantoks.evaluate.baselines.recorded import demographics, motion, motion_and_scan, roi_moments, scan, site
from semantoks.evaluate.study.people import people_of
from semantoks.evaluate.study.shown import Shown
from semantoks.signals.cohort import Cohort
from tiny_people import make_people, shown, write_cohort


def test_motion_is_displacement_its_logarithm_and_the_share_of_good_frames(cohort):
    table = cohort.recordings
    found = motion(shown(cohort))
    np.testing.assert_allclose(found[:, 0], table["mean_fd"])
    np.testing.assert_allclose(found[:, 1], np.log(table["mean_fd"]))
    np.testing.assert_array_equal(found[:, 2], table["good_frames"] / table["frames"])


def test_motion_is_none_where_nobodys_is_known(tmp_path):
    assert motion(shown(write_cohort(tmp_path, *make_people(2, motion=False)))) is None


def recorded(**columns):
    """Only what these baselines read of a cohort."""
    return Mock(spec=Shown, cohort=SimpleNamespace(recordings=pd.DataFrame(columns)))


def test_scan_is_frames_and_repetition_time_alone_and_none_where_they_never_differ():
    some = recorded(frames=[100, 150], source_tr=[2.0, 0.72], mean_fd=[0.1, 0.2], good_frames=[90, 75])
    np.testing.assert_array_equal(scan(some), [[100, 2.0], [150, 0.72]])
    assert scan(recorded(frames=[100, 100], source_tr=[2.0, 2.0])) is None


def test_motion_and_scan_are_both_and_the_number_of_good_frames():
    some = recorded(frames=[100, 150], source_tr=[2.0, 0.72], mean_fd=[0.1, 0.2], good_frames=[90, 75])
    expected = [[0.1, np.log(0.1), 0.9, 100, 2.0, 90], [0.2, np.log(0.2), 0.5, 150, 0.72, 75]]
    np.testing.assert_allclose(motion_and_scan(some), expected)
    for lacking in ({"mean_fd": [np.nan] * 2}, {"frames": [100, 100], "source_tr": [2.0, 2.0]}):
        table = some.cohort.recordings.assign(**lacking)
        assert motion_and_scan(recorded(**table)) is None


def test_motion_does_not_know_how_long_a_scan_was():
    """Two sites with scans of different lengths, nobody moves: nothing tells them apart."""
    found = motion(recorded(frames=[100, 150], good_frames=[100, 150], mean_fd=[0.1, 0.1]))
    np.testing.assert_array_equal(found[0], found[1])


def test_the_site_is_a_column_for_each_and_none_where_it_is_unknown_or_one_alone():
    np.testing.assert_array_equal(site(recorded(site=["b", "a", "", "b"])), [[0, 1], [1, 0], [0, 0], [0, 1]])
    assert site(recorded(site=["a", "a", ""])) is None
    assert site(recorded(site=[None, None])) is None


def demographics_of(tmp_path, table, ids=("b", "a", "c", "d"), **settings):
    series, _ = make_people(1)
    values = next(iter(series.values()))
    cohort = write_cohort(tmp_path, {f"sub-{name}": values + i for i, name in enumerate(ids)}, table)
    return demographics(cohort, people_of(cohort), **settings)


def test_demographics_are_numbers_as_they_are_and_a_column_for_each_text_in_the_order_of_people(tmp_path):
    table = {"participant_id": ["a", "b", "c", "e"], "AGE": [20, 31.5, None, 9], "Sex": ["F", "M", "F", "X"]}
    found = demographics_of(tmp_path, pd.DataFrame(table))
    expected = [[20, 1, 0], [31.5, 0, 1], [np.nan, 1, 0], [np.nan, np.nan, np.nan]]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("without", "columns"), [("", 2), ("age", 1), ("Age", 1), ("sex", 1), ("gender", 1), ("dx", 2)]
)
def test_the_target_is_never_among_the_demographics_by_neither_of_its_names(tmp_path, without, columns):
    table = {"participant_id": list("abcd"), "age": [1, 2, 3, 4], "gender": [1, 2, 1, 2], "dx": [0, 1, 1, 0]}
    found = demographics_of(tmp_path, pd.DataFrame(table), without=without)
    assert found.shape == (4, columns)
    if columns == 1:
        kept = "gender" if without.lower() == "age" else "age"
        np.testing.assert_array_equal(found[:, 0], table[kept])


def test_sex_and_gender_both_there_do_not_give_the_target_away(tmp_path):
    table = {"participant_id": list("abcd"), "sex": list("FMFM"), "gender": list("wmwm")}
    assert demographics_of(tmp_path, pd.DataFrame(table), without="sex") is None
    assert demographics_of(tmp_path / "2", pd.DataFrame(table)).shape == (4, 2)


def test_without_age_and_sex_there_are_no_demographics(tmp_path):
    table = pd.DataFrame({"participant_id": list("abcd"), "age": [None] * 4, "dx": [0, 1, 1, 0]})
    assert demographics_of(tmp_path, table) is None


def test_of_several_sessions_the_first_known_value_counts(tmp_path):
    table = {"participant_id": list("aabb"), "session_id": ["1", "2"] * 2, "age": [None, 30, 40, 41]}
    found = demographics_of(tmp_path, pd.DataFrame(table), ids=("a_ses-1", "a_ses-2", "b_ses-1", "b_ses-2"))
    np.testing.assert_array_equal(found, [[30], [40]])


def test_roi_moments_are_means_then_deviations_of_what_came_in(tmp_path):
    series, _ = make_people(2)
    series["sub-01_ses-1"] = 100 + 5 * series["sub-01_ses-1"]
    series["sub-01_ses-1"][:, 3] = 0
    cohort = write_cohort(tmp_path, series)
    found = roi_moments(shown(cohort))
    expected = [np.hstack([series[name].mean(axis=0), series[name].std(axis=0)]) for name in series]
    assert np.isnan(found[2]).nonzero()[0].tolist() == [3, 11]
    expected[2][[3, 11]] = np.nan
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    cohort = Cohort(cohort.path)
    cohort.recordings["moments_sha256"] = ""
    assert roi_moments(shown(cohort)) is None
