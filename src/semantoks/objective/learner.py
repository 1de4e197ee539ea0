"""What objectives train: an encoder with a head, alone, or taught by a moving average of itself."""

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from semantoks.model.block import Block
from semantoks.model.encoder import Encoder, EncoderConfig, Tokens
from semantoks.objective.objective import Learner, NetworkIndex


class Seen(NamedTuple):
    """What a student makes of crops: the encoder's tokens, and what its head makes of these."""

    tokens: Tokens
    head: Any


class Student(nn.Module):
    """An encoder and a head in one module, so that one forward pass (and its gradient synchronisation) covers both.

    Parameters
    ----------
    head
        Is called with the encoder's ``Tokens``, and with what else ``forward`` is given.
    """

    def __init__(self, encoder: Encoder, head: nn.Module) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head

    def forward(
        self,
        crops: Float[Tensor, "batch roi frame"],
        mask: Bool[Tensor, "batch network patch"] | None = None,
        *more: Any,
        grid: bool = True,
    ) -> Seen:
        """Encode, and hand the tokens on; without ``grid``, CLS alone."""
        tokens = self.encoder(crops, mask, grid=grid)
        return Seen(tokens, self.head(tokens, *more))


def build_student(
    encoder: EncoderConfig, network_index: NetworkIndex, seed: int, head: Callable[[Encoder], nn.Module]
) -> Student:
    """Return a student with its weights drawn from ``seed``, the encoder's first; the caller's random state is kept.

    ``head`` makes the head for the encoder that it is given.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        built = Encoder(encoder, network_index)
        return Student(built, head(built))


def blocks_like(size: EncoderConfig, depth: int) -> nn.Sequential:
    """Return transformer blocks like an encoder's, for decoders and predictors."""
    return nn.Sequential(*(Block(size.width, size.heads, size.mlp_ratio, size.layer_scale) for _ in range(depth)))


def block_flops(size: EncoderConfig, depth: int, tokens: int) -> int:
    """Count the products of ``blocks_like`` for one row of tokens."""
    with torch.device("meta"):
        return sum(block.flops(tokens) for block in blocks_like(size, depth) if isinstance(block, Block))


class Alone(Learner):
    """A student that is the encoder which users get."""

    def __init__(self, student: nn.Module) -> None:
        super().__init__()
        self.student: Any = student

    @property
    def trained(self) -> nn.Module:
        """The student."""
        found: nn.Module = self.student
        return found

    @property
    def encoder(self) -> Encoder:
        """The student's encoder."""
        found: Encoder = self.student.encoder
        return found


class Taught(Learner):
    """A student that learns and a teacher that follows it; iterates over student, teacher.

    Parameters
    ----------
    teacher
        A copy of the student by default; it may lack some of the student's parts.
    """

    def __init__(self, student: nn.Module, teacher: nn.Module | None = None) -> None:
        super().__init__()
        self.student: Any = student
        self.teacher: Any = (deepcopy(student) if teacher is None else teacher).requires_grad_(False)

    def __iter__(self) -> Iterator[Any]:
        return iter((self.student, self.teacher))

    @property
    def trained(self) -> nn.Module:
        """The student."""
        found: nn.Module = self.student
        return found

    @property
    def encoder(self) -> Encoder:
        """The teacher's encoder, whose features are the ones to use (METHOD 9)."""
        found: Encoder = self.teacher.encoder
        return found

    def follow(self, rates: Mapping[str, float]) -> None:
        """Move the teacher towards the student, by the step's ``momentum``."""
        update_teacher(self.teacher, self.student, rates["momentum"])


@torch.no_grad()
def update_teacher(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    """Set teacher = momentum * teacher + (1 - momentum) * student, parameters only: buffers never change (METHOD 8)."""
    mine = dict(teacher.named_parameters())
    theirs = dict(student.named_parameters())
    torch._foreach_lerp_(list(mine.values()), [theirs[name].detach() for name in mine], 1 - momentum)
