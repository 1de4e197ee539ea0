"""A cohort, seen by its ROIs of another atlas: found by label, and nothing is copied."""

from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float16, Float32
from numpy import ndarray

from semantoks.atlas.atlas import Atlas
from semantoks.errors import DataError
from semantoks.signals.cohort import Cohort, InBand
from semantoks.types import RoiIndex


class Columns:
    """Some columns of a shard, read when rows are asked for.

    Parameters
    ----------
    shard
        float16 [frame, roi], memory-mapped or not.
    positions
        The column of each ROI, -1 where there is none: such an ROI is 0.
    """

    def __init__(self, shard: Float16[ndarray, "_ _"], positions: RoiIndex) -> None:
        self._shard, self._positions = shard, positions
        self.shape = (len(shard), len(positions))

    def __len__(self) -> int:
        """Count the frames."""
        return len(self._shard)

    def __getitem__(self, rows: slice) -> Float16[ndarray, "frame roi"]:
        """Read some frames."""
        found: ndarray = self._shard[rows][:, self._positions]
        found[:, self._positions < 0] = 0
        return found


class CohortPart(Cohort):
    """The recordings of a cohort as if they had been prepared with another atlas; ROIs that they lack are missing.

    The checksums in its tables are those of the whole.

    Raises
    ------
    DataError
        When the cohort has less than half of the ROIs, or its labels are those of other parcels.
    """

    def __init__(self, whole: Cohort, atlas: Atlas) -> None:
        self._positions = atlas.match(whole.atlas.labels)
        there = int((self._positions >= 0).sum())
        if 2 * there < atlas.n_rois:
            raise DataError(
                f"{whole.path} has the atlas {whole.atlas.name}, and with it {there} of the {atlas.n_rois} ROIs of "
                f"{atlas.name}: half of them are needed."
            )
        own = {name: value for name, value in vars(whole).items() if name not in ("shards", "missing", "moments")}
        vars(self).update(own)
        self.whole, self.atlas = whole, atlas
        lacking = [",".join(map(str, np.flatnonzero(row))) for row in self.missing]
        self.recordings = whole.recordings.assign(missing_rois=lacking)

    def check_signals(self) -> None:
        """Compare the signals of the whole with their checksums; see ``Cohort.check_signals``."""
        self.whole.check_signals()

    def in_band(self, band: InBand, *, otherwise: str = "use the band-passed series") -> Cohort:
        """Look at the same ROIs of the whole in another band."""
        return self if band == self.band else CohortPart(self.whole.in_band(band, otherwise=otherwise), self.atlas)

    @cached_property
    def shards(self) -> list[Columns]:  # type: ignore[override]
        """The shards of the whole, of which the ROIs are read."""
        return [Columns(shard, self._positions) for shard in self.whole.shards]

    @cached_property
    def missing(self) -> Bool[ndarray, "recording roi"]:
        """True where a recording has no signal in an ROI."""
        missing: ndarray = self.whole.missing[:, self._positions] | (self._positions < 0)
        return missing

    @cached_property
    def moments(self) -> Float32[ndarray, "recording 2 roi"] | None:
        """What z-scoring took away, NaN for a missing ROI."""
        if self.whole.moments is None:
            return None
        moments: ndarray = self.whole.moments[:, :, self._positions]
        return np.where(self._positions < 0, np.float32(np.nan), moments)
