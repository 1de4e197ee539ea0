"""A folder as fMRIPrep writes it, of tiny images: volumes, masks, dense series, confounds, sidecars."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from tiny_cifti import write_dtseries

from semantoks.atlas.atlas import Atlas
from semantoks.errors import DataError
from semantoks.signals.reading_config import ReadingConfig
from semantoks.signals.recording import Recording
from semantoks.signals.sources.fmriprep import open_fmriprep
from semantoks.signals.sources.source import Request
from semantoks.simulation.derivatives import described, write_json

SPACE = "MNI152NLin2009cAsym"
SHAPE, ZOOM = (12, 12, 12), 3.0
AFFINE = np.diag([ZOOM, ZOOM, ZOOM, 1.0])
AFFINE[:3, 3] = -18
THICK = 2
"""Planes of voxels that an ROI fills: ROI i is 2i and 2i + 1 along the first axis."""
PARAMETERS = [f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz"]
LABELS = ("Vis_L", "Vis_R", "Mot_L", "Mot_R", "Default")
CENTRES = np.array([[6 * roi - 15.0, -1.5, -1.5] for roi in range(5)])
ATLAS = Atlas(name="five", labels=LABELS, networks=("Vis", "Vis", "Mot", "Mot", "Default"), centroids=CENTRES)
FRAMES = 120


def made(participant="01", frames=FRAMES, tr=2.0, seed=0, **facts):
    series = 1000 + np.random.default_rng(seed).normal(size=(frames, 5)).cumsum(axis=0)
    return Recording(series=series.astype(np.float32), tr=tr, participant=participant, source="made", **facts)


def labels_of(n_rois):
    """The label image's numbers: at most 5 ROIs, and two planes of nothing at the end."""
    numbers = np.zeros(SHAPE, dtype=np.int16)
    for roi in range(n_rois):
        numbers[THICK * roi : THICK * (roi + 1), 2:10, 2:10] = roi + 1
    return numbers


def write_labels(path, numbers, affine=AFFINE):
    nib.save(nib.Nifti1Image(numbers, affine), path)
    return path


def volumes_of(series):
    """Voxels whose mean over each ROI is its series, and noise between."""
    frames, n_rois = series.shape
    data = np.random.default_rng(5).normal(scale=50, size=(*SHAPE, frames))
    numbers = labels_of(n_rois)
    for roi in range(n_rois):
        inside = data[numbers == roi + 1]
        data[numbers == roi + 1] = inside - inside.mean(axis=0) + series[:, roi]
    return data.astype(np.float32)


def confounds_of(frames, *, seed=0, non_steady=0, fd=None, cosines=3):
    """The table of confounds of one run; the first frames are non-steady, and have no cosines."""
    rng = np.random.default_rng(seed)
    table = {}
    for name in (*PARAMETERS, "csf", "white_matter", "global_signal"):
        base = rng.normal(size=frames).cumsum() + (1000 if name.islower() and name[0] in "cwg" else 0)
        change = np.r_[np.nan, np.diff(base)]
        table |= {name: base, f"{name}_derivative1": change, f"{name}_power2": base**2}
        table[f"{name}_derivative1_power2"] = change**2
    steady = frames - non_steady
    times = np.arange(steady)
    for order in range(cosines):
        wave = np.cos(np.pi * (order + 1) * (times + 0.5) / steady)
        table[f"cosine{order:02d}"] = np.r_[np.zeros(non_steady), wave]
    for component in range(3):
        table[f"a_comp_cor_{component:02d}"] = np.r_[np.zeros(non_steady), rng.normal(size=steady)]
    for frame in range(non_steady):
        table[f"non_steady_state_outlier{frame:02d}"] = (np.arange(frames) == frame).astype(float)
    table["framewise_displacement"] = np.r_[np.nan, np.full(frames - 1, 0.1)] if fd is None else fd
    table["std_dvars"] = np.r_[np.nan, np.ones(frames - 1)]
    return pd.DataFrame(table)


def write_fmriprep(
    out, recordings, *, confounds=None, version="25.2.0", names="timeseries", space=SPACE, desc="preproc", dense=None
):
    """Write recordings as volumes, or with ``dense`` (tiny axes of grayordinates) as dense series; confounds a run."""
    if version:
        described(out, "fMRIPrep - fMRI PREProcessing workflow", [("fMRIPrep", version)])
    for index, one in enumerate(recordings):
        labels = (("sub", one.participant), ("ses", one.session), ("task", "rest"), ("run", one.run))
        run = "_".join(f"{entity}-{label}" for entity, label in labels if label)
        folder = Path(out) / f"sub-{one.participant}" / (f"ses-{one.session}" if one.session else "") / "func"
        folder.mkdir(parents=True, exist_ok=True)
        if dense is None:
            stem = f"{run}_space-{space}_desc-{desc}_bold"
            image = nib.Nifti1Image(volumes_of(one.series), AFFINE)
            image.header.set_zooms((ZOOM, ZOOM, ZOOM, one.tr))
            image.header.set_xyzt_units("mm", "sec")
            nib.save(image, folder / f"{stem}.nii.gz")
            mask = np.ones(SHAPE, dtype=np.uint8)
            nib.save(nib.Nifti1Image(mask, AFFINE), folder / f"{run}_space-{space}_desc-brain_mask.nii.gz")
        else:
            stem = f"{run}_space-fsLR_den-91k_bold"
            write_dtseries(folder / f"{stem}.dtseries.nii", one.series, one.tr, dense)
        write_json(folder / f"{stem}.json", {"RepetitionTime": one.tr, "SkullStripped": False})
        table = confounds_of(len(one.series), seed=index) if confounds is None else confounds
        path = folder / f"{run}_desc-confounds_{names}.tsv"
        table.to_csv(path, sep="\t", index=False, na_rep="n/a")
        components = {name: {"Mask": "combined", "Retained": True} for name in table if name.startswith("a_comp_cor")}
        path.with_suffix(".json").write_text(json.dumps(components))
    return out


def opened(path, labels, atlas=ATLAS, tr=None, table=None, **reading):
    config = ReadingConfig(parcellation=labels, **reading)
    return open_fmriprep(Request(path=path, atlas=atlas, tr=tr, participants=table, reading=config))


def read(path, labels, atlas=ATLAS, **options):
    source = opened(path, labels, atlas, **options)
    return [source.read(item) for item in source.items()]


def reasons(path, labels, **options):
    """What is said of the one recording."""
    source = opened(path, labels, **options)
    with pytest.raises(DataError) as caught:
        source.read(source.items()[0])
    return str(caught.value)


def residual(series, regressors, good):
    """What least squares with a constant leaves, fitted on good frames: the naive loop."""
    design = np.column_stack([np.ones(len(series)), regressors])
    left = np.empty(series.shape)
    for roi in range(series.shape[1]):
        weights = np.linalg.pinv(design[good]) @ series[good, roi].astype(np.float64)
        left[:, roi] = series[:, roi] - design[:, 1:] @ weights[1:]
    return left
