"""An objective that somebody wrote outside the package: one dataclass, no fork, every service of the trainer."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

import pytest
import torch
from safetensors.torch import load_file
from tiny_run import make_cohort, tiny_config
from torch import Tensor, nn

from semantoks.curves import Curve, Panel
from semantoks.errors import WeightsError
from semantoks.model.encoder import Encoder
from semantoks.model.hub import load_encoder
from semantoks.objective.objective import Learner, Objective, StepLoss
from semantoks.reporting.page import report
from semantoks.train.run import pretrain
from semantoks.views.batch import draw_batch, stream

pytestmark = pytest.mark.slow


class WithDecoder(nn.Module):
    """An encoder, and a linear map from CLS to one number per ROI."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, nn.Linear(encoder.config.width, encoder.n_rois)

    def forward(self, crops: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        cls = self.encoder(crops, mask).cls
        return cls, self.decoder(cls)


class NoTeacher(Learner):
    """The encoder that learns is the one that users get."""

    def __init__(self, parts: WithDecoder) -> None:
        super().__init__()
        self.parts = parts

    @property
    def trained(self) -> nn.Module:
        return self.parts

    @property
    def encoder(self) -> Encoder:
        return self.parts.encoder


@dataclass(frozen=True, kw_only=True)
class MeanOfEachROI(Objective):
    """Predict each ROI's mean over the window from CLS."""

    kind: str = "mean-of-each-roi"

    def learner(self, encoder, network_index, seed):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return NoTeacher(WithDecoder(Encoder(encoder, network_index)))

    def draw(self, pool, part, *, batch_size, views, size, device):
        stream(part, "a purpose of its own").random()
        masks = replace(views.masks, probability=0.0)
        return draw_batch(
            pool,
            part,
            batch_size=batch_size,
            config=replace(views, masks=masks),
            window=size.frames,
            patch=size.patch,
            device=device,
        )

    def rates(self, step, total):
        return {"patience": step / total}

    def loss(self, learner, trained, batch, rates: Mapping[str, float]) -> StepLoss:
        cls, predicted = trained(batch.crops, batch.empty)
        error = (predicted - batch.crops.mean(dim=-1)).square().mean()
        scalars = {"loss": error.detach(), "cls_sd": cls.detach().std(dim=0).mean()}
        return StepLoss(loss=error, scalars=scalars, numbers={"rows": len(cls)})

    def derive(self, row, matrices):
        return {"root_error": row["loss"] ** 0.5}

    def find_collapse(self, row):
        return "every CLS is the same." if row["cls_sd"] < 1e9 and row["step"] == 7 else None

    def advise(self, total):
        return f"only {total} steps."

    def flops(self, encoder, people):
        return 3.0 * encoder.flops(2 * people)

    def curves(self):
        axis = "error, in units of the z-score"
        lines = (Curve(column="root_error"),)
        return (
            Panel(key="error", section="loss", title="Root error", axis=axis, caption="Lower is better.", curves=lines),
        )


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return make_cohort(tmp_path_factory.mktemp("outside"))


def outside(**changes):
    return replace(tiny_config(**changes), objective=MeanOfEachROI())


def weights(run):
    return load_file(sorted((run / "checkpoints").glob("*.safetensors"))[-1])


def test_it_is_an_objective():
    assert isinstance(MeanOfEachROI(), Objective)


def test_it_trains_writes_its_own_columns_and_warns_in_its_own_words(cohort, tmp_path):
    config = outside(steps=60, optim={"lr": 0.5})
    record = pretrain([cohort], out=tmp_path / "run", config=config)
    table = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert sum(row["loss"] for row in table[-10:]) < 0.8 * sum(row["loss"] for row in table[:10])
    assert table[3]["root_error"] == pytest.approx(table[3]["loss"] ** 0.5)
    assert (table[30]["patience"], table[0]["rows"]) == (0.5, 8)
    assert not {"momentum", "coding_rate", "effective_rank"} & table[0].keys()
    warnings = [json.loads(line) for line in (tmp_path / "run" / "warnings.jsonl").read_text().splitlines()]
    assert warnings == [
        {"step": 0, "message": "only 60 steps."},
        {"step": 7, "message": "every CLS is the same."},
    ]
    encoder, card = load_encoder(tmp_path / "run" / "encoder")
    assert card.learner == {"kind": "mean-of-each-roi"}
    assert record["cost"]["flops"] == 60 * 3.0 * encoder.flops(8)
    assert set(load_file(tmp_path / "run" / "encoder" / "training.safetensors")) == {
        "parts.decoder.weight",
        "parts.decoder.bias",
    }


def test_stopped_and_resumed_it_is_the_unbroken_run(cohort, tmp_path):
    pretrain([cohort], out=tmp_path / "whole", config=outside(steps=6))

    def interrupt(epoch, out):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pretrain([cohort], out=tmp_path / "cut", config=outside(steps=6), on_epoch=interrupt)
    pretrain([cohort], out=tmp_path / "cut", config=outside(steps=6), resume=True)
    a, b = weights(tmp_path / "whole"), weights(tmp_path / "cut")
    assert a.keys() == b.keys()
    assert "parts.decoder.weight" in a
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_a_stream_of_its_own_shifts_no_stream_of_the_views(cohort, tmp_path):
    """The toy draws from its own purpose first; the batch is what it is without."""
    from semantoks.views.batch import Slice
    from semantoks.views.pool import open_pool

    config, device = outside(), torch.device("cpu")
    pool = open_pool([cohort], device, "memory")
    part = Slice(step=3, seed=0)
    drawn = config.objective.draw(pool, part, batch_size=4, views=config.views, size=config.encoder, device=device)
    again = draw_batch(pool, part, batch_size=4, config=config.views, window=100, patch=20, device=device)
    assert torch.equal(drawn.crops, again.crops)


def test_self_distillation_does_not_start_from_what_it_trained(cohort, tmp_path):
    pretrain([cohort], out=tmp_path / "run", config=outside(steps=1))
    with pytest.raises(
        WeightsError,
        match="no learner of the objective 'self-distillation' to go on from: its objective is 'mean-of-each-roi'",
    ):
        pretrain([cohort], out=tmp_path / "child", config=tiny_config(steps=1), init_from=tmp_path / "run")
    assert not (tmp_path / "child").exists()


def test_the_report_draws_the_curves_that_the_objective_declares(cohort, tmp_path):
    pretrain([cohort], out=tmp_path / "run", config=outside(steps=6))
    page = report(tmp_path / "run").read_text(encoding="utf-8")
    assert "Root error" in page
    assert "Effective rank" not in page
