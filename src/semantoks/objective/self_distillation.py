"""The projection head that all losses share, and the branch (encoder + head) that a student and a teacher each are."""

from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from semantoks.config import from_plain
from semantoks.errors import ConfigError, WeightsError
from semantoks.model.card import CARD, EncoderCard, read_card
from semantoks.model.encoder import Encoder
from semantoks.model.tensors import TRAINING, load_state, load_weights, read_training, under, with_prefix

KIND = "self-distillation"


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
        if min(self.hidden, self.hidden_layers, self.projection) < 1:
            raise ConfigError("head hidden, hidden_layers and projection have to be at least 1.")


class Head(nn.Module):
    """Linear and GELU for each hidden layer, then Linear -> K, L2-normalised in float32 (METHOD 5)."""

    def __init__(self, width: int, config: HeadConfig) -> None:
        super().__init__()
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


class Branches(NamedTuple):
    """What pretraining works on: student and teacher, each an encoder and a head."""

    student: Branch
    teacher: Branch


def training_tensors(branches: Branches) -> dict[str, Tensor]:
    """Return what ``training.safetensors`` keeps beside the teacher's encoder: the student, and the teacher's head."""
    student, teacher = branches
    return with_prefix(student.state_dict(), "student.") | with_prefix(teacher.head.state_dict(), "teacher.head.")


def head_config(card: EncoderCard, path: str | Path = CARD) -> HeadConfig:
    """Return the size of the heads by the ``card`` at ``path``; WeightsError where it does not say."""
    learner = card.learner or {}
    if "head" not in learner:
        raise WeightsError(f"{path} does not say the size of the heads, but there is a {TRAINING}.")
    return from_plain(HeadConfig, learner["head"], str(path))


def load_branches(folder: str | Path) -> tuple[Branches, EncoderCard]:
    """Load student and teacher, heads included, to train on; WeightsError where the folder has no student."""
    folder = Path(folder)
    card, tensors = read_card(folder), read_training(folder)
    size = head_config(card, folder / CARD)
    student, teacher = (Branch(Encoder(card.encoder, card.atlas.network_index), size) for _ in range(2))
    load_state(student, under(tensors, "student."), folder / TRAINING)
    load_weights(teacher.encoder, folder)
    load_state(teacher.head, under(tensors, "teacher.head."), folder / TRAINING)
    return Branches(student, teacher.requires_grad_(False)), card


def weights_hash(branches: Branches) -> str:
    """Return the first 16 hex digits of the sha256 of all weights of student and teacher."""
    digest = sha256()
    for branch in branches:
        for name, tensor in sorted(branch.state_dict().items()):
            digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
