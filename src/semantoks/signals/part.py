"""Part of a cohort, without a copy: some of its people, the first minutes of each recording, other networks."""

from collections.abc import Collection
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Float32
from numpy import ndarray

from semantoks.errors import ConfigError, DataError
from semantoks.signals.clean import gaps_text, mask_from_text
from semantoks.signals.cohort import Cohort

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
        """The sha256 of each whole recording; of one that is cut, with the frames that are left."""
        whole = self.whole.recordings["frames"].to_numpy()[self.rows]
        rows = zip(self.recordings["sha256"], self.recordings["frames"], whole, strict=True)
        return [sha if frames == before else f"{sha}:{frames}" for sha, frames, before in rows]

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
