"""A process of its own reads binary files, with limits: what a file does to it is one refusal by the file's name."""

import operator
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from semantoks.errors import DataError, WeightsError
from semantoks.storage import apart
from semantoks.storage.apart import read_apart


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setattr(apart, "SECONDS", 0.3)
    (tmp_path / "a.bin").write_bytes(b"1234")
    return tmp_path / "a.bin"


def refused(file, function, *args):
    with pytest.raises(DataError) as caught:
        read_apart(file, function, *args)
    assert str(caught.value).startswith(f"{file} cannot be read: ")
    assert read_apart(file.with_name("b.bin") if file.with_name("b.bin").write_bytes(b"x") else file, os.getpid)
    return str(caught.value)


def test_the_result_comes_back_and_one_process_reads_all_files(file):
    found = [read_apart(file, os.getpid) for _ in range(3)]
    assert len(set(found)) == 1
    assert found[0] != os.getpid()
    assert np.array_equal(read_apart(file, np.arange, 5), np.arange(5))
    assert read_apart(file, Path.read_bytes, file) == b"1234"


def test_relative_paths_mean_what_they_mean_here_also_after_a_change_of_folder(file, tmp_path, monkeypatch):
    read_apart(file, os.getpid)
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "c.bin").write_text(name)
        monkeypatch.chdir(tmp_path / name)
        assert read_apart(Path("c.bin"), Path.read_text, Path("c.bin")) == name


def refuse():
    raise WeightsError("as it is")


def test_an_error_of_ours_comes_back_as_it_was_and_any_other_is_the_files_fault(file):
    with pytest.raises(WeightsError, match=r"^as it is$"):
        read_apart(file, refuse)
    for function, args, reason in (
        (int, ("x",), "ValueError: invalid literal"),
        (getattr, (1, "absent"), "AttributeError: "),
        (Path.read_bytes, (Path("absent"),), "FileNotFoundError: "),
        (operator.getitem, ((), 0), "IndexError: "),
    ):
        with pytest.raises(DataError, match=rf"a\.bin cannot be read, is it damaged\? \({reason}"):
            read_apart(file, function, *args)


def test_a_file_that_keeps_its_reader_busy_is_refused_and_not_tried_again(file):
    said = refused(file, sum, range(10**12))
    assert "its reader had not finished after 0 s" in said
    begin = time.perf_counter()
    assert refused(file, os.getpid) == said
    assert time.perf_counter() - begin < 5


def test_a_file_that_makes_its_reader_sleep_is_refused(file, monkeypatch):
    monkeypatch.setattr(apart, "PATIENCE", -2.0)  # 1 s is left of 10 x 0.3 s
    with pytest.raises(DataError, match="had not finished"):
        read_apart(file, time.sleep, 60)


def test_a_file_that_asks_for_memory_is_refused_with_the_limit(file):
    said = refused(file, np.ones, 10**10)
    assert "it takes more than 1,024 MiB of memory, and has 0.0 MiB itself" in said


@pytest.mark.parametrize(
    ("function", "args", "reason"),
    [(os.kill, (0, 9), "killed, usually for want of memory"), (os._exit, (7,), r"crashed (status 7)")],
)
def test_a_file_that_ends_its_reader_is_refused_and_the_next_one_is_read(file, function, args, reason):
    if function is os.kill:
        args = (read_apart(file, os.getpid), signal.SIGKILL)
    assert reason in refused(file, function, *args)


def test_what_is_no_file_is_refused_before_it_is_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.npy")
    with pytest.raises(DataError, match=r"pipe\.npy cannot be read: it is no file, but a folder, a pipe or a device"):
        read_apart(tmp_path / "pipe.npy", os.getpid)
    with pytest.raises(DataError, match="No such file"):
        read_apart(tmp_path / "absent", os.getpid)
