"""On a CUDA device: no stall in a whole step, a stopped training goes on, in float32 and bf16."""

import json
import os
import signal

import jaxtyping
import pytest
import torch
from tiny_run import make_cohort, tiny_config

from semantoks.train.loop import Trainer
from semantoks.train.run import pretrain

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
    pytest.mark.filterwarnings("ignore:Synchronization debug mode is a prototype"),
]


def losses(run):
    return [json.loads(line)["loss"] for line in (run / "metrics.jsonl").read_text().splitlines()]


HEAD = {"head": {"hidden": 16, "projection": 8}}
OBJECTIVES = {
    "self-distillation": HEAD,
    "ibot": HEAD | {"prototypes": 8},
    "contrastive": HEAD,
    "masked-reconstruction": {},
    "jepa": {},
    "fc-aligned": {"hidden": 8},
}
"""Of fc-aligned the target tangent, and connectivity tokens, wait: ``torch.linalg.eigh`` looks at what it found."""


@pytest.mark.parametrize("kind", OBJECTIVES)
@pytest.mark.parametrize("residence", ["device", "memory", "disk"])
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_a_whole_step_never_waits_for_the_device(tmp_path, monkeypatch, precision, residence, kind):
    short_ones_too, plain = make_cohort(tmp_path, frames=(70, 160)), Trainer.run_step

    def strict(self, step, monitor):
        torch.cuda.set_sync_debug_mode("error" if step >= 10 else "default")  # libraries set themselves up at first
        try:
            plain(self, step, monitor)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    monkeypatch.setattr(Trainer, "run_step", strict)
    options = {"device": "cuda", "precision": precision, "residence": residence, "log_every": 100}
    parts = 2 if kind == "self-distillation" else 1
    config = tiny_config(steps=20, accumulate=parts, objective={"kind": kind, **OBJECTIVES[kind]})
    record = pretrain([short_ones_too], out=tmp_path / "run", config=config, **options)
    assert record["status"] == "finished"
    assert record["environment"]["precision"] == precision


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_a_stopped_training_goes_on_as_if_never_stopped(cohort, tmp_path, precision):
    def stop(row):
        if row["step"] == 6:
            os.kill(os.getpid(), signal.SIGTERM)

    options = {"config": tiny_config(), "device": "cuda", "precision": precision, "log_every": 1}
    pretrain([cohort], out=tmp_path / "whole", **options)
    assert pretrain([cohort], out=tmp_path / "cut", on_row=stop, **options)["status"] == "stopped"
    assert pretrain([cohort], out=tmp_path / "cut", resume=True, **options)["status"] == "finished"
    assert losses(tmp_path / "cut") == pytest.approx(losses(tmp_path / "whole"), rel=1e-4)


def test_a_compiled_training_has_the_losses_of_a_plain_one_there(cohort, tmp_path, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    options = {"config": tiny_config(), "device": "cuda", "precision": "32-true", "log_every": 1}
    for compiled in (False, True):
        pretrain([cohort], out=tmp_path / str(compiled), torch_compile=compiled, **options)
    assert losses(tmp_path / "True") == pytest.approx(losses(tmp_path / "False"), rel=1e-3)
