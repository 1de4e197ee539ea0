import pytest

from semantoks.signals.files.names import identify


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sub-01_ses-2_task-rest_run-3_timeseries.tsv", ("01", "2", "3")),
        ("sub-0050642_bold.npy", ("0050642", "", "")),
        ("sub-01_ses-pre", ("01", "pre", "")),
        ("CMU_a_0050642_rois_cc200.1D", ("CMU_a_0050642", "", "")),
        ("CMU_a_0050642_rois_cc200_timeseries.csv", ("CMU_a_0050642", "", "")),
        ("0050642_timeseries_bold.txt", ("0050642", "", "")),
        ("John.Doe.csv", ("John.Doe", "", "")),
        ("John.Doe", ("John.Doe", "", "")),
        ("sub-1.2_x", ("1.2", "", "")),
        ("_bold.npy", ("_bold", "", "")),
        ("subject7_session-2.npy", ("subject7_session-2", "", "")),
    ],
)
def test_the_name_tells_participant_session_and_run(name: str, expected: tuple[str, str, str]) -> None:
    got = identify(name)
    assert (got.participant, got.session, got.run) == expected


def test_folders_add_what_the_name_lacks_and_never_overrule_it() -> None:
    got = identify("rest_bold.npy", ("data", "sub-09", "ses-b"))
    assert (got.participant, got.session) == ("09", "b")
    got = identify("sub-01_bold.npy", ("sub-09", "ses-b"))
    assert (got.participant, got.session) == ("01", "b")


def test_other_entities_are_kept_beside() -> None:
    assert identify("sub-1_task-rest_dir-AP_bold.npy").entities == {"task": "rest", "dir": "AP"}
