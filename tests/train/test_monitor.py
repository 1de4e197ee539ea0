"""What the monitor says: effective rank in closed form, collapse in sentences, overlap bins, cut files."""

import json

import numpy as np
import pytest
import torch
from tiny_run import tiny_config

from semantoks.train.monitor import Monitor, agreement_by_overlap, effective_rank, find_collapse
from semantoks.train.run import pretrain
from semantoks.views.batch import Batch


def test_effective_rank_counts_directions_that_are_used_alike():
    assert effective_rank(torch.eye(8)).item() == pytest.approx(8)
    assert effective_rank(torch.diag(torch.tensor([1.0, 0, 0, 0]))).item() == pytest.approx(1)
    values = np.array([0.7, 0.2, 0.1])
    expected = np.exp(-(values * np.log(values)).sum())
    assert effective_rank(torch.diag(torch.tensor(values)) * 5).item() == pytest.approx(expected, rel=1e-6)


def test_agreement_is_averaged_by_how_much_the_views_share():
    batch = Batch(
        crops=torch.zeros(8, 1, 1),
        empty=None,
        mask=None,
        overlap=np.array([0.0, 0.0, 0.3, 0.9]),
        recordings=np.zeros((2, 4), dtype=int),
    )
    got = agreement_by_overlap(torch.tensor([0.1, 0.3, 0.5, 0.7]), batch)
    assert [got[f"agreement_overlap_{i}"].item() for i in (0, 1, 3)] == pytest.approx([0.2, 0.5, 0.7])
    assert torch.isnan(got["agreement_overlap_2"])


SOUND = {
    "step": 5, "coding_rate": 80.0, "coding_rate_max": 118.0, "effective_rank": 60.0, "projection_dim": 128,
    "grad_norm": 1.0, "rows": 256, "agreement_overlap_0": 0.5, "agreement_overlap_3": 0.6,
}  # fmt: skip


def test_collapse_is_named_with_its_likely_cause_and_sound_training_is_not():
    assert find_collapse(SOUND) is None
    assert "lower --optim.lr" in find_collapse(SOUND | {"coding_rate": 5.0, "grad_norm": 500.0})
    assert "raise --batch-size" in find_collapse(SOUND | {"coding_rate": 5.0, "rows": 16})
    assert "keep the regulariser on" in find_collapse(SOUND | {"coding_rate": 5.0})


def test_without_the_coding_rate_the_tripwire_goes_off(cohort, tmp_path, monkeypatch):
    monkeypatch.setattr("semantoks.objective.distill.rate_scale", lambda *_: 0.0)
    pretrain([cohort], out=tmp_path / "run", config=tiny_config(steps=60, optim={"lr": 0.5}), log_every=5)
    warnings = [json.loads(line) for line in (tmp_path / "run" / "warnings.jsonl").read_text().splitlines()]
    assert any("collapsing" in row["message"] for row in warnings)


def test_a_loss_that_is_not_finite_stops_with_its_step(cohort, tmp_path, monkeypatch):
    monkeypatch.setattr("semantoks.objective.distill.rate_scale", lambda *_: float("nan"))
    with pytest.raises(FloatingPointError, match="at step 0"):
        pretrain([cohort], out=tmp_path / "run", config=tiny_config(), log_every=1)
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_rows_after_the_checkpoint_and_a_cut_last_line_are_dropped(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(json.dumps({"step": s}) + "\n" for s in range(5)) + '{"step": 5, "lo')
    Monitor(tmp_path, every=1, first_step=3)
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
    monkeypatch.setattr("semantoks.objective.distill.coding_rate", nothing)
    with pytest.raises(FloatingPointError, match="coding rate None"):
        pretrain([cohort], out=tmp_path / "run", config=tiny_config(steps=1))
