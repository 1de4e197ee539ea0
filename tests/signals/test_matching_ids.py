import pytest

from semantoks.signals.matching_ids import unmatched_ids


def test_ids_that_agree_say_nothing():
    assert unmatched_ids(["01", "02", "02"], ["02", "01"]) == []


def test_unknown_ids_of_both_sides_are_counted_with_three_examples():
    recorded = [f"r{i}" for i in (5, 4, 3, 2)] + ["01"]
    assert unmatched_ids(recorded, ["01", "x"]) == [
        "4 of 5 participants with recordings are not in the participants table (for example r2, r3, r4): nothing is "
        "known of them but their recordings.",
        "1 of 2 participants of the table have no recording (for example x).",
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
def test_ids_that_differ_only_in_spelling_get_a_hint(recorded, listed):
    notes = unmatched_ids([recorded], [listed])
    assert len(notes) == 3
    assert notes[2] == (
        f"1 of these ids differ only by sub-, leading zeros, case or punctuation (for example {recorded} and the "
        f"table's {listed}). If they are the same people, spell them in the table as the recordings do."
    )


@pytest.mark.parametrize(("recorded", "listed"), [("1", "10"), ("01", "101"), ("a1", "b1"), ("sub-1", "sub-2")])
def test_other_ids_get_no_hint(recorded, listed):
    assert len(unmatched_ids([recorded], [listed])) == 2


def test_an_id_that_has_its_row_is_not_taken_for_another():
    assert unmatched_ids(["1", "01"], ["1", "01", "001"]) == [
        "1 of 3 participants of the table have no recording (for example 001)."
    ]


def test_with_an_empty_table_everybody_is_unknown():
    assert unmatched_ids(["1"], []) == [
        "1 of 1 participants with recordings are not in the participants table (for example 1): nothing is known of "
        "them but their recordings."
    ]
