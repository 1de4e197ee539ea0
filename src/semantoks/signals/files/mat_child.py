"""Run as a program: read one .mat file of version 5 and write its arrays to standard output.

It imports nothing of this package, because it starts once per file.
"""

import sys

import numpy as np
import scipy.io


def field(arrays: dict[str, np.ndarray], names: list[str]) -> np.ndarray | None:
    """Follow the names of fields through structures of one element; None where the way ends."""
    found = arrays.get(names[0])
    for name in names[1:]:
        if found is None or found.dtype.names is None or name not in found.dtype.names or found.size != 1:
            return None
        found = np.asarray(found.item()[found.dtype.names.index(name)])
    return found


def main(path: str, *cells: str) -> None:
    """Write the names of the variables, then each array, in the format of .npy; Python objects lose their content.

    The elements of the cell arrays called ``cells`` follow as variables of their own, column after column: the first
    of ``data`` is ``data{1}``. What is inside a cell inside them is an object, too. A name with points
    (``CONN_x.Setup.RT``) is a field of structures, and follows under that name where it is there.
    """
    arrays = {name: np.asarray(value) for name, value in scipy.io.loadmat(path).items() if not name.startswith("__")}
    for name in cells:
        if name in arrays and arrays[name].dtype == object:
            elements = arrays[name].ravel(order="F")
            arrays |= {f"{name}{{{i}}}": np.asarray(element) for i, element in enumerate(elements, start=1)}
        elif "." in name and (found := field(arrays, name.split("."))) is not None:
            arrays[name] = found
    np.save(sys.stdout.buffer, np.array(list(arrays), dtype=str))
    for array in arrays.values():
        np.save(sys.stdout.buffer, np.zeros(array.shape, dtype="V1") if array.dtype.hasobject else array)


if __name__ == "__main__":
    main(*sys.argv[1:])
