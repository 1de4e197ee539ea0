"""What an objective of pretraining is: settings that say what is drawn, what learns, by which loss, and what to watch.

The trainer knows objectives by this protocol alone. To add one, write a frozen dataclass with these members in a file
of its own and name it in ``PretrainConfig.objective``; from outside the package, pass an instance as
``PretrainConfig(objective=...)``. CONTRIBUTING has the recipe.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor, nn

from semantoks.curves import Panel
from semantoks.model.card import EncoderCard
from semantoks.model.encoder import Encoder, EncoderConfig
from semantoks.model.tokenizers.tokenizer import TokenizerSettings
from semantoks.views.batch import Slice, ViewConfig
from semantoks.views.pool import Pool

NetworkIndex = Sequence[int] | Int[ndarray, " roi"]


class Learner(nn.Module, ABC):
    """An encoder and all that is trained with it; its state dict is the whole state, so a checkpoint misses nothing."""

    @property
    @abstractmethod
    def trained(self) -> nn.Module:
        """The part that the optimiser moves; ``Objective.loss`` gets it wrapped for the device and only calls it."""

    @property
    @abstractmethod
    def encoder(self) -> Encoder:
        """The encoder that users get."""

    @abstractmethod
    def training_tensors(self) -> dict[str, Tensor]:
        """Return what a later training needs beside the encoder, for ``training.safetensors``."""

    def follow(self, rates: Mapping[str, float]) -> None:
        """Do what follows an optimiser step, such as moving a teacher; nothing by default."""

    def fingerprint(self) -> str:
        """Return the first 16 hex digits of the sha256 of the whole state."""
        digest = sha256()
        for name, tensor in sorted(self.state_dict().items()):
            digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]


@dataclass(frozen=True)
class StepLoss:
    """The loss of a batch with its gradient, and what the step's row in ``metrics.jsonl`` will show."""

    loss: Float[Tensor, ""]
    scalars: dict[str, Tensor]
    """Columns as detached scalars, left on the device; with several devices the row has their mean."""
    matrices: dict[str, Tensor] = field(default_factory=dict)
    """What ``Objective.derive`` needs on the host; with several devices, equal on all of them."""
    numbers: dict[str, int] = field(default_factory=dict)
    """Columns that the host knows already."""


@runtime_checkable
class Objective(Protocol):
    """Settings of an objective, and all that the trainer asks of it; implementations are frozen dataclasses."""

    @property
    def kind(self) -> str:
        """Its name in recipes: ``[objective] kind = "..."``."""

    @property
    def finite(self) -> tuple[str, ...]:
        """Columns beside the loss and the gradient norm that stop a training when they are not finite."""

    def learner(self, encoder: EncoderConfig, network_index: NetworkIndex, seed: int) -> Learner:
        """Return a fresh learner whose weights depend on ``seed`` alone; the caller's random state is left alone."""

    def load(
        self, folder: Path, tokenizer: TokenizerSettings | None = None
    ) -> tuple["Objective", Learner, EncoderCard]:
        """Return the objective, the learner and the card of an encoder folder to go on from (``--init-from``).

        Sizes of what is loaded are the folder's, all other settings are this objective's. WeightsError when the folder
        holds no learner of this kind. ``tokenizer`` is given where the encoder's is from outside the package.
        """

    def settings(self) -> dict[str, Any]:
        """Return what an encoder's card keeps for ``load``: ``kind``, and sizes of what is in training.safetensors."""

    def draw(
        self, pool: Pool, part: Slice, *, batch_size: int, views: ViewConfig, size: EncoderConfig, device: torch.device
    ) -> Any:
        """Draw this part of a step's batch; all randomness comes from ``part`` and a purpose (``views.batch``)."""

    def rates(self, step: int, total: int) -> dict[str, float]:
        """Return what the objective's schedules say for a step; each is a column of the metrics."""

    def loss(self, learner: Any, trained: nn.Module, batch: Any, rates: Mapping[str, float]) -> StepLoss:
        """Return the loss of a batch, in float32; ``trained`` stands for ``learner.trained`` (METHOD 6)."""

    def derive(self, row: Mapping[str, Any], matrices: Mapping[str, Tensor]) -> dict[str, Any]:
        """Return the columns that are computed on the host when a row is written, from the step's matrices."""

    def find_collapse(self, row: Mapping[str, Any]) -> str | None:
        """Say in a sentence, with the likely cause, that a row looks like collapse; None when it does not."""

    def advise(self, total: int) -> str | None:
        """Say what is wrong with these settings for a training of ``total`` steps, before its first; None = nothing."""

    def flops(self, encoder: Encoder, people: int) -> float:
        """Count the floating-point operations of a step of ``people`` people, forward and backward."""

    def curves(self) -> tuple[Panel, ...]:
        """Return the panels that the report draws of this objective's columns."""
