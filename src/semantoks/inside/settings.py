"""Settings of a look inside an encoder."""

from dataclasses import dataclass

from semantoks.config import check_fields
from semantoks.errors import ConfigError
from semantoks.types import Precision


@dataclass(frozen=True, kw_only=True)
class InsideConfig:
    """What every look inside asks."""

    exclude_pretrained: bool = False
    """Leave out the people whom the encoder saw, without labels, in pretraining."""
    most_people: int = 1000
    """Look at this many people at most (20 or more); others are left out at random."""
    family: str = "auto"
    """Column of participants.tsv that names families, to keep together; auto = family_id or rel_family_id, if any."""
    folds: int = 5
    """Folds over people, at least 2."""
    repeats: int = 5
    """Repeats of the folds for targets, at least 1."""
    seed: int = 0
    """Seed for everything, at least 0."""
    device: str = "auto"
    """Device to embed on: auto (a CUDA GPU where there is one), cpu, cuda, cuda:1, mps."""
    precision: Precision = "32-true"
    """32-true; bf16-mixed: products in bfloat16, for speed; auto: the faster one here."""
    n_jobs: int = 1
    """Worker processes; -1 uses all cores. The results are the same for any number."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_fields(self)
        if self.folds < 2 or self.repeats < 1 or self.seed < 0:
            raise ConfigError(
                f"a look inside needs at least 2 folds, 1 repeat and a seed of at least 0, not {self.folds}, "
                f"{self.repeats} and {self.seed}."
            )
        if self.most_people < 20:
            raise ConfigError(f"--most-people has to be at least 20, not {self.most_people}.")
