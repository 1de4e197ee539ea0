"""Recordings as BIDS derivatives, as XCP-D 0.6 to 26.x or as CIFTI parcel series, with their tables and sidecars."""

import io
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
from jaxtyping import Real
from nibabel.cifti2.cifti2_axes import ParcelsAxis, SeriesAxis
from numpy import ndarray

from semantoks.atlas.atlas import Atlas
from semantoks.atlas.catalog import get_atlas
from semantoks.errors import ConfigError
from semantoks.signals.recording import Recording

XCPD_ATLASES = {"4S456Parcels": "4s456", "Tian": "tian-s3"}
"""XCP-D's atlases that are written, and our names of them."""
SPACE = "MNI152NLin2009cAsym"
FD_THRESHOLD = 0.3
FD = "framewise_displacement"
STRUCTURE = "CIFTI_STRUCTURE_CORTEX_LEFT"


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
    columns = {name: get_atlas(own).match(atlas.labels) for name, own in XCPD_ATLASES.items()}
    columns = {name: positions for name, positions in columns.items() if (positions >= 0).any()}
    if not columns:
        raise ConfigError(
            f"XCP-D has no ROIs of the atlas {atlas.name}: choose schaefer400, with +tian-s3 if you like."
        )
    described(out, "XCP-D - Processed", [("xcp_d", version), ("fMRIPrep", "25.2.0")])
    for one in recordings:
        run = _run_path(one, out)
        good = np.ones(len(one.series), dtype=bool) if one.good is None else one.good
        for name, positions in columns.items():
            whole = np.where(positions >= 0, one.series[:, positions], np.nan)
            path = Path(f"{run}_space-{SPACE}_{_tail(name, version)}.tsv")
            write_table(path, get_atlas(XCPD_ATLASES[name]).labels, whole[good] if censored else whole)
            write_json(path.with_suffix(".json"), {"SamplingFrequency": "TR"})
        sidecar = {"RepetitionTime": one.tr} | ({} if one.band is None else {"SoftwareFilters": _filters(one.band)})
        write_json(Path(f"{run}_space-{SPACE}_desc-denoised_bold.json"), sidecar)
        write_table(Path(f"{run}_outliers.tsv"), [FD], (~good).astype(int)[:, None])
        write_json(Path(f"{run}_outliers.json"), {FD: {"Threshold": FD_THRESHOLD}})
        if one.fd is not None:
            motion = "motion" if _number(version) >= (0, 10) else "desc-filtered_motion"
            write_table(Path(f"{run}_{motion}.tsv"), [FD], np.asarray(one.fd)[:, None])


def _run_path(one: Recording, out: Path) -> str:
    """Give the path that the names of all files of a run begin with."""
    labels = (("sub", one.participant), ("ses", one.session), ("task", "rest"), ("run", one.run))
    run = "_".join(f"{entity}-{label}" for entity, label in labels if label)
    return str(out / f"sub-{one.participant}" / (f"ses-{one.session}" if one.session else "") / "func" / run)


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


def write_ptseries(recordings: Iterable[Recording], out: Path, atlas: Atlas) -> None:
    """Write one ``.ptseries.nii`` per recording, and beside it the band that it was filtered to, if it was.

    The parcels have the atlas's labels, but no shape: parcel i is vertex i. Good frames and motion are not written.
    """
    for one in recordings:
        stem = f"{_run_path(one, out)}_space-fsLR_atlas-{re.sub('[^A-Za-z0-9]', '', atlas.name)}_timeseries"
        Path(stem).parent.mkdir(parents=True, exist_ok=True)
        time = SeriesAxis(0, float(one.tr), len(one.series), unit="SECOND")  # type: ignore[no-untyped-call]
        image = nib.Cifti2Image(one.series, (time, _parcels(atlas)))  # type: ignore[no-untyped-call]
        nib.save(image, f"{stem}.ptseries.nii")
        if one.band is not None:
            corners = zip(("High-pass", "Low-pass"), one.band, strict=True)
            cutoffs = {f"{name} cutoff (Hz)": corner for name, corner in corners if corner is not None}
            write_json(Path(f"{stem}.json"), {"SoftwareFilters": {"Filter": cutoffs}})


def _parcels(atlas: Atlas) -> ParcelsAxis:
    """Name the parcels, and give each a vertex of its own: CIFTI has no parcels without a place."""
    voxels, vertices = np.empty(atlas.n_rois, dtype=object), np.empty(atlas.n_rois, dtype=object)
    for roi in range(atlas.n_rois):
        voxels[roi], vertices[roi] = np.empty((0, 3), dtype=int), {STRUCTURE: np.array([roi])}
    nvertices = {STRUCTURE: atlas.n_rois}
    return ParcelsAxis(atlas.labels, voxels, vertices, nvertices=nvertices)  # type: ignore[no-untyped-call]


def write_table(path: Path, labels: Sequence[str], values: Real[ndarray, "row column"]) -> None:
    """Write a header of labels and numbers that read back exactly as float32; NaN as ``n/a``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ["\t".join(labels), *number_lines(values, "\t", "n/a"), ""]
    path.write_text("\n".join(lines), encoding="utf-8", newline="\n")


def number_lines(values: Real[ndarray, "row column"], delimiter: str, missing: str) -> list[str]:
    """Return a line for each row, of numbers that read back exactly as float32, and ``missing`` for NaN."""
    text = io.StringIO()
    np.savetxt(text, values, fmt="%.9g", delimiter=delimiter)
    return text.getvalue().replace("nan", missing).splitlines()


def write_json(path: Path, plain: dict[str, Any]) -> None:
    """Write a sidecar."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(plain, indent=2) + "\n", encoding="utf-8")


def described(path: Path, name: str, tools: Iterable[tuple[str, str]]) -> None:
    """Write the dataset_description.json of a derivative."""
    made = [{"Name": tool, "Version": version} for tool, version in tools]
    plain = {"Name": name, "BIDSVersion": "1.11.2", "DatasetType": "derivative", "GeneratedBy": made}
    write_json(path / "dataset_description.json", plain)


def write_participants(path: Path, table: pd.DataFrame, *, prefix: str = "sub-") -> None:
    """Write participants.tsv with ``prefix`` in front of the ids."""
    ids = prefix + table["participant_id"].astype(str)
    table.assign(participant_id=ids).to_csv(path, sep="\t", index=False, na_rep="n/a", lineterminator="\n")
