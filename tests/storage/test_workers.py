"""Worker processes end with whoever started them; one that is killed is a sentence."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from joblib import delayed

from semantoks.errors import DataError
from semantoks.storage.workers import run_calls

PARENT = """
import os, sys, time
from joblib import delayed
from semantoks.storage.stopping import stoppable
from semantoks.storage.workers import run_calls

def work(seconds):
    os.write(1, b"%d\\n" % os.getpid())  # at once, lest two of them mix
    time.sleep(seconds)

with stoppable():
    list(run_calls([delayed(work)(60) for _ in range(2)], n_jobs=2))
"""


def is_there(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{process}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_results_come_in_the_order_of_the_calls(n_jobs):
    assert list(run_calls((delayed(divmod)(9, i) for i in range(1, 4)), n_jobs=n_jobs)) == [(9, 0), (4, 1), (3, 0)]


def test_a_worker_that_is_killed_is_a_sentence_with_what_it_was_at_and_what_to_do():
    with pytest.raises(DataError, match=r"killed while reading sub-7, usually for want of memory\..* \(--n-jobs\)"):
        list(run_calls([delayed(os._exit)(9)] * 2, n_jobs=2, doing=lambda: " while reading sub-7"))
    assert list(run_calls([delayed(abs)(-1)] * 2, n_jobs=2)) == [1, 1]  # the next workers are new ones


GROWING = """
import os, sys, time
from joblib import delayed
from semantoks.storage.workers import run_calls

def work(megabytes):
    vars(os).setdefault("kept", []).append(b"x" * (megabytes << 20))  # what is of this file comes anew with each call
    time.sleep(1.5)  # loky looks no more often than each second
    return os.getpid()

if __name__ == "__main__":
    print(len(set(run_calls([delayed(work)(n) for n in (0, 0, 400, 400, 0, 0)], n_jobs=2))))
"""


def test_a_worker_that_holds_more_than_at_its_first_call_is_not_taken_for_a_leak_and_stays(tmp_path):
    """It may just have imported torch; and where warnings are errors, another in its place would never come."""
    (tmp_path / "growing.py").write_text(GROWING)
    words = [sys.executable, "-W", "error::UserWarning", "growing.py"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    assert int(done.stdout) <= 2
    assert "A worker stopped" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_no_worker_outlives_a_parent_that_is_stopped_or_killed(tmp_path, number):
    (tmp_path / "parent.py").write_text(PARENT)
    with subprocess.Popen(
        [sys.executable, tmp_path / "parent.py"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as parent:
        workers = [int(parent.stdout.readline()) for _ in range(2)]
        parent.send_signal(number)
        parent.wait(timeout=20)
        until = time.monotonic() + 10
        while any(map(is_there, workers)) and time.monotonic() < until:
            time.sleep(0.05)
        assert not any(map(is_there, workers))


def test_no_worker_outlives_a_parent_that_is_killed_before_it_has_given_it_anything_to_do(tmp_path):
    (tmp_path / "parent.py").write_text(PARENT)
    command = [sys.executable, tmp_path / "parent.py"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as parent:
        until, children = time.monotonic() + 60, Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
        while len(workers := [one for one in map(int, children.read_text().split()) if is_worker(one)]) < 2:
            assert time.monotonic() < until
            time.sleep(0.005)
        parent.kill()
        while any(map(is_there, workers)) and time.monotonic() < until:
            time.sleep(0.05)
        assert not any(map(is_there, workers))


def is_worker(process):
    with contextlib.suppress(OSError):
        return "loky_posix" in Path(f"/proc/{process}/cmdline").read_text()
