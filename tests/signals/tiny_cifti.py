"""Tiny CIFTI files: two hemispheres of 12 vertices, of which 10 are cortex, and four voxels below."""

import nibabel as nib
import numpy as np
from families import reader_of
from nibabel.cifti2.cifti2_axes import BrainModelAxis, LabelAxis, SeriesAxis

from semantoks.atlas.atlas import Atlas
from semantoks.signals.recording import Recording
from semantoks.signals.sources.cifti import open_cifti

MESH, CORTEX = 12, 10
GRID = (3, 3, 3)
VOXELS = np.array([[0, 0, 0], [0, 1, 0], [2, 2, 2], [1, 1, 1]])
AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])
LEFT, RIGHT, BELOW = "CORTEX_LEFT", "CORTEX_RIGHT", "THALAMUS_LEFT"
LABELS = ("Vis_L", "Vis_R", "Mot_L", "Mot_R", "Default")
ATLAS = Atlas(name="five", labels=LABELS, networks=("Vis", "Vis", "Mot", "Mot", "Default"))
NAMES = dict(enumerate(("???", *LABELS)))
KEYS = np.r_[np.repeat([1, 2], CORTEX // 2), np.repeat([3, 4], CORTEX // 2), [5, 5, 5, 0]]
CLEAN = "_Atlas_MSMAll_hp2000_clean"


def places(*, whole_mesh=False, volume=True, mesh=MESH, affine=AFFINE, reverse=False):
    """Grayordinates as in a series, whose vertices 0 and 5 are the medial wall, or with ``whole_mesh`` all vertices."""
    vertices = np.arange(mesh) if whole_mesh else np.setdiff1d(np.arange(mesh), (0, 5))
    order = (RIGHT, LEFT) if reverse else (LEFT, RIGHT)
    parts = [BrainModelAxis.from_surface(vertices, mesh, name) for name in order]
    axis = parts[0] + parts[1]
    if volume:
        voxels = VOXELS[::-1] if reverse else VOXELS
        below = BrainModelAxis(BELOW, voxel=voxels, affine=affine, volume_shape=GRID)
        axis = below + axis if reverse else axis + below
    return axis


def write_dtseries(path, values, tr, axis, unit="SECOND"):
    time = SeriesAxis(0, tr, len(values), unit=unit)
    nib.save(nib.Cifti2Image(np.asarray(values, np.float32), (time, axis)), path)
    return path


def write_dlabel(path, keys, table, axis, maps=1):
    """``keys`` a grayordinate of ``axis``; ``table`` key -> name."""
    labels = {key: (name, (0.1, 0.2, 0.3, 1.0)) for key, name in table.items()}
    rows = LabelAxis([f"map {i}" for i in range(maps)], [labels] * maps)
    nib.save(nib.Cifti2Image(np.tile(np.asarray(keys, np.float32), (maps, 1)), (rows, axis)), path)
    return path


def made(participant="01", frames=100, tr=0.72, seed=0, n_rois=5, **facts):
    series = 1000 + np.random.default_rng(seed).normal(size=(frames, n_rois)).cumsum(axis=0)
    return Recording(series=series.astype(np.float32), tr=tr, participant=participant, source="made", **facts)


opened, read, reason = reader_of(open_cifti, ATLAS)


def hcp(root, subject, run, tail=CLEAN, *, seed=0, ending=".dtseries.nii"):
    folder = root / subject / "MNINonLinear" / "Results" / run
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "Movement_RelativeRMS.txt").write_text("0.1\n" * 60)
    values = np.random.default_rng(seed).normal(size=(60, len(KEYS)))
    return write_dtseries(folder / f"{run}{tail}{ending}", values, 0.72, places())
