"""Recordings as XCP-D 0.6 to 26.x would have written them: time series, motion, outliers, sidecars."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from semantoks.atlas.atlas import Atlas
from semantoks.atlas.catalog import get_atlas
from semantoks.errors import ConfigError
from semantoks.signals.recording import Recording
from semantoks.simulate.formats.tables import described, write_json, write_table

PARTS = {"4S456Parcels": "4s456", "Tian": "tian-s3"}
"""XCP-D's atlases that are written, by our name of what they hold."""
SPACE = "MNI152NLin2009cAsym"
FD_THRESHOLD = 0.3


def write_xcpd(
    recordings: Iterable[Recording], out: Path, atlas: Atlas, *, version: str = "26.1.1", censored: bool = False
) -> None:
    """Write recordings into ``out``, named as that version of XCP-D names them.

    Parameters
    ----------
    recordings
        Series in the order of ``atlas``, which has to have ROIs of 4S456 (its 400 cortical ones are ``schaefer400``) or
        of Tian S3; XCP-D's other ROIs are n/a, as without coverage.
    censored
        Leave the frames that are not good out of the time series, as ``--output-type censored`` does.

    Raises
    ------
    ConfigError
        When the atlas has no such ROIs.
    """
    columns = {name: get_atlas(part).match(atlas.labels) for name, part in PARTS.items()}
    columns = {name: positions for name, positions in columns.items() if (positions >= 0).any()}
    if not columns:
        raise ConfigError(
            f"XCP-D has no ROIs of the atlas {atlas.name}: choose schaefer400, with +tian-s3 if you like."
        )
    described(out, "XCP-D - Processed", [("xcp_d", version), ("fMRIPrep", "25.2.0")])
    for one in recordings:
        run = _name(one)
        folder = out / f"sub-{one.participant}" / (f"ses-{one.session}" if one.session else "") / "func"
        good = np.ones(len(one.series), dtype=bool) if one.good is None else one.good
        for name, positions in columns.items():
            whole = np.where(positions >= 0, one.series[:, positions], np.nan)
            labels = get_atlas(PARTS[name]).labels
            path = folder / f"{run}_space-{SPACE}_{_tail(name, version)}.tsv"
            write_table(path, labels, whole[good] if censored else whole)
            write_json(path.with_suffix(".json"), {"SamplingFrequency": "TR"})
        sidecar = {"RepetitionTime": one.tr} | ({} if one.band is None else {"SoftwareFilters": _filters(one.band)})
        write_json(folder / f"{run}_space-{SPACE}_desc-denoised_bold.json", sidecar)
        write_table(folder / f"{run}_outliers.tsv", ["framewise_displacement"], (~good).astype(int)[:, None])
        write_json(folder / f"{run}_outliers.json", {"framewise_displacement": {"Threshold": FD_THRESHOLD}})
        if one.fd is not None:
            motion = "motion" if _number(version) >= (0, 10) else "desc-filtered_motion"
            write_table(folder / f"{run}_{motion}.tsv", ["framewise_displacement"], np.asarray(one.fd)[:, None])


def _name(one: Recording) -> str:
    labels = (("sub", one.participant), ("ses", one.session), ("task", "rest"), ("run", one.run))
    return "_".join(f"{entity}-{label}" for entity, label in labels if label)


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2])


def _tail(name: str, version: str) -> str:
    if _number(version) < (0, 7):
        return f"atlas-{name}_timeseries"
    entity = "seg" if _number(version) < (26, 0) else "atlas"
    return f"{entity}-{name}_stat-mean_timeseries"


def _filters(band: tuple[float | None, float | None]) -> dict[str, dict[str, float]]:
    low, high = band
    if low is not None and high is not None:
        return {
            "Bandpass filter": {"High-pass cutoff (Hz)": low, "Low-pass cutoff (Hz)": high, "Filter order": 2},
        }
    if high is not None:
        return {"Low-pass filter": {"cutoff (Hz)": high, "Filter order": 2}}
    return {"High-pass filter": {"cutoff (Hz)": low or 0.0, "Filter order": 2}}
