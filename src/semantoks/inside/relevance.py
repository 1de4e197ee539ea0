"""What moves one number that is read from an embedding: integrated gradients on ROI x time, and pairs of networks."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy import ndarray
from sklearn.linear_model import RidgeCV
from torch import Tensor

from semantoks.features.encode import own_readout, read_out
from semantoks.model.encoder import Encoder

STEPS = 16
"""Points of the path of integrated gradients, midpoints of equal parts."""
PENALTIES = np.logspace(-1, 5, 7)


@dataclass(frozen=True)
class Reader:
    """A number read linearly from an encoder's embedding."""

    encoder: Encoder
    weights: Float[Tensor, " feature"]

    def __call__(
        self, series: Float[Tensor, "window roi frame"], hidden: Bool[Tensor, "window network patch"]
    ) -> Float[Tensor, " window"]:
        """Read it of each window, up to a constant."""
        found: Tensor = read_out(self.encoder(series, hidden), own_readout(self.encoder)) @ self.weights
        return found


def reader_of(
    encoder: Encoder, embedded: Float[ndarray, "person feature"], labels: Float[ndarray, " person"] | None
) -> Reader:
    """Choose what is read: a ridge regression of the labels, or the first principal component over people."""
    mean, spread = embedded.mean(axis=0), embedded.std(axis=0)
    scale = np.where(spread > 1e-7 * np.maximum(np.abs(mean), 1e-12), spread, np.inf)
    rows = (embedded - mean) / scale
    if labels is None:
        direction = np.linalg.svd(rows, full_matrices=False)[2][0]
        direction = direction * np.sign(direction[np.abs(direction).argmax()])
    else:
        known = np.isfinite(labels)
        direction = RidgeCV(PENALTIES).fit(rows[known], labels[known] - labels[known].mean()).coef_
    return Reader(encoder, torch.from_numpy((direction / scale).astype(np.float32)))


def integrated_gradients(
    reader: Reader,
    series: Float[Tensor, "window roi frame"],
    hidden: Bool[Tensor, "window network patch"],
    baseline: Float[Tensor, "window roi frame"],
) -> tuple[Float[ndarray, "window roi frame"], float]:
    """Return integrated gradients along the straight path from a baseline (Sundararajan et al. 2017, ICML).

    Also how far their sum is from the difference of both ends, which it has to be, as a share of its size.
    """
    total = torch.zeros_like(series)
    for step in range(STEPS):
        point = (baseline + (step + 0.5) / STEPS * (series - baseline)).requires_grad_()
        (grad,) = torch.autograd.grad(reader(point, hidden).sum(), point)
        total += grad / STEPS
    found = (series - baseline) * total
    with torch.inference_mode():
        wanted = reader(series, hidden) - reader(baseline, hidden)
    lost = (found.sum(dim=(1, 2)) - wanted).abs().sum() / wanted.abs().sum().clamp(min=1e-12)
    return found.detach().cpu().numpy(), float(lost)


def baseline_of(
    series: Float[Tensor, "window roi frame"], *, shifted: bool, seed: int
) -> Float[Tensor, "window roi frame"]:
    """Return where the path begins: nothing at all, or every ROI ``shifted`` in a circle by a time of its own.

    Connectivity does not change with the size of all signals, so a path from nothing has no gradient; shifted ROIs keep
    their spectra and lose what they share.
    """
    if not shifted:
        return torch.zeros_like(series)
    frames = series.shape[2]
    shifts = torch.from_numpy(np.random.default_rng(seed).integers(frames, size=series.shape[:2]))
    place = (torch.arange(frames) + shifts[:, :, None]) % frames
    return torch.gather(series, 2, place)


@torch.inference_mode()
def by_pair(
    reader: Reader, series: Float[Tensor, "window roi frame"], hidden: Bool[Tensor, "window network patch"]
) -> Float[ndarray, "network network"]:
    """Return what two networks say together and neither alone: mean |f - f(-i) - f(-j) + f(-i, -j)|.

    f(-i) is what is read with network i hidden; on the diagonal |f - f(-i)|.
    """
    networks = hidden.shape[1]
    whole = reader(series, hidden)

    def without(*which: int) -> Tensor:
        more = hidden.clone()
        more[:, list(which)] = True
        return reader(series, more)

    alone = [without(i) for i in range(networks)]
    found = np.zeros((networks, networks))
    for i in range(networks):
        found[i, i] = float((whole - alone[i]).abs().mean())
        for j in range(i + 1, networks):
            found[i, j] = found[j, i] = float((whole - alone[i] - alone[j] + without(i, j)).abs().mean())
    return found
