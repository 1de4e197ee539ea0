"""What a file of arrays says beside its time series: the labels of the ROIs, and the repetition time."""

from collections.abc import Mapping

from jaxtyping import Shaped
from numpy import ndarray

from semantoks.atlas.atlas import Atlas
from semantoks.errors import DataError
from semantoks.signals.files.stated import StatedTR, plausible

LABELS = frozenset(
    f"{of}{what}{s}"
    for of in ("", "roi", "region", "parcel", "column", "channel")
    for what in ("label", "name")
    for s in ("", "s")
) | {"rois", "regions", "parcels", "columns"}
"""What labels of ROIs are called, less underscores, in lower case."""
REPETITION = ("tr", "repetitiontime")
"""What a repetition time in seconds is called, likewise."""
Arrays = Mapping[str, Shaped[ndarray, "..."]]


def labels_beside(arrays: Arrays, shape: tuple[int, ...], atlas: Atlas) -> tuple[list[str] | None, int]:
    """Find the labels of one axis of an array, and that axis; (None, 1) without any.

    They are the texts, as many as the axis is long, of which one is a label of the atlas; else what is called
    ``labels`` or ``roi_names``, texts or whole numbers, which then fit no atlas.
    """
    lists = {name: found for name, found in _lists(arrays).items() if len(found) in shape}
    ranked = sorted(lists, key=lambda name: (not _fits(lists[name], atlas), _word(name) not in LABELS))
    for name in ranked[:1]:
        if _fits(lists[name], atlas) or _word(name) in LABELS:
            return lists[name], shape.index(len(lists[name])) if len(set(shape)) > 1 else 1
    return None, 1


def _fits(labels: list[str], atlas: Atlas) -> bool:
    try:
        return bool((atlas.match(labels) >= 0).any())
    except DataError:
        return True  # those of another version: matching says so


def _lists(arrays: Arrays) -> dict[str, list[str]]:
    """Give the lists of texts in a file, also those in cells; and those of whole numbers that are called labels."""
    found: dict[str, list[str]] = {}
    for name, array in arrays.items():
        whole, _, cell = name.partition("{")
        if array.dtype.kind in "US" and cell and array.size <= 1:
            found.setdefault(whole, []).extend(_texts(array) or [""])
        elif array.size == max(array.shape, default=0) and (
            array.dtype.kind in "US" or (array.dtype.kind in "iuf" and _word(name) in LABELS)
        ):
            found[name] = _texts(array)
    return found


def _texts(array: Shaped[ndarray, "..."]) -> list[str]:
    return [_text(value).strip() for value in array.ravel().tolist()]


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value).removesuffix(".0")


def tr_beside(arrays: Arrays, where: str) -> StatedTR:
    """Find the repetition time in a file of arrays, a single number called ``tr`` or ``RepetitionTime``."""
    for name, array in arrays.items():
        if _word(name) in REPETITION and array.size == 1 and array.dtype.kind in "iuf":
            return plausible(float(array.ravel()[0]), f"{name} in {where}")
    return StatedTR(seconds=None, where="")


def _word(name: str) -> str:
    return name.rpartition(".")[2].replace("_", "").lower()
