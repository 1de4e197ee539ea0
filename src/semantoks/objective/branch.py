"""Student and teacher: each a branch of encoder and projection head, the teacher a moving average of the student."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from semantoks.config import check_fields, from_plain
from semantoks.errors import ConfigError, WeightsError
from semantoks.model.card import CARD, TRAINING, EncoderCard, read_card
from semantoks.model.encoder import Encoder, EncoderConfig
from semantoks.model.tensors import load_state, load_weights, read_training, under, with_prefix
from semantoks.model.tokenizers.tokenizer import TokenizerSettings
from semantoks.objective.objective import Learner, NetworkIndex


@dataclass(frozen=True, kw_only=True)
class HeadConfig:
    """Size of the projection head; the defaults are the published model's."""

    hidden: int = 1024
    """Width of its hidden layers."""
    hidden_layers: int = 1
    """Hidden layers; the paper's text says two, its published weights have one."""
    projection: int = 128
    """Width K of the unit vectors that the losses compare."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_fields(self)
        if min(self.hidden, self.hidden_layers, self.projection) < 1:
            raise ConfigError("head hidden, hidden_layers and projection have to be at least 1.")


class Head(nn.Module):
    """Linear and GELU for each hidden layer, then Linear -> K, L2-normalised in float32 (METHOD 5)."""

    def __init__(self, width: int, config: HeadConfig) -> None:
        super().__init__()
        self.config = config
        sizes = [width, *[config.hidden] * config.hidden_layers, config.projection]
        linear = [nn.Linear(a, b) for a, b in pairwise(sizes)]
        self.layers = nn.Sequential(linear[0], *(part for layer in linear[1:] for part in (nn.GELU(), layer)))
        for layer in linear:
            nn.init.trunc_normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)

    def forward(self, vectors: Float[Tensor, "*batch width"]) -> Float[Tensor, "*batch projection"]:
        """Project to unit vectors."""
        projected: Tensor = self.layers(vectors.flatten(0, -2))
        return F.normalize(projected.view(*vectors.shape[:-1], -1).float(), dim=-1, eps=1e-12)


class Projections(NamedTuple):
    """Unit vectors of one branch for the crops [batch = view-major crops]; None where no loss of this step asks."""

    cls: Float[Tensor, "batch projection"]
    network: Float[Tensor, "batch network projection"] | None
    grid: Float[Tensor, "batch network patch projection"] | None
    feature: Float[Tensor, "batch width"]
    """CLS before the head, for the monitor; carries no gradient."""


class Branch(nn.Module):
    """Encoder and head in one module, so that one forward pass (and its gradient synchronisation) covers both."""

    def __init__(self, encoder: Encoder, config: HeadConfig) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = Head(encoder.config.width, config)

    def forward(
        self,
        crops: Float[Tensor, "batch roi frame"],
        mask: Bool[Tensor, "batch network patch"] | None = None,
        *,
        networks: bool = True,
        grid: bool = True,
    ) -> Projections:
        """Encode and project CLS, and on request each network's mean over patches and every grid token."""
        tokens = self.encoder(crops, mask)
        return Projections(
            cls=self.head(tokens.cls),
            network=self.head(tokens.grid.mean(dim=2)) if networks else None,
            grid=self.head(tokens.grid) if grid else None,
            feature=tokens.cls.detach().to(torch.float32),
        )


def build_branch(encoder: EncoderConfig, head: HeadConfig, network_index: NetworkIndex, seed: int) -> Branch:
    """Return a branch with its weights drawn from ``seed``; the caller's random state is left alone."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Branch(Encoder(encoder, network_index), head)


class Branches(Learner):
    """A student that learns and a teacher that follows it; iterates over student, teacher."""

    def __init__(self, student: Branch, teacher: Branch) -> None:
        super().__init__()
        self.student = student
        self.teacher = teacher.requires_grad_(False)

    def __iter__(self) -> Iterator[Branch]:
        return iter((self.student, self.teacher))

    @property
    def trained(self) -> Branch:
        """The student."""
        return self.student

    @property
    def encoder(self) -> Encoder:
        """The teacher's encoder, whose features are the ones to use (METHOD 9)."""
        return self.teacher.encoder

    def training_tensors(self) -> dict[str, Tensor]:
        """Return the student, and the teacher's head."""
        heads = with_prefix(self.teacher.head.state_dict(), "teacher.head.")
        return with_prefix(self.student.state_dict(), "student.") | heads

    def follow(self, rates: Mapping[str, float]) -> None:
        """Move the teacher towards the student, by the step's ``momentum``."""
        update_teacher(self.teacher, self.student, rates["momentum"])


@torch.no_grad()
def update_teacher(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    """Set teacher = momentum * teacher + (1 - momentum) * student, parameters only: buffers never change (METHOD 8)."""
    mine, theirs = zip(*zip(teacher.parameters(), student.parameters(), strict=True), strict=True)
    torch._foreach_lerp_(list(mine), [p.detach() for p in theirs], 1 - momentum)


def load_branches(folder: str | Path, tokenizer: TokenizerSettings | None = None) -> tuple[Branches, EncoderCard]:
    """Load student and teacher, heads included, to train on; WeightsError where the folder has no student.

    ``tokenizer`` gives the settings of one of a kind from outside this package.
    """
    folder = Path(folder)
    card, saved = read_card(folder, tokenizer), read_training(folder)
    learner = card.learner or {}
    if "head" not in learner:
        kind = f": its objective is {learner['kind']!r}" if learner else ""
        raise WeightsError(f"{folder / CARD} names no projection head of a student and a teacher{kind}.")
    head = from_plain(HeadConfig, learner["head"], f"{folder / CARD}: head")
    index = card.atlas.network_index
    student, teacher = (Branch(Encoder(card.encoder, index), head) for _ in range(2))
    load_state(student, under(saved, "student."), folder / TRAINING)
    load_weights(teacher.encoder, folder)
    load_state(teacher.head, under(saved, "teacher.head."), folder / TRAINING)
    return Branches(student, teacher), card
