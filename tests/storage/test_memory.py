"""What a job will need is said, and refused above what is there, by the job's own numbers."""

import logging
import re
import resource
import shlex

import numpy as np
import pytest
import torch

from semantoks.cli.main import run
from semantoks.errors import MemoryShort
from semantoks.model.encoder import EncoderConfig
from semantoks.storage import memory
from semantoks.storage.memory import free_memory, memory_short, need_memory, need_room
from tiny_people import make_people, save_model, write_cohort

GIB = 1 << 30


def test_what_is_needed_is_said_before_it_is_taken(monkeypatch, caplog):
    monkeypatch.setattr(memory, "free_memory", lambda: 16 * GIB)
    with caplog.at_level(logging.INFO, "semantoks"):
        need_memory("fit", int(4.5 * GIB), "ask for less")
    assert caplog.messages == ["fit needs about 5.0 GiB of memory; 16.0 GiB are free"]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
            "the GPU's memory is used up. Take",
        ),
        (MemoryError("Unable to allocate 8.00 PiB for an array"), "memory is used up. Take less at once"),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
            "memory is used up.",
        ),
    ],
)
def test_memory_that_is_used_up_is_a_sentence_and_says_how_to_go_on(monkeypatch, capsys, tmp_path, error, words):
    monkeypatch.setattr("semantoks.train.run.pretrain", lambda *_, **__: (_ for _ in ()).throw(error))
    assert run(["pretrain", "cohort", "--out", str(tmp_path / "run")]) == 3
    said = capsys.readouterr().err
    assert words in said
    assert "The same command goes on with what is finished." in said


def test_another_runtime_error_stays_what_it_is():
    assert memory_short(RuntimeError("shapes do not match")) is None


@pytest.mark.parametrize(("free", "said"), [(11 * GIB, 0), (9 * GIB, 1), (None, 1)])
def test_little_of_what_is_free_is_not_worth_saying(monkeypatch, caplog, free, said):
    monkeypatch.setattr(memory, "free_memory", lambda: free)
    monkeypatch.setattr(memory, "_said", set())
    with caplog.at_level(logging.INFO, "semantoks"):
        need_memory("vocabulary", 0, "look at fewer")
    assert len(caplog.messages) == said


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


GROUPS = {
    "version 2": ("0::/job/step\n", "", "memory.max", "memory.current", ""),
    "version 1": (
        "7:cpu:/\n4:memory:/job/step\n",
        "memory",
        "memory.limit_in_bytes",
        "memory.usage_in_bytes",
        "total_",
    ),
}


@pytest.mark.parametrize("version", GROUPS)
@pytest.mark.parametrize("limited", ["job/step", "job", "."])
def test_the_limit_of_a_container_or_a_job_counts_where_it_is_lower_less_pages_of_files(
    version, limited, tmp_path, monkeypatch
):
    own, root, limit, used, pages = GROUPS[version]
    (tmp_path / "own").write_text(own)
    folder = tmp_path / root / limited
    (tmp_path / root / "job/step").mkdir(parents=True)
    (folder / limit).write_text(f"{2 * GIB}\n")
    (folder / used).write_text(f"{2 * GIB}\n")
    (folder / "memory.stat").write_text(f"{pages}inactive_file 12000\n{pages}active_file 345\n{pages}anon 7\n")
    monkeypatch.setattr(memory, "OWN_GROUPS", tmp_path / "own")
    monkeypatch.setattr(memory, "GROUPS", tmp_path)
    assert free_memory() == 12_345
    (folder / limit).write_text("max\n")
    assert free_memory() > 12_345


def test_the_limit_of_a_shell_counts(monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (0, resource.RLIM_INFINITY))
    assert free_memory() == 0


STUDY = "--target age --out out --seeds 0 --held-out 0.5 --folds 2 --repeats 1 --n-jobs 1 --steps 3"
COMMANDS = {
    "finetune": ("finetune {encoder} {cohort} --target age --out out", "evaluate.methods"),
    "audit": ("audit {encoder} {cohort} --out out", "inside.audit"),
    "vocabulary": ("vocabulary {encoder} {cohort} --out out --words 4", "inside.tokens"),
    "explain": ("explain {encoder} {cohort} --out out", "inside.explain"),
    "ablate": ("ablate {cohort} --recipe smoke --only 'no masks' " + STUDY, "studies.engine"),
    "scale": ("scale {cohort} --recipe smoke --over width --values 8 4096 " + STUDY, "studies.engine"),
}


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """A cohort and an encoder."""
    folder = tmp_path_factory.mktemp("people")
    write_cohort(folder, *make_people(30))
    save_model(folder / "encoder")
    return folder


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_says_what_it_needs_before_its_work_and_refuses_where_that_is_not_there(
    people, name, tmp_path, monkeypatch, capsys
):
    words, module = COMMANDS[name]

    def short(what, needed, remedy):
        monkeypatch.setattr(memory, "free_memory", lambda: needed - 1)
        need_memory(what, needed, remedy)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(f"semantoks.{module}.need_memory", short)
    assert run(shlex.split(words.format(encoder=people / "encoder", cohort=people / "cohort"))) == 3
    assert re.search(rf"semantoks: {name} needs about [\d.,]+ GiB .* are free: \w+", capsys.readouterr().err)
    assert not list(tmp_path.rglob("*.tsv"))
    assert not list(tmp_path.rglob("runs"))


def test_the_largest_training_of_a_study_counts_not_the_first():
    sizes = [EncoderConfig(width=width, depth=2) for width in (8, 64)]
    small, large = (size.training_bytes(7, 100, hidden=32) for size in sizes)
    tokens, width = 7 * 5 + 1, 64
    kept = 2 * tokens * (width * 16 + tokens)  # floats of two blocks of one head
    assert large == 4 * (5 * 2 * width**2 * 12 + 100 * (kept * 3 // 2 + 16 * tokens * 32))
    assert small < large


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
