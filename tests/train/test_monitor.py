"""What the monitor says: collapse as it happens, numbers that are not finite, files cut by a kill."""

import json

import pytest
import torch
from tiny_run import tiny_config

from semantoks.objective.self_distillation import SelfDistillation
from semantoks.train.monitor import Monitor
from semantoks.train.run import pretrain

pytestmark = pytest.mark.slow


def test_without_the_coding_rate_the_tripwire_goes_off(cohort, tmp_path, monkeypatch):
    monkeypatch.setattr("semantoks.objective.losses.simdino.rate_scale", lambda *_: 0.0)
    pretrain([cohort], out=tmp_path / "run", config=tiny_config(steps=60, optim={"lr": 0.5}), log_every=5)
    warnings = [json.loads(line) for line in (tmp_path / "run" / "warnings.jsonl").read_text().splitlines()]
    assert any("collapsing" in row["message"] for row in warnings)


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
    with pytest.raises(FloatingPointError, match="gradient norm None at step 0"):
        pretrain([cohort], out=tmp_path / "run", config=tiny_config(steps=1))
    assert not (tmp_path / "run" / "encoder").exists()


def test_a_run_whose_coding_rate_is_nan_as_on_a_gpu_says_so(cohort, tmp_path, monkeypatch):
    nothing = lambda moment, rows: moment.sum() * float("nan")  # noqa: E731
    monkeypatch.setattr("semantoks.objective.losses.simdino.coding_rate", nothing)
    with pytest.raises(FloatingPointError, match="coding rate None"):
        pretrain([cohort], out=tmp_path / "run", config=tiny_config(steps=1))


def test_the_step_that_is_not_finite_is_not_saved_and_the_one_before_the_last_is_said_to_be_safer(
    cohort, tmp_path, monkeypatch
):
    true, calls = torch.nn.utils.clip_grad_norm_, []

    def poison(self, module, optimizer, **_):
        calls.append(true(module.parameters(), 1.0))
        return calls[-1] * (float("inf") if len(calls) == 4 else 1)

    monkeypatch.setattr("lightning_fabric.Fabric.clip_gradients", poison)
    with pytest.raises(FloatingPointError, match=r"at step 3 .*the one before it is safer"):
        pretrain([cohort], out=tmp_path / "run", config=tiny_config(steps=6), checkpoint_every=1)
    kept = [path.name for path in sorted((tmp_path / "run" / "checkpoints").iterdir())]
    assert kept[-2:] == ["step-00000002.safetensors", "step-00000003.safetensors"]
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "diverged"
