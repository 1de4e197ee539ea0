"""What makes the output a derivative: whose it is, what it is of, and what it refuses to be written over."""

import json
from pathlib import Path

import pytest
from small_derivative import tree

from semantoks.bids_app import derivative
from semantoks.bids_app.derivative import bids_uri, open_derivative
from semantoks.errors import ConfigError


def test_the_description_says_what_made_it_and_of_what(xcpd, tmp_path):
    out = tmp_path / "out"
    open_derivative(xcpd, out)
    said = json.loads((out / "dataset_description.json").read_text())
    assert said == {
        "Name": "semantoks derivative of xcp_d",
        "BIDSVersion": "1.11.2",
        "DatasetType": "derivative",
        "GeneratedBy": [
            {"Name": "semantoks", "Version": derivative.version("semantoks")},
            {"Name": "xcp_d", "Version": "26.1.1"},
            {"Name": "fMRIPrep", "Version": "25.2.0"},
        ],
        "SourceDatasets": [{"URL": xcpd.as_uri()}],
        "DatasetLinks": {"input": xcpd.as_uri()},
    }
    ignored = (out / ".bidsignore").read_text().splitlines()
    assert ignored[:5] == ["work/", "cohort/", "logs/", "report.html", "report_tables/"]
    assert ignored[5:] == ["*_embedding.tsv", "*_embedding.json", "*_embeddings.parquet"]
    before = tree(out)
    open_derivative(xcpd, out)
    assert tree(out) == before


def test_what_was_added_to_it_stays_and_the_version_is_that_of_the_last_call(xcpd, tmp_path, monkeypatch):
    out = tmp_path / "out"
    open_derivative(xcpd, out)
    file = out / "dataset_description.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"License": "CC0"}))
    (out / ".bidsignore").write_text("mine\n")
    monkeypatch.setattr(derivative, "version", lambda name: "99.0")
    open_derivative(xcpd, out)
    said = json.loads(file.read_text())
    assert (said["License"], said["GeneratedBy"][0]["Version"]) == ("CC0", "99.0")
    assert (out / ".bidsignore").read_text() == "mine\n"


def test_output_of_others_or_of_another_input_or_inside_the_input_is_refused(xcpd, tmp_path):
    with pytest.raises(ConfigError, match="is inside INPUT"):
        open_derivative(xcpd, xcpd / "derivatives" / "semantoks")
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"OUTPUT must be a folder, but .*file is a file"):
        open_derivative(xcpd, tmp_path / "file")
    open_derivative(xcpd, tmp_path / "out")
    with pytest.raises(ConfigError, match=r"is made of .*xcp_d.*, not of .*other.*give each INPUT its own OUTPUT"):
        open_derivative(tmp_path / "other", tmp_path / "out")
    for text in ("{", "[]", '{"GeneratedBy": [{"Name": "fMRIPrep"}]}', '{"GeneratedBy": []}'):
        (tmp_path / "out" / "dataset_description.json").write_text(text)
        with pytest.raises(ConfigError, match="which is not of semantoks-bids: choose another folder"):
            open_derivative(xcpd, tmp_path / "out")


def test_files_are_named_from_the_input_or_by_where_they_are():
    source = Path("/data/xcp_d")
    assert bids_uri(source / "sub-01" / "a.tsv", source) == "bids:input:sub-01/a.tsv"
    assert bids_uri(Path("/data/all.h5"), Path("/data/all.h5")) == "file:///data/all.h5"
    assert bids_uri(Path("/data/arrays/1.npy"), Path("/data/files.tsv")) == "file:///data/arrays/1.npy"
