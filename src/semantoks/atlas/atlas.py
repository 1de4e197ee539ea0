"""Atlas: the label, network, hemisphere and centroid of every ROI, in the order of the columns of a recording."""

import functools
import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float, Int64
from numpy import ndarray

from semantoks.atlas import spelling
from semantoks.atlas.table import AXES, HEMISPHERES, NUMBER, UNKNOWN, check_names, read_columns
from semantoks.counted import plural
from semantoks.errors import DataError
from semantoks.notebook import as_html
from semantoks.storage.tables import write_table
from semantoks.types import RoiIndex

FARTHEST_TWIN = 12.0
"""Largest distance in mm of an ROI's mirror image from its homotopic ROI."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Atlas:
    """The ROIs of a recording, in column order.

    Equality leaves the centroids aside; compare ``fingerprint`` to ask only whether the columns mean the same.

    Parameters
    ----------
    name
        What messages and cohorts call it.
    labels
        One for each ROI, all different, not empty.
    networks
        The name of the network that each ROI belongs to; any number of networks from 1 to the number of ROIs.
    hemisphere
        ``L``, ``R`` or ``n/a`` for each ROI; all ``n/a`` when left out.
    centroids
        Centre of each ROI in mm, in the MNI space that the atlas was made in; NaN where unknown, all NaN when left out.
    network_order
        The different networks, in the order in which they are numbered; in order of first appearance when left out.

    Raises
    ------
    DataError
        When lengths disagree, a label is empty or occurs twice, a hemisphere is none of the three, or ``network_order``
        does not hold each network once.
    """

    name: str
    labels: tuple[str, ...]
    networks: tuple[str, ...]
    hemisphere: tuple[str, ...] = ()
    centroids: Float[ndarray, "roi 3"] = field(default_factory=lambda: np.empty((0, 3)), compare=False, repr=False)
    network_order: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n = len(self.labels)
        if n == 0 or len(self.networks) != n:
            raise DataError(
                f"atlas {self.name} needs a label and a network for each of at least one ROI, "
                f"but has {n} labels and {len(self.networks)} networks."
            )
        check_names(self.labels, self.networks, owner=f"atlas {self.name}", where=lambda i: f"ROI {i}")
        sides = self.hemisphere or (UNKNOWN,) * n
        centroids = np.array(self.centroids) if len(self.centroids) else np.full((n, 3), np.nan)
        if len(sides) != n or centroids.shape != (n, 3):
            raise DataError(
                f"atlas {self.name} has {n} ROIs, but {len(sides)} hemispheres and centroids of shape "
                f"{centroids.shape}; both need one row for each ROI, or have to be left out."
            )
        if wrong := set(sides) - set(HEMISPHERES):
            raise DataError(
                f"atlas {self.name}: hemisphere has to be L, R or n/a, not {spelling.shown(sorted(wrong))}."
            )
        seen = tuple(dict.fromkeys(self.networks))
        if self.network_order and sorted(self.network_order) != sorted(seen):
            raise DataError(
                f"atlas {self.name}: network_order has to hold each of its {len(seen)} networks once, not "
                f"{spelling.shown(self.network_order)}."
            )
        centroids.flags.writeable = False
        object.__setattr__(self, "hemisphere", sides)
        object.__setattr__(self, "centroids", centroids)
        object.__setattr__(self, "network_order", () if self.network_order == seen else self.network_order)

    def __repr__(self) -> str:
        """Say what and how much it is."""
        return f"Atlas({self.name!r}: {self.n_rois} ROIs in {plural(self.n_networks, 'network')})"

    def _repr_html_(self) -> str:
        sizes = Counter(self.networks)
        networks = ", ".join(f"{name} ({sizes[name]})" for name in self.network_names)
        return as_html(f"Atlas {self.name}", {"ROIs": self.n_rois, "networks (ROIs)": networks})

    @property
    def n_rois(self) -> int:
        """Number of ROIs."""
        return len(self.labels)

    @property
    def n_networks(self) -> int:
        """Number of different networks."""
        return len(self.network_names)

    @property
    def network_names(self) -> tuple[str, ...]:
        """The different networks, in the order of their numbers."""
        return self.network_order or tuple(dict.fromkeys(self.networks))

    @property
    def network_index(self) -> Int64[ndarray, " roi"]:
        """Position of each ROI's network in ``network_names``."""
        position = {network: i for i, network in enumerate(self.network_names)}
        return np.array([position[network] for network in self.networks], dtype=np.int64)

    @property
    def fingerprint(self) -> str:
        """First 16 hex digits of the SHA-256 of labels and networks, in order: equal when columns mean the same.

        The numbers of the networks count only where they are not those of first appearance.
        """
        renumbered = [self.network_order] if self.network_order else []
        text = json.dumps([self.labels, self.networks, *renumbered], ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def match(self, labels: Sequence[str]) -> RoiIndex:
        """Give for each ROI of this atlas its position in ``labels``, or -1 where the recording lacks it.

        Parameters
        ----------
        labels
            Column labels of a recording, with or without ``7Networks_`` or ``17Networks_`` in front; more than this
            atlas has are no harm.

        Raises
        ------
        DataError
            When an ROI is found twice, or the Schaefer labels are of another resolution, order or version than those of
            this atlas, so that equal names would be different parcels.
        """
        return _match(self.labels, tuple(labels), self.name)

    def reorder_from(self, labels: Sequence[str]) -> RoiIndex:
        """Give the positions in ``labels`` that bring a recording into the order of this atlas.

        ``series[:, atlas.reorder_from(labels)]`` has the columns of the atlas. See ``match`` for the spellings.

        Raises
        ------
        DataError
            As ``match``, and when an ROI of this atlas is absent.
        """
        positions = self.match(labels)
        absent = [label for label, position in zip(self.labels, positions, strict=True) if position < 0]
        if absent:
            raise DataError(
                f"{len(absent)} of the {self.n_rois} ROIs of atlas {self.name} are not among the {len(labels)} labels "
                f"given: {spelling.shown(absent)}.{spelling.nearest(absent[0], labels)} "
                "Choose the atlas that these columns came from, or rename the columns."
            )
        return positions

    def select(self, labels: Sequence[str]) -> "Atlas":
        """Take the named ROIs, in the order given.

        Raises
        ------
        DataError
            When a label is unknown (with the nearest ones), is named twice, or none is given.
        """
        chosen = spelling.find(labels, self.labels)
        unknown = [label for label, position in zip(labels, chosen, strict=True) if position < 0]
        if unknown:
            raise DataError(
                f"atlas {self.name} has no ROI {spelling.shown(unknown)}.{spelling.nearest(unknown[0], self.labels)}"
            )
        return Atlas(
            name=f"{self.name} ({len(labels)} of {self.n_rois} ROIs)",
            labels=tuple(self.labels[i] for i in chosen),
            networks=tuple(self.networks[i] for i in chosen),
            hemisphere=tuple(self.hemisphere[i] for i in chosen),
            centroids=self.centroids[chosen],
        )

    def one_network(self) -> "Atlas":
        """The same ROIs, all in one network called ``Brain``."""
        return replace(self, name=f"{self.name}:one", networks=("Brain",) * self.n_rois, network_order=())

    def each_roi_its_own_network(self) -> "Atlas":
        """The same ROIs, each a network of its own that is called like the ROI."""
        return replace(self, name=f"{self.name}:each", networks=self.labels, network_order=())

    def to_frame(self) -> pd.DataFrame:
        """Give a table, one row per ROI: index, label, network, hemisphere, x, y, z.

        The index is the column of the recording, counted from 0; coordinates are in mm, NaN where unknown. Where the
        networks are not numbered by first appearance, ``network_number`` (from 0) stands behind them.
        """
        table = {
            "index": np.arange(self.n_rois),
            "label": self.labels,
            "network": self.networks,
            "hemisphere": self.hemisphere,
        }
        if self.network_order:
            table[NUMBER] = self.network_index
        return pd.DataFrame(table | dict(zip(AXES, self.centroids.T, strict=True)))

    def to_tsv(self, path: str | Path) -> None:
        """Write ``to_frame`` as tab-separated text, ``n/a`` where a coordinate is unknown; ``from_tsv`` reads it."""
        write_table(Path(path), self.to_frame())

    @classmethod
    def from_tsv(cls, path: str | Path) -> "Atlas":
        """Read a tab-separated table with the columns ``label`` and ``network``; its name is that of the file.

        Optional columns: ``hemisphere`` (L, R, n/a), ``x``, ``y``, ``z`` (mm), ``network_number``. Others are left
        aside. The rows have to stand in the order of the columns of the recordings, or the recordings have to come with
        labels.

        Raises
        ------
        DataError
            When the file is missing or not such a table, with the lines at fault.
        """
        path = Path(path)
        return cls(name=path.stem, **read_columns(path)._asdict())


def join(name: str, *atlases: Atlas) -> Atlas:
    """Put atlases side by side, one after the other; networks of the same name become one.

    Raises
    ------
    DataError
        When a label occurs in two of them.
    """
    labels = tuple(label for atlas in atlases for label in atlas.labels)
    repeated = [label for label, count in Counter(labels).items() if count > 1]
    if repeated:
        raise DataError(
            f"{' and '.join(atlas.name for atlas in atlases)} cannot be joined: {len(repeated)} labels occur in more "
            f"than one ({spelling.shown(repeated)}). Select other ROIs from one, or rename them in a table of your own."
        )
    return Atlas(
        name=name,
        labels=labels,
        networks=tuple(network for atlas in atlases for network in atlas.networks),
        hemisphere=tuple(side for atlas in atlases for side in atlas.hemisphere),
        centroids=np.concatenate([np.empty((0, 3)), *(atlas.centroids for atlas in atlases)]),
    )


def homotopic_pairs(atlas: Atlas) -> Int64[ndarray, "pair 2"]:
    """Return the pairs (left, right) of ROIs that are each other's nearest mirror image, at most 12 mm apart."""
    known = ~np.isnan(atlas.centroids).any(axis=1)
    sides = np.array(atlas.hemisphere)
    left, right = np.flatnonzero(known & (sides == "L")), np.flatnonzero(known & (sides == "R"))
    if not len(left) or not len(right):
        return np.empty((0, 2), dtype=np.int64)
    mirrored = atlas.centroids[left] * [-1, 1, 1]
    distance = np.linalg.norm(mirrored[:, None] - atlas.centroids[right], axis=2)
    nearest, back = distance.argmin(axis=1), distance.argmin(axis=0)
    row = np.arange(len(left))
    mutual = (back[nearest] == row) & (distance[row, nearest] <= FARTHEST_TWIN)
    return np.stack([left[mutual], right[nearest[mutual]]], axis=1)


@functools.lru_cache(maxsize=64)
def _match(own: tuple[str, ...], labels: tuple[str, ...], name: str) -> RoiIndex:
    """Match once for all recordings whose columns are called the same; what is given cannot be written to."""
    spelling.refuse_other_schaefer(own, labels, name)
    positions = spelling.find(own, labels)
    positions.flags.writeable = False
    return positions
