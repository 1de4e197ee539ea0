"""torch.compile, and CUDA graphs on a GPU: taken only where the first steps show that their gradient is a plain step's.

A CUDA graph is what a GPU did, played again with one call: a small model's step is bound by starting its kernels. What
it left is overwritten when it is played the next time, so a step says when it begins, and copies what it keeps.
"""

import logging
from textwrap import shorten

import torch
from jaxtyping import Float
from torch import Tensor

from semantoks.train.launch import in_any_process
from semantoks.train.loop import Trainer

TOLD = logging.getLogger("semantoks.pretrain")
CLOSE = {torch.float32: 0.02, torch.bfloat16: 0.1}
"""How far a gradient may be from a plain step's, as a share of it (d64: 0.008 in bfloat16; another batch: 1.1)."""
PLAYED = 4
"""Steps that are compared with CUDA graphs: one to get ready, one to record, and two that play."""


def compile_steps(trainer: Trainer, *, graphs: bool) -> None:
    """Have torch compile student and teacher, with or without CUDA graphs; what fails is left out, and said.

    Fused operations round otherwise: losses differ by some 1e-5 from those of a training that is not compiled.
    """
    for as_graphs in (True, False) if graphs else (False,):
        fault = _compile(trainer, graphs=as_graphs)
        if fault is None:
            return
        if trainer.fabric.is_global_zero:
            what = "CUDA graphs are not used" if as_graphs else "nothing is compiled"
            TOLD.warning("%s, because %s: training goes on without", what, fault)


def _compile(trainer: Trainer, *, graphs: bool) -> str | None:
    """Compile, and try it on the first steps; where anything is wrong, take it back and say what."""
    fabric, parts, fault = trainer.fabric, list(trainer.learner.children()), None
    torch.compiler.reset()  # it compiles a function so many times only, and another training's count
    try:
        torch.compile(torch.sin)(torch.zeros(8, device=fabric.device))
    except Exception as error:  # whatever a compiler, or its absence, raises
        fault = _failed(error)
    if in_any_process(fabric, fault is not None):  # of several processes, all or none go on to steps in which they meet
        return fault or "another process cannot"
    try:
        with torch.compiler.set_stance("force_eager"):
            plain = _gradients(trainer, graphs=graphs)
        for part in parts:
            part.compile(dynamic=False, mode="reduce-overhead" if graphs else None)
        trainer.compiled, trainer.graphs = True, graphs
        away = _distance(torch.stack(_gradients(trainer, graphs=graphs)), torch.stack(plain))
        if not away <= CLOSE[trainer.dtype]:
            fault = f"the gradient of a compiled step is {away:.0%} away from a plain one's"
    except Exception as error:
        fault = _failed(error)
    if in_any_process(fabric, fault is not None):
        trainer.compiled = trainer.graphs = False
        for part in parts:
            part._compiled_call_impl = None
        return fault or "it failed in another process"
    return None


def _gradients(trainer: Trainer, *, graphs: bool) -> list[Tensor]:
    """Return the gradients of the first steps, each as one vector; the learner is afterwards as it was."""
    weights, found = list(trainer.learner.trained.parameters()), []
    state = {name: tensor.clone() for name, tensor in trainer.learner.state_dict().items()}
    try:
        for step in range(min(PLAYED if graphs else 1, trainer.total)):
            trainer.backward(trainer.draw(step), trainer.rates(step))
            found.append(torch.cat([(torch.zeros_like(w) if w.grad is None else w.grad).flatten() for w in weights]))
            trainer.optimizer.zero_grad(set_to_none=True)
    finally:
        trainer.optimizer.zero_grad(set_to_none=True)
        trainer.learner.load_state_dict(state)
    return found


def _distance(found: Float[Tensor, "step weight"], plain: Float[Tensor, "step weight"]) -> float:
    """Return how far the worst step is from the plain one, as a share of that one."""
    return float(((found - plain).norm(dim=1) / plain.norm(dim=1)).max())


def _failed(error: Exception) -> str:
    return f"a first try failed ({shorten(str(error) or type(error).__name__, 200, placeholder=' ...')})"
