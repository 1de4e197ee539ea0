import pytest

from semantoks.signals.pairing import paired, paired_note, paired_sessions, unmatched_ids


def test_ids_that_agree_say_nothing():
    assert unmatched_ids(["01", "02", "02"], ["02", "01"]) == []


def test_unknown_ids_of_both_sides_are_counted_with_three_examples():
    recorded = [f"r{i}" for i in (5, 4, 3, 2)] + ["01"]
    assert unmatched_ids(recorded, ["01", "x2"]) == [
        "4 of 5 participants with recordings are not in the participants table (for example r2, r3, r4): nothing is "
        "known of them but their recordings.",
        "1 of 2 participants of the table has no recording (for example x2).",
    ]


@pytest.mark.parametrize(
    ("recorded", "listed"),
    [
        ("0050642", "50642"),
        ("01", "sub-01"),
        ("sub-01", "1"),
        ("sub01", "01"),
        ("NDARINV003RTV85", "NDAR_INV003RTV85"),
        ("CC110033", "cc110033"),
        ("0", "000"),
    ],
)
def test_ids_that_differ_only_in_spelling_are_paired(recorded, listed):
    assert paired([recorded, "x"], ["y", listed]) == {listed: recorded}


@pytest.mark.parametrize(
    ("recorded", "listed"),
    [("1", "10"), ("01", "101"), ("a1", "b1"), ("sub-1", "sub-2"), ("0010", "1.0"), ("1-01", "10-1"), ("a11", "a1-1")],
)
def test_other_ids_are_not_paired(recorded, listed):
    assert paired([recorded], [listed]) == {}


def test_an_id_that_has_its_row_is_not_taken_for_another():
    assert unmatched_ids(["1", "01"], ["1", "01", "001"]) == [
        "1 of 3 participants of the table has no recording (for example 001)."
    ]


def test_with_an_empty_table_everybody_is_unknown():
    assert unmatched_ids(["1"], []) == [
        "1 of 1 participants with recordings is not in the participants table (for example 1): nothing is known of "
        "them but their recordings."
    ]


def test_nobody_is_paired_where_more_than_one_fits():
    assert paired(["01", "001"], ["1"]) == {}
    assert paired(["01"], ["1", "001"]) == {}
    assert paired(["01", "1"], ["1", "001"]) == {}
    assert unmatched_ids(["01", "001"], ["1"])[2].startswith("2 of these ids differ only by sub-")


def test_a_bare_number_is_the_id_that_ends_with_it_where_one_alone_does():
    recorded = ["NYU_0050952", "NYU_0050953", "UM_1_0050272", "UM_2_0050272"]
    assert paired(recorded, ["50952", "50953", "50272"]) == {"50952": "NYU_0050952", "50953": "NYU_0050953"}
    assert paired(["0050952", "0050953"], ["NYU_0050952", "Pitt_0050953"]) == {
        "NYU_0050952": "0050952",
        "Pitt_0050953": "0050953",
    }


def test_short_numbers_are_paired_only_where_all_ids_begin_alike():
    assert paired(["S01", "S02"], ["1", "2"]) == {"1": "S01", "2": "S02"}
    assert paired(["con01", "pat02"], ["1", "2"]) == {}


def test_an_id_that_is_equal_stays_with_its_own_while_others_are_paired():
    assert paired(["0051", "1051"], ["51", "1051"]) == {"51": "0051"}


def test_sessions_are_paired_as_people_are():
    assert paired_sessions(["baselineYear1Arm1", ""], ["baseline_year_1_arm_1", ""]) == {
        "baseline_year_1_arm_1": "baselineYear1Arm1"
    }
    assert paired_sessions(["01", "02"], ["1", "2"]) == {"1": "01", "2": "02"}


def test_ids_of_other_shapes_are_described_with_counts():
    recorded, listed = ["0001", "0002", "P-17"], ["NDAR_ab", "NDAR_cd"]
    assert unmatched_ids(recorded, listed)[2] == (
        "these ids are spelled differently: 0000 (2), A-00 (1) in the recordings, A_A (2) in the table (A for letters, "
        "0 for a digit). If they are the same people, spell them in the table as the recordings do."
    )


def test_the_note_counts_the_pairs_and_shows_three():
    pairs = {str(i): f"00{i}" for i in range(1, 6)}
    assert paired_note(pairs, [*pairs, "9"], "participants") == [
        "5 of 6 participants of the table are spelled otherwise by the recordings (1 for 001, 2 for 002, 3 for 003): "
        "paired, because each fits a single one"
    ]
    assert paired_note({}, ["1"], "participants") == []
