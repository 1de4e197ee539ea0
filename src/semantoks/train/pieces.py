"""A batch that goes through the trained part in pieces, to save memory, with the loss and gradient of the whole batch.

The loss of a batch is no mean over people: the coding rate, and contrast, look at all of them at once. So all pieces
go forward without a gradient, the loss of the whole is computed and taken back to what came out, and every piece goes
forward a second time to take that gradient on to the weights (Gao et al. 2021, arXiv:2101.06983, "GradCache").
A teacher goes forward in the same pieces.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from semantoks.objective.learner import Taught
from semantoks.objective.objective import Learner


class InPieces(nn.Module):
    """The trained part, called with whole batches; ``backward`` follows that of the loss.

    Parameters
    ----------
    trained
        A module that maps the rows of a batch one by one.
    parts
        Pieces of equal size; with more than one, a forward pass more is computed, and less is held in memory.
    """

    def __init__(self, fabric: Fabric, trained: Any, parts: int) -> None:
        super().__init__()
        self.fabric, self.trained, self.parts = fabric, trained, parts
        self.calls: list[tuple[tuple[Any, ...], dict[str, Any], Any]] = []

    def forward(self, *args: Any, **options: Any) -> Any:
        """Return what comes out of the whole batch, as the place where the gradient of a loss will stop."""
        with torch.no_grad():
            pieces = [self.trained(*cut(args, i, self.parts), **options) for i in range(self.parts)]
        out = joined(pieces, learns=True)
        self.calls.append((args, options, out))
        return out

    def backward(self) -> None:
        """Take the gradient of what came out on to the weights, piece by piece; ranks meet in the last one."""
        last = len(self.calls) * self.parts - 1
        for number, (args, options, out) in enumerate(self.calls):
            for i in range(self.parts):
                with self.fabric.no_backward_sync(self.trained, enabled=number * self.parts + i < last):
                    with self.fabric.autocast():
                        again = self.trained(*cut(args, i, self.parts), **options)
                    pairs = zip(tensors_of(again), tensors_of(out), strict=True)
                    terms = [
                        (piece * whole.grad.chunk(self.parts)[i]).sum()
                        for piece, whole in pairs
                        if whole.grad is not None
                    ]
                    self.fabric.backward(torch.stack(terms).sum())


@contextmanager
def taught_in_pieces(learner: Learner, parts: int) -> Iterator[None]:
    """Let a teacher go forward piece by piece, too, for as long as the context lasts."""
    if parts == 1 or not isinstance(learner, Taught):
        yield
        return
    teacher = learner.teacher
    whole = teacher.forward
    teacher.forward = lambda *args, **options: joined(
        [whole(*cut(args, i, parts), **options) for i in range(parts)], learns=False
    )
    try:
        yield
    finally:
        del teacher.forward  # the class's own again


def cut(args: tuple[Any, ...], piece: int, parts: int) -> tuple[Any, ...]:
    """Return a piece of the rows of every tensor."""
    return tuple(one.chunk(parts)[piece] if isinstance(one, Tensor) else one for one in args)


def joined(pieces: list[Any], *, learns: bool) -> Any:
    """Join tensors, or tuples of them, along their rows; of what ``learns``, each can begin a gradient of its own."""
    first = pieces[0]
    if isinstance(first, Tensor):
        return torch.cat(pieces).requires_grad_(learns and first.is_floating_point())
    if isinstance(first, tuple):
        parts = [joined(list(each), learns=learns) for each in zip(*pieces, strict=True)]
        make: Callable[..., Any] = getattr(type(first), "_make", type(first))
        return make(parts)
    return first


def tensors_of(out: Any) -> Iterator[Tensor]:
    """Return the tensors of a tuple, and of the tuples in it, in order."""
    if isinstance(out, Tensor):
        yield out
    elif isinstance(out, tuple):
        for one in out:
            yield from tensors_of(one)
