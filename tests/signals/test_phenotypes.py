from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from semantoks.errors import DataError
from semantoks.signals.phenotypes import read_participants, target, tidy_participants


def table(tmp_path: Path, text: str, name: str = "participants.tsv") -> pd.DataFrame:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return read_participants(path)


def people(**columns: list[object]) -> pd.DataFrame:
    n = len(next(iter(columns.values())))
    return pd.DataFrame({"participant_id": [f"{i:02d}" for i in range(n)], **columns})


def test_ids_stay_strings_and_lose_one_prefix(tmp_path: Path) -> None:
    read = table(tmp_path, "participant_id\tage\nsub-0050642\t20\n0050643\t21\nsub-sub-1\t22\n")
    assert read["participant_id"].tolist() == ["0050642", "0050643", "sub-1"]
    assert read["age"].tolist() == [20, 21, 22]


@pytest.mark.parametrize("column", ["participant_id", "FILE_ID", "subject_id", "subject", "SUB_ID", "Participant_ID"])
def test_every_known_id_column_becomes_participant_id(tmp_path: Path, column: str) -> None:
    assert table(tmp_path, f"age,{column}\n20,007\n", "p.csv")["participant_id"].tolist() == ["007"]


def test_file_id_is_preferred_to_sub_id_and_rows_without_a_file_are_left_out(tmp_path: Path) -> None:
    read = table(tmp_path, "SUB_ID,FILE_ID\n1,CMU_a_1\n2,no_filename\n3,no_filename\n", "p.csv")
    assert read["participant_id"].tolist() == ["CMU_a_1"]
    assert read["SUB_ID"].tolist() == [1]


@pytest.mark.parametrize(("name", "mark"), [("p.csv", "\t"), ("p.tsv", ","), ("p.csv", ";"), ("p.txt", "\t")])
def test_the_content_decides_on_the_delimiter(tmp_path: Path, name: str, mark: str) -> None:
    read = table(tmp_path, mark.join(["participant_id", "age"]) + "\n" + mark.join(["a", "3"]) + "\n", name)
    assert read.to_dict("list") == {"participant_id": ["a"], "age": [3]}


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    (tmp_path / "p.tsv").write_bytes(b"\xef\xbb\xbfparticipant_id\tcity\n1\tK\xc3\xb6ln\n")
    assert read_participants(tmp_path / "p.tsv").to_dict("list") == {"participant_id": ["1"], "city": ["Köln"]}


def test_columns_get_their_types_and_codes_with_leading_zeros_stay_text(tmp_path: Path) -> None:
    read = table(tmp_path, "participant_id\tage\tcode\tin_set\tsex\na\t1.5\t007\tTrue\tM\nb\tn/a\t010\tFalse\t\n")
    assert read["age"].iloc[0] == 1.5
    assert np.isnan(read["age"].iloc[1])
    assert read["code"].tolist() == ["007", "010"]
    assert read["in_set"].tolist() == [True, False]
    assert read["sex"].isna().tolist() == [False, True]


def test_an_id_keeps_its_text_where_other_cells_are_missing(tmp_path: Path) -> None:
    read = table(tmp_path, "age\tsubject\tsex\n1\tNA\tNA\nnan\tsub-nan\tF\n3\tn/a\tn/a\n4\tNaN\tM\n")
    assert read["participant_id"].tolist() == ["NA", "nan", "n/a", "NaN"]
    assert read["sex"].isna().tolist() == [True, False, True, False]
    assert read["age"].isna().tolist() == [False, True, False, False]


def test_a_delimiter_at_the_end_of_lines_and_blank_lines_do_no_harm(tmp_path: Path) -> None:
    read = table(tmp_path, "participant_id,age\n\na,3,\n \nb,4\n", "p.csv")
    assert read.to_dict("list") == {"participant_id": ["a", "b"], "age": [3, 4]}


def test_zero_is_a_number_and_no_code(tmp_path: Path) -> None:
    assert table(tmp_path, "participant_id\tx\na\t0\nb\t0.5\n")["x"].tolist() == [0.0, 0.5]


def test_sessions_are_renamed_and_may_repeat_a_participant(tmp_path: Path) -> None:
    read = table(tmp_path, "participant_id\tsession\tage\nsub-1\tses-a\t20\nsub-1\tses-b\t21\n")
    assert read["session_id"].tolist() == ["a", "b"]
    assert "session" not in read


def test_files_and_runs_tell_rows_of_a_participant_apart(tmp_path: Path) -> None:
    assert len(table(tmp_path, "participant_id\tfilename\n1\ta.npy\n1\tb.npy\n")) == 2
    assert len(table(tmp_path, "participant_id\trun_id\n1\t1\n1\t2\n")) == 2


def test_reading_again_what_was_written_changes_nothing(tmp_path: Path) -> None:
    first = table(tmp_path, "participant_id\tsession\tcode\tage\tok\nsub-1\tses-01\t01\t2.5\tTrue\n")
    first.to_csv(tmp_path / "again.tsv", sep="\t", index=False, na_rep="n/a")
    pd.testing.assert_frame_equal(read_participants(tmp_path / "again.tsv"), first)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name\tage\nx\t1\n", "found name, age"),
        ("participant_id\tage\n1\t1\nsub-1\t2\n", "participant_id more than once, for example 1"),
        ("participant_id\tsession\n1\ta\n1\tses-a\n", "for example 1 a"),
        ("participant_id\tage\n\t1\nsub-\t1\n \t1\n", "3 rows without participant_id"),
        ("participant_id\tage\n1\t2\n2\t2\t3\n", "same number of cells in each row, but line 3 has 3 and the header 2"),
        ("participant_id\tage\n1\t2\n\n2\n", "line 4 has 1 and the header 2"),
        ('participant_id\tcity\n1\t"A\nB"\n2\tC\tD\n', "line 4 has 3"),
        ("participant_id\tage\n1\t2\t\t\n", "line 2 has 4"),
        ("", "is not a table"),
        ('participant_id\tcity\n1\t"' + 200_000 * "x", "is not a table: field larger than field limit"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_with_the_reason(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        table(tmp_path, text)


def test_a_missing_file_and_another_encoding_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no participants table .*gone\.tsv"):
        read_participants(tmp_path / "gone.tsv")
    (tmp_path / "latin.tsv").write_bytes("participant_id\tcity\n1\tKöln\n".encode("latin-1"))
    with pytest.raises(DataError, match="UTF-8"):
        read_participants(tmp_path / "latin.tsv")


def test_a_table_made_in_memory_gets_string_ids_too() -> None:
    assert tidy_participants(pd.DataFrame({"subject": [7, 8]}), where="t")["participant_id"].tolist() == ["7", "8"]


@pytest.mark.parametrize(
    ("values", "kind", "classes"),
    [
        (["M", "F", "F"], "class", ("F", "M")),
        ([True, False, True], "class", ("False", "True")),
        ([2, 1, 2], "class", ("1", "2")),
        ([2.0, 1.0, np.nan, 2.0], "class", ("1", "2")),
        ([1, 2, 3, 3], "value", None),
        ([0.5, 1.0, 1.0], "value", None),
    ],
)
def test_the_kind_of_a_target_follows_from_its_values(
    values: list[object], kind: str, classes: tuple[str, ...] | None
) -> None:
    got = target(people(t=values), "t")
    assert (got.kind, got.classes) == (kind, classes)
    assert got.missing == sum(value != value for value in values)


def test_a_target_is_indexed_by_participant_and_leaves_the_missing_out() -> None:
    got = target(people(age=[1.5, np.nan, 3.0]), "age")
    assert got.values.to_dict() == {"00": 1.5, "02": 3.0}
    assert got.missing == 1


def test_the_kind_can_be_chosen() -> None:
    scores = people(t=[10, 2, 2, 9])
    assert target(scores, "t", "class").classes == ("2", "9", "10")
    assert target(scores, "t", "class").values.tolist() == ["10", "2", "2", "9"]
    assert target(people(t=[1, 2, 2]), "t", "value").values.tolist() == [1.0, 2.0, 2.0]


def test_rows_of_a_participant_that_agree_count_once() -> None:
    rows = pd.DataFrame({"participant_id": ["a", "a", "b"], "session_id": ["1", "2", "1"], "t": ["x", None, "y"]})
    assert target(rows, "t").values.to_dict() == {"a": "x", "b": "y"}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["x", "x", "x"], "3 participants have it, all with the same value"),
        ([None, None, None], "0 participants have it"),
        (["x", "y", "z"], "Is it a name or an id"),
    ],
)
def test_what_cannot_be_predicted_is_refused(values: list[object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        target(people(t=values), "t")


def test_a_target_that_varies_within_a_participant_is_refused_with_an_example() -> None:
    rows = pd.DataFrame({"participant_id": ["a", "a", "b"], "session_id": ["1", "2", "1"], "age": [20, 21, 30]})
    with pytest.raises(DataError, match="age varies within 1 participants, for example a: 20, 21"):
        target(rows, "age")


def test_text_as_a_value_is_refused_with_an_example() -> None:
    with pytest.raises(DataError, match="1 participants have something else, for example '>90'"):
        target(people(t=["1", "2", ">90"]), "t", "value")


@pytest.mark.parametrize(
    ("name", "hint"), [("agee", "Did you mean age"), ("AGE", "Did you mean age"), ("iq", "age, sex")]
)
def test_an_unknown_target_is_answered_with_the_nearest_names(name: str, hint: str) -> None:
    with pytest.raises(DataError, match=hint):
        target(people(age=[1, 2], sex=["M", "F"]), name)


def test_the_id_is_no_target() -> None:
    with pytest.raises(DataError, match="no target 'participant_id'"):
        target(people(age=[1, 2]), "participant_id")
