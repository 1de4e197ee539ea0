import gzip
import re
from pathlib import Path

import numpy as np
import pytest

from semantoks.errors import DataError
from semantoks.signals.files.text_table import TextTable, read_labelled, read_text_table

ROWS = [[1.5, -2.0, 3e-1], [4.0, 5.25, 6.0]]


def read(tmp_path: Path, text: str, name: str = "x.tsv") -> TextTable:
    (tmp_path / name).write_text(text, encoding="utf-8")
    return read_text_table(tmp_path / name)


@pytest.mark.parametrize(
    "text",
    [
        "1.5\t-2\t0.3\n4\t5.25\t6\n",
        "1.5,-2,3e-1\n4,5.25,6\n",
        "1.5, -2.0, 0.3\r\n4, 5.25, 6\r\n",
        "  1.5   -2 0.3\n  4.0 5.25  6 \n\n",
        "# made by my own hand\n1.5 -2 0.3\n4 5.25 6\n",
    ],
)
def test_tabs_commas_and_spaces_are_told_apart(tmp_path: Path, text: str) -> None:
    got = read(tmp_path, text)
    assert got.values.tolist() == ROWS
    assert got.column_names is None
    assert got.row_names is None


@pytest.mark.parametrize(
    ("header", "names"),
    [
        ("a\tb\tc", ("a", "b", "c")),
        ("0\t1\t2", ("0", "1", "2")),
        ("2001\t2002\t2101", ("2001", "2002", "2101")),
        ("#1\t#2\t#3", ("1", "2", "3")),
        ("# a\tb\tc", ("a", "b", "c")),
        ('"a"\t"b"\t"c"', ("a", "b", "c")),
        ("# 3 columns, 2 rows\n#a\tb\tc", ("a", "b", "c")),
    ],
)
def test_a_header_is_no_frame(tmp_path: Path, header: str, names: tuple[str, ...]) -> None:
    got = read(tmp_path, header + "\n1.5\t-2\t0.3\n4\t5.25\t6\n")
    assert got.column_names == names
    assert got.values.tolist() == ROWS


@pytest.mark.parametrize(
    "text",
    [
        "1.5;-2;0.3\n4;5.25;6\n",
        "1,5;-2;0,3\n4;5,25;6\n",
        "1,5\t-2\t0,3\n4\t5,25\t6\n",
        "1,5 -2,0 0,3\n4,0 5,25 6,0\n",
        '"1,5","-2","0,3"\n"4","5,25","6"\n',
        "sep=;\n1,5;-2;0,3\n4;5,25;6\n",
        "1.5,-2,0.3\n4,5.25,6\n,\n;\n",
        "#f 0[?]\n1.5\t-2\t0.3\n#f 1[?]\n4\t5.25\t6\n",
        "1.5|-2|0.3\n4|5.25|6\n",
        "% made by nobody but us\n1.5 -2 0.3\n4 5.25 6\n",
    ],
)
def test_semicolons_decimal_commas_and_what_spreadsheets_and_afni_add_are_read(tmp_path: Path, text: str) -> None:
    got = read(tmp_path, text)
    assert got.values.tolist() == ROWS
    assert (got.column_names, got.row_names) == (None, None)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a;b;c\n1,5;-2,0;3e-1\n4;5,25;6\n", ("a", "b", "c")),
        ('"a" "b" "c"\n"1" 1.5 -2 0.3\n"2" 4 5.25 6\n', ("a", "b", "c")),
        ('"","a","b","c"\n"1",1.5,-2,0.3\n"2",4,5.25,6\n', ("a", "b", "c")),
        ('"a b","c, d","e"\n1.5,-2,0.3\n4,5.25,6\n', ("a b", "c, d", "e")),
        ("b'a',b'b',b'c'\n1.5,-2,0.3\n4,5.25,6\n", ("a", "b", "c")),
        ("File\tSub-brick\tMean_1  \tMean_2\tMean_3\nf.nii\t0[?]\t1.5\t-2\t0.3\nf.nii\t1[?]\t4\t5.25\t6\n", None),
        ("sub,a,b,c\nx,1.5,-2,0.3\nx,4,5.25,6\n", ("a", "b", "c")),
    ],
)
def test_headers_of_other_programs_name_the_columns(tmp_path: Path, text: str, names: tuple[str, ...] | None) -> None:
    got = read(tmp_path, text)
    assert got.values.tolist() == ROWS
    assert got.column_names == (names or ("Mean_1", "Mean_2", "Mean_3"))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_text_of_other_encodings_is_read(tmp_path: Path, encoding: str) -> None:
    mark = "" if encoding != "utf-16-be" else "\ufeff"
    (tmp_path / "x.tsv").write_bytes(f"{mark}Précuneus\tb\tc\n1.5\t-2\t0.3\n4\t5.25\t6\n".encode(encoding))
    got = read_text_table(tmp_path / "x.tsv")
    assert (got.column_names, got.values.tolist()) == (("Précuneus", "b", "c"), ROWS)


def test_a_compressed_table_is_read_whatever_it_is_called(tmp_path: Path) -> None:
    (tmp_path / "x.tsv").write_bytes(gzip.compress(b"1.5\t-2\t0.3\n4\t5.25\t6\n"))
    assert read_text_table(tmp_path / "x.tsv").values.tolist() == ROWS
    (tmp_path / "y.csv.gz").write_bytes(gzip.compress(b"1.5,-2,0.3\n4,5.25,6\n")[:-9])
    with pytest.raises(DataError, match=r"y\.csv\.gz cannot be read"):
        read_text_table(tmp_path / "y.csv.gz")


def test_missing_cells_are_nan_in_every_spelling(tmp_path: Path) -> None:
    values = read(tmp_path, "a\tb\tc\td\n1\tn/a\t\tNaN\nnan\t2\tNA\t\n").values
    assert np.array_equal(np.isnan(values), [[False, True, True, True], [True, False, True, True]])


def test_a_first_line_with_missing_cells_is_a_frame(tmp_path: Path) -> None:
    assert read(tmp_path, "n/a\t1.0\nn/a\t2.0\n").values.shape == (2, 2)


@pytest.mark.parametrize("mark", ["\t", ",", ";"])
@pytest.mark.parametrize("header", ["a b c\n", ""])
@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("last", [0, 1, 3])
def test_a_frame_whose_cells_are_all_empty_keeps_its_place(
    tmp_path: Path, mark: str, header: str, first: bool, last: int
) -> None:
    rows = ["  ", "1.5 -2 0.3", "  ", "  ", "4 5.25 6", *["  "] * last][not first :]
    text = header + "\n".join(rows) + "\n#made\n"
    got = read(tmp_path, text.replace(" ", mark))
    kept = [[row != "  "] * 3 for row in rows]
    assert (~np.isnan(got.values)).tolist() == kept
    assert got.values[[all(row) for row in kept]].tolist() == ROWS
    assert got.column_names == (("a", "b", "c") if header else None)


def test_blank_lines_and_stray_tabs_are_no_frames(tmp_path: Path) -> None:
    assert read(tmp_path, "a\tb\tc\n\n1.5\t-2\t0.3\n \n\t\n4\t5.25\t6\n\t\n\n").values.tolist() == ROWS
    assert read(tmp_path, "1.5 -2 0.3\n\t\t\n4 5.25 6\n").values.tolist() == ROWS


def test_rows_may_carry_the_names(tmp_path: Path) -> None:
    got = read(tmp_path, "label_name,timepoint_0,timepoint_1,timepoint_2\nVis,1.5,-2,0.3\nMot,4,5.25,6\n", "x.csv")
    assert got.row_names == ("Vis", "Mot")
    assert got.column_names == ("timepoint_0", "timepoint_1", "timepoint_2")
    assert got.values.tolist() == ROWS
    assert read(tmp_path, "Vis 1.5 -2 0.3\nMot 4 5.25 6\n", "x.txt").row_names == ("Vis", "Mot")


def test_a_running_index_before_the_names_of_rows_is_left_out(tmp_path: Path) -> None:
    for text in (
        ",label,t0,t1,t2\n0,Vis,1.5,-2,0.3\n1,Mot,4,5.25,6\n",
        ",a,b,t0,t1,t2\n1,Vis,V,1.5,-2,0.3\n2,Mot,M,4,5.25,6\n",
    ):
        got = read(tmp_path, text, "x.csv")
        assert (got.row_names, got.values.tolist()) == (("Vis", "Mot"), ROWS)


def test_percent_signs_mark_a_header(tmp_path: Path) -> None:
    assert read(tmp_path, "% a b c\n1.5 -2 0.3\n4 5.25 6\n", "x.txt").column_names == ("a", "b", "c")


def test_a_message_quotes_the_beginning_of_a_line_alone(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path, "\n".join(["1.5:" * 500] * 3) + "\n")
    assert len(str(caught.value)) < 300


def test_a_running_index_without_a_name_is_left_out(tmp_path: Path) -> None:
    got = read(tmp_path, ",a,b,c\n0,1.5,-2,0.3\n1,4,5.25,6\n", "x.csv")
    assert (got.column_names, got.values.tolist()) == (("a", "b", "c"), ROWS)
    got = read(tmp_path, ",0,1,2\n0,1.5,-2,0.3\n1,4,5.25,6\n", "x.csv")
    assert (got.column_names, got.values.tolist()) == (("0", "1", "2"), ROWS)


def test_a_delimiter_after_the_last_name_adds_no_column(tmp_path: Path) -> None:
    got = read(tmp_path, "a\tb\tc\t\n1.5\t-2\t0.3\t\n4\t5.25\t6\t\n")
    assert (got.column_names, got.values.tolist()) == (("a", "b", "c"), ROWS)


def test_one_column_with_a_name_is_read(tmp_path: Path) -> None:
    got = read(tmp_path, "global\n1\n2\n")
    assert (got.column_names, got.values.tolist()) == (("global",), [[1.0], [2.0]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no numbers"),
        ("# only a comment\n", "has no numbers"),
        ("a\tb\n", "has a header and no numbers"),
        ("1.5\t2\n3\n", "line 2 of its numbers has 1 cells, the first has 2"),
        ("a\tb\n1\tx\n", "a cell is not a number .*'?x'?"),
        ("a\tb\tc\n1\t2\n", "its header has 3 names, its lines have 2 numbers"),
        ("a\tb\n1,5\t2.5\n", "a cell is not a number"),
        ("sub-01\nsub-02\n", "has no numbers in it: its 1 lines are words \\(the first: 'sub-02'\\)"),
        ("a b\nc d\n", "has no numbers in it: its 1 lines are words"),
        ("sub,a,b\nx,1,2\nx,1,2\ny,3,4\n", "its column 'sub' has 2 different values, so it has several recordings"),
        ("1.5\t2\n3\t4.2", "does not end with a line break"),
        ("1.5\t2\n\r\t4.2\n", "mixes carriage returns and line feeds"),
        ("1.5\t2\n# 3\t4\n5\t6\n", "the line '# 3.*is a comment between its numbers"),
    ],
)
def test_a_file_that_is_no_table_of_numbers_is_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=rf"x\.tsv.* {message}|x\.tsv:? {message}"):
        read(tmp_path, text)


def test_binary_content_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_bytes(b"\xff\x01\x02\x01")
    with pytest.raises(DataError, match="cannot be read as text in UTF-8"):
        read_text_table(tmp_path / "x.txt")


def test_empty_rows_below_names_that_have_a_comma_in_them_are_frames(tmp_path: Path) -> None:
    got = read(tmp_path, '"a, left","b","c"\n1.5,-2,0.3\n,,\n4,5.25,6\n,,\n', "x.csv")
    assert got.column_names == ("a, left", "b", "c")
    assert np.isnan(got.values).all(axis=1).tolist() == [False, True, False, True]


ODD = ["None", "NULL", "null", "-", ".", "missing", "<NA>", "1.#QNAN", "-nan(ind)", "?"]


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize(("row", "column"), [(0, 0), (1, 0), (0, 1), (2, 2)])
@pytest.mark.parametrize("header", ["a\tb\tc\n", ""])
def test_a_word_among_numbers_is_refused_by_line_and_column(
    tmp_path: Path, odd: str, row: int, column: int, header: str
) -> None:
    rows = [["1.5", "-2.5", "0.3"], ["4.5", "5.25", "6.5"], ["7.5", "8.5", "9.5"]]
    rows[row][column] = odd
    name = ", '[abc]'" if header else ""
    where = rf"a cell is not a number \(line {row + 1 + bool(header)}, column {column + 1}{name}: '{re.escape(odd)}'\)"
    with pytest.raises(DataError, match=where):
        read(tmp_path, header + "".join("\t".join(cells) + "\n" for cells in rows))


def test_a_column_that_is_missing_but_for_a_word_is_no_column_of_names(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"line 2, column 1, 'a': 'None'"):
        read(tmp_path, "a\tb\tc\nNone\t1\t2\nn/a\t3\t4\nn/a\t5\t6\n")


def test_the_line_of_a_bad_cell_counts_comments_and_blank_lines(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"line 6, column 2, 'b': 'x'"):
        read(tmp_path, "# made\n\na\tb\n\n1\t2\n3\tx\n")
    with pytest.raises(DataError, match=r"line 3, column 2, 'b': 'x'"):
        read(tmp_path, "sep=;\na;b\n1;x\n3;4\n", "x.csv")


@pytest.mark.parametrize("error", ["#N/A", "#DIV/0!", "#VALUE!", "#NAME?", "#REF!", "#NUM!", "#NULL!", "#NV", "#WERT!"])
@pytest.mark.parametrize("mark", ["\t", ",", ";", " "])
@pytest.mark.parametrize("header", ["a b c\n", ""])
def test_the_errors_of_spreadsheets_are_missing_cells_in_every_place(
    tmp_path: Path, error: str, mark: str, header: str
) -> None:
    rows = [f"{error} 2 3.5", "1 2 3.5", f"{error} {error} 3.5", f"1 2 {error}", f"{error} 2 3.5"]
    got = read(tmp_path, (header + "\n".join(rows) + "\n").replace(" ", mark))
    missing = [[cell == error for cell in row.split()] for row in rows]
    assert np.isnan(got.values).tolist() == missing
    assert np.array_equal(got.values[~np.isnan(got.values)], [2, 3.5, 1, 2, 3.5, 3.5, 1, 2, 2, 3.5])
    assert got.column_names == (("a", "b", "c") if header else None)


NUMBERED = [
    list(range(1, 13)),
    [9, 4, 1, 12, 3, 2, 5, 11, 7, 6, 10, 8],
    [*range(1, 9), *range(1, 5)],
    [*range(8), *range(4)],
]
SERIES = np.random.default_rng(0).normal(size=(9, 12)).round(3)


@pytest.mark.parametrize("numbers", NUMBERED)
@pytest.mark.parametrize("written", ["{}", "{}.0", "{}.000000e+00"])
@pytest.mark.parametrize("index", [False, True])
def test_numbers_of_rois_are_a_header_in_any_order(tmp_path: Path, numbers, written: str, index: bool) -> None:
    head = ["", *map(written.format, numbers)] if index else [written.format(number) for number in numbers]
    rows = [[str(i)] * index + [str(cell) for cell in row] for i, row in enumerate(SERIES.tolist())]
    got = read(tmp_path, "".join("\t".join(row) + "\n" for row in [head, *rows]))
    assert np.array_equal(got.values, SERIES)
    assert got.column_names == tuple(map(written.format, numbers))


def test_numbers_that_pandas_counted_again_are_a_header(tmp_path: Path) -> None:
    head = ["1", "2", "3", "4", "5", "6", "7", "8", "1.1", "2.1", "3.1", "4.1"]
    got = read(tmp_path, "".join("\t".join(map(str, row)) + "\n" for row in [head, *SERIES.tolist()]))
    assert np.array_equal(got.values, SERIES)


@pytest.mark.parametrize("first", [[0] * 12, [812, 640, *range(700, 710)], [0, 0, 1] * 4])
def test_a_first_frame_of_whole_numbers_is_a_frame_above_others_or_zeros(tmp_path: Path, first: list[int]) -> None:
    others = SERIES if len(set(first)) < 4 else np.round(SERIES * 100)
    rows = [first, *[[f"{cell:g}" for cell in row] for row in others.tolist()]]
    got = read(tmp_path, "".join("\t".join(map(str, row)) + "\n" for row in rows))
    assert np.array_equal(got.values, [first, *others])


def test_a_first_line_of_a_few_words_among_decimals_is_no_header(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a cell is not a number \(line 1, column 2: 'None'\)"):
        read(tmp_path, "1.5\tNone\t2.5\t3.5\n1.5\t2.5\t3.5\t4.5\n")


@pytest.mark.parametrize(("mark", "quote"), [("\t", ""), (",", '"'), (";", "")])
def test_commas_that_may_mark_thousands_are_refused(tmp_path: Path, mark: str, quote: str) -> None:
    def text(*rows: str) -> str:
        return "".join(mark.join(f"{quote}{cell}{quote}" for cell in row.split()) + "\n" for row in rows)

    with pytest.raises(
        DataError, match=r"decimal or mark thousands \(line 2, column 2, 'b': '1,003'; .*'987'\).*1003.*1\.003"
    ):
        read(tmp_path, text("a b", "987 1,003", "1,020 991"))
    assert read(tmp_path, text("a b", "987 1,003", "1,02 991")).values.tolist() == [[987, 1.003], [1.02, 991]]
    assert read(tmp_path, text("a b", "987 1,003", "0,020 991")).values.tolist() == [[987, 1.003], [0.02, 991]]
    assert read(tmp_path, text("a b", "987 1,003", "-1,020 991")).values.tolist() == [[987, 1.003], [-1.02, 991]]
    assert read(tmp_path, text("a b", "9 1,003", "1,020 9")).values.tolist() == [[9, 1.003], [1.02, 9]]
    assert read(tmp_path, text("a b", "1,003 2,004", "1,020 3,001")).values.tolist() == [[1.003, 2.004], [1.02, 3.001]]


def test_the_rarer_of_decimal_points_and_commas_is_blamed(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"line 3, column 1, 'a': '110\.7'\): 1 has a decimal point, 3 a decimal comma"):
        read(tmp_path, "a;b\n1,5;2,5\n110.7;3,5\n")
    with pytest.raises(DataError, match=r"line 3, column 2, 'b': '3,5'\): 1 has a decimal comma, 3 a decimal point"):
        read(tmp_path, "a;b\n1.5;2.5\n110.7;3,5\n")


def test_decimal_commas_without_quotes_between_commas_are_named(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"its header has 2 names, its lines have 4 numbers\. .*quotes around each cell"
    ):
        read(tmp_path, "a,b\n1,5,2,5\n3,5,4,5\n", "x.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("My series, of 2020\na,b,c\n1,2,3\n", "line 1 .'My series' ....* is a title.* put # before it"),
        ("My series\na\tb\tc\n1\t2\t3\n", "line 1 .'My series' ....* is a title.* put # before it"),
        ("a,b,c\nVis,Vis,Mot\n1,2,3\n", "line 2 .'Vis' ....* is of words, too.* put # before it"),
        ("#\n\nMy series\n\na\tb\tc\n1\t2\t3\n", "line 3 .'My series' ....* is a title"),
        ("My series\n1.0\t2\t3\n", "its header has 1 names, its lines have 3 numbers.* put # before it"),
        ("a,b,c\n1,2,3\na,b,c\n1,2,3\n", "its header comes again in line 3"),
    ],
)
def test_a_line_that_is_not_understood_is_named_and_a_mark_of_comments_helps(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read(tmp_path, text)
    lines = text.split("\n")
    if "put #" in message:
        number = 1 if "line 2" in message else 0
        lines[number] = f"# {lines[number]}"
        assert read(tmp_path, "\n".join(lines)).values.tolist() == [[1, 2, 3]]


def test_exponents_of_fortran_are_numbers(tmp_path: Path) -> None:
    text = "1.5D+00 -2.0d0 3.0D-01\n4.0D+00 5.25D+00 0.6D1\n"
    for header in ("1D 2D D3\n", ""):
        got = read(tmp_path, header + text)
        assert got.values.tolist() == ROWS
        assert got.column_names == (("1D", "2D", "D3") if header else None)


def test_a_bad_cell_of_a_derivative_is_named_by_line_and_column(tmp_path: Path) -> None:
    (tmp_path / "x.tsv").write_text("a\tb\n1\t2\n3\tNone\n")
    with pytest.raises(DataError, match=r"below a header of labels: line 3, column 2, 'b', has 'None'\."):
        read_labelled(tmp_path / "x.tsv")
