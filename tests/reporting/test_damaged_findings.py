"""Tables and findings of a look inside an encoder, and of a study: damaged or lost, they are refused by name."""

import json

import pandas as pd
import pytest

from semantoks.errors import DataError
from semantoks.reporting.inside.folder import FINDINGS, ORDERS, PAIRS, has_targets, read_inside
from semantoks.reporting.study import RESULTS, STUDY, read_study
from semantoks.storage.checksums import sealed, write_sums_of_tables
from semantoks.storage.tables import write_table


@pytest.fixture(params=[(FINDINGS, ORDERS), (STUDY, RESULTS)], ids=["inside", "study"])
def kept(request, tmp_path):
    """A folder, the names of its JSON file and of a table, and a function that reads it whole."""
    about, table = request.param
    plain = {"kind": "audit", "answers": ["a"], "notes": [], "networks": ["x"], "targets": []}
    (tmp_path / about).write_text(json.dumps(sealed(plain)))
    write_table(tmp_path / table, pd.DataFrame({"run": ["one", "two"], "status": ["finished", "failed"]}))
    write_sums_of_tables(tmp_path)

    def read():
        return read_inside(tmp_path).table(table) if about == FINDINGS else read_study(tmp_path).results

    assert len(read()) == 2
    return tmp_path, about, table, read


def test_a_flipped_or_cut_table_is_refused_and_taking_its_line_out_admits_it(kept):
    folder, _, table, read = kept
    whole = (folder / table).read_bytes()
    for content in (whole.replace(b"one", b"ona"), whole[:-8], b""):
        (folder / table).write_bytes(content)
        with pytest.raises(DataError, match=rf"{table} does not match its checksum.* again\. If the change is meant"):
            read()
    (folder / table).write_bytes(whole.replace(b"one", b"ona"))
    (folder / "SHA256SUMS").unlink()
    assert read()["run"].tolist() == ["ona", "two"]


def test_a_lost_table_is_refused(kept):
    folder, _, table, read = kept
    (folder / table).unlink()
    with pytest.raises(DataError, match=rf"{table}"):
        read()


@pytest.mark.parametrize("content", ["", "[]", "{", "[" * 10_000, '{"kind": "audit", "sha256": "0"}'])
def test_damaged_findings_are_refused_by_name(kept, content):
    folder, about, _, read = kept
    (folder / about).write_text(content)
    with pytest.raises(DataError, match=rf"{about} .*again\."):
        read()


def test_lists_that_are_none_are_refused(tmp_path):
    (tmp_path / FINDINGS).write_text('{"kind": "audit", "answers": 5}')
    with pytest.raises(DataError, match=r"findings\.json is damaged\. Run the command again\."):
        read_inside(tmp_path)


def test_what_an_earlier_look_left_in_the_folder_is_not_of_this_one(tmp_path):
    (tmp_path / FINDINGS).write_text(json.dumps({"kind": "vocabulary", "targets": []}))
    (tmp_path / "probe").mkdir()
    (tmp_path / "probe" / "scores.csv").write_text("")
    found = read_inside(tmp_path)
    assert not has_targets(found)
    assert found.table(PAIRS).empty
