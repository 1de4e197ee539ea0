"""Recordings as CIFTI parcel series, named as BIDS names them: labels and repetition time in the file itself."""

import re
from collections.abc import Iterable
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.cifti2.cifti2_axes import ParcelsAxis, SeriesAxis

from semantoks.atlas.atlas import Atlas
from semantoks.signals.recording import Recording
from semantoks.simulate.formats.tables import write_json

STRUCTURE = "CIFTI_STRUCTURE_CORTEX_LEFT"


def write_ptseries(recordings: Iterable[Recording], out: Path, atlas: Atlas) -> None:
    """Write one ``.ptseries.nii`` a recording, and beside it the band that it was filtered to, if it was.

    The parcels have the atlas's labels, but no shape: parcel i is vertex i. Good frames and motion have no place there.
    """
    for one in recordings:
        labels = (("sub", one.participant), ("ses", one.session), ("task", "rest"), ("run", one.run))
        run = "_".join(f"{entity}-{label}" for entity, label in labels if label)
        folder = out / f"sub-{one.participant}" / (f"ses-{one.session}" if one.session else "") / "func"
        folder.mkdir(parents=True, exist_ok=True)
        stem = f"{run}_space-fsLR_atlas-{re.sub('[^A-Za-z0-9]', '', atlas.name)}_timeseries"
        time = SeriesAxis(0, float(one.tr), len(one.series), unit="SECOND")  # type: ignore[no-untyped-call]
        image = nib.Cifti2Image(one.series, (time, _parcels(atlas)))  # type: ignore[no-untyped-call]
        nib.save(image, folder / f"{stem}.ptseries.nii")
        if one.band is not None:
            corners = zip(("High-pass", "Low-pass"), one.band, strict=True)
            said = {f"{name} cutoff (Hz)": corner for name, corner in corners if corner is not None}
            write_json(folder / f"{stem}.json", {"SoftwareFilters": {"Filter": said}})


def _parcels(atlas: Atlas) -> ParcelsAxis:
    """Name the parcels, and give each a vertex of its own: CIFTI knows none without a place."""
    voxels, vertices = np.empty(atlas.n_rois, dtype=object), np.empty(atlas.n_rois, dtype=object)
    for roi in range(atlas.n_rois):
        voxels[roi], vertices[roi] = np.empty((0, 3), dtype=int), {STRUCTURE: np.array([roi])}
    nvertices = {STRUCTURE: atlas.n_rois}
    return ParcelsAxis(atlas.labels, voxels, vertices, nvertices=nvertices)  # type: ignore[no-untyped-call]
