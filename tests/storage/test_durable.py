import errno
import os
import socket
import subprocess
import sys

import pytest

from semantoks.storage import durable
from semantoks.storage.durable import clear_temporary, need_folder, write_durably


def test_parts_are_written_end_to_end_and_nothing_else_stays(tmp_path):
    (tmp_path / "a").write_bytes(b"old and longer")
    write_durably(tmp_path / "a", b"one", b"two")
    assert (tmp_path / "a").read_bytes() == b"onetwo"
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.ESTALE])
@pytest.mark.parametrize("call", ["replace", "fsync"])
def test_a_file_that_cannot_be_written_leaves_the_old_one_whole(tmp_path, monkeypatch, number, call):
    (tmp_path / "a").write_bytes(b"old")
    full = OSError(number, os.strerror(number))
    monkeypatch.setattr(durable.os, call, lambda *_: (_ for _ in ()).throw(full))
    with pytest.raises(OSError, match=rf"{os.strerror(number)} \(2,000 bytes to write\)") as caught:
        write_durably(tmp_path / "a", b"new!" * 250, b"1" * 1000)
    assert caught.value.filename == str(tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("ending", [KeyboardInterrupt, SystemExit])
def test_writing_that_is_interrupted_leaves_nothing_half_written(tmp_path, monkeypatch, ending):
    monkeypatch.setattr(durable.os, "fsync", lambda *_: (_ for _ in ()).throw(ending))
    with pytest.raises(ending):
        write_durably(tmp_path / "a", b"new")
    assert os.listdir(tmp_path) == []


def test_a_folder_that_is_not_there_is_an_error_and_no_endless_loop(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_durably(tmp_path / "gone" / "a", b"new")


def test_a_temporary_file_that_another_process_cleans_away_is_written_again(tmp_path, monkeypatch):
    replace, calls = os.replace, []

    def cleaned_away_once(source, target):
        calls.append(source)
        if len(calls) == 1:
            clear_temporary(tmp_path)
        replace(source, target)

    monkeypatch.setattr(durable.os, "replace", cleaned_away_once)
    write_durably(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"
    assert len(set(calls)) == 2


def test_what_a_killed_process_left_half_written_goes_away_with_the_next_file_in_its_folder(tmp_path):
    ended = subprocess.Popen(["true"])
    ended.wait()
    here, name = socket.gethostname(), durable.TEMPORARY
    (tmp_path / f"{name}{here}-{ended.pid}-a").touch()
    stay = {f"{name}{here}-{os.getppid()}-b", f"{name}elsewhere-{ended.pid}-c"}
    for left in stay:
        (tmp_path / left).touch()
    write_durably(tmp_path / "a", b"new")
    assert {*os.listdir(tmp_path)} == {*stay, "a"}


def test_only_our_own_temporary_files_are_cleared(tmp_path):
    (tmp_path / f"{durable.TEMPORARY}1-x").touch()
    (tmp_path / ".tmp-of-somebody").touch()
    clear_temporary(tmp_path)
    assert os.listdir(tmp_path) == [".tmp-of-somebody"]


def test_a_file_in_the_way_of_a_folder_is_named_before_any_work(tmp_path):
    (tmp_path / "file").write_text("x")
    need_folder(tmp_path / "new" / "folder")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(NotADirectoryError, match="where a folder is needed") as refused:
            need_folder(path)
        assert refused.value.filename == str(tmp_path / "file")
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_a_scratch_folder_goes_away_and_takes_those_of_dead_processes_along(tmp_path, monkeypatch):
    monkeypatch.setattr(durable.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(durable.tempfile, "tempdir", str(tmp_path))
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    host = durable.socket.gethostname()
    dead, alive, elsewhere = f"semantoks-{host}-{child}-x", f"semantoks-{host}-{os.getpid()}-x", "semantoks-b-1-x"
    for name in (dead, alive, elsewhere, "semantoks-of-mine"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    with durable.scratch_folder() as folder:
        assert folder.is_dir()
        assert not (tmp_path / dead).exists()
    assert sorted(os.listdir(tmp_path)) == sorted([alive, elsewhere, "semantoks-of-mine"])


def test_a_log_that_cannot_be_written_is_named_with_the_bytes_that_were_to_be(tmp_path):
    words = (
        "import resource, sys; from pathlib import Path; from semantoks.storage.durable import append;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)); append(Path(sys.argv[1]), 'row' * 999)"
    )
    path = tmp_path / "metrics.jsonl"
    done = subprocess.run([sys.executable, "-c", words, str(path)], capture_output=True, text=True, check=False)
    assert f"File too large (2,997 bytes to write): '{path}'" in done.stderr
