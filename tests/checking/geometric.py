"""Made-up recordings with what every real one has: networks, mirror images, neighbours, and smoothness in time."""

import numpy as np
import pandas as pd

from semantoks.atlas.atlas import Atlas


def covariance(atlas: Atlas) -> np.ndarray:
    """Covariance of the ROIs: 1 each, more within networks, near each other, and near the other's mirror image."""
    centres = np.nan_to_num(atlas.centroids)
    apart = np.linalg.norm(centres[:, None] - centres, axis=2)
    mirrored = np.linalg.norm(centres[:, None] * [-1, 1, 1] - centres, axis=2)
    mirrored = np.minimum(mirrored, mirrored.T)
    network = atlas.network_index[:, None] == atlas.network_index
    found = 0.25 * network + 0.35 * np.exp(-apart / 15) + 0.35 * np.exp(-mirrored / 10)
    return found + np.diag(1.3 - np.diag(found))


def recordings(atlas: Atlas, people: int = 6, frames: int = 150, seed: int = 0) -> list[np.ndarray]:
    """Draw series [frame, roi] of people, each ROI with an offset of its own as raw images have it."""
    rng = np.random.default_rng(seed)
    values, vectors = np.linalg.eigh(covariance(atlas))
    mixing = vectors * np.sqrt(np.maximum(values, 0))
    found = []
    for _ in range(people):
        noise = rng.normal(size=(frames + 20, atlas.n_rois))
        for frame in range(1, len(noise)):
            noise[frame] += 0.6 * noise[frame - 1]
        found.append((noise[20:] @ mixing.T + rng.uniform(500, 1500, atlas.n_rois)).astype(np.float32))
    return found


def write(folder, series, labels=None):
    """Write one .npy (or, with labels, .tsv) a person; returns the folder."""
    folder.mkdir(parents=True)
    for person, values in enumerate(series):
        name = folder / f"sub-{person:02d}_task-rest_timeseries"
        if labels is None:
            np.save(name.with_suffix(".npy"), values)
        else:
            pd.DataFrame(values, columns=labels).to_csv(name.with_suffix(".tsv"), sep="\t", index=False)
    return folder
