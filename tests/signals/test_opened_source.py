import json

import numpy as np
import pytest

from semantoks.atlas.catalog import get_atlas
from semantoks.errors import DataError
from semantoks.signals.opened_source import SourceConfig, find_source, introduce, unmatched_ids
from semantoks.signals.prepare import prepare
from semantoks.simulation.cohort import SimulationConfig, simulate

ATLAS = get_atlas("schaefer100")


@pytest.fixture
def folder(tmp_path):
    config = SimulationConfig(participants=3, sessions=1, atlas=ATLAS.name, minutes=5.0)
    return simulate(config, out=tmp_path / "sim")


def said(folder, **options):
    source = find_source(folder, SourceConfig(atlas=ATLAS, tr=2.0, participants=options.get("participants")))
    return introduce(source, source.items()), source.participants()


def write_people(folder, rows, words=None):
    (folder / "participants.tsv").write_text("".join("\t".join(row) + "\n" for row in rows))
    if words is not None:
        (folder / "participants.json").write_text(json.dumps(words))


def test_codes_are_told_in_the_words_of_the_json_beside_the_table(folder):
    rows = [("participant_id", "dx", "age"), ("sub-0001", "1", "30"), ("0002", "2", "40.5"), ("sub-0003", "1", "n/a")]
    write_people(folder, rows, {"dx": {"Levels": {"1": "patient", "2": "control"}}, "age": {"Units": "years"}})
    lines, table = said(folder)
    assert lines == ["folder of arrays: 3 recordings of 3 people", "dx in the words of participants.json"]
    assert table["dx"].tolist() == ["patient", "control", "patient"]
    np.testing.assert_array_equal(table["age"], [30.0, 40.5, np.nan])


def test_the_words_reach_the_cohort(folder, tmp_path):
    rows = [("participant_id", "dx"), ("0001", "1"), ("0002", "2"), ("0003", "1")]
    write_people(folder, rows, {"dx": {"Levels": {"1": "patient", "2": "control"}}})
    told = []
    cohort = prepare(folder, out=tmp_path / "c", atlas=ATLAS, tr=2.0, tell=told.append)
    assert told == ["folder of arrays: 3 recordings of 3 people", "dx in the words of participants.json"]
    assert cohort.participants["dx"].tolist() == ["patient", "control", "patient"]


def test_a_table_that_does_not_fit_is_told_with_its_probable_reason(folder):
    write_people(folder, [("participant_id", "age"), ("sub-1", "30"), ("0002", "40"), ("0003", "50"), ("0009", "60")])
    lines, _ = said(folder)
    assert lines[1:] == [
        "1 of 3 participants with recordings are not in the participants table (for example 0001): nothing is known of "
        "them but their recordings.",
        "2 of 4 participants of the table have no recording (for example 0009, 1).",
        "1 of these ids differ only by sub-, leading zeros, case or punctuation (for example 0001 and the table's 1). "
        "If they are the same people, spell them in the table as the recordings do.",
    ]


def test_a_damaged_json_beside_the_table_is_refused_with_its_name(folder):
    (folder / "participants.json").write_text("{")
    with pytest.raises(DataError, match=r"participants\.json"):
        said(folder)


def test_without_a_table_it_is_said(folder):
    (folder / "participants.tsv").unlink()
    assert said(folder)[0][1:] == ["no participants table: nothing is known of them but their recordings"]


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
