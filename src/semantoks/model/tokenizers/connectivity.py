"""Second-order tokens: how a network's ROIs move together with one another and with those of every other network.

A window's shrunk correlation matrix, whitened by a reference that is fixed at the start, goes through the matrix
logarithm: tangent-space connectivity (Varoquaux et al. 2010, MICCAI; Pennec et al. 2006, IJCV 66:41). A token is a
linear map of its network's rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from semantoks.config import check_fields
from semantoks.errors import ConfigError
from semantoks.model.tokenizers.tokenizer import rois_by_network

Symmetric = Float[Tensor, "*batch k k"]
TOTAL_COMPONENTS = 120
"""Spatial components over all networks, if not given."""
_TYPICAL_FRAMES = 100
_CLOSE = 1e-4
"""Eigenvalues whose logarithms differ by less than this share one derivative."""


@dataclass(frozen=True, kw_only=True)
class ConnectivityConfig:
    """Tokens of a window's connectivity in the tangent space of a fixed reference; windows of any length."""

    kind: Literal["connectivity"] = "connectivity"
    """Connectivity of a network with itself and with every other network."""
    any_length: ClassVar[bool] = True
    components: int = 0
    """Spatial components per network, at most its ROIs; they and the reference come from the pretraining's cohort; 0 =
    about 120 over all networks."""
    shrinkage: float = 0.3
    """Share a of the identity in (1 - a) C + a I, above 0 and at most 1."""
    log: bool = True
    """The matrix logarithm; False = its first order, W C W - I, which needs no eigendecomposition."""
    whiten: bool = True
    """By the pretraining cohort's mean, so that it lies at the origin; False = logarithms of the correlations as they
    are (for ablations)."""
    lag: int = 0
    """Frames by which one ROI may lead another: adds the antisymmetric part of that lagged correlation; 0 = none."""
    taps: int = 1
    """Taps of a temporal filter that all ROIs share, learned from the identity on; odd, 1 = none."""

    def __post_init__(self) -> None:
        """Check every field, and the ranges."""
        check_fields(self)
        if self.components < 0 or not 0 < self.shrinkage <= 1:
            raise ConfigError("components has to be at least 0, and shrinkage above 0 and at most 1.")
        if self.lag < 0 or self.taps < 1 or self.taps % 2 == 0:
            raise ConfigError(f"lag has to be at least 0 and taps an odd number, not {self.lag} and {self.taps}.")

    def build(self, network_index: Sequence[int], width: int, patch: int) -> "ConnectivityTokens":  # noqa: ARG002
        """Return the tokenizer with random components and no reference; ``patch`` is the whole window."""
        return ConnectivityTokens(network_index, width, self)


class ConnectivityTokens(nn.Module):
    """Series of any length to one token per network.

    Attributes
    ----------
    group
        Reference correlations [roi, roi], shrunk; what a missing or hidden ROI is taken to do, given the others.
    spatial
        [component, roi], orthonormal rows; each component lies within one network, networks in order.
    whitener
        [component, component], the reference's components to the power -1/2.
    """

    group: Tensor
    spatial: Tensor
    whitener: Tensor
    network_of: Tensor

    def __init__(self, network_index: Sequence[int], width: int, config: ConnectivityConfig) -> None:
        super().__init__()
        order, sizes = rois_by_network(network_index)
        self.config = config
        self.members = [part.clone() for part in torch.split(order, sizes)]  # torch.export warns of views
        self.register_buffer("network_of", torch.tensor(network_index), persistent=False)
        wanted = config.components or components_of_each(len(sizes))
        self.counts = [min(wanted, size) for size in sizes]
        total = sum(self.counts)
        self.register_buffer("group", torch.eye(len(network_index)))
        self.register_buffer("spatial", self._laid_out([_rotation(size) for size in sizes]))
        self.register_buffer("whitener", torch.eye(total))
        rows = [nn.Linear(count * total, width) for count in self.counts]
        for row in rows:
            nn.init.orthogonal_(row.weight)
            nn.init.zeros_(row.bias)
        self.rows = nn.ModuleList(rows)
        self.filter = nn.Parameter(_identity_filter(config.taps)) if config.taps > 1 else None
        self.length = nn.Parameter(torch.zeros(width))

    @property
    def frames_needed(self) -> int:
        """Two frames have a correlation; a lagged one needs as many more as it is lagged by."""
        return 2 + self.config.lag

    def _laid_out(self, bases: Sequence[Float[Tensor, "_ _"]]) -> Float[Tensor, "component roi"]:
        """Place the first columns of each network's basis among all ROIs."""
        spatial = torch.zeros(sum(self.counts), sum(len(m) for m in self.members))
        begin = 0
        for basis, members, count in zip(bases, self.members, self.counts, strict=True):
            spatial[begin : begin + count, members] = basis[:, :count].T
            begin += count
        return spatial

    @torch.no_grad()
    def set_reference(self, group: Float[Tensor, "roi roi"]) -> None:
        """Take the mean correlation of many recordings: its shrunk self, its components per network, its whitening."""
        share = self.config.shrinkage
        exact = group.double()
        bases = [torch.linalg.eigh(exact[members][:, members])[1].flip(1) for members in self.members]
        spatial = self._laid_out([_upright(basis).float() for basis in bases])
        shrunk = (1 - share) * exact + share * torch.eye(len(exact), dtype=torch.float64)
        values, vectors = torch.linalg.eigh(spatial.double() @ shrunk @ spatial.double().T)
        self.group.copy_(shrunk)
        self.spatial.copy_(spatial)
        if self.config.whiten:
            self.whitener.copy_(vectors @ torch.diag(values.rsqrt()) @ vectors.T)

    def tangent(
        self, series: Float[Tensor, "batch roi frame"], hidden: Bool[Tensor, "batch roi"] | None = None
    ) -> Float[Tensor, "batch component component"]:
        """Return the logarithm of the whitened covariance of the components, symmetric.

        Frames that are 0 in all ROIs do not count. ROIs that are 0 throughout, or ``hidden``, are completed from the
        others as the reference has it, so that a window which is like the reference stays at the origin. With a
        ``lag``, the antisymmetric part of the whitened lagged correlation is added: entry (i, j) is above entry (j, i)
        where i follows j.
        """
        with torch.autocast(series.device.type, enabled=False):
            unit, present = unit_series(_filtered(series.float(), self.filter), hidden)
            lift, rest = self._lift(present)
            share, lag = self.config.shrinkage, self.config.lag
            moved = lift @ unit
            inner = (1 - share) * moved @ moved.mT + share * lift @ lift.mT + rest
            found = log_spd(inner) if self.config.log else inner - torch.eye(inner.shape[-1], device=inner.device)
            if lag:
                later = (1 - share) * moved[:, :, lag:] @ moved[:, :, : moved.shape[2] - lag].mT
                found = found + (later - later.mT) / 2
            return found

    def _lift(
        self, present: Float[Tensor, "batch roi"]
    ) -> tuple[Float[Tensor, "*batch component roi"], Float[Tensor, "*batch component component"] | float]:
        """Return what present ROIs give the whitened components, and the covariance that absent ones add to that.

        An absent ROI does what ``group`` says, given the present ones, plus what they leave open.
        """
        white, n_rois = self.whitener @ self.spatial, present.shape[1]
        if present.device.type != "cpu" or torch.compiler.is_compiling():  # no waiting for counts
            return _given_present(white, self.group, present, n_rois)
        there = present.sum(dim=1)
        if (most := int(there.max())) <= (lacking := n_rois - int(there.min())):
            return _given_present(white, self.group, present, most)
        return _without_absent(white, self.group, present, lacking) if lacking else (white, 0.0)

    def forward(
        self,
        series: Float[Tensor, "batch roi frame"],
        mask: Bool[Tensor, "batch network patch"] | None = None,
    ) -> Float[Tensor, "batch network 1 width"]:
        """Tokenize; the ROIs of networks that ``mask`` hides enter no token."""
        hidden = None if mask is None else mask[:, :, 0].index_select(1, self.network_of)
        rows = torch.split(self.tangent(series, hidden), self.counts, dim=1)
        tokens = torch.stack([row(part.flatten(1)) for row, part in zip(self.rows, rows, strict=True)], dim=1)
        frames = (series != 0).any(dim=1).sum(dim=1).clamp(min=1).to(tokens.dtype)
        length: Tensor = (frames / _TYPICAL_FRAMES).log()[:, None, None] * self.length
        grid: Tensor = (tokens + length)[:, :, None]
        return grid

    def flops(self, frames: int) -> int:
        """Count the products for one window that lacks no ROI: reduction, covariance, logarithm (by 10 k^3), rows."""
        total, rois = self.spatial.shape
        filtering = 2 * rois * frames * self.config.taps if self.filter is not None else 0
        moments = (2 if self.config.lag else 1) * 2 * total**2 * frames
        log = 10 * total**3 if self.config.log else 0
        return filtering + 2 * total * rois * frames + moments + log + 2 * total**2 * len(self.length)


def _given_present(
    white: Float[Tensor, "component roi"],
    group: Float[Tensor, "roi roi"],
    present: Float[Tensor, "batch roi"],
    most: int,
) -> tuple[Float[Tensor, "batch component roi"], Float[Tensor, "batch component component"]]:
    """Complete by regression on the present ROIs, of which no window has more than ``most``."""
    there, rois = present.sort(dim=1, descending=True, stable=True)
    there, rois = there[:, :most], rois[:, :most]
    both = group[rois[:, :, None], rois[:, None]] * there[:, :, None] * there[:, None]
    seen = white.T[rois].mT * there[:, None]
    pull = (white @ group).T[rois].mT * there[:, None]
    across = pull - seen @ both  # what absent ROIs share with present ones
    factor, _ = torch.linalg.cholesky_ex(both + torch.diag_embed(1 - there))
    fill = torch.cholesky_solve(across.mT, factor).mT
    lift = white.new_zeros(present.shape[0], *white.shape)
    lift.scatter_(2, rois[:, None].expand_as(seen), seen + fill)
    alone = white @ group @ white.T - pull @ seen.mT - seen @ across.mT
    return lift, alone - across @ fill.mT


def _without_absent(
    white: Float[Tensor, "component roi"],
    group: Float[Tensor, "roi roi"],
    present: Float[Tensor, "batch roi"],
    most: int,
) -> tuple[Float[Tensor, "batch component roi"], Float[Tensor, "batch component component"]]:
    """Complete as ``_given_present``, by the inverse of ``group``: quicker where few ROIs, ``most``, are absent."""
    gone, rois = (1 - present).sort(dim=1, descending=True, stable=True)
    gone, rois = gone[:, :most], rois[:, :most]
    inverse = torch.linalg.inv(group.double()).to(group.dtype)
    both = inverse[rois[:, :, None], rois[:, None]] * gone[:, :, None] * gone[:, None] + torch.diag_embed(1 - gone)
    lost = white.T[rois].mT * gone[:, None]
    share = torch.cholesky_solve(lost.mT, torch.linalg.cholesky_ex(both)[0]).mT
    return (white - share @ (inverse[rois] * gone[:, :, None])) * present[:, None], share @ lost.mT


def components_of_each(networks: int, total: int = TOTAL_COMPONENTS) -> int:
    """Return how many components each network gets, of about ``total`` over all."""
    return -(-total // networks)


def _rotation(size: int) -> Float[Tensor, "member member"]:
    rotation: Tensor = torch.linalg.qr(torch.randn(size, size))[0]
    return rotation


def _upright(basis: Float[Tensor, "member member"]) -> Float[Tensor, "member member"]:
    """Give every column the sign that makes its sum positive, so that components do not depend on the machine."""
    return basis * torch.where(basis.sum(dim=0) < 0, -1.0, 1.0)


def _identity_filter(taps: int) -> Float[Tensor, " tap"]:
    weights = torch.zeros(taps)
    weights[taps // 2] = 1
    return weights


def _filtered(
    series: Float[Tensor, "batch roi frame"], weights: Float[Tensor, " tap"] | None
) -> Float[Tensor, "batch roi frame"]:
    """Filter every ROI alike; frames without data stay so."""
    if weights is None:
        return series
    flat = series.flatten(0, 1)[:, None]
    found = nn.functional.conv1d(flat, weights[None, None], padding="same").view_as(series)
    return found * (series != 0).any(dim=1, keepdim=True)


def unit_series(
    series: Float[Tensor, "batch roi frame"], hidden: Bool[Tensor, "batch roi"] | None
) -> tuple[Float[Tensor, "batch roi frame"], Float[Tensor, "batch roi"]]:
    """Return series whose products are correlations over the frames with data, and which ROIs (1 or 0) have any."""
    counts = (series != 0).any(dim=1, keepdim=True).to(series.dtype)
    mean = series.sum(dim=2, keepdim=True) / counts.sum(dim=2, keepdim=True).clamp(min=1)
    centred = (series - mean) * counts
    square = centred.square().sum(dim=2, keepdim=True)
    known = square > 1e-12 * series.shape[2]
    if hidden is not None:
        known = known & ~hidden[:, :, None]
    unit = known * centred * torch.where(known, square, 1.0).rsqrt()  # no 0 under a root, whose gradient is infinite
    return unit, known[:, :, 0].to(series.dtype)


class _Log(torch.autograd.Function):
    """The matrix logarithm; its derivative by Daleckii and Krein, finite where eigenvalues are equal."""

    @staticmethod
    def forward(ctx: Any, matrix: Tensor) -> Tensor:
        values, vectors = torch.linalg.eigh(matrix)
        logs = values.clamp(min=torch.finfo(values.dtype).eps).log()
        ctx.save_for_backward(values, vectors, logs)
        logarithm: Tensor = vectors @ (logs[..., None] * vectors.mT)
        return logarithm

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        values, vectors, logs = ctx.saved_tensors
        apart = values[..., :, None] - values[..., None, :]
        steps = logs[..., :, None] - logs[..., None, :]
        middle = (values[..., :, None] + values[..., None, :]) / 2
        close = steps.abs() < _CLOSE
        slope = torch.where(close, 1 / middle, steps / torch.where(close, torch.ones_like(apart), apart))
        symmetric = (grad + grad.mT) / 2
        back: Tensor = vectors @ (slope * (vectors.mT @ symmetric @ vectors)) @ vectors.mT
        return back


def log_spd(matrix: Symmetric) -> Symmetric:
    """Return the logarithm of symmetric positive definite matrices, with gradients that equal eigenvalues do not upset.

    Eigenvalues below the type's rounding count as that.
    """
    logarithm: Tensor = _Log.apply((matrix + matrix.mT) / 2)  # type: ignore[no-untyped-call]
    return logarithm
