from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.io

from semantoks.atlas.atlas import Atlas
from semantoks.errors import DataError
from semantoks.signals.recording import Recording

ReadAll = Callable[..., list[Recording]]
ORDER = [3, 0, 4, 2, 1]
"""Columns of a file, in the order of the atlas."""


def cell_of(words: list[str]) -> np.ndarray:
    held = np.empty((1, len(words)), dtype=object)
    held[0, :] = words
    return held


def write_beside(path: Path, series: np.ndarray, labels: list[str], more: dict[str, object]) -> None:
    if path.suffix == ".npz":
        np.savez(path, x=series, labels=np.array(labels), networks=np.array(["Vis"] * 5), **more)
    elif path.stem == "cell":
        scipy.io.savemat(path, {"x": series, "labels": cell_of(labels), "networks": cell_of(["Vis"] * 5), **more})
    elif path.stem == "struct":
        scipy.io.savemat(path, {"d": {"x": series, "roi_names": cell_of(labels), **more}})
    else:
        scipy.io.savemat(path, {"x": series, "labels": np.array(labels), **more})


@pytest.mark.parametrize("name", ["a.npz", "cell.mat", "chars.mat", "struct.mat"])
@pytest.mark.parametrize("turned", [False, True])
def test_labels_and_the_repetition_time_beside_an_array_are_read(
    tmp_path: Path, series: np.ndarray, atlas: Atlas, read_all: ReadAll, name: str, turned: bool
) -> None:
    labels, held = [atlas.labels[i] for i in ORDER], series[:, ORDER]
    write_beside(tmp_path / name, held.T if turned else held, labels, {"tr": 0.8})
    (recording,) = read_all(tmp_path, tr=None)
    assert recording.tr == 0.8
    assert np.array_equal(recording.series, series)
    with pytest.raises(DataError, match=rf"--tr says 2 s, but (d\.)?tr in {name} says 0\.8 s"):
        read_all(tmp_path, tr=2.0)


def test_labels_of_version_7_3_are_read(tmp_path: Path, series: np.ndarray, atlas: Atlas, read_all: ReadAll) -> None:
    with h5py.File(tmp_path / "a.mat", "w", userblock_size=512) as file:
        file["x"] = series[:, ORDER].T
        file["x"].attrs["MATLAB_class"] = np.bytes_("double")
        held = file.create_dataset("labels", (1, 5), dtype=h5py.ref_dtype)
        for place, i in enumerate(ORDER):
            inner = file.create_dataset(f"#refs#/{place}", data=np.array([[ord(c)] for c in atlas.labels[i]], "u2"))
            inner.attrs["MATLAB_class"] = np.bytes_("char")
            held[0, place] = inner.ref
    assert np.array_equal(read_all(tmp_path)[0].series, series)


def test_labels_beside_an_array_that_are_of_no_roi_are_refused(
    tmp_path: Path, series: np.ndarray, read_all: ReadAll
) -> None:
    for labels in (np.array(["a", "b", "c", "d", "e"]), np.array([3, 1, 5, 4, 2])):
        np.savez(tmp_path / "a.npz", x=series, labels=labels)
        with pytest.raises(DataError, match="none of its 5 labels is a label of the atlas five"):
            read_all(tmp_path)
    np.savez(tmp_path / "a.npz", x=series, labels=np.arange(5) + 1, TR=2.0)
    assert np.array_equal(read_all(tmp_path)[0].series, series)


@pytest.mark.parametrize(
    ("name", "step", "tr"), [("time", 0.8, 0.8), ("Time (ms)", 800, 0.8), ("time", 1, None), ("time", 800, None)]
)
def test_a_column_of_times_states_the_repetition_time(
    tmp_path: Path, series: np.ndarray, atlas: Atlas, read_all: ReadAll, name: str, step: float, tr: float | None
) -> None:
    frame = pd.DataFrame(series, columns=list(atlas.labels))
    frame.insert(0, name, (np.arange(8) * step).round(1))
    frame.to_csv(tmp_path / "a.csv", index=False)
    if tr is None:  # it may count frames, or milliseconds
        assert read_all(tmp_path, tr=2.0)[0].tr == 2.0
        return
    (recording,) = read_all(tmp_path, tr=None)
    assert recording.tr == pytest.approx(tr, rel=1e-6)
    assert np.array_equal(recording.series, series)
    with pytest.raises(DataError, match=r"--tr says 2 s, but the column '[tT]ime.*' of a\.csv says 0\.8 s"):
        read_all(tmp_path, tr=2.0)
