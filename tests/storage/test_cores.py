"""On shared cores threads wait asleep, unless the user said how they wait; on free cores nothing changes."""

import os
import subprocess
import sys

import pytest

from semantoks.storage import cores
from semantoks.storage.cores import share_cores, warn_of_spinning


def under(monkeypatch, load, *, torch=False):
    monkeypatch.setattr(cores, "load_found", lambda: load)
    if torch:
        monkeypatch.setitem(sys.modules, "torch", sys)
    else:
        monkeypatch.delitem(sys.modules, "torch", raising=False)


@pytest.mark.parametrize(
    ("load", "said", "torch", "policy"),
    [
        (3.0, {}, False, "passive"),
        (0.4, {}, False, None),
        (3.0, {"OMP_WAIT_POLICY": "active"}, False, "active"),
        (3.0, {"OMP_NUM_THREADS": "1"}, False, None),
        (3.0, {"OMP_NUM_THREADS": "4"}, False, "passive"),
        (3.0, {}, True, None),  # too late
    ],
)
def test_threads_wait_asleep_on_shared_cores_alone(monkeypatch, load, said, torch, policy):
    under(monkeypatch, load, torch=torch)
    environment = dict(said)
    assert share_cores(environment) == (environment != said)
    assert environment.get("OMP_WAIT_POLICY") == policy


@pytest.mark.parametrize(
    ("load", "threads", "said", "warned"),
    [(3.0, 2, {}, True), (0.4, 2, {}, False), (3.0, 1, {}, False), (3.0, 2, {"OMP_WAIT_POLICY": "passive"}, False)],
)
def test_where_torch_is_there_already_the_way_out_is_said(monkeypatch, caplog, load, threads, said, warned):
    under(monkeypatch, load, torch=True)
    warn_of_spinning(threads, said)
    assert bool(caplog.messages) == warned
    if warned:
        assert "300 % of the cores" in caplog.messages[0]
        assert "OMP_WAIT_POLICY=passive" in caplog.messages[0]


def test_a_system_that_does_not_say_its_load_has_none(monkeypatch):
    monkeypatch.delattr(os, "getloadavg")
    assert cores.load_found() == 0


def test_the_command_sets_it_before_torch_is_there():
    code = (
        "import os, sys; os.getloadavg = lambda: (1e6, 0, 0); sys.argv = ['semantoks', 'info', 'nowhere']\n"
        "from semantoks.cli import main\n"
        "main.run = lambda argv: print(os.environ['OMP_WAIT_POLICY'], 'torch' in sys.modules)\n"
        "main.main()"
    )
    plain = {name: value for name, value in os.environ.items() if not name.startswith("OMP_")}
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=plain, check=True)
    assert found.stdout.split() == ["passive", "False"]
