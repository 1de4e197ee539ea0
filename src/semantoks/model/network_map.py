"""The ROI -> network map of a released checkpoint (network_mapping.npz) as an Atlas, and an Atlas as such a map."""

import io
import re
from collections.abc import Sequence
from itertools import product, takewhile
from pathlib import Path

import numpy as np
from jaxtyping import Int64
from numpy import ndarray

from semantoks.atlas.atlas import Atlas, join
from semantoks.atlas.catalog import get_atlas, list_atlases
from semantoks.errors import DataError, WeightsError
from semantoks.storage.apart import read_apart
from semantoks.storage.durable import write_durably

PUBLISHED = "schaefer400+tian-s3+buckner7"
PUBLISHED_PARTS = ("schaefer400", "tian3", "buckner7")
KEY = "network_map_"
Numbers = Int64[ndarray, " roi"]


def atlas_of_map(path: Path, parts: Sequence[str], sizes: Sequence[int]) -> Atlas:
    """Read the map whose networks have the ``sizes`` (ROIs) that a checkpoint's tokenizers have.

    The file may have maps with several numbers of networks (``network_map_schaefer400_7n``, ``..._17n``); sizes decide.
    The values of each part are numbered in their order, after those of the part before it. Labels are those of our
    atlas of that name and length, else ``<part>_001`` and so on; networks likewise.

    Raises
    ------
    WeightsError
        When the file cannot be read, or no choice of its maps has these sizes.
    """
    maps = _read(path)
    choices = [[k for k in maps if re.fullmatch(rf"{KEY}{re.escape(part)}(_\d+n)?", k)] for part in parts]
    for chosen in product(*choices):
        numbers = [np.unique(maps[key].ravel(), return_inverse=True)[1].astype(np.int64) for key in chosen]
        counts = [count for part in numbers for count in np.bincount(part)]
        if counts == list(sizes):
            return _joined([_atlas_of(part, index) for part, index in zip(parts, numbers, strict=True)])
    found = ", ".join(f"{key} {np.unique(value, return_counts=True)[1].tolist()}" for key, value in maps.items())
    raise WeightsError(
        f"{path} has no maps for {' + '.join(parts)} whose networks have {list(sizes)} ROIs, as the checkpoint's "
        f"tokenizers have. It has (ROIs per network): {found or 'nothing'}. Give the checkpoint's own map."
    )


def _read(path: Path) -> dict[str, ndarray]:
    try:
        maps: dict[str, ndarray] = read_apart(path, _maps_in, path)
    except DataError as error:
        raise WeightsError(f"a network map is an .npz of {KEY}<atlas>, but {error}") from error
    return maps


def _maps_in(path: Path) -> dict[str, ndarray]:
    with np.load(path, allow_pickle=False) as file:
        maps = {name: file[name] for name in file.files if name.startswith(KEY)}
    return {name: values for name, values in maps.items() if values.dtype.kind in "iuf"}


def known_name(part: str) -> str:
    """Return our name of an atlas of the released files: ``tian3`` is ``tian-s3``."""
    return re.sub(r"^tian(\d)$", r"tian-s\1", part)


def _atlas_of(part: str, numbers: Numbers) -> Atlas:
    """Give a part its labels and the names of its networks, in the order of their numbers."""
    count, name = len(numbers), known_name(part)
    known = get_atlas(name) if name in list_atlases() else None
    if known is None or known.n_rois != count:
        known = Atlas(name=name, labels=tuple(f"{part}_{roi + 1:03d}" for roi in range(count)), networks=("?",) * count)
    pairs = set(zip(numbers.tolist(), known.networks, strict=True))
    own = len(pairs) == known.n_networks == int(numbers.max()) + 1 and "?" not in known.networks
    named = dict(pairs) if own else {n: f"{part}_network{n + 1}" for n in range(int(numbers.max()) + 1)}
    return Atlas(
        name=name,
        labels=known.labels,
        networks=tuple(named[int(n)] for n in numbers),
        hemisphere=known.hemisphere,
        centroids=known.centroids,
        network_order=tuple(named[n] for n in range(len(named))),
    )


def _joined(parts: list[Atlas]) -> Atlas:
    """Join the parts, networks numbered part after part; the published atlas keeps its name."""
    names = [network for part in parts for network in part.network_names]
    whole = join("+".join(part.name for part in parts), *parts)
    whole = Atlas(
        name=f"{whole.name}:map",
        labels=whole.labels,
        networks=whole.networks,
        hemisphere=whole.hemisphere,
        centroids=whole.centroids,
        network_order=tuple(dict.fromkeys(names)),
    )
    published = get_atlas(PUBLISHED)
    return published if whole.fingerprint == published.fingerprint else whole


def part_names(atlas: Atlas) -> dict[str, Numbers]:
    """Cut an atlas into parts as the released files have them: part -> the number (from 0) of each ROI's network.

    The parts of a joined atlas, if their networks are numbered one part after the other; else one part that is all.
    """
    found: dict[str, Numbers] = {}
    first = network = 0
    for name in atlas.name.partition(":")[0].split("+"):
        part = re.sub(r"^tian-s(\d)$", r"tian\1", name)
        size = _count(part, atlas.labels[first:])
        numbers = atlas.network_index[first : first + size] - network
        if not size or not np.array_equal(np.unique(numbers), np.arange(numbers.max() + 1)):
            break
        found[part] = numbers
        first, network = first + size, network + int(numbers.max()) + 1
    return found if first == atlas.n_rois else {re.sub(r"\W", "_", atlas.name): atlas.network_index}


def _count(part: str, labels: Sequence[str]) -> int:
    """Count the labels at the beginning that belong to a part, by our atlas of its name, or made up by `_atlas_of`."""
    if known_name(part) in list_atlases():
        own = get_atlas(known_name(part)).labels
        if tuple(labels[: len(own)]) == own:
            return len(own)
    made_up = (re.fullmatch(rf"{re.escape(part)}_\d{{3,}}", label) for label in labels)
    return sum(1 for _ in takewhile(bool, made_up))


def write_map(path: Path, parts: dict[str, Numbers]) -> None:
    """Write a map that `atlas_of_map` reads."""
    maps = {
        f"{KEY}{part}" + (f"_{numbers.max() + 1}n" if numbers.max() else ""): numbers for part, numbers in parts.items()
    }
    buffer = io.BytesIO()
    np.savez(buffer, **maps)  # type: ignore[arg-type]
    write_durably(path, buffer.getvalue())
