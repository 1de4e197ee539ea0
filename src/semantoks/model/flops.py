"""Floating-point operations are asked of each module: one that does not know its own is an error, never 0."""

from typing import Protocol, runtime_checkable

from torch import nn

from semantoks.errors import ConfigError


@runtime_checkable
class CountsFlops(Protocol):
    """A module that knows its cost."""

    def flops(self, size: int, /) -> int:
        """Return the operations for one input of ``size`` tokens or frames (a multiply-add is two).

        Matrix products and convolutions only: the part that a machine's matmul rate bounds.
        """


def flops_of(module: nn.Module, size: int) -> int:
    """Ask ``module`` for the operations for one input of ``size``; ConfigError when it cannot say."""
    if not isinstance(module, CountsFlops):
        raise ConfigError(f"{type(module).__name__} cannot say what it costs: give it a method flops(size).")
    return module.flops(size)
