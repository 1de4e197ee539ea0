"""The axes that arrays have here, as jaxtyping aliases for numpy; torch modules spell the same axis words out.

Axis words, everywhere: ``batch view roi frame network patch width`` and ``projection`` (METHOD: B V R T N P D K).
A boolean mask on the network x patch grid is True where a token is hidden.
"""

from typing import Any, Literal, Protocol, runtime_checkable

from jaxtyping import Bool, Float, Int
from numpy import ndarray

Series = Float[ndarray, "frame roi"]
RoiMask = Bool[ndarray, " roi"]
RoiIndex = Int[ndarray, " roi"]
Features = Float[ndarray, "row feature"]
HeldOut = Float[ndarray, "test feature"]

Precision = Literal["auto", "32-true", "bf16-mixed"]
"""Of what an encoder computes: float32; products in bfloat16, all else float32; whichever is faster here."""


@runtime_checkable
class Columns(Protocol):
    """A matrix [row, feature] of which a block of columns is read at a time, ``columns[:, first:last]``."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns."""

    @property
    def dtype(self) -> Any:
        """The type of its cells."""

    def __len__(self) -> int:
        """Return the number of rows."""

    def __getitem__(self, index: Any) -> ndarray:
        """Read a block of columns of all rows."""
