"""torch.compile and CUDA graphs: taken where the gradient is a plain step's, else left out, and said."""

import json
from functools import partial

import jaxtyping
import pytest
import torch
from lightning_fabric import Fabric
from tiny_run import tiny_config

from semantoks.objective.objective import Learner
from semantoks.train import run
from semantoks.train.compiling import compile_steps
from semantoks.train.loop import Trainer
from semantoks.train.run import pretrain

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # of torch's own compiler, by itself


def by(backend, modes=None, refused=None):
    """Stand in for ``torch.compile``: all its tracing, ``backend`` in place of the compiler, which takes minutes."""
    traced = partial(torch.compile, backend=backend)

    def compiled(what, *, mode=None, **options):
        if what is not torch.sin and modes is not None:
            modes.append(mode)
        if mode is not None and mode == refused:
            raise RuntimeError("tensor output of CUDAGraphs was overwritten\nby a run")
        return traced(what, **options)

    return compiled


def wrong(graph, _inputs):
    """A compiler whose results are a little off, as those of a graph that plays what it was not given."""

    def computed(*given):
        return tuple(one * 1.5 if torch.is_tensor(one) else one for one in graph(*given))

    return computed


class Map(torch.nn.Module):
    """A linear map; torch leaves its own modules alone where there is nothing around them."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.eye(3))

    def forward(self, rows):
        return rows @ self.weight


class ToyLearner(Learner):
    """A linear map, and the number of its steps, which counts in the loss, as a moving average may."""

    def __init__(self):
        super().__init__()
        self.student = Map()
        self.register_buffer("steps", torch.ones(()))

    trained = encoder = property(lambda self: self.student)


class ToyTrainer(Trainer):
    """Trains it to map rows to 0; every step has other rows."""

    def __init__(self):
        self.fabric, self.learner, self.total = Fabric(accelerator="cpu", devices=1), ToyLearner(), 9
        self.optimizer = torch.optim.SGD(self.learner.parameters())

    def rates(self, _step):
        return {}

    def draw(self, step):
        return torch.arange(6.0).view(2, 3) + step

    def backward(self, batch, _rates):
        (self.learner.steps * self.learner.student(batch).square().sum()).backward()
        self.learner.steps += 1


def test_a_compiled_step_that_is_right_is_taken_and_leaves_the_weights_alone(monkeypatch):
    modes, trainer = [], ToyTrainer()
    before = {name: value.clone() for name, value in trainer.learner.state_dict().items()}
    monkeypatch.setattr(torch, "compile", by("eager", modes))
    compile_steps(trainer, graphs=True)
    assert (trainer.compiled, trainer.graphs, modes) == (True, True, ["reduce-overhead"])
    assert all(torch.equal(value, before[name]) for name, value in trainer.learner.state_dict().items())
    assert all(weight.grad is None for weight in trainer.learner.parameters())


def test_without_cuda_graphs_it_may_still_compile(monkeypatch, caplog):
    modes, trainer = [], ToyTrainer()
    monkeypatch.setattr(torch, "compile", by("eager", modes, refused="reduce-overhead"))
    compile_steps(trainer, graphs=True)
    assert (trainer.compiled, trainer.graphs, modes) == (True, False, ["reduce-overhead", None])
    assert (
        "CUDA graphs are not used, because a first try failed (tensor output of CUDAGraphs was overwritten by a run): "
        "training goes on without"
    ) in caplog.text


@pytest.mark.parametrize("graphs", [False, True])
def test_wrong_gradients_are_found_and_the_steps_are_plain_again(monkeypatch, caplog, graphs):
    trainer, rows = ToyTrainer(), torch.arange(6.0).view(2, 3)
    monkeypatch.setattr(torch, "compile", by(wrong))
    compile_steps(trainer, graphs=graphs)
    assert (trainer.compiled, trainer.graphs) == (False, False)
    assert ("CUDA graphs are not used" in caplog.text) == graphs
    assert "nothing is compiled, because the gradient of a compiled step is 125% away from a plain one's" in caplog.text
    assert torch.equal(trainer.learner.student(rows), rows)


@pytest.mark.slow
def test_a_compiled_training_has_the_losses_of_a_plain_one(cohort, tmp_path, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # what checks types cannot be traced
    monkeypatch.setattr(torch, "compile", by("eager"))
    monkeypatch.setattr(run, "compile_steps", lambda trainer, **_: compile_steps(trainer, graphs=True))
    losses = {}
    for compiled in (False, True):
        out, config = tmp_path / str(compiled), tiny_config(steps=6)
        record = pretrain([cohort], out=out, config=config, precision="32-true", torch_compile=compiled)
        assert (record["environment"]["compiled"], record["environment"]["cuda_graphs"]) == (compiled, compiled)
        losses[compiled] = [json.loads(line)["loss"] for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert losses[True] == pytest.approx(losses[False], rel=1e-5)


@pytest.mark.slow
def test_a_machine_that_cannot_compile_trains_without_and_says_so(cohort, tmp_path, monkeypatch, caplog):
    def broken(*_, **__):
        raise RuntimeError("no compiler was found\n\nset CXX")

    monkeypatch.setattr(torch, "compile", broken)
    record = pretrain([cohort], out=tmp_path / "run", config=tiny_config(steps=1), torch_compile=True)
    assert record["status"] == "finished"
    assert record["environment"]["compiled"] is False
    assert (
        "nothing is compiled, because a first try failed (no compiler was found set CXX): training goes on"
        in caplog.text
    )
