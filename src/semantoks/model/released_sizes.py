"""What the shapes in a released checkpoint say of its sizes: width, depth, heads, networks, tokenizer.

Each size is the one that most of the tensors that have it agree on, so that a single misshapen one is found out.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from statistics import mode

from torch import Tensor

from semantoks.errors import ConfigError, WeightsError
from semantoks.model.encoder import EncoderConfig
from semantoks.model.head import HeadConfig
from semantoks.model.network_map import PUBLISHED_PARTS
from semantoks.model.tokenizer import TokenizerConfig

ENCODER, HEAD = r"(?:student|teacher)_encoder\.", r"(?:student|teacher)_predictor\.mlp\."
INNER = ENCODER + r"inter_network_transformer\."


class ReleasedSizes:
    """Reads sizes off the ``state`` (key -> tensor) of the checkpoint ``path``; WeightsError where none can be had."""

    def __init__(self, state: dict[str, Tensor], path: Path) -> None:
        self.state, self.path = state, path

    def parts(self) -> tuple[str, ...]:
        """Name the atlases that tokenizers are stored for, the one that is used first."""
        names = tuple(
            dict.fromkeys(found[1] for found, _ in self._matching(ENCODER + r"network_tokenizers\.([^.]+)\..*"))
        )
        if not names:
            raise self._lacking("student_encoder.network_tokenizers.<atlas>.<network>")
        return PUBLISHED_PARTS if set(names) == set(PUBLISHED_PARTS) else names

    def networks(self) -> list[int]:
        """Count the ROIs of each network."""
        count = self._most(INNER + r"network_learnable_pos_embedding\.weight", 0)
        return [
            self._most(self._tokenizer(network) + r"(?:\d+\.weight|\d+\.slconv\.\w+)", 1) for network in range(count)
        ]

    def encoder(self, patch: int) -> EncoderConfig:
        """Read off width, depth, patches, MLP ratio and tokenizer; a patch has ``patch`` frames."""
        width = self._most(rf"{ENCODER}norm\.weight|{INNER}cls_token", -1)
        blocks = self._numbers(INNER + r"transformer_blocks\.(\d+)\..*")
        hidden = self._most(INNER + r"transformer_blocks\.\d+\.mlp\.0\.(?:weight|bias)", 0) if blocks else 4 * width
        try:
            return EncoderConfig(
                width=width,
                depth=blocks[-1] + 1 if blocks else 0,
                frames=patch * self._most(INNER + "temporal_pos_embedding", 0),
                patch=patch,
                mlp_ratio=max(1, hidden // width),
                tokenizer=self._branches(),
            )
        except ConfigError as error:
            raise WeightsError(f"{self.path}: {error}") from error

    def head(self) -> HeadConfig:
        """Read off hidden layers, their width and the projection's."""
        layers = self._numbers(HEAD + r"(\d+)\.weight")
        if len(layers) < 2:
            raise self._lacking("student_predictor.mlp.0.weight and .2.weight")
        first, last = (self._most(rf"{HEAD}{layer}\.(?:weight|bias)", 0) for layer in (layers[0], layers[-1]))
        return HeadConfig(hidden=first, hidden_layers=len(layers) - 1, projection=last)

    def _branches(self) -> TokenizerConfig:
        root = self._tokenizer(0)
        dense, structured = (self._numbers(root + rest) for rest in (r"(\d+)\.weight", r"(\d+)\.slconv\.D"))
        if (dense, structured) not in (([0], [1]), ([0], []), ([], [0])):
            raise self._lacking("tokenizers of a dense branch 0 and a structured branch 1, or one of the two")
        plain = TokenizerConfig()
        taps = self._most(root + r"0\.weight", 2) if dense else plain.dense_taps
        if not structured:
            return TokenizerConfig(branches="dense", dense_taps=taps)
        conv = rf"{root}{structured[0]}\.slconv\."
        pieces = self._numbers(conv + r"kernel_list\.(\d+)")
        multiplier = next((tensor.flatten() for _, tensor in self._matching(conv + "multiplier")), None)
        if not pieces or multiplier is None or not len(multiplier):
            raise self._lacking("a slconv with kernel_list and multiplier")
        return TokenizerConfig(
            branches="both" if dense else "structured",
            dense_taps=taps,
            pieces=pieces[-1] + 1,
            piece_taps=self._most(conv + r"kernel_list\.\d+", 2),
            decay=(float(multiplier[0]), float(multiplier[-1])),
        )

    def _tokenizer(self, network: int) -> str:
        return rf"{ENCODER}network_tokenizers\.{re.escape(self.parts()[0])}\.{network}\.branches\."

    def _matching(self, pattern: str) -> Iterator[tuple[re.Match[str], Tensor]]:
        return ((found, tensor) for key, tensor in self.state.items() if (found := re.fullmatch(pattern, key)))

    def _numbers(self, pattern: str) -> list[int]:
        """The different numbers that the pattern's group finds, rising."""
        return sorted({int(found[1]) for found, _ in self._matching(pattern)})

    def _most(self, pattern: str, axis: int) -> int:
        """The size along ``axis`` that most of the tensors that match have."""
        sizes = [t.shape[axis] for _, t in self._matching(pattern) if t.ndim > axis]
        if not sizes:
            raise self._lacking(re.sub(r"\(\?:(\w+)[^)]*\)|\\", r"\1", pattern))
        return mode(sizes)

    def _lacking(self, what: str) -> WeightsError:
        shown = ", ".join(list(self.state)[:3])
        return WeightsError(
            f"{self.path} is not a released checkpoint: it lacks {what}, by which its size is known. It holds "
            f"{len(self.state)} tensors, such as {shown}."
        )
