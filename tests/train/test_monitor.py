"""What the monitor says: collapse as it happens, numbers that are not finite, files cut by a kill."""

import json
import re

import pytest
import torch
from safetensors.torch import load_file
from tiny_run import tiny_config

from semantoks.objective.self_distillation import SelfDistillation
from semantoks.train.monitor import Monitor
from semantoks.train.run import pretrain

pytestmark = pytest.mark.slow


def test_a_loss_that_is_not_finite_stops_with_its_step(cohort, tmp_path, monkeypatch):
    monkeypatch.setattr("semantoks.objective.losses.simdino.rate_scale", lambda *_: float("nan"))
    with pytest.raises(FloatingPointError, match="at step 0"):
        pretrain([cohort], out=tmp_path / "run", config=tiny_config(), log_every=1)
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_rows_after_the_checkpoint_and_a_cut_last_line_are_dropped(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(json.dumps({"step": s}) + "\n" for s in range(5)) + '{"step": 5, "lo')
    Monitor(tmp_path, objective=SelfDistillation(), every=1, first_step=3)
    assert [json.loads(line)["step"] for line in path.read_text().splitlines()] == [0, 1, 2]


def test_a_gradient_that_is_not_finite_is_never_saved(cohort, tmp_path, monkeypatch):
    def poison(self, module, optimizer, **_):
        for parameter in module.parameters():
            if parameter.grad is not None:
                parameter.grad.fill_(float("nan"))
        return torch.tensor(float("nan"))

    monkeypatch.setattr("lightning_fabric.Fabric.clip_gradients", poison)
    with pytest.raises(FloatingPointError, match=r"gradient norm None .*, at step 0"):
        pretrain([cohort], out=tmp_path / "run", config=tiny_config(steps=1))
    assert not (tmp_path / "run" / "encoder").exists()


def test_a_run_whose_coding_rate_is_nan_as_on_a_gpu_says_so(cohort, tmp_path, monkeypatch):
    nothing = lambda moment, rows: moment.sum() * float("nan")  # noqa: E731
    monkeypatch.setattr("semantoks.objective.losses.simdino.coding_rate", nothing)
    with pytest.raises(FloatingPointError, match="coding rate None"):
        pretrain([cohort], out=tmp_path / "run", config=tiny_config(steps=1))


def rows_of(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture
def exploding(monkeypatch):
    """Let the learning rate be far too large from a step on."""

    def begin(step, rate):
        monkeypatch.setattr("semantoks.train.loop.learning_rate", lambda now, *_: rate if now >= step else 1e-3)

    return begin


RECONSTRUCTION = {"objective": {"kind": "masked-reconstruction"}}


def test_a_training_whose_loss_explodes_keeps_what_is_from_before_it_and_the_remedy_works(cohort, tmp_path, exploding):
    exploding(3, 15.0)
    run, often = tmp_path / "run", {"checkpoint_every": 1, "keep": 1, "log_every": 1}
    with pytest.raises(FloatingPointError, match=r"the loss is .*e\+\d+, and 1\.\d+ is usual, at step 4\.") as said:
        pretrain([cohort], out=run, config=tiny_config(steps=8, **RECONSTRUCTION), **often)
    assert "step-00000003.safetensors and encoder/ are from before it. diverged-00000004" in str(said.value)
    names = [path.name for path in sorted((run / "checkpoints").iterdir())]
    assert (names[0], names[-1]) == ("diverged-00000004.safetensors", "step-00000003.safetensors")
    kept = load_file(run / "checkpoints" / names[-1])
    encoder = load_file(run / "encoder" / "model.safetensors")
    prefix = next(name for name in kept if name.endswith("blocks.0.attention.out.bias")).partition("blocks.0")[0]
    assert all(torch.equal(kept[prefix + name], value) for name, value in encoder.items())
    record = json.loads((run / "run.json").read_text())
    assert (record["status"], record["cost"]["samples"]) == ("diverged", 3 * 4)
    begin = re.search(r"--init-from (\S+),", str(said.value)).group(1)
    exploding(99, 0.0)
    again = pretrain([cohort], out=tmp_path / "again", config=tiny_config(steps=2, **RECONSTRUCTION), init_from=begin)
    assert again["status"] == "finished"


def test_weights_that_explode_are_not_saved_whatever_the_loss_says(cohort, tmp_path, exploding):
    exploding(3, 1e29)
    run = tmp_path / "run"
    with pytest.raises(FloatingPointError, match=r"norm of the weights grew from \d+\.?\d* to inf, at step 3"):
        pretrain([cohort], out=run, config=tiny_config(steps=6), checkpoint_every=2)
    assert [path.name for path in (run / "checkpoints").iterdir()] == ["step-00000002.safetensors"]
    exploding(99, 0.0)
    record = pretrain([cohort], out=run, config=tiny_config(steps=6), checkpoint_every=2, resume=True)
    assert record["status"] == "finished"


def test_a_run_that_diverges_before_its_first_good_checkpoint_has_no_encoder(cohort, tmp_path, exploding):
    exploding(0, 15.0)
    with pytest.raises(FloatingPointError, match=r"Nothing from before it was saved\. diverged-00000001"):
        pretrain([cohort], out=tmp_path / "run", config=tiny_config(steps=3, **RECONSTRUCTION), checkpoint_every=1)
    assert not (tmp_path / "run" / "encoder").exists()


def test_what_is_usual_is_known_to_a_resumed_run(tmp_path):
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps({"step": s, "loss": -2.0}) + "\n" for s in range(5)))
    monitor = Monitor(tmp_path, objective=SelfDistillation(), every=1, first_step=5)
    assert list(monitor.usual["loss"]) == [2.0] * 5
