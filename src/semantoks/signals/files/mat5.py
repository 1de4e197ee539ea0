"""What is in a .mat file of version 5: variables, elements of cells, fields of structures."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import scipy.io
from jaxtyping import Shaped
from numpy import ndarray


def field(arrays: Mapping[str, Shaped[ndarray, "..."]], names: Sequence[str]) -> Shaped[ndarray, "..."] | None:
    """Follow the names of fields through structures of one element; None where the way ends."""
    found = arrays.get(names[0])
    for name in names[1:]:
        if found is None or found.dtype.names is None or name not in found.dtype.names or found.size != 1:
            return None
        found = np.asarray(found.item()[found.dtype.names.index(name)])
    return found


def nested(name: str, value: Shaped[ndarray, "..."], depth: int = 3) -> dict[str, Shaped[ndarray, "..."]]:
    """Give what is inside cells and structures: ``tc{2,1}``, ``tc{3}`` (of one row), ``s.ts``, ``s(2).ts``."""
    inside: dict[str, Shaped[ndarray, ...]] = {}
    for place in np.ndindex(value.shape) if depth and value.dtype.hasobject else ():
        counted = [str(index + 1) for index, length in zip(place, value.shape, strict=True) if length > 1]
        element = value[place]
        if value.dtype.names is None:
            inside |= nested(f"{name}{{{','.join(counted) or 1}}}", np.asarray(element), depth - 1)
        else:
            which = f"({','.join(counted)})" if counted else ""
            for part in value.dtype.names:
                inside |= nested(f"{name}{which}.{part}", np.asarray(element[part]), depth - 1)
    return {name: value} | inside


def read_mat5(path: Path, cells: Sequence[str]) -> dict[str, Shaped[ndarray, "..."]]:
    """Read the variables of a file; of a Python object (a cell, a structure) only the shape is, with type void.

    The elements of the cell arrays called ``cells`` follow as variables of their own, column after column: the first
    of ``data`` is ``data{1}``. What is inside a cell inside them is an object, too. A name with points
    (``CONN_x.Setup.RT``) is a field of structures, and follows under that name where it is there. ``*`` asks for all
    that is inside of cells and structures, see ``nested``.
    """
    arrays = {name: np.asarray(value) for name, value in scipy.io.loadmat(path).items() if not name.startswith("__")}
    if tuple(cells) == ("*",):
        return {inner: array for name, value in arrays.items() for inner, array in nested(name, value).items()}
    for name in cells:
        if name in arrays and arrays[name].dtype == object:
            elements = arrays[name].ravel(order="F")
            arrays |= {f"{name}{{{i}}}": np.asarray(element) for i, element in enumerate(elements, start=1)}
        elif "." in name and (found := field(arrays, name.split("."))) is not None:
            arrays[name] = found
    return arrays
