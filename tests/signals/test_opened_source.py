import json

import numpy as np
import pytest

from semantoks.atlas.catalog import get_atlas
from semantoks.errors import DataError
from semantoks.signals.opened_source import SourceConfig, find_source, introduce
from semantoks.signals.phenotypes import unknown_note
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


def test_ids_without_their_zeros_find_their_recordings_and_it_is_said(folder):
    write_people(folder, [("participant_id", "age"), ("sub-1", "30"), ("0002", "40"), ("0003", "50"), ("0009", "60")])
    lines, table = said(folder)
    assert lines[1:] == [
        "1 of 4 participants of the table is spelled otherwise by the recordings (1 for 0001): paired, because each "
        "fits a single one",
        "1 of 4 participants of the table has no recording (for example 0009).",
    ]
    assert table["participant_id"].tolist() == ["0001", "0002", "0003", "0009"]


def test_spreadsheet_floats_are_the_numbers_that_they_were_and_their_phenotypes_reach_the_cohort(folder, tmp_path):
    write_people(folder, [("participant_id", "age"), ("3.0", "30"), ("10.0", "40"), ("1.0", "50"), ("2.0", "60")])
    cohort = prepare(folder, out=tmp_path / "c", atlas=ATLAS, tr=2.0)
    ages = cohort.participants.set_index("participant_id")["age"]
    assert ages.to_dict() == {"0003": 30, "10": 40, "0001": 50, "0002": 60}


def test_a_repetition_time_is_found_under_the_paired_id_and_session(tmp_path):
    simulate(SimulationConfig(participants=2, sessions=2, atlas=ATLAS.name, minutes=5.0), out=tmp_path / "sim")
    rows = [("SUBJECT", "visit", "tr"), *((p, s, f"{1 + int(s) / 2}") for p in "12" for s in "12")]
    write_people(tmp_path / "sim", rows)
    source = find_source(tmp_path / "sim", SourceConfig(atlas=ATLAS))
    found = {(one.participant, one.session): one.tr for one in map(source.read, source.items())}
    assert found == {(f"000{p}", s): 1 + int(s) / 2 for p in "12" for s in "12"}


def test_a_damaged_json_beside_the_table_is_refused_with_its_name(folder):
    (folder / "participants.json").write_text("{")
    with pytest.raises(DataError, match=r"participants\.json"):
        said(folder)


def test_without_a_table_it_is_said(folder):
    (folder / "participants.tsv").unlink()
    assert said(folder)[0][1:] == ["no participants table: nothing is known of them but their recordings"]


def test_the_cohort_remembers_which_codes_were_taken_as_missing(folder, tmp_path):
    write_people(folder, [("participant_id", "iq"), ("0001", "100"), ("0002", "-9999"), ("0003", "120")])
    told = []
    cohort = prepare(folder, out=tmp_path / "c", atlas=ATLAS, tr=2.0, tell=told.append)
    assert told[1:] == ["taken as missing: iq (1 x -9999)"]
    assert unknown_note(cohort.participants, ["iq"]) == ["taken as missing: iq (1 x -9999)"]
    assert cohort.participants["iq"].isna().tolist() == [False, True, False]
    assert cohort.verify() == []


def test_a_spreadsheet_of_participants_is_named_with_what_to_do(folder):
    (folder / "participants.tsv").rename(folder / "participants.xlsx")
    assert said(folder)[0][1].endswith("(participants.xlsx is not read: save it as participants.csv, in UTF-8)")


def test_sessions_have_rows_of_their_own_where_bids_keeps_them(folder):
    write_people(folder, [("participant_id", "sex", "age"), ("sub-0001", "M", "30"), ("sub-0002", "F", "n/a")])
    for name, rows in (("1", "ses-1\t40\t5\nses-2\t41\t-9999\n"), ("3", "ses-1\tn/a\t7\n")):
        (folder / f"sub-000{name}").mkdir()
        table = folder / f"sub-000{name}" / f"sub-000{name}_sessions.tsv"
        table.write_text("session_id\tage\tpain\n" + rows)
    lines, found = said(folder)
    assert lines[-2:] == ["sessions of 2 people from sub-*/sub-*_sessions.tsv", "taken as missing: pain (1 x -9999)"]
    found = found.set_index(["participant_id", "session_id"]).sort_index()
    assert found["age"].dropna().to_dict() == {("0001", "1"): 40, ("0001", "2"): 41}
    assert found["pain"].dropna().to_dict() == {("0001", "1"): 5, ("0003", "1"): 7}
    assert found["sex"].dropna().to_dict() == {("0001", "1"): "M", ("0001", "2"): "M", ("0002", ""): "F"}
    (folder / "participants.tsv").unlink()
    assert len(said(folder)[1]) == 3
