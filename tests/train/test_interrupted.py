"""What a kill, a full disk or a flipped bit leaves of a training run, and that resuming mends it or says what to do."""

import errno
import json
import os
import shutil
import signal

import pytest
import torch
from safetensors.torch import load_file
from tiny_run import make_cohort, tiny_config

from semantoks.contents import info, verify_path
from semantoks.errors import DataError, WeightsError
from semantoks.model.hub import load_encoder
from semantoks.storage.text import read_rows
from semantoks.train import job
from semantoks.train.run import pretrain


def run_to(cohort, out, **options):
    return pretrain([cohort], out=out, config=tiny_config(steps=4), checkpoint_every=2, **options)


def fail_at(monkeypatch, name, step):
    """Let the disk be full when ``name`` of the job is called at a step, as a kill would end it there."""
    real, calls = getattr(job, name), []

    def full(*args, **kwargs):
        calls.append(None)
        if len(calls) == step // 2:
            raise OSError(errno.ENOSPC, "No space left on device", "x")
        return real(*args, **kwargs)

    monkeypatch.setattr(job, name, full)


def same_files(one, other, names=("encoder/model.safetensors", "encoder/training.safetensors")):
    return all((one / name).read_bytes() == (other / name).read_bytes() for name in names)


@pytest.fixture(scope="module")
def whole(cohort, tmp_path_factory):
    """A run that nobody disturbed."""
    out = tmp_path_factory.mktemp("whole") / "run"
    run_to(cohort, out)
    return out


@pytest.mark.parametrize(("name", "step"), [("save_encoder", 2), ("save_encoder", 4), ("save_checkpoint", 4)])
def test_a_run_that_ends_between_two_writes_is_not_finished_and_resumes_to_the_same_encoder(
    cohort, whole, tmp_path, monkeypatch, name, step
):
    with monkeypatch.context() as patch:
        fail_at(patch, name, step)
        with pytest.raises(OSError, match="No space"):
            run_to(cohort, tmp_path / "run")
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "running"
    assert run_to(cohort, tmp_path / "run", resume=True)["status"] == "finished"
    assert same_files(tmp_path / "run", whole)
    _, card = load_encoder(tmp_path / "run" / "encoder")
    assert card.cost["samples"] == 4 * 4
    assert "4 steps" in card.origin[-1]


@pytest.mark.parametrize("lost", ["training.safetensors", "config.json"])
def test_resuming_a_finished_run_writes_a_lost_or_damaged_part_of_its_encoder_again(cohort, whole, tmp_path, lost):
    shutil.copytree(whole, tmp_path / "run")
    (tmp_path / "run" / "encoder" / lost).write_bytes(b"damaged")
    run_to(cohort, tmp_path / "run", resume=True)
    assert same_files(tmp_path / "run", whole)
    load_encoder(tmp_path / "run" / "encoder")


def test_checkpoints_of_equal_runs_are_the_same_bytes(cohort, whole, tmp_path):
    run_to(cohort, tmp_path / "run")
    names = [f"checkpoints/step-{step:08d}.safetensors" for step in (2, 4)]
    assert same_files(tmp_path / "run", whole, names)


@pytest.mark.parametrize("place", [3, -5])
def test_a_flipped_bit_in_a_checkpoint_is_refused_and_deleting_it_resumes_from_the_one_before(
    cohort, whole, tmp_path, place
):
    shutil.copytree(whole, tmp_path / "run")
    path = tmp_path / "run" / "checkpoints" / "step-00000004.safetensors"
    content = bytearray(path.read_bytes())
    content[place] ^= 0x40
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"step-00000004\.safetensors .* Delete it, and resume"):
        run_to(cohort, tmp_path / "run", resume=True)
    path.unlink()
    record = run_to(cohort, tmp_path / "run", resume=True)
    assert (record["status"], record["cost"]["samples"]) == ("finished", 16)
    assert same_files(tmp_path / "run", whole)


def test_a_changed_run_json_is_refused_and_the_remedy_works(cohort, whole, tmp_path):
    shutil.copytree(whole, tmp_path / "run")
    path = tmp_path / "run" / "run.json"
    plain = json.loads(path.read_text())
    path.write_text(json.dumps(plain | {"salt": "0" * 16}))
    with pytest.raises(DataError, match=r"run\.json does not match the checksum in it.*take its entry \"sha256\" out"):
        run_to(cohort, tmp_path / "run", resume=True)
    del plain["sha256"]
    path.write_text(json.dumps(plain))
    assert run_to(cohort, tmp_path / "run", resume=True)["status"] == "finished"


def flipped(content):
    return content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]


def cut(content):
    return content[: len(content) // 2]


def with_deep_header(content):
    return (100_000).to_bytes(8, "little") + b"[" * 100_000 + content


@pytest.mark.parametrize("fault", [flipped, cut, with_deep_header])
@pytest.mark.parametrize(
    "name",
    ["run.json", "encoder/model.safetensors", "encoder/training.safetensors", "checkpoints/step-00000002.safetensors"],
)
def test_whoever_asks_what_a_run_is_hears_which_of_its_files_is_damaged(whole, tmp_path, fault, name):
    file = shutil.copytree(whole, tmp_path / "run") / name
    file.write_bytes(fault(file.read_bytes()))
    with pytest.raises(DataError, match=rf"{file} .*(does not match the checksum in it|cannot be read as)"):
        info(tmp_path / "run")
    problems, _ = verify_path(tmp_path / "run")
    assert str(file) in problems[0]


def test_weights_that_take_long_to_read_are_checked_where_it_is_asked_for(whole, tmp_path, monkeypatch):
    file = shutil.copytree(whole, tmp_path / "run") / "encoder" / "model.safetensors"
    file.write_bytes(flipped(file.read_bytes()))
    monkeypatch.setattr("semantoks.storage.checksums.QUICK", 1000)
    assert info(tmp_path / "run").facts[0].startswith("run ")
    assert len(verify_path(tmp_path / "run")[0]) == 1


@pytest.mark.parametrize("where", ["encoder/model.safetensors", "checkpoints/step-00000004.safetensors"])
def test_a_header_of_an_earlier_version_that_no_tensor_fits_is_found_and_its_remedy_is_that_of_the_file(
    cohort, whole, tmp_path, where
):
    run = shutil.copytree(whole, tmp_path / "run")
    header = b'{"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 1000000000000]}}'
    (run / where).write_bytes(len(header).to_bytes(8, "little") + header + b"0" * 64)
    card = json.loads((run / "encoder" / "config.json").read_text())
    (run / "encoder" / "config.json").write_text(
        json.dumps({k: v for k, v in card.items() if k not in ("sha256", "weights")})
    )
    (problem,), _ = verify_path(run)
    assert f"{run / where} cannot be read as safetensors" in problem
    if where.startswith("checkpoints"):
        assert problem.endswith("Delete it, and resume from the one before, or from the start.")
        (run / where).unlink()
    run_to(cohort, run, resume=True)
    assert verify_path(run)[0] == []


def test_what_was_logged_around_a_damaged_line_stays_when_a_run_goes_on(cohort, whole, tmp_path):
    run = shutil.copytree(whole, tmp_path / "run")
    (run / "checkpoints" / "step-00000004.safetensors").unlink()
    rows = (run / "metrics.jsonl").read_bytes().splitlines(keepends=True)
    (run / "metrics.jsonl").write_bytes(b"\xff\xfe" + rows[0] + b"".join(rows[1:3]) + rows[3][:20])
    run_to(cohort, run, resume=True)
    assert [row["step"] for row in read_rows(run / "metrics.jsonl")[0]] == [1, 2, 3]
    assert (run / "metrics.jsonl").read_bytes().splitlines(keepends=True)[0] == rows[1]


def test_a_checkpoint_without_a_checksum_resumes_as_before(cohort, whole, tmp_path):
    from safetensors import safe_open
    from safetensors.torch import save_file

    shutil.copytree(whole, tmp_path / "run")
    path = tmp_path / "run" / "checkpoints" / "step-00000004.safetensors"
    with safe_open(path, "pt") as file:
        metadata = {key: value for key, value in file.metadata().items() if key != "sha256"}
    save_file(load_file(path), path, metadata=metadata)
    run_to(cohort, tmp_path / "run", resume=True)
    found, kept = (load_file(run / "encoder" / "model.safetensors") for run in (tmp_path / "run", whole))
    assert all(torch.equal(found[name], kept[name]) for name in kept)


def test_ctrl_c_saves_what_was_trained_before_it_interrupts(cohort, whole, tmp_path):
    def interrupt(row):
        if row["step"] == 0:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run_to(cohort, tmp_path / "run", log_every=1, on_row=interrupt)
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "stopped"
    assert [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()] == ["step-00000001.safetensors"]
    run_to(cohort, tmp_path / "run", resume=True)
    assert same_files(tmp_path / "run", whole)


def test_a_shard_that_shrinks_under_a_training_ends_it_in_a_sentence_and_its_checkpoint_stays(tmp_path):
    cohort = make_cohort(tmp_path, people=6)
    shard = tmp_path / "cohort" / "shards" / "000001.npy"

    def shrink(row):
        if row["step"] == 2:
            os.truncate(shard, 300)

    config, often = tiny_config(steps=6), {"checkpoint_every": 2, "on_row": shrink, "log_every": 1}
    with pytest.raises(DataError, match="became shorter while it was read"):
        pretrain([cohort], out=tmp_path / "run", config=config, residence="disk", **often)
    assert [file.name for file in (tmp_path / "run" / "checkpoints").iterdir()] != []
