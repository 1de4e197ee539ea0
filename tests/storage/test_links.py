"""Links and pipes in a folder from elsewhere: files are read through links, nothing is written or removed so."""

import os
import re
import shutil

import pytest

from semantoks.atlas.catalog import get_atlas
from semantoks.errors import DataError, SemantoksError, WeightsError
from semantoks.evaluate.study.work import ARRAYS, UNFINISHED, unfinished
from semantoks.model.card import EncoderCard
from semantoks.model.hub import find_encoder, load_encoder, write_folder
from semantoks.reporting.study import RESULTS, STUDY, read_study
from semantoks.signals.cohort import Cohort
from semantoks.signals.layout import load_array
from semantoks.storage.checksums import check_sum, damaged, read_tensors, stated_sum
from semantoks.storage.durable import write_durably
from semantoks.storage.lock import LOCK, hold_folder
from semantoks.storage.text import read_json, read_rows
from semantoks.train.monitor import _keep_rows_before
from tiny_people import ATLAS, SIZE, make_people, save_model, write_cohort


@pytest.fixture
def others(tmp_path):
    """A file of somebody, a folder of somebody, and a folder of ours in which links to them can be planted."""
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "diary").mkdir()
    (tmp_path / "theirs" / "diary" / "page").write_text("dear")
    (tmp_path / "theirs" / "file").write_text("dear")
    (tmp_path / "ours").mkdir()
    yield tmp_path / "ours", tmp_path / "theirs"
    assert (tmp_path / "theirs" / "diary" / "page").read_text() == "dear"
    assert (tmp_path / "theirs" / "file").read_text() == "dear"
    assert sorted(path.name for path in (tmp_path / "theirs").iterdir()) == ["diary", "file"]


@pytest.mark.parametrize("name", ["file", "absent"])
def test_a_lock_that_is_a_link_is_refused_and_deleting_it_helps(others, name):
    ours, theirs = others
    (ours / LOCK).symlink_to(theirs / name)
    with pytest.raises(DataError, match=rf"{LOCK} is a link, .*: delete it\."), hold_folder(ours):
        pass
    (ours / LOCK).unlink()
    with hold_folder(ours):
        pass


def test_pieces_of_a_probe_are_not_cleared_through_a_link(others):
    ours, theirs = others
    (ours / UNFINISHED).symlink_to(theirs)
    with unfinished(ours, ["a probe"]) as folder:
        assert (folder / ARRAYS).is_dir()
    assert not list(ours.iterdir())


@pytest.mark.parametrize("name", ["file", "absent"])
def test_what_a_training_logs_is_not_added_through_a_link(others, name):
    ours, theirs = others
    (ours / "metrics.jsonl").symlink_to(theirs / name)
    assert _keep_rows_before(ours / "metrics.jsonl", 3) == []
    assert not (ours / "metrics.jsonl").is_symlink()


def test_a_file_takes_the_place_of_a_link(others):
    ours, theirs = others
    (ours / "scores.csv").symlink_to(theirs / "file")
    write_durably(ours / "scores.csv", b"ours")
    assert (ours / "scores.csv").read_bytes() == b"ours"
    source = save_model(ours / "model")
    shutil.rmtree(ours / "to", ignore_errors=True)
    (ours / "to").mkdir()
    (ours / "to" / "model.safetensors").symlink_to(theirs / "file")
    write_folder(source, ours / "to", EncoderCard(encoder=SIZE, atlas=ATLAS, tr=2.0, band=None, seed=0))
    assert (ours / "to" / "model.safetensors").read_bytes() == (source / "model.safetensors").read_bytes()


def test_weights_and_shards_are_read_through_links_as_the_hub_and_annexed_data_sets_have_them(tmp_path):
    model, cohort = save_model(tmp_path / "model"), write_cohort(tmp_path, *make_people(2))
    for file in (model / "model.safetensors", cohort.path / "shards" / "000001.npy"):
        file.rename(tmp_path / file.name)
        file.symlink_to(tmp_path / file.name)
    load_encoder(model)
    assert Cohort(cohort.path).verify() == []
    (tmp_path / "model.safetensors").write_bytes(b"another")
    with pytest.raises(WeightsError, match=r"model\.safetensors cannot be read"):
        load_encoder(model)


READERS = {
    "JSON": read_json,
    "tensors": lambda path: read_tensors(path, error=WeightsError, remedy="Get it again."),
    "a list of checksums": lambda path: check_sum(path, {"x": "0"}, "x", "Get it again."),
    "a shard": lambda path: load_array(path, "shard"),
}


@pytest.mark.parametrize("name", READERS)
def test_a_pipe_or_a_device_in_place_of_a_file_is_refused_unread(tmp_path, name):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/zero")
    for path in (tmp_path / "pipe", tmp_path / "device"):
        with pytest.raises(SemantoksError, match=rf"{path.name} .*no file, but a folder, a pipe or a device"):
            READERS[name](path)
        assert (read_rows(path), stated_sum(path), damaged([path], "")) == (([], []), "", [])


def test_an_encoder_in_the_box_is_no_path():
    from semantoks.model.box import box_folder

    for name in ("../encoders/mist122", "/mist122", "mist122/..", "..", ".", "", "mist122/../../model"):
        assert box_folder(name) is None, name
    assert box_folder("mist122") is not None


@pytest.mark.parametrize("name", ["a/..", "../a", "/etc/passwd", "a/b/../../c", "..", "a\\..\\b"])
def test_a_name_that_leads_elsewhere_is_no_encoder_on_the_hub_and_no_atlas(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(WeightsError, match=rf"{re.escape(name)} (is neither|cannot be used)"):
        find_encoder(name)
    with pytest.raises(DataError):
        get_atlas(name)


def test_a_run_that_a_studys_table_names_elsewhere_is_not_read(tmp_path):
    (tmp_path / STUDY).write_text("{}")
    (tmp_path / RESULTS).write_text("run\tstatus\n../../theirs\tfinished\n")
    with pytest.raises(DataError, match=r"results\.tsv names a run outside its folder, '\.\./\.\./theirs'"):
        read_study(tmp_path)
