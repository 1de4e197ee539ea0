"""One job at a time writes a folder; who it is, is said; a killed one holds nothing."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack

import pytest

from semantoks.errors import BusyError, ConfigError
from semantoks.reporting.page import report
from semantoks.storage import lock
from semantoks.storage.lock import LOCK, hold_file, hold_folder

HOLD = """
import sys, time
from pathlib import Path
from semantoks.storage.lock import hold_folder
with hold_folder(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def other(tmp_path):
    """Another process that holds the folder ``run``."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "run")], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_folder_that_another_process_writes_is_refused_and_the_process_named(other, tmp_path):
    words = f"run is being written by process {other.pid} on {socket.gethostname()} since 20.*choose another"
    for _ in range(2):  # nor does asking take anything away
        with pytest.raises(ConfigError, match=words), hold_folder(tmp_path / "run"):
            pass


def test_what_a_killed_process_held_is_free_at_once(other, tmp_path):
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert (tmp_path / "run" / LOCK).exists()
    with hold_folder(tmp_path / "run"):
        assert json.loads((tmp_path / "run" / LOCK).read_text())["pid"] == os.getpid()
    assert list((tmp_path / "run").iterdir()) == []


def test_the_lock_leaves_nothing_behind_and_no_new_folder_either(tmp_path):
    (tmp_path / "there").mkdir()
    with hold_folder(tmp_path / "there"), hold_folder(tmp_path / "new"), hold_file(tmp_path / "more" / "f.parquet"):
        assert (tmp_path / "more" / ".f.parquet.lock-semantoks").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["there"]
    assert list((tmp_path / "there").iterdir()) == []


def test_the_same_file_is_refused_and_its_neighbour_is_not(tmp_path):
    first, second, words = tmp_path / "a.parquet", tmp_path / "b.parquet", r"a\.parquet is being written by process"
    with hold_file(first), hold_file(second), pytest.raises(ConfigError, match=words), hold_file(first):
        pass


def test_what_another_job_writes_in_moments_is_waited_for(tmp_path):
    held = ExitStack()
    held.enter_context(hold_file(tmp_path / "study.json"))
    threading.Timer(0.3, held.close).start()
    with hold_file(tmp_path / "study.json", patience=10.0):
        pass
    with hold_file(tmp_path / "study.json"), pytest.raises(BusyError), hold_file(tmp_path / "study.json", patience=0.2):
        pass
    assert not list(tmp_path.iterdir())


def test_one_job_at_a_time_writes_a_page(tmp_path):
    (tmp_path / "metrics.jsonl").write_text("")
    with hold_file(tmp_path / "page.html"), pytest.raises(BusyError, match=r"page\.html is being written by process"):
        report(tmp_path, tmp_path / "page.html")


def test_a_job_of_slurm_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "8123")
    with hold_folder(tmp_path), pytest.raises(ConfigError, match="SLURM job 8123, since"), hold_folder(tmp_path):
        pass


def without_locks(*_):
    raise OSError(37, "No locks available")


@pytest.mark.parametrize(("owner", "free"), [({"pid": 2**22 + 1}, True), ({"pid": 1}, False), ({"host": "n7"}, False)])
def test_where_the_file_system_has_no_locks_the_owner_that_is_written_down_counts(owner, free, tmp_path, monkeypatch):
    monkeypatch.setattr(lock.fcntl, "flock", without_locks)
    (tmp_path / LOCK).write_text(json.dumps({"pid": 7, "host": socket.gethostname(), "since": "now"} | owner))
    if free:
        with hold_folder(tmp_path):
            assert json.loads((tmp_path / LOCK).read_text())["pid"] == os.getpid()
        return
    with pytest.raises(ConfigError, match=f"if that job was killed, delete {tmp_path / LOCK}"), hold_folder(tmp_path):
        pass
    (tmp_path / LOCK).unlink()  # what the message advises
    with hold_folder(tmp_path):
        pass


def test_where_the_file_system_has_no_locks_one_of_two_jobs_gets_the_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(lock.fcntl, "flock", without_locks)
    with hold_folder(tmp_path):
        (tmp_path / LOCK).write_text("")  # as it is before its maker has written who it is
        with pytest.raises(ConfigError, match="is being written by another process"), hold_folder(tmp_path):
            pass
    with hold_folder(tmp_path):
        pass


@pytest.mark.parametrize("alive", [True, False])
def test_where_locks_hold_for_one_machine_alone_another_machines_touches_count(alive, tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "BEAT", 0.05)
    monkeypatch.setattr(lock, "WATCH", 0.5)
    (tmp_path / LOCK).write_text(json.dumps({"pid": 7, "host": "n7", "since": "now"}))
    if not alive:
        with hold_folder(tmp_path):
            assert json.loads((tmp_path / LOCK).read_text())["pid"] == os.getpid()
        return
    handle, over = os.open(tmp_path / LOCK, os.O_RDWR), threading.Event()
    other = threading.Thread(target=lock._beat, args=(handle, over))
    other.start()
    try:
        with pytest.raises(ConfigError, match="process 7 on n7 since now"), hold_folder(tmp_path):
            pass
    finally:
        over.set()
        other.join()
        os.close(handle)


def test_a_file_in_place_of_the_folder_is_named(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(NotADirectoryError, match="a folder is needed"), hold_folder(tmp_path / "run"):
        pass
