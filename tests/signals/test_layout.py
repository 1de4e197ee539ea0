import pandas as pd
import pytest

from semantoks.errors import DataError
from semantoks.signals.layout import plain, read_table, table_text


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


def test_a_column_that_came_later_is_empty_in_a_table_from_before_and_any_other_has_to_be_there(tmp_path):
    (tmp_path / "t.tsv").write_text("sha256\nabc\n")
    assert read_table(tmp_path / "t.tsv", ["moments_sha256", "sha256"]).to_dict("list") == {
        "moments_sha256": [""],
        "sha256": ["abc"],
    }
    with pytest.raises(DataError, match="lacks the column offset"):
        read_table(tmp_path / "t.tsv", ["sha256", "offset"])


def test_escaping_leaves_plain_text_alone_and_is_done_once():
    assert plain("Köln, 3 %\t\\r") == "Köln, 3 %\t\\r"
    assert plain(plain("a\udcff\x7f")) == "a\\udcff\\x7f"
