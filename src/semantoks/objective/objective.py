"""What an objective of pretraining is: settings that say what is drawn, what learns, by which loss, and what to watch.

The trainer knows objectives by this protocol alone. To add one, derive a frozen dataclass from ``Objective`` in a file
of its own, give it a kind, a learner and a loss, and name it in ``PretrainConfig.objective``; from outside the package,
pass an instance as ``PretrainConfig(objective=...)``. CONTRIBUTING has the recipe, ``examples/`` a whole one.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor, nn

from semantoks.config import from_plain, to_plain
from semantoks.curves import Panel
from semantoks.errors import ConfigError, WeightsError
from semantoks.model.card import CARD, TRAINING, EncoderCard, read_card
from semantoks.model.encoder import Encoder, EncoderConfig
from semantoks.model.tensors import load_state, load_weights, read_training, with_prefix
from semantoks.model.tokenizers.tokenizer import TokenizerSettings
from semantoks.objective.watch import CURVES, find_no_spread
from semantoks.views.batch import Batch, Slice, ViewConfig, draw_batch
from semantoks.views.masks import MaskConfig
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

    def training_tensors(self) -> dict[str, Tensor]:
        """Return what a later training needs beside the encoder, for ``training.safetensors``: all other tensors."""
        inside = self._name_of_encoder()
        return {name: tensor for name, tensor in self.state_dict().items() if not name.startswith(inside)}

    def restore(self, folder: Path) -> None:
        """Take the weights of an encoder folder that a learner like this one wrote; WeightsError where they differ."""
        load_weights(self.encoder, folder)
        inside = with_prefix(self.encoder.state_dict(), self._name_of_encoder())
        load_state(self, {**read_training(folder), **inside}, folder / TRAINING)

    def _name_of_encoder(self) -> str:
        return next(f"{name}." for name, module in self.named_modules() if module is self.encoder)

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
    """Settings of an objective, and all that the trainer asks of it; implementations are frozen dataclasses.

    Who derives from it writes ``kind``, ``learner`` and ``loss``; all else has a default, which is that of an encoder
    without a teacher that is shown two views of each person and logs how far their features spread (``watch``).
    """

    sizes: ClassVar[tuple[str, ...]] = ()
    """Fields that decide the shapes of what is trained beside the encoder, and are kept in the encoder's card."""

    @property
    def kind(self) -> str:
        """Its name in recipes: ``[objective] kind = "..."``."""

    @property
    def finite(self) -> tuple[str, ...]:
        """Columns beside the loss and the gradient norm that stop a training when they are not finite."""
        return ()

    def check(self, encoder: EncoderConfig, views: ViewConfig) -> None:  # noqa: ARG002
        """Raise ConfigError, before anything is read, if an encoder or views do not go with this objective.

        One with a field ``masks`` of its own refuses those of the views, which it would ignore.
        """
        if isinstance(getattr(self, "masks", None), MaskConfig) and views.masks != MaskConfig():
            raise ConfigError(
                f"the objective {self.kind!r} has masks of its own: set objective.masks in place of views.masks."
            )

    def learner(self, encoder: EncoderConfig, network_index: NetworkIndex, seed: int) -> Learner:
        """Return a fresh learner whose weights depend on ``seed`` alone; the caller's random state is left alone."""

    def load(
        self, folder: Path, tokenizer: TokenizerSettings | None = None
    ) -> tuple["Objective", Learner, EncoderCard]:
        """Return the objective, the learner and the card of an encoder folder to go on from (``--init-from``).

        Sizes of what is loaded are the folder's, all other settings are this objective's. WeightsError when the folder
        holds no learner of this kind. ``tokenizer`` is given where the encoder's is from outside the package.
        """
        card = read_card(folder, tokenizer)
        said = dict(card.learner or {"kind": "none"})
        if said["kind"] != self.kind:
            raise WeightsError(
                f"{folder / CARD} holds no learner of the objective {self.kind!r} to go on from: its objective is "
                f"{said['kind']!r}. Go on with that one, or start from random weights."
            )
        known = to_plain(from_plain(type(self), said, f"{folder / CARD}: learner"))
        mine = from_plain(type(self), to_plain(self) | {name: known[name] for name in self.sizes}, str(folder / CARD))
        learner = mine.learner(card.encoder, card.atlas.network_index.tolist(), card.seed)
        learner.restore(folder)
        return mine, learner, card

    def settings(self) -> dict[str, Any]:
        """Return what an encoder's card keeps for ``load``: ``kind``, and sizes of what is in training.safetensors."""
        plain = to_plain(self)
        return {name: plain[name] for name in ("kind", *self.sizes)}

    def draw(
        self, pool: Pool, part: Slice, *, batch_size: int, views: ViewConfig, size: EncoderConfig, device: torch.device
    ) -> Any:
        """Draw this part of a step's batch; all randomness comes from ``part`` and a purpose (``views.batch``).

        By default two corrupted crops per person and the student's masks, as ``views`` has it (METHOD 2, 7).
        """
        return draw_views(pool, part, batch_size=batch_size, views=views, size=size, device=device)

    def rates(self, step: int, total: int) -> dict[str, float]:  # noqa: ARG002
        """Return what the objective's schedules say for a step; each is a column of the metrics."""
        return {}

    def loss(self, learner: Any, trained: nn.Module, batch: Any, rates: Mapping[str, float]) -> StepLoss:
        """Return the loss of a batch, in float32; ``trained`` stands for ``learner.trained`` (METHOD 6)."""

    def derive(self, row: Mapping[str, Any], matrices: Mapping[str, Tensor]) -> dict[str, Any]:  # noqa: ARG002
        """Return the columns that are computed on the host when a row is written, from the step's matrices."""
        return {}

    def find_collapse(self, row: Mapping[str, Any]) -> str | None:
        """Say in a sentence, with the likely cause, that a row looks like collapse; None when it does not."""
        return find_no_spread(row)

    def advise(self, total: int) -> str | None:  # noqa: ARG002
        """Say what is wrong with these settings for a training of ``total`` steps, before its first; None = nothing."""
        return None

    def flops(self, encoder: Encoder, people: int) -> float:
        """Count the floating-point operations of a step of ``people`` people, forward and backward."""
        return 3.0 * encoder.flops(2 * people)

    def curves(self) -> tuple[Panel, ...]:
        """Return the panels that the report draws of this objective's columns."""
        return CURVES


def draw_views(
    pool: Pool,
    part: Slice,
    *,
    batch_size: int,
    views: ViewConfig,
    size: EncoderConfig,
    device: torch.device,
    originals: bool = False,
) -> Batch:
    """Draw two corrupted crops per person and the student's masks (METHOD 2, 7); with ``originals``, both of them."""
    return draw_batch(
        pool,
        part,
        batch_size=batch_size,
        config=views,
        window=size.frames,
        patch=size.patch,
        device=device,
        any_length=size.any_length,
        originals=originals,
    )
