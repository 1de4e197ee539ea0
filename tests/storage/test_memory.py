"""What a job will need is said, and refused above what is there, by the job's own numbers."""

import logging
import resource

import numpy as np
import pytest

from semantoks.errors import MemoryShort
from semantoks.storage import memory
from semantoks.storage.memory import free_memory, need_memory, need_room

GIB = 1 << 30


def test_what_is_needed_is_said_before_it_is_taken(monkeypatch, caplog):
    monkeypatch.setattr(memory, "free_memory", lambda: 16 * GIB)
    with caplog.at_level(logging.INFO, "semantoks"):
        need_memory("fit", int(4.6 * GIB), "ask for less")
    assert caplog.messages == ["fit needs about 5.0 GiB of memory; 16.0 GiB are free"]


def test_more_than_there_is_is_refused_with_the_remedy(monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda: 16 * GIB)
    with pytest.raises(MemoryShort) as caught:
        need_memory("fit", 4000 * GIB, "ask for fewer --components")
    assert str(caught.value) == (
        "fit needs about 4,000 GiB of memory, and 16.0 GiB are free: ask for fewer --components."
    )


def test_nothing_is_refused_where_nobody_knows_what_is_free(monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda: None)
    need_memory("fit", 4000 * GIB, "ask for less")


def test_the_limit_of_a_container_counts_where_it_is_lower(tmp_path, monkeypatch):
    (tmp_path / "max").write_text(f"{2 * GIB}\n")
    (tmp_path / "current").write_text(f"{2 * GIB - 12_345}\n")
    monkeypatch.setattr(memory, "CGROUPS", ((str(tmp_path / "max"), str(tmp_path / "current")),))
    assert free_memory() == 12_345
    (tmp_path / "max").write_text("max\n")
    assert free_memory() > 12_345


def test_the_limit_of_a_shell_counts(monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (0, resource.RLIM_INFINITY))
    assert free_memory() == 0


def test_what_fit_says_is_what_its_largest_arrays_take():
    from semantoks.train.closed_form import _bytes

    people, edges, columns = 500, 120 * 121 // 2, 256
    arrays = [np.empty((people, edges)).nbytes] * 2 + [np.empty((edges, columns)).nbytes] * 3
    assert _bytes(people, 120, columns, lagged=False) == sum(arrays)
    assert _bytes(10**5, 120, columns, lagged=False) == 2 * 8 * edges**2 + sum(arrays[2:])


def test_a_disk_that_is_too_small_is_refused_with_what_is_needed(tmp_path):
    need_room("probe", 1 << 20, tmp_path, "choose another")
    with pytest.raises(MemoryShort, match=r"probe needs about 1,024 GiB of disk in .* GiB are free: choose another\."):
        need_room("probe", 1 << 40, tmp_path, "choose another")
