"""Whether and how the app embeds recordings, as options say it; imports no torch."""

from dataclasses import dataclass
from typing import Literal

from semantoks.config import check_fields
from semantoks.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class EmbeddingConfig:
    """What the app embeds recordings with; without a model it does not embed them.

    Parameters
    ----------
    model
        Embed recordings, too, with this run, encoder folder, or Hugging Face id (owner/name).
    readout
        Features: cls_avg = [mean over all tokens, CLS]; cls; avg; network = one mean per network; the encoder's own.
    crops
        Evenly spaced windows per recording, at least 1; 8, or the whole recording.
    device
        Where to embed: auto (a CUDA GPU where there is one), cpu, cuda, cuda:1, mps.

    Raises
    ------
    ConfigError
        For fewer than one crop.
    """

    model: str | None = None
    readout: Literal["cls_avg", "cls", "avg", "network"] | None = None
    crops: int | None = None
    device: str = "auto"

    def __post_init__(self) -> None:
        """Check the range."""
        check_fields(self)
        if self.crops is not None and self.crops < 1:
            raise ConfigError(f"crops must be at least 1, not {self.crops}.")
