"""Nuisance regression: fMRIPrep's confounds by nilearn's presets, fitted on the good frames, removed from all."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from semantoks.errors import DataError
from semantoks.signals.files.intact import readable
from semantoks.signals.reading_config import Strategy
from semantoks.types import Series

SCRUBBING = {"fd_threshold": 0.5, "std_dvars_threshold": 1.5}
"""Framewise displacement in mm and standardised DVARS above which a frame is scrubbed; nilearn's own, but those
changed with 0.13."""

ROUNDING = 1e-12
"""Standard deviation, as a share of its largest value, at which a regressor is constant."""
KEEP = "Keep fMRIPrep's *_desc-confounds_timeseries.tsv and .json beside the image, or choose another --confounds."


@dataclass(frozen=True, kw_only=True)
class Nuisance:
    """What to regress out, and which frames are good (steady state, not scrubbed); None = all."""

    regressors: Float[ndarray, "frame regressor"]
    good: Bool[ndarray, " frame"] | None


def load_nuisance(image: Path, strategy: Strategy, *, global_signal: bool) -> Nuisance:
    """Let nilearn choose the confounds of a preset from the table beside an image, with the cosines of the high-pass.

    Raises
    ------
    DataError
        When there is no table, or it lacks what the preset needs, is damaged, or leaves no frame.
    """
    from nilearn.interfaces.fmriprep import load_confounds_strategy

    options: dict[str, Any] = SCRUBBING if strategy == "scrubbing" else {}
    if global_signal:
        options = options | {"global_signal": "basic"}
    complaint = f"{image.name}: the table of confounds beside it does not have those of {strategy!r}"
    with readable(complaint, remedy=KEEP), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of empty masks: that is refused below
        table, kept = load_confounds_strategy(str(image), denoise_strategy=strategy, **options)
        regressors = np.asarray(table, dtype=np.float64)
    good = None
    if kept is not None:
        good = np.isin(np.arange(len(regressors)), kept)
        if not good.any():
            raise DataError(f"{image.name}: all {len(good)} frames are non-steady state or scrubbed; none is left.")
    wrong = ~np.isfinite(regressors if good is None else regressors[good])
    if wrong.any():
        column = table.columns[int(np.argwhere(wrong)[0, 1])]
        raise DataError(f"{image.name}: the confound {column} is not finite in all good frames.")
    return Nuisance(regressors=np.nan_to_num(regressors), good=good)


def regress_out(series: Series, nuisance: Nuisance, where: str) -> Series:
    """Subtract what the regressors, fitted by least squares with a constant on the good frames, explain of each ROI.

    All frames stay, the bad ones less what the same fit predicts for them; means over good frames stay. On the good
    frames this equals ``nilearn.signal.clean`` with its ``sample_mask`` and neither detrending nor filter: regression
    is linear, so it may come after the average over voxels. ROIs that are not finite stay as they are.

    Raises
    ------
    DataError
        When the numbers of regressors' rows and of frames differ, or good frames are not more than regressors.
    """
    regressors, good = nuisance.regressors, nuisance.good
    if len(regressors) != len(series):
        raise DataError(f"{where} has {len(series)} frames, but its table of confounds has {len(regressors)} rows.")
    good = np.ones(len(series), dtype=bool) if good is None else good
    design = regressors - regressors[good].mean(axis=0)
    deviation = design[good].std(axis=0)
    telling = deviation > ROUNDING * np.abs(regressors[good]).max(axis=0)
    design = design[:, telling] / deviation[telling]
    if good.sum() <= design.shape[1] + 1:
        raise DataError(
            f"{where} has {int(good.sum())} good frames for {design.shape[1]} regressors and a constant: nothing would "
            "be left of it. Choose other --confounds."
        )
    there = np.isfinite(series[good]).all(axis=0)
    values = series[:, there].astype(np.float64)
    fitted, *_ = np.linalg.lstsq(design[good], values[good] - values[good].mean(axis=0), rcond=None)
    cleaned = series.copy()
    cleaned[:, there] = values - design @ fitted
    return cleaned
