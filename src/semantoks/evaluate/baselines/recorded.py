"""Baselines from what is recorded beside the series: head motion, demographics, amplitudes before z-scoring."""

import numpy as np
import pandas as pd
from jaxtyping import Float, Float32
from numpy import ndarray

from semantoks.evaluate.study.people import People
from semantoks.evaluate.study.shown import Shown
from semantoks.signals.cohort import Cohort
from semantoks.signals.phenotypes import find_column

DEMOGRAPHICS = (("age",), ("sex", "gender"))
"""Columns of participants.tsv, in any case; the names in a bracket mean the same."""


def motion(shown: Shown) -> Float[ndarray, "recording feature"] | None:
    """Return mean framewise displacement (mm), its logarithm and the share of good frames; None where no FD is known.

    How many frames there are is left to ``scan``: with them, motion would know the site.
    """
    table = shown.cohort.recordings
    fd = table["mean_fd"].to_numpy(float)
    if np.isnan(fd).all():
        return None
    good = table["good_frames"].to_numpy(float) / table["frames"].to_numpy(float)
    return np.column_stack([fd, np.log(np.maximum(fd, 1e-3)), good])


def scan(shown: Shown) -> Float[ndarray, "recording feature"] | None:
    """Return the number of frames and the source's TR (s); None where both are the same for every recording."""
    found = shown.cohort.recordings[["frames", "source_tr"]].to_numpy(float)
    return found if _varies(found) else None


def motion_and_scan(shown: Shown) -> Float[ndarray, "recording feature"] | None:
    """Return motion, scan, and the number of good frames, which depends on both; None where one of them is."""
    moved, scanned = motion(shown), scan(shown)
    if moved is None or scanned is None:
        return None
    return np.column_stack([moved, scanned, shown.cohort.recordings["good_frames"].to_numpy(float)])


def site(shown: Shown) -> Float[ndarray, "recording feature"] | None:
    """Return a column for each site, 1 for its recordings; None for fewer than two known sites."""
    sites = pd.get_dummies(shown.cohort.recordings["site"].replace("", None))
    return sites.to_numpy(float) if sites.shape[1] > 1 else None


def _varies(columns: Float[ndarray, "recording feature"]) -> bool:
    return bool((columns != columns[:1]).any())


def demographics(cohort: Cohort, people: People, *, without: str = "") -> Float[ndarray, "person feature"] | None:
    """Return age and sex from participants.tsv: numbers as they are, text as one column per category; NaN if unknown.

    ``without`` names the target, which is left out, sex with gender; of several rows of a person the first known value
    counts. None where no column is left.
    """
    table, columns = cohort.participants, list[ndarray]()
    for names in DEMOGRAPHICS:
        name = find_column(table, names)
        if name is None or without.strip().lower() in names or not table[name].notna().any():
            continue
        values = table.groupby("participant_id")[name].first().reindex(list(people.ids))
        numeric = pd.api.types.is_numeric_dtype(values.infer_objects())
        found = values.to_frame() if numeric else pd.get_dummies(values)
        columns.append(np.where(values.isna().to_numpy()[:, None], np.nan, found.to_numpy(float, na_value=np.nan)))
    return np.hstack(columns) if columns else None


def roi_moments(shown: Shown) -> Float32[ndarray, "recording feature"] | None:
    """Return the mean, then the standard deviation, of each ROI before z-scoring; NaN for a missing ROI.

    They cover whole recordings, in the original units; for recordings that were already z-scored or had their mean
    removed, they contain only rounding errors. None for a cohort that was prepared before moments were stored.
    """
    moments = shown.cohort.moments
    return None if moments is None else moments.reshape(len(shown), -1)
