"""How labels in a file find their ROIs: spellings of one label, and labels that must not be taken for each other.

Schaefer parcels are written with or without the order of networks in front (``7Networks_LH_Vis_1``, ``LH_Vis_1``).
Their names are reused: every label of the 100-parcel atlas is also a label of the 400-parcel atlas, for another parcel,
and eight names changed their parcel when the labels were revised (CBIG v0.14.3, September 2019).
"""

import difflib
import functools
import re
from collections.abc import Iterable, Sequence

import numpy as np

from semantoks.errors import DataError
from semantoks.types import RoiIndex

_SEVEN = ("Vis", "SomMot", "DorsAttn", "SalVentAttn", "Limbic", "Cont", "Default")
_SEVENTEEN = (
    *("VisCent", "VisPeri", "SomMotA", "SomMotB", "DorsAttnA", "DorsAttnB", "SalVentAttnA", "SalVentAttnB"),
    *("LimbicA", "LimbicB", "ContA", "ContB", "ContC", "DefaultA", "DefaultB", "DefaultC", "TempPar"),
)
_NETWORKS = {"7": frozenset(_SEVEN), "17": frozenset(_SEVENTEEN)}
_ORDER = {network: order for order, networks in _NETWORKS.items() for network in networks}
_PREFIXED = re.compile(r"(?:(7|17)Networks_)?(.+)", re.DOTALL)
_PARCEL = re.compile(r"[LR]H_([^_]+)_")
# XCP-D's copy of the Tian S3 labels cuts the last letter off three of them.
_TYPOS = {"HIP-head-l-l": "HIP-head-l-lh", "HIP-body-l": "HIP-body-lh", "PUT-DA-l": "PUT-DA-lh"}

Parcel = tuple[str, str]


def find(wanted: Sequence[str], available: Sequence[str]) -> RoiIndex:
    """Give for each wanted label its position in ``available``, or -1 where it is absent.

    A label with ``7Networks_`` or ``17Networks_`` in front equals the one without, never the one of the other order.

    Raises
    ------
    DataError
        When a wanted label is found more than once.
    """
    places: dict[str, list[int]] = {}
    parsed = [_parse(label) for label in available]
    for position, (_, bare) in enumerate(parsed):
        places.setdefault(bare, []).append(position)
    found = np.full(len(wanted), -1, dtype=np.int64)
    repeated = []
    for i, label in enumerate(wanted):
        order, bare = _parse(label)
        hits = [p for p in places.get(bare, []) if not order or not parsed[p][0] or parsed[p][0] == order]
        if len(hits) > 1:
            repeated.append(f"{label!r} at positions {', '.join(map(str, hits))} ({shown(available[p] for p in hits)})")
        elif hits:
            found[i] = hits[0]
    if repeated:
        occur = "occurs" if len(repeated) == 1 else "occur"
        raise DataError(
            f"each ROI has to occur once among the labels, but {len(repeated)} {occur} more often: "
            f"{'; '.join(repeated[:3])}. Remove or rename the columns that are not meant."
        )
    return found


def refuse_other_schaefer(own: Sequence[str], labels: Sequence[str], name: str) -> None:
    """Refuse two sets of Schaefer labels of different resolution, order of networks or label version.

    One of the two sets has to be complete (50 to 500 parcels on each side, all networks) for this to be known:
    then the other has to be a part of it. Two partial sets pass.

    Parameters
    ----------
    own
        Labels of the atlas called ``name``.
    labels
        Labels of the recording.
    """
    ours, theirs = _schaefer(tuple(own)), _schaefer(tuple(labels))
    if not ours or not theirs:
        return
    strange = theirs - ours if _is_complete(ours) else frozenset()
    lacking = ours - theirs if _is_complete(theirs) else frozenset()
    if strange or lacking:
        side = "only in the recording" if strange else "only in the atlas"
        raise DataError(
            f"atlas {name} has {_described(ours)}, the recording has {_described(theirs)}, and they are not the same "
            f"set ({side}: {shown(sorted(bare for _, bare in strange or lacking))}). The same label means another "
            "parcel at another resolution, order of networks or label version (changed in September 2019), so names "
            "cannot be matched. Use the atlas that the recording was made with, or a table of your own with its labels."
        )


def nearest(name: str, known: Iterable[str]) -> str:
    """Say which known names are spelled most like ``name``; an empty string when none is near."""
    close = difflib.get_close_matches(name, list(known), n=3)
    return f" Nearest to {name!r}: {shown(close)}." if close else ""


def shown(names: Iterable[str], limit: int = 5) -> str:
    """Join names for a message and count those beyond ``limit``."""
    listed = list(names)
    rest = f" and {len(listed) - limit} more" if len(listed) > limit else ""
    return ", ".join(repr(name) for name in listed[:limit]) + rest


def _parse(label: str) -> Parcel:
    """Split a label into its order of networks (``7``, ``17`` or empty) and its bare spelling."""
    match = _PREFIXED.fullmatch(label)
    prefix, bare = match.groups() if match else (None, label)
    bare = _TYPOS.get(bare, bare)
    parcel = _PARCEL.match(bare)
    return prefix or (_ORDER.get(parcel[1], "") if parcel else ""), bare


@functools.lru_cache(maxsize=256)  # a source's files are held against every atlas, the same labels again and again
def _schaefer(labels: tuple[str, ...]) -> frozenset[Parcel]:
    return frozenset((order, bare) for order, bare in map(_parse, labels) if order and _PARCEL.match(bare))


def _is_complete(parcels: frozenset[Parcel]) -> bool:
    orders = {order for order, _ in parcels}
    left = sum(bare.startswith("L") for _, bare in parcels)
    networks = {bare.split("_")[1] for _, bare in parcels}
    return len(orders) == 1 and 2 * left == len(parcels) and left % 50 == 0 and networks == _NETWORKS[orders.pop()]


def _described(parcels: frozenset[Parcel]) -> str:
    orders = " and ".join(sorted({order for order, _ in parcels}, key=int))
    return f"{len(parcels)} Schaefer parcels ({orders} networks)"
