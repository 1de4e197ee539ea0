import pandas as pd
import pytest

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


def test_escaping_leaves_plain_text_alone_and_is_done_once():
    assert plain("Köln, 3 %\t\\r") == "Köln, 3 %\t\\r"
    assert plain(plain("a\udcff\x7f")) == "a\\udcff\\x7f"
