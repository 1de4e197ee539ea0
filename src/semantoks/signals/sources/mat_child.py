"""Run as a program: read one .mat file of version 5 and write its arrays to standard output.

It imports nothing of this package, because it starts once a file.
"""

import sys

import numpy as np
import scipy.io


def main(path: str) -> None:
    """Write the names of the variables, then each array, in the format of .npy; Python objects lose their content."""
    arrays = {name: np.asarray(value) for name, value in scipy.io.loadmat(path).items() if not name.startswith("__")}
    np.save(sys.stdout.buffer, np.array(list(arrays), dtype=str))
    for array in arrays.values():
        np.save(sys.stdout.buffer, np.zeros(array.shape, dtype="V1") if array.dtype.hasobject else array)


if __name__ == "__main__":
    main(sys.argv[1])
