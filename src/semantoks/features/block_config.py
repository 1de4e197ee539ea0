"""Which blocks of a task are looked at: settings that `embed` and `probe` share."""

from dataclasses import dataclass, fields
from pathlib import Path

from semantoks.config import check_fields
from semantoks.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class BlockConfig:
    """Blocks of a task instead of whole recordings."""

    events: Path | str | None = None
    """Blocks of a task: a BIDS events.tsv, or a folder of them (onset, duration in seconds; trial_type)."""
    delay: float = 5.0
    """Seconds from an onset to a block's first frame (the BOLD response lags), minus any seconds cut at the start."""
    min_block: float = 10.0
    """Shortest block, in seconds of good frames."""
    trial_types: tuple[str, ...] = ()
    """Trial types to use."""

    def __post_init__(self) -> None:
        """Check the values, and that nothing is asked of blocks where there are none."""
        check_fields(self)
        if not abs(self.delay) <= 1000:
            raise ConfigError(f"--delay has to be seconds, -1000 to 1000, not {self.delay:g}.")
        if not 0 < self.min_block <= 1000:
            raise ConfigError(f"--min-block has to be above 0 and at most 1000 seconds, not {self.min_block:g}.")
        changed = [f.name for f in fields(BlockConfig) if getattr(self, f.name) != f.default]
        if self.events is None and changed:
            raise ConfigError(f"--{changed[0].replace('_', '-')} is of the blocks of a task: give --events, too.")
        if self.events is not None and not Path(self.events).exists():
            raise ConfigError(f"--events: there is no file or folder {self.events}.")
