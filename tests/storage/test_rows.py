"""What a training logs, line by line: a line that is cut, damaged or hostile is left out, and counted."""

import json

import pytest

from semantoks.storage.text import read_rows

ROWS = [{"step": step, "loss": step / 3} for step in range(4)]
BAD = {
    "cut": b'{"step": 1, "lo',
    "deep": b"[" * 100_000,
    "no object": b"[1]",
    "without a step": b'{"loss": 1}',
    "a step that is no number": b'{"step": "1"}',
    "no text": b'{"step": 1, "\xff\xfe": 0}',
    "empty": b"",
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_line_is_left_out_and_its_number_told(tmp_path, name):
    lines = [json.dumps(row).encode() for row in ROWS]
    (tmp_path / "rows.jsonl").write_bytes(b"\n".join([lines[0], BAD[name], *lines[2:]]) + b"\n")
    assert read_rows(tmp_path / "rows.jsonl") == ([ROWS[0], *ROWS[2:]], [2])


def test_a_loss_that_is_no_number_is_read_as_such_and_no_file_has_no_rows(tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"step": 3, "loss": NaN}\n')
    (row,), bad = read_rows(tmp_path / "rows.jsonl")
    assert row["loss"] != row["loss"]
    assert bad == []
    assert read_rows(tmp_path / "other.jsonl") == ([], [])
