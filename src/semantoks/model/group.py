"""An encoder that a group's mean correlations determine: its columns are the edges of a window's tangent matrix.

Such a folder holds ``group.safetensors`` in place of weights: the mean correlations of many people, which tell nothing
of one of them. Components, reference and whitening follow from these (METHOD 10) when the encoder is loaded.
"""

import json
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from safetensors import SafetensorError
from safetensors.torch import load, save

from semantoks.config import check_fields, from_plain
from semantoks.errors import ConfigError, WeightsError
from semantoks.model.encoder import Encoder, EncoderConfig
from semantoks.model.tokenizers.connectivity import ConnectivityConfig, ConnectivityTokens
from semantoks.storage.durable import write_durably
from semantoks.storage.text import read_json

GROUP, ABOUT = "group.safetensors", "group.json"
"""The correlations above the diagonal, float16, in the order of ``numpy.triu_indices(roi, 1)``; and whose they are."""
FEWEST = 50
"""People of whom a mean may be passed on."""


@dataclass(frozen=True, kw_only=True)
class GroupAbout:
    """Whose mean correlations they are, and under which terms they may be passed on."""

    people: int
    """How many they are the mean of; nothing of one of them is kept."""
    recordings: int
    source: str
    """The study, in words."""
    licence: str
    """SPDX identifier of its terms."""
    citation: str
    """What to cite."""
    command: str
    """What made the file."""
    sha256: str = ""
    """Checksum of the file of correlations."""

    def __post_init__(self) -> None:
        """Check what a file can get wrong."""
        check_fields(self)
        if self.people < FEWEST or self.recordings < self.people:
            raise ConfigError(
                f"a group has at least {FEWEST} people and a recording of each, not {self.people} and "
                f"{self.recordings}: the mean of fewer says too much of one of them."
            )


def edges_config(network_index: list[int], *, components: int, shrinkage: float) -> EncoderConfig:
    """Return the size of an encoder whose columns are the edges among ``components`` per network."""
    sizes = np.bincount(network_index)
    total = int(np.minimum(sizes, components).sum())
    return EncoderConfig(
        width=total * (total + 1) // 2,
        depth=0,
        norm=False,
        patch=EncoderConfig().frames,
        tokenizer=ConnectivityConfig(components=components, shrinkage=shrinkage),
    )


def set_group(encoder: Encoder, group: Float[ndarray, "roi roi"]) -> None:
    """Take mean correlations as the reference; columns become edges, in the order of ``numpy.triu_indices(k)``.

    Entries off the diagonal count sqrt(2), so that lengths are those of the matrices.
    """
    tokens = encoder.tokenizer
    if not isinstance(tokens, ConnectivityTokens) or encoder.config.depth:
        raise WeightsError("mean correlations determine an encoder in closed form alone: connectivity, depth 0.")
    tokens.set_reference(torch.from_numpy(group).float())
    edges = encoder.config.width
    if edges != len(tokens.spatial) * (len(tokens.spatial) + 1) // 2:
        raise WeightsError(f"{len(tokens.spatial)} components do not have {edges} edges.")
    set_columns(encoder, tokens, np.eye(edges), np.zeros(edges))


@torch.no_grad()
def set_columns(
    encoder: Encoder,
    tokens: ConnectivityTokens,
    found: Float[ndarray, "edge column"],
    mean: Float[ndarray, " edge"],
    scale: float = 1.0,
) -> None:
    """Make the mean of the tokens (edges - mean) @ found; a network's token is what its rows contribute, times N.

    ``scale`` multiplies that. Columns beyond those of ``found`` stay as they are.
    """
    networks, k, columns = len(tokens.rows), len(tokens.spatial), found.shape[1]
    weights, (centre,) = scale * matrices(found.T, k), matrices(mean[None], k)
    if not encoder.config.depth:  # without blocks, what is added is no information, and a hidden network adds nothing
        for values in (encoder.cls_token, encoder.network_embedding):
            values.zero_()
        encoder.mask_token.copy_(-encoder.time[0])
    begin = 0
    for row, count in zip(tokens.rows, tokens.counts, strict=True):
        assert isinstance(row, torch.nn.Linear)
        own = networks * weights[:, begin : begin + count].reshape(columns, -1)
        row.weight[:columns].copy_(torch.from_numpy(own))
        row.bias[:columns].copy_(torch.from_numpy(-own @ centre[begin : begin + count].ravel()))
        row.bias.sub_(encoder.time[0])
        begin += count


def matrices(edges: Float[ndarray, "row edge"], k: int) -> Float[ndarray, "row k k"]:
    """Return the k x k matrices whose upper triangles, sqrt(2) off the diagonal, these are.

    Where more follow, they are the upper triangles of antisymmetric parts (``ConnectivityConfig.lag``).
    """
    i, j = np.triu_indices(k)
    found = np.zeros((len(edges), k, k))
    found[:, i, j] = found[:, j, i] = edges[:, : len(i)] / np.where(i == j, 1, 2**0.5)
    if edges.shape[1] > len(i):
        i, j = np.triu_indices(k, 1)
        odd = edges[:, -len(i) :] / 2**0.5
        found[:, i, j] += odd
        found[:, j, i] -= odd
    return found


def write_group(folder: Path, group: Float[ndarray, "roi roi"], about: GroupAbout) -> GroupAbout:
    """Write mean correlations and whose they are; returns that, with the checksum of the file."""
    upper = torch.from_numpy(group[np.triu_indices(len(group), 1)].astype(np.float16))
    content = save({"correlation": upper})
    known = GroupAbout(**{**asdict(about), "sha256": sha256(content).hexdigest()})
    write_durably(folder / GROUP, content)
    write_durably(folder / ABOUT, json.dumps(asdict(known), indent=1).encode(), b"\n")
    return known


def read_about(folder: Path) -> GroupAbout:
    """Read whose correlations a folder holds; WeightsError if that is lost or damaged."""
    path = folder / ABOUT
    try:
        return from_plain(GroupAbout, read_json(path), str(path))
    except (OSError, ValueError, TypeError, ConfigError) as error:
        raise WeightsError(f"{path} does not say whose correlations {GROUP} holds: {error}") from error


def read_group(folder: Path, n_rois: int) -> Float[ndarray, "roi roi"]:
    """Read mean correlations; nothing in the file is run.

    Raises
    ------
    WeightsError
        When the file is lost, was changed or damaged, or does not hold the correlations of ``n_rois``.
    """
    path, about = folder / GROUP, read_about(folder)
    try:
        content = path.read_bytes()
        if sha256(content).hexdigest() != about.sha256:
            raise WeightsError(
                f"{path} does not match its checksum in {ABOUT}: it was changed or damaged. Copy it anew."
            )
        upper = load(content)["correlation"].numpy().astype(np.float64)
    except (OSError, SafetensorError, KeyError) as error:
        raise WeightsError(f"{path} cannot be read as mean correlations: {error}.") from error
    i, j = np.triu_indices(n_rois, 1)
    if upper.shape != i.shape or not (np.abs(upper) <= 1).all():
        raise WeightsError(
            f"{path} does not hold the correlations of {n_rois} ROIs: {list(upper.shape)}, each -1 to 1."
        )
    group = np.eye(n_rois)
    group[i, j] = group[j, i] = upper
    return group
