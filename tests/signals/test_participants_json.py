import json

import pandas as pd
import pytest

from semantoks.errors import DataError
from semantoks.signals.participants_json import ColumnWords, in_words, read_column_words
from semantoks.signals.phenotypes import read_participants

SEX = {"Description": "sex at birth", "Levels": {"1": "male", "2": "female"}}


def words(tmp_path, plain):
    (tmp_path / "participants.json").write_text(json.dumps(plain), encoding="utf-8")
    return read_column_words(tmp_path / "participants.json")


def people(tmp_path, text):
    (tmp_path / "participants.tsv").write_text(text)
    return read_participants(tmp_path / "participants.tsv")


def test_levels_units_and_descriptions_are_read(tmp_path):
    found = words(
        tmp_path,
        {
            "sex": SEX,
            "age": {"Units": "years", "Levels": {}},
            "group": {"Levels": {"c": {"Description": "control", "TermURL": "https://x"}, "p": " patient "}},
            "site": {"LongName": "where"},
            "MeasurementToolMetadata": "none",
        },
    )
    assert found == {
        "sex": ColumnWords(levels={"1": "male", "2": "female"}, units="", description="sex at birth"),
        "age": ColumnWords(levels={}, units="years", description=""),
        "group": ColumnWords(levels={"c": "control", "p": "patient"}, units="", description=""),
    }


def test_codes_become_words_whether_reading_made_them_numbers_or_not(tmp_path):
    table = people(
        tmp_path,
        "participant_id\tsex\tgroup\thand\n01\t1\tc\t01\n02\tn/a\tp\t02\n03\t2\tc\t01\n",
    )
    assert table["sex"].dtype == float
    columns = words(
        tmp_path,
        {
            "sex": SEX,
            "group": {"Levels": {"c": "control", "p": "patient", "x": "excluded"}},
            "hand": {"Levels": {"01": "left", "02": "right"}},
        },
    )
    found, notes = in_words(table, columns)
    assert notes == []
    assert found["sex"].tolist()[::2] == ["male", "female"]
    assert found["sex"].isna().tolist() == [False, True, False]
    assert found["group"].tolist() == ["control", "patient", "control"]
    assert found["hand"].tolist() == ["left", "right", "left"]
    assert table["group"].tolist() == ["c", "p", "c"]  # the table given stays as it is


def test_a_word_for_missing_is_missing(tmp_path):
    table = people(tmp_path, "participant_id\tsex\n01\t1\n02\t-9\n03\t-8\n")
    levels = {"1": "male", "2": "female", "-9": "n/a", "-8": "n/a"}
    found, notes = in_words(table, words(tmp_path, {"sex": {"Levels": levels}}))
    assert notes == []
    assert found["sex"].isna().tolist() == [False, True, True]


def test_a_column_of_which_a_value_is_no_level_keeps_its_codes_and_says_so(tmp_path):
    table = people(tmp_path, "participant_id\tage\tsex\n" + "".join(f"{i}\t{20 + i}\t{i % 3}\n" for i in range(6)))
    columns = words(tmp_path, {"age": {"Levels": {"99": "older than 90"}, "Units": "years"}, "sex": SEX})
    found, notes = in_words(table, columns)
    pd.testing.assert_frame_equal(found, table)
    assert notes == [
        "age keeps its codes: 20, 21, 22 and 3 more are none of its levels in participants.json (99).",
        "sex keeps its codes: 0 are none of its levels in participants.json (1, 2).",
    ]


def test_two_codes_of_one_word_are_not_made_one(tmp_path):
    table = people(tmp_path, "participant_id\tsite\n1\ta\n2\tb\n")
    columns = words(tmp_path, {"site": {"Levels": {"a": "Berlin", "b": "Berlin", "c": "Kiel"}}})
    found, notes = in_words(table, columns)
    assert found["site"].tolist() == ["a", "b"]
    assert notes == ["site keeps its codes: two of its levels in participants.json have the same word."]


def test_ids_absent_columns_and_empty_columns_stay_as_they_are(tmp_path):
    table = people(tmp_path, "participant_id\tsession\tsex\n1\t1\tn/a\n2\t1\tn/a\n")
    same = {"Levels": {"1": "one", "2": "two"}}
    found, notes = in_words(table, words(tmp_path, dict.fromkeys(("participant_id", "session_id", "sex", "x"), same)))
    pd.testing.assert_frame_equal(found, table)
    assert notes == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "cannot be read as JSON"),
        ("[" * 100_000, "cannot be read as JSON"),
        ("[1]", "has to contain a JSON object"),
        ('{"sex": {"Levels": ["M", "F"]}}', "sex: Levels has to be an object of code: word, not list"),
        ('{"sex": {"Levels": {"1": 2}}}', "sex: level 1 has to have a word, or an object with a Description, not int"),
        ('{"sex": {"Levels": {"1": {"TermURL": "x"}}}}', "level 1 has to have a word"),
        ('{"age": {"Units": ["years"]}}', "age: Units has to be text, not list"),
    ],
)
def test_what_is_no_such_file_is_refused(tmp_path, text, reason):
    (tmp_path / "participants.json").write_text(text)
    with pytest.raises(DataError, match=reason):
        read_column_words(tmp_path / "participants.json")


def test_another_encoding_or_no_file_is_refused(tmp_path):
    with pytest.raises(DataError, match="cannot be read as JSON"):
        read_column_words(tmp_path / "participants.json")
    (tmp_path / "participants.json").write_bytes(b'{"sex": "\xff"}')
    with pytest.raises(DataError, match="cannot be read as JSON"):
        read_column_words(tmp_path / "participants.json")
