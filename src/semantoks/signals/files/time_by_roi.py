"""Series of a tool that always writes time x ROI: labels decide on the ROIs, else their number; never transposed."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Num
from numpy import ndarray

from semantoks.atlas.atlas import Atlas
from semantoks.errors import DataError
from semantoks.signals.files.columns import match_labels, only_counts, pick
from semantoks.types import Series


def from_time_by_roi(
    values: Num[ndarray, "frame column"],
    atlas: Atlas,
    *,
    names: Sequence[str] | None = None,
    where: str,
    reorder: bool = False,
    hint: str = "",
) -> Series:
    """Bring [frame, column] to the atlas's order, float32; ROIs that it lacks by label become NaN.

    Where rows are as many as the ROIs of the atlas, they are still frames: that happens by chance. ``names`` that only
    count name nothing, unless they skip some and the atlas's labels are numbers, too: then they are labels. A last
    column of nothing, as a delimiter at the end of each line leaves it, is no ROI. ``hint`` is added to the refusal of
    another number of columns; ``reorder``: see ``match_labels``.

    Raises
    ------
    DataError
        If names match no label of the atlas, or there are none and the columns are not as many as its ROIs.
    """
    if names is not None and (not only_counts(names, bare=True) or _skips_numbers(names, atlas)):
        positions = match_labels(names, atlas, where=where, reorder=reorder)
        if positions is not None:
            return pick(values, positions)
        if not only_counts(names):
            raise DataError(
                f"{where}: none of its {len(names)} labels is a label of the atlas {atlas.name}: it has {names[0]!r}, "
                f"the atlas {atlas.labels[0]!r}. Choose the atlas that it was made with."
            )
    if values.shape[1] == atlas.n_rois + 1 and np.isnan(values[:, -1]).all():
        values = values[:, :-1]
    if values.shape[1] != atlas.n_rois:
        raise DataError(
            f"{where}: wrong number of ROIs. It is time x ROI, {values.shape[0]} x {values.shape[1]}, and the atlas "
            f"{atlas.name} has {atlas.n_rois}. {hint or 'Choose the atlas that it was made with.'}"
        )
    return values.astype(np.float32)


def _skips_numbers(names: Sequence[str], atlas: Atlas) -> bool:
    """Tell numbers that are values of a label image, of which one is lacking, from those that count columns."""
    if not all(label.isdecimal() for label in atlas.labels):
        return False
    numbers = [int(name) for name in names]
    return numbers[-1] - numbers[0] >= len(numbers)
