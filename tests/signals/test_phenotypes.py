from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from semantoks.errors import DataError
from semantoks.signals.phenotypes import NOTES, UNKNOWN, read_participants, tidy_participants, unknown_note


def table(tmp_path: Path, text: str, name: str = "participants.tsv") -> pd.DataFrame:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return read_participants(path)


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
        ("participant_id\tsession\tx\n1\ta\t1\n1\tses-a\t2\n", "for example 1 a"),
        ("participant_id\tage\n\t1\nsub-\t1\n \t1\n", "3 rows without participant_id"),
        ("participant_id\tage\n1\t2\n2\t2\t3\n", "same number of cells in each row, but line 3 has 3 and the header 2"),
        ("participant_id\tage\n1\t2\n\n2\n", "line 4 has 1 and the header 2"),
        ('participant_id\tcity\n1\t"A\nB"\n2\tC\tD\n', "line 4 has 3"),
        ('participant_id\tcity\n1\t"A\n2\tB"\n3\tC\n', "line 2 has a quote that is not closed in that line"),
        ('participant_id\tage\tnote\n1\t23\t"a\n2\t24\tb\n3\t25\tc\n', "line 2 has a quote that is not closed"),
        ('participant_id,note\n1,b\n2,"a\n3,c\n', "line 3 has a quote that is not closed"),
        ("participant_id;age;x\n1;2,5;1.200\n2;3,5;2.400\n", "the point of 1.200 in the column x may be a decimal"),
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
    "text",
    [
        "participant_id;age\n01;46,7\n02;30\n",
        "participant_id\tage\n01\t46,7\n02\t30\n",
        'participant_id,age\n01,"46,7"\n02,30\n',
        "participant_id;age\n01;46.7\n02;30\n",
        "sep=;\nparticipant_id;age\n01;46,7\n02;30\n",
        '"participant_id" "age"\n"1" "01" 46.7\n"2" "02" 30\n',
        ",participant_id,age\n0,01,46.7\n1,02,30\n",
        "participant_id,age,,\n01,46.7,,\n,,,\n02,30,,\n,,,\n",
        "participant_id|age\r\n01|46.7\r\n02|30\r\n",
    ],
)
def test_tables_of_many_programs_read_alike(tmp_path: Path, text: str) -> None:
    read = table(tmp_path, text)
    assert read.to_dict("list") == {"participant_id": ["01", "02"], "age": [46.7, 30.0]}
    assert read.attrs[NOTES] == []


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_excels_encodings_are_read(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "p.txt").write_text("participant_id\tcity\n1\tKöln\n", encoding=encoding)
    assert read_participants(tmp_path / "p.txt").to_dict("list") == {"participant_id": ["1"], "city": ["Köln"]}


@pytest.mark.parametrize(
    ("start", "what"),
    [(b"PK\x03\x04", "a spreadsheet"), (b"\xd0\xcf\x11\xe0", "an old spreadsheet"), (b"$FL2", "an SPSS")],
)
def test_a_spreadsheet_is_refused_with_what_to_do(tmp_path: Path, start: bytes, what: str) -> None:
    (tmp_path / "p.xlsx").write_bytes(start + bytes(range(256)))
    with pytest.raises(DataError, match=f"p.xlsx is {what}.*Save it as .csv in UTF-8"):
        read_participants(tmp_path / "p.xlsx")


@pytest.mark.parametrize(
    "column", ["eid", "src_subject_id", "subjectkey", "SUBJECT", "Subject", "RID", "PTID", "record_id"]
)
def test_the_id_columns_of_large_studies_are_known(tmp_path: Path, column: str) -> None:
    assert table(tmp_path, f"age,{column}\n20,x07\n")["participant_id"].tolist() == ["x07"]


def test_codes_that_were_taken_as_missing_are_counted_by_column(tmp_path: Path) -> None:
    rows = "".join(f"{i}\t{20 + i}\t{'MF'[i % 2]}\n" for i in range(8))
    read = table(tmp_path, "participant_id\tage\tsex\n" + rows + "a\t-9999\tunknown\nb\t999\tM\nc\t-9999\tn/a\n")
    assert read["age"].isna().tolist() == [False] * 8 + [True] * 3
    assert read.attrs[UNKNOWN] == {"age": {"-9999": 2, "999": 1}, "sex": {"unknown": 1}}
    assert unknown_note(read) == ["taken as missing: age (1 x 999, 2 x -9999), sex (1 x unknown)"]
    assert unknown_note(read, ["sex"]) == ["taken as missing: sex (1 x unknown)"]
    assert unknown_note(read, ["dx"]) == []


def test_reading_a_table_twice_says_things_once(tmp_path: Path) -> None:
    read = table(tmp_path, "participant_id\tage\n1.0\t>89\n2.0\t20\n3.0\t-999\n2.0\t20\n")
    again = tidy_participants(read, where="t")
    assert again.attrs == read.attrs
    assert read.attrs[NOTES] == [
        "age: 1 such as >89 as its bound",
        "1 row of the participants table repeats another one whole: left out",
        "4 ids such as 1.0 are whole numbers: read without the point",
    ]
    assert read["participant_id"].tolist() == ["1", "2", "3"]


def test_whole_number_ids_of_a_table_in_memory_lose_the_point_that_an_empty_row_gave_them() -> None:
    frame = pd.DataFrame({"subject": [1.0, 10.0, np.nan], "age": [1, 2, np.nan]})
    assert tidy_participants(frame, where="t")["participant_id"].tolist() == ["1", "10"]
    frame = pd.DataFrame({"age": [30, 40]}, index=pd.Index(["a", "b"], name="participant_id"))
    assert tidy_participants(frame, where="t")["participant_id"].tolist() == ["a", "b"]


def test_ids_with_a_point_among_other_ids_stay_as_they_are(tmp_path: Path) -> None:
    assert table(tmp_path, "participant_id\tx\n1.0\t1\nA\t2\n")["participant_id"].tolist() == ["1.0", "A"]


def test_visits_tell_rows_apart_where_there_is_no_session_and_else_are_phenotypes(tmp_path: Path) -> None:
    read = table(tmp_path, "src_subject_id\teventname\tage\na\tbaseline\t9\na\tyear_1\t10\n")
    assert read["session_id"].tolist() == ["baseline", "year_1"]
    assert read.attrs[NOTES] == ["the column eventname tells the rows of a person apart: taken as sessions"]
    assert "visit" in table(tmp_path, "participant_id\tvisit\na\t1\nb\t2\n")


def test_columns_without_a_name_and_a_row_of_descriptions_are_left_out_and_named(tmp_path: Path) -> None:
    read = table(tmp_path, "subjectkey\tage\t\nThe NDAR Global Unique Identifier\tAge in months\t\nN1\t9\tx\nN2\t8\t\n")
    assert read.to_dict("list") == {"participant_id": ["N1", "N2"], "age": [9, 8]}
    assert read.attrs[NOTES] == [
        "1 column without a name is left out: give it one to use it",
        "the row below the header describes the columns: left out",
    ]


def test_a_message_never_lists_hundreds_of_columns(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        table(tmp_path, "\t".join(f"column{i}" for i in range(500)) + "\n" + "\t".join("1" * 500) + "\n")
    assert len(str(error.value)) < 500


def test_a_blank_in_the_name_of_the_id_column_is_an_underscore(tmp_path):
    (tmp_path / "p.csv").write_text("Subject ID,Age\n0001,30\n0002,41\n")
    assert read_participants(tmp_path / "p.csv")["participant_id"].tolist() == ["0001", "0002"]


def test_points_are_decimal_where_no_number_has_a_decimal_comma(tmp_path: Path) -> None:
    assert table(tmp_path, "participant_id;x;y\n1;1.200;2\n2;2.400;3\n")["x"].tolist() == [1.2, 2.4]
    read = table(tmp_path, "participant_id;x;y\n1;0.200;2,5\n2;2.400;3,5\n")
    assert (read["x"].tolist(), read["y"].tolist()) == ([0.2, 2.4], [2.5, 3.5])


def test_a_note_is_said_once_however_often_the_table_is_made_tidy(tmp_path: Path) -> None:
    read = table(tmp_path, "participant_id\tx\n1\t1,234\n2\t2,345\n")
    assert len(tidy_participants(read, where="it").attrs[NOTES]) == 1
