"""The curves of a training over its steps: declared by whoever writes the columns, drawn by the report."""

from dataclasses import dataclass
from typing import Literal

from semantoks.config import check_fields


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One line of a panel."""

    column: str
    """The column of ``metrics.jsonl``."""
    label: str = ""
    """The words at the end of the line; empty in a panel with one curve."""
    paint: Literal["blue", "orange", "green", "deep", "muted"] = "blue"
    """Its colour on the page."""
    only_where: str = ""
    """Another column: steps where it is zero are left out (a term that takes no part in that step)."""
    kind: Literal["noisy", "exact", "bound"] = "noisy"
    """noisy is drawn raw and smoothed, exact (a schedule) as it is, bound (a limit for the others) dashed."""

    def __post_init__(self) -> None:
        """Check the choices."""
        check_fields(self)


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One plot over steps."""

    key: str
    """Its name in file names and ids."""
    section: Literal["loss", "collapse", "schedules", "machine"]
    """Where on the page it belongs."""
    title: str
    axis: str
    """Words of the vertical axis, with the unit."""
    caption: str
    """What it says, for the reader."""
    curves: tuple[Curve, ...]
    log: bool = False
    """Whether the vertical axis is logarithmic."""
    from_zero: bool = False
    """Whether the vertical axis starts at zero."""

    def __post_init__(self) -> None:
        """Check the choices."""
        check_fields(self)
