import pytest

from semantoks.errors import DataError
from semantoks.signals.layout import read_rows


def test_a_column_that_came_later_is_empty_in_a_table_from_before_and_any_other_has_to_be_there(tmp_path):
    (tmp_path / "t.tsv").write_text("sha256\nabc\n")
    assert read_rows(tmp_path / "t.tsv", ["moments_sha256", "sha256"]).to_dict("list") == {
        "moments_sha256": [""],
        "sha256": ["abc"],
    }
    with pytest.raises(DataError, match="lacks the column offset"):
        read_rows(tmp_path / "t.tsv", ["sha256", "offset"])
