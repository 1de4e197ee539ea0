"""Versions, sessions, runs and tasks at the end of names without sub- are no people of their own."""

import pytest

from semantoks.signals.files.id_names import of_names


@pytest.mark.parametrize(
    ("names", "whose"),
    [
        (
            ["0001_gsr", "0001_nogsr", "0002_gsr"],
            [("0001", "", "", "gsr"), ("0001", "", "", "nogsr"), ("0002", "", "", "gsr")],
        ),
        (["0001", "0001_filtered"], [("0001", "", "", None), ("0001", "", "", "filtered")]),
        (["a_raw", "a_denoised"], [("a", "", "", "raw"), ("a", "", "", "denoised")]),
        (
            ["0001_run1", "0001_run2", "0002_run-1"],
            [("0001", "", "1", None), ("0001", "", "2", None), ("0002", "", "1", None)],
        ),
        (["S1_ses-1_rest1", "S1_ses-2_rest1"], [("S1", "1", "rest1", None), ("S1", "2", "rest1", None)]),
        (["S1_baseline", "S1_followup"], [("S1", "baseline", "", None), ("S1", "followup", "", None)]),
        (["S1_V1_echo-1", "S1_V1_echo-2"], [("S1", "V1", "", "echo1"), ("S1", "V1", "", "echo2")]),
    ],
)
def test_known_words_at_the_end_of_names_are_versions_sessions_and_runs(names, whose) -> None:
    found = of_names(f"{name}.npy" for name in names)
    assert [(one.participant, one.session, one.run, one.entities.get("desc")) for one in found.values()] == whose


def test_a_task_is_the_last_word_where_a_person_has_rest_and_another() -> None:
    found = of_names(["S01_rest.csv", "S01_nback.csv", "S02_rest.csv"])
    whose = [(one.participant, one.entities["task"]) for one in found.values()]
    assert whose == [("S01", "rest"), ("S01", "nback"), ("S02", "rest")]


@pytest.mark.parametrize(
    "names",
    [
        ["0001_gsr.npy", "0002_gsr.npy"],
        ["NYU_0050952_rois_cc200.1D", "NYU_0050953_rois_cc200.1D"],
        ["site1_0001.csv", "site1_0002.csv"],
        ["0001_1.npy", "0001_2.npy"],
        ["S01_rest.csv", "S02_rest.csv"],
        ["sub-01_run-1_bold.tsv", "sub-01_run-2_bold.tsv"],
        ["alice.npy", "bob.npy"],
    ],
)
def test_names_that_may_be_people_stay(names) -> None:
    assert of_names(names) == {}
