"""A cohort seen otherwise, without a copy: some people, first minutes, other networks, another atlas's ROIs."""

from collections.abc import Collection
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float16, Float32
from numpy import ndarray

from semantoks.atlas.atlas import Atlas
from semantoks.errors import ConfigError, DataError
from semantoks.signals.clean import gaps_text, mask_from_text
from semantoks.signals.cohort import Cohort, InBand
from semantoks.signals.layout import refuse_shrunk
from semantoks.types import RoiIndex

Networks = Literal["own", "one", "each"]
"""The atlas's own networks; all ROIs in one; each ROI a network of its own."""


class Part(Cohort):
    """A cohort that shows a part of another one, whose files it reads; checksums stay those of whole recordings.

    Parameters
    ----------
    whole
        The cohort.
    people
        The participant_id of those who belong to it; None = everybody.
    minutes
        Keep this much of each recording, from its beginning; None = all.
    networks
        Which ROIs form a network.

    Raises
    ------
    DataError
        If nobody is left, or somebody of ``people`` has no recording.
    ConfigError
        For minutes that hold fewer than two frames.
    """

    def __init__(
        self,
        whole: Cohort,
        *,
        people: Collection[str] | None = None,
        minutes: float | None = None,
        networks: Networks = "own",
    ) -> None:
        self._asked: dict[str, Any] = {"people": people, "minutes": minutes, "networks": networks}
        self.whole, self.path, self.description, self.tr = whole, whole.path, whole.description, whole.tr
        self.verified, self._checked, self.sums, self.band = whole.verified, whole._checked, whole.sums, whole.band
        atlases = {"own": lambda a: a, "one": lambda a: a.one_network(), "each": lambda a: a.each_roi_its_own_network()}
        self.atlas = atlases[networks](whole.atlas)
        owner = whole.recordings["participant_id"]
        chosen = np.ones(len(owner), dtype=bool) if people is None else owner.isin(set(people)).to_numpy()
        if people is not None and (lost := set(people) - set(owner)):
            raise DataError(f"{whole.path} has no recording of {len(lost)} of the {len(set(people))} people asked for.")
        if not chosen.any():
            raise DataError(f"no recording of {whole.path} is left.")
        self.rows = np.flatnonzero(chosen)
        table = whole.recordings.iloc[self.rows].reset_index(drop=True)
        self.recordings = table if minutes is None else _first_minutes(table, minutes, whole.tr)
        self._shard, self._offset, self._frames = (
            self.recordings[name].to_numpy() for name in ("shard", "offset", "frames")
        )

    @cached_property
    def participants(self) -> pd.DataFrame:
        """Phenotypes of these people."""
        table = self.whole.participants
        return table[table["participant_id"].isin(set(self.recordings["participant_id"]))].reset_index(drop=True)

    @cached_property
    def quality(self) -> pd.DataFrame:
        """How good each whole recording is."""
        return self.whole.quality.iloc[self.rows].reset_index(drop=True)

    @cached_property
    def moments(self) -> Float32[ndarray, "recording 2 roi"] | None:
        """What z-scoring took away from each whole recording."""
        found = self.whole.moments
        return None if found is None else found[self.rows]

    @property
    def checksums(self) -> list[str]:
        """The sha256 of each whole recording in this band; of one that is cut, with the frames that are left."""
        whole = self.whole.recordings["frames"].to_numpy()[self.rows]
        rows = zip(super().checksums, self.recordings["frames"], whole, strict=True)
        return [sha if frames == before else f"{sha}:{frames}" for sha, frames, before in rows]

    def in_band(self, band: InBand, *, otherwise: str = "use the band-passed series") -> Cohort:
        """Look at the same part of the whole in another band."""
        return self if band == self.band else Part(self.whole.in_band(band, otherwise=otherwise), **self._asked)

    def check_signals(self) -> None:
        """Check the signals of the whole cohort, once."""
        self.whole.check_signals()

    def verify(self) -> list[str]:
        """Check the whole cohort."""
        return self.whole.verify()


def _first_minutes(table: pd.DataFrame, minutes: float, tr: float) -> pd.DataFrame:
    """Cut recordings, and what the table says of their frames."""
    most = int(60 * minutes / tr + 1e-6)
    if most < 2:
        raise ConfigError(f"{minutes:g} minutes hold fewer than two frames of {tr:g} s: give more.")
    cut = table["frames"] > most
    if not cut.any():
        return table
    masks = [
        mask_from_text(text, int(frames))[:most]
        for text, frames in table.loc[cut, ["bad_frames", "frames"]].itertuples(index=False)
    ]
    table.loc[cut, "bad_frames"] = [gaps_text(mask) for mask in masks]
    table.loc[cut, "good_frames"] = [int(mask.sum()) for mask in masks]
    table.loc[cut, "frames"] = most
    return table


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
        refuse_shrunk(self._shard)
        found: ndarray = self._shard[rows][:, self._positions]
        found[:, self._positions < 0] = 0
        return found


class InAtlas(Cohort):
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
        return self if band == self.band else InAtlas(self.whole.in_band(band, otherwise=otherwise), self.atlas)

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
