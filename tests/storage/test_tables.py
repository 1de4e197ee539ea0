import numpy as np
import pandas as pd
import pytest

from semantoks.errors import DataError
from semantoks.storage.tables import plain, read_table, read_typed_table, table_text, write_table


@pytest.mark.parametrize(
    ("cell", "read"),
    [
        ("x\ry", "x\\ry"),
        ("x\0y", "x\\x00y"),
        ("x\ty", "x\ty"),
        ("x\ny", "x\ny"),
        ('x"y', 'x"y'),
        ("NA", "NA"),
        ("", ""),
    ],
)
def test_a_cell_reads_back_as_it_is_or_escaped_and_never_ends_the_line(tmp_path, cell, read):
    (tmp_path / "t.tsv").write_bytes(table_text(pd.DataFrame({"a": [cell, "next"], "b": ["1", "2"]})).encode())
    assert read_table(tmp_path / "t.tsv", ["a", "b"]).to_dict("list") == {"a": [read, "next"], "b": ["1", "2"]}


def test_escaping_leaves_plain_text_alone_and_is_done_once():
    assert plain("Köln, 3 %\t\\r") == "Köln, 3 %\t\\r"
    assert plain(plain("a\udcff\x7f")) == "a\\udcff\\x7f"


def test_what_is_wrong_with_a_table_is_one_sentence_with_its_remedy(tmp_path):
    file = tmp_path / "scores.csv"
    with pytest.raises(DataError, match=r"cannot be read as scores: .*No such file.*\. Run the probe again\."):
        read_table(file, what="scores", remedy="run the probe again")
    file.write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=r"scores\.csv lacks the columns c, d: run the probe again\.$"):
        read_table(file, ["a", "c", "d"], separator=",", remedy="run the probe again")
    with pytest.raises(DataError, match=r"scores\.csv lacks the column c\.$"):
        read_table(file, ["c"], separator=",")


def test_a_typed_table_keeps_ids_as_text_and_numbers_as_written(tmp_path):
    frame = pd.DataFrame({"id": ["007", "NA"], "value": [0.1 + 0.2, np.nan], "count": [1, 2]})
    write_table(tmp_path / "t.tsv", frame)
    pd.testing.assert_frame_equal(read_typed_table(tmp_path / "t.tsv", ["id"]), frame)
