"""One recording in memory: the time series of every ROI, its repetition time and whose it is; it checks itself."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Real, Shaped
from numpy import ndarray

from semantoks.errors import DataError
from semantoks.signals.connectivity import refuse_connectivity
from semantoks.types import RoiMask, Series

MIN_TR, MAX_TR = 0.3, 6.0
SPIKE = 1e4
"""Times the median deviation (of an ROI, and of most) beyond which a value is no signal: motion gives tens."""
PREFIXES = {"participant": "sub-", "session": "ses-", "run": "run-"}


def bare_label(label: str, prefix: str) -> str:
    """Strip blanks and, once, the BIDS ``prefix`` from a label."""
    return label.strip().removeprefix(prefix)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Recording:
    """One run of one person, as a source yields it.

    Parameters
    ----------
    series
        BOLD, time x ROI, in the order of the atlas; kept as float32. An ROI without signal may be NaN or constant.
    tr
        Repetition time of ``series``, in seconds (0.3 to 6).
    participant, session, run, site
        Labels; one BIDS prefix (``sub-``, ``ses-``, ``run-``) is removed. Only ``participant`` is required.
    mean_fd
        Mean framewise displacement in mm, NaN where unknown; that of ``fd`` if that is given.
    good
        Frames to trust; None = all. The series may be NaN in the others. Frames without a value in any ROI, or that are
        exactly 0 in all of them, were censored by the tool that made the file, and are taken out here.
    fd
        Framewise displacement of each frame in mm, NaN where unknown (the first one); None where unknown.
    band
        Band in Hz (low, high) that the series were filtered to by the tool that made them, None for an open end; None
        where they were not, or it is not known.
    tr_from
        Where the repetition time was found, for reports.
    source
        The file that it came from, for tables and messages.

    Raises
    ------
    DataError
        If ``series`` is not a 2-D array of real numbers, or a connectivity matrix, ``tr`` is out of range,
        ``participant`` is empty or n/a, or ``good`` or ``fd`` do not have one value per frame.
    """

    series: Shaped[ndarray, "..."]  # of any shape and type until it has checked itself
    tr: float
    participant: str
    session: str = ""
    run: str = ""
    site: str = ""
    mean_fd: float = math.nan
    good: Bool[ndarray, " _"] | None = None
    fd: Real[ndarray, " _"] | None = None
    band: tuple[float | None, float | None] | None = None
    tr_from: str = ""
    source: str

    def __repr__(self) -> str:
        """Say whose it is and how long."""
        frames, rois = self.series.shape
        whose = ", ".join(part for part in (self.participant, self.session, self.run) if part)
        return f"Recording({whose}: {frames} frames of {rois} ROIs, TR {self.tr:g} s)"

    def __post_init__(self) -> None:
        """Check the values, and bring array and labels to their one form."""
        if self.series.ndim != 2:
            raise DataError(f"{self.source}: a recording is a 2-D array, time x ROI, not {self.series.ndim}-D.")
        if self.series.dtype.kind not in "fiu":
            raise DataError(f"{self.source}: a recording has to hold real numbers, not {self.series.dtype}.")
        refuse_connectivity(self.series, self.source)
        if not MIN_TR <= self.tr <= MAX_TR:
            found = f" ({self.tr_from})" if self.tr_from else ""
            raise DataError(
                f"{self.source}: the repetition time is {self.tr:g} s, but {MIN_TR:g} to {MAX_TR:g} s was expected"
                f"{found}. Give it in seconds, and check that it is not a sampling frequency or milliseconds."
            )
        with np.errstate(over="ignore"):  # beyond float32 becomes infinite, which cleaning refuses with the frame
            object.__setattr__(self, "series", np.asarray(self.series, dtype=np.float32))
        for name in ("good", "fd"):
            given = getattr(self, name)
            if given is not None and len(given) != len(self.series):
                raise DataError(
                    f"{self.source}: {name} has {len(given)} values, but the recording has {len(self.series)} frames."
                )
        object.__setattr__(self, "good", _without_blanked(self.series, self.good))
        if self.fd is not None and np.isfinite(self.fd).any():
            object.__setattr__(self, "mean_fd", float(np.nanmean(self.fd)))
        for field, prefix in PREFIXES.items():
            object.__setattr__(self, field, bare_label(getattr(self, field), prefix))
        if self.participant in ("", "n/a"):
            raise DataError(f"{self.source}: the participant's id is {self.participant or 'empty'}: give it one.")

    @property
    def low_passed(self) -> bool:
        """Whether it was filtered in a way that must not be repeated: a high-pass alone (HCP's) leaves all to do."""
        return self.band is not None and not (self.band[0] is not None and self.band[1] is None)


def _without_blanked(series: Real[ndarray, "frame roi"], good: Bool[ndarray, " frame"] | None) -> Any:
    """Take frames without any value, and those of exact zeros, out of the good ones; None where all are good.

    AFNI's ``cenmode ZERO`` blanks censored frames with 0, other tools with NaN. In a single ROI a 0 says nothing. A
    series that has nothing else is left as it is: then it is flat, and whoever cleans it says so.
    """
    finite = np.isfinite(series)
    blanked = ~finite.any(axis=1)
    there = finite & (series != 0)
    if there.any(axis=0).sum() > 1:
        blanked |= ~there.any(axis=1)
    if not blanked.any() or blanked.all():
        return good
    return ~blanked if good is None else good & ~blanked


def _place(roi: int, frame: int, value: float, labels: Sequence[str] | None) -> str:
    """Say where a value is, and which."""
    called = f"ROI {roi}" if labels is None else f"ROI {roi} ({labels[roi]})"
    return f"{called} is {value:g} at frame {frame} (both counted from 0)"


def refuse_holes(series: Series, good: Bool[ndarray, " frame"], missing: RoiMask, labels: Sequence[str] | None) -> None:
    """Refuse a good frame that is not finite in an ROI that has values elsewhere."""
    wrong = ~np.isfinite(series) & ~missing & good[:, None]
    if wrong.any():
        frame, roi = np.argwhere(wrong)[0].tolist()
        raise DataError(
            f"not finite: {_place(roi, frame, float(series[frame, roi]), labels)} but has values elsewhere. "
            "Interpolate or cut such frames first: one of them would spread over the whole ROI."
        )


def refuse_spikes(
    series: Series, good: Bool[ndarray, " frame"], missing: RoiMask, labels: Sequence[str] | None
) -> None:
    """Refuse a good frame so far out that z-scores, and 16 bits, would leave nothing of all others."""
    place = np.flatnonzero(good)
    known, middle = np.ascontiguousarray(series[place][:, ~missing].T), len(place) // 2
    with np.errstate(over="ignore"):
        away = np.abs(known - np.partition(known, middle)[:, middle, None])  # a third of np.median's time
    typical = np.partition(away, middle)[:, middle].astype(np.float64)
    usual = np.maximum(typical, np.median(typical))  # ROIs at the edge of a mask may hardly vary but for a few frames
    wrong = (away > SPIKE * usual[:, None]) & (usual[:, None] > 0)
    if wrong.any():
        row, column = np.argwhere(wrong.T)[0].tolist()
        roi, frame = int(np.flatnonzero(~missing)[column]), int(place[row])
        raise DataError(
            f"spike: {_place(roi, frame, float(series[frame, roi]), labels)}, more than {SPIKE:,.0f} times as far from "
            "its median as frames usually are. Censor that frame or leave the ROI empty: z-scored with it, all else "
            "would be 0."
        )
