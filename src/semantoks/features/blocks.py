"""A cohort seen as the blocks of a task: every block is a recording of its own, without a copy."""

from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float32, Int
from numpy import ndarray

from semantoks.features.encode import windows_over
from semantoks.model.encoder import Encoder
from semantoks.signals.clean import gaps_text
from semantoks.signals.cohort import Cohort, InBand

MADE_ANEW = ("shards", "first_frames", "good", "missing", "moments", "quality")


class Blocks(Cohort):
    """A cohort whose recordings are the blocks of another one's, z-scored over the whole recordings.

    An encoder is shown a block as it is shown a short recording: the block's frames lie in the first positions of its
    window, and all other positions are hidden (METHOD 9).

    Parameters
    ----------
    whole
        The cohort.
    blocks
        One row per block: ``recording`` (row of ``whole.recordings``), ``first`` and ``frames``.
    """

    def __init__(self, whole: Cohort, blocks: pd.DataFrame) -> None:
        vars(self).update({name: value for name, value in vars(whole).items() if name not in MADE_ANEW})
        self.whole, self.blocks = whole, blocks
        self.recording: Int[ndarray, " block"] = blocks["recording"].to_numpy()
        table = whole.recordings.iloc[self.recording].reset_index(drop=True)
        first, frames = (blocks[name].to_numpy() for name in ("first", "frames"))
        begins = whole.first_frames[self.recording] + first
        masks = [whole.good[begin : begin + count] for begin, count in zip(begins, frames, strict=True)]
        self.recordings = table.assign(
            frames=frames,
            offset=table["offset"] + first,
            good_frames=[int(mask.sum()) for mask in masks],
            bad_frames=[gaps_text(mask) for mask in masks],
        )
        self._shard, self._offset, self._frames = (
            self.recordings[name].to_numpy() for name in ("shard", "offset", "frames")
        )

    @cached_property
    def shards(self) -> list[Any]:
        """The shards of the whole."""
        return self.whole.shards

    @cached_property
    def good(self) -> Bool[ndarray, " frame"]:
        """True where a frame of the whole is data."""
        return self.whole.good

    @cached_property
    def quality(self) -> pd.DataFrame:
        """How good each block's whole recording is."""
        return self.whole.quality.iloc[self.recording].reset_index(drop=True)

    @cached_property
    def moments(self) -> Float32[ndarray, "block 2 roi"]:
        """Mean and standard deviation of each ROI over a block's good frames, in those of its whole recording."""
        found = np.empty((len(self), 2, self.atlas.n_rois), dtype=np.float32)
        for index, begin in enumerate(self.first_frames):
            series = np.asarray(self.series(index), dtype=np.float32)[self.good[begin : begin + self._frames[index]]]
            found[index] = series.mean(axis=0), series.std(axis=0)
        found[np.broadcast_to(self.missing[:, None], found.shape)] = np.nan
        return found

    @property
    def checksums(self) -> list[str]:
        """The sha256 of each block's whole recording, with the block's frames."""
        whole = np.array(self.whole.checksums)[self.recording]
        frames = self.blocks[["first", "frames"]].itertuples(index=False)
        return [f"{sha}:{first}+{count}" for sha, (first, count) in zip(whole, frames, strict=True)]

    def in_band(self, band: InBand, *, otherwise: str = "use the band-passed series") -> Cohort:
        """Look at the same blocks of the whole in another band."""
        return self if band == self.band else Blocks(self.whole.in_band(band, otherwise=otherwise), self.blocks)

    def check_signals(self) -> None:
        """Check the signals of the whole cohort, once."""
        self.whole.check_signals()

    def windows(self, encoder: Encoder) -> int | None:
        """Count the windows in which an encoder sees all of the longest block; None for one that takes any length."""
        return windows_over(encoder, int(self._frames.max()))


def frames_needed(encoder: Encoder) -> int:
    """Return the fewest frames of a block that an encoder makes something of; a patch may be partly empty."""
    needed: Any = encoder.tokenizer.frames_needed
    return int(needed) if encoder.any_length else 1
