"""Settings of a probe: everything about ``semantoks probe`` that is not a path or a device."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from semantoks.config import did_you_mean
from semantoks.errors import ConfigError
from semantoks.features.block_config import BlockConfig

ProtocolName = Literal["nested", "paper", "brainmarks"]
Probed = Literal["cls_avg", "cls", "avg", "network", "attention"]
Analysis = Literal["permutation", "learning_curve", "confounds", "networks", "reliability"]
ANALYSES: tuple[Analysis, ...] = ("permutation", "learning_curve", "confounds", "networks", "reliability")
SPLITS = ("person", "site", "leave-site-out")
MOST_COMPARED = 2000
"""Most people among whom reliability looks for a person: a worker has both parts of all in memory."""


@dataclass(frozen=True, kw_only=True)
class ProbeConfig(BlockConfig):
    """What to compare, on which splits, and which analyses to run in addition to the scores."""

    protocol: ProtocolName = "nested"
    """nested: nested cross-validation; paper: the published SGD probe; brainmarks: LogisticRegressionCV, 100 trials."""
    readouts: tuple[Probed, ...] = ()
    """Readouts of the encoder; the first is the row "encoder", the others get their own rows (encoder_cls ...)."""
    methods: tuple[str, ...] = ()
    """Methods to compute; FC and the encoder are always included."""
    analyses: tuple[Analysis, ...] = ANALYSES
    """Analyses to run in addition to the scores; the option without a name runs none."""
    seconds: tuple[float, ...] = ()
    """Also score every method from this many seconds of each test person, e.g. 30 60 180."""
    split: str = "person"
    """person, site (folds of whole sites), leave-site-out, or a FILE.tsv: participant_id and one column per split."""
    folds: int = 5
    """Number of folds, at least 2; each is the test set once."""
    repeats: int | None = None
    """Number of repeats; each draws new splits."""
    seed: int = 0
    """Seed for splits, permutations and bootstraps, at least 0."""
    crops: int | None = None
    """Evenly spaced windows per recording, at least 1."""
    family: str = "auto"
    """Column of participants.tsv that names families, to keep together; auto = family_id or rel_family_id, if any."""
    bins: int | None = None
    """Cut every numeric target into this many classes of equal size, 2 to 9."""
    as_class: tuple[str, ...] = ()
    """Targets whose numbers are class codes."""
    as_value: tuple[str, ...] = ()
    """Targets whose few whole numbers are amounts, not class codes."""
    missing: tuple[str, ...] = ()
    """Codes that stand for a missing value, e.g. -9999."""
    drop_rare: bool = False
    """Leave out classes that are too small for the splits, instead of refusing the target."""
    exclude_pretrained: bool = False
    """Leave out the people that the encoder saw (without labels) in pretraining."""
    trust_ids: bool = False
    """Count people as seen by their id alone, even if none of their recordings was in pretraining."""
    confounds: tuple[str, ...] = ("auto",)
    """Columns to regress out; auto = mean FD, good frames, site, age and sex, as far as known."""
    permutations: int = 1000
    """Number of label permutations for each method's null distribution."""
    components: int | None = None
    """Replace wide features by this many principal components of the training people: less memory, lower FC scores."""
    equivalence: float | None = None
    """A difference from FC that would not matter, in the score's unit (e.g. 0.05): tests "as good as FC" within it."""
    identifiers: bool = False
    """Write participant_id into predictions.parquet."""

    def __post_init__(self) -> None:
        """Check the ranges, and that what is asked of blocks can be."""
        super().__post_init__()
        leasts = {"folds": 2, "repeats": 1, "seed": 0, "permutations": 1, "crops": 1, "components": 2}
        for name, least in leasts.items():
            if (value := getattr(self, name)) is not None and value < least:
                raise ConfigError(f"--{name} has to be at least {least}, not {value}.")
        if self.bins is not None and not 2 <= self.bins <= 9:
            raise ConfigError(f"--bins has to be 2 to 9, not {self.bins}.")
        if self.equivalence is not None and not self.equivalence > 0:
            raise ConfigError(f"--equivalence has to be above 0, e.g. 0.05, not {self.equivalence:g}.")
        if self.protocol != "nested" and self.split != "person":
            raise ConfigError(f"the protocol {self.protocol} has its own splits: use --split with nested only.")
        if any(not seconds > 0 for seconds in self.seconds):
            raise ConfigError(f"--seconds have to be above 0, not {', '.join(f'{s:g}' for s in self.seconds)}.")
        if self.seconds and self.protocol != "nested":
            raise ConfigError(
                f"--seconds needs --protocol nested: the protocol {self.protocol} has windows of its own."
            )
        if self.protocol == "paper" and self.readouts[:1] == ("attention",):
            raise ConfigError("the paper's probe is linear: its first readout cannot be attention.")
        if self.split not in SPLITS and not Path(self.split).is_file():
            raise ConfigError(
                f"--split has to be {', '.join(SPLITS)} or a file of splits; there is no file {self.split!r}."
                f"{did_you_mean(self.split, SPLITS)}"
            )
        if self.events is not None and (self.protocol, self.split, self.seconds) != ("nested", "person", ()):
            raise ConfigError("--events needs --protocol nested and --split person, and no --seconds.")
        if self.events is not None and self.analyses not in (ANALYSES, ()):
            raise ConfigError(
                "--events has scores alone, no other analyses, which are of people: leave --analyses out."
            )
