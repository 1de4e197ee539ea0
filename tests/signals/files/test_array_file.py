import pickle
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io

from semantoks.errors import DataError
from semantoks.signals.files import series_file
from semantoks.signals.files.series_file import read_array_file, read_cells, read_nested, read_variable
from semantoks.signals.files.several import recordings_in

A = np.arange(12, dtype=np.float64).reshape(3, 4)


def test_an_npy_file_is_its_array(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", A)
    assert np.array_equal(read_array_file(tmp_path / "a.npy"), A)


@pytest.mark.parametrize("arrays", [{"x": A}, {"bold": A, "other": A + 1}, {"other": A + 1, "timeseries": A}])
def test_an_npz_file_gives_its_one_array_or_the_one_called_bold_or_timeseries(
    tmp_path: Path, arrays: dict[str, np.ndarray]
) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    assert np.array_equal(read_array_file(tmp_path / "a.npz"), A)


def test_scalars_and_text_beside_the_array_do_not_matter(tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / "a.mat", {"ROISignals": A, "TR": 2.0, "who": "me"})
    assert np.array_equal(read_array_file(tmp_path / "a.mat"), A)


def test_a_mat_file_of_version_7_3_is_read_as_hdf5(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.mat", "w", userblock_size=512) as file:
        file["series"] = A
    assert np.array_equal(read_array_file(tmp_path / "a.mat"), A)


def test_the_axes_of_what_matlab_itself_wrote_as_version_7_3_are_put_back(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.mat", "w", userblock_size=512) as file:
        file["series"] = A.T
        file["series"].attrs["MATLAB_class"] = np.bytes_("double")
    assert np.array_equal(read_array_file(tmp_path / "a.mat"), A)


def test_one_variable_is_read_by_name_and_of_several_arrays_a_dozen_is_listed(tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / "a.mat", {"bold": A + 1, "ROISignals": A})
    assert np.array_equal(read_variable(tmp_path / "a.mat", "ROISignals"), A)
    np.savez(tmp_path / "a.npz", **{f"x{i}": A for i in range(15)})
    with pytest.raises(DataError, match=r"2-D array of real numbers ROISignals; it contains x0 .* x11 .* and 3 more\."):
        read_variable(tmp_path / "a.npz", "ROISignals")


def cell(*elements: object) -> np.ndarray:
    held = np.empty((2, len(elements) // 2), dtype=object)
    held.T.flat = elements
    return held


def column(*elements: object) -> np.ndarray:
    held = np.empty((len(elements), 1), dtype=object)
    for row, element in enumerate(elements):
        held[row, 0] = element
    return held


def test_cells_give_numbers_and_text_column_after_column_and_of_anything_else_the_shape(tmp_path: Path) -> None:
    inner = {"a": 1.0}
    held = {"data": cell(A, "CSF", A.astype(np.int16), inner, cell("x", "y"), "")}
    scipy.io.savemat(tmp_path / "a.mat", held | {"x": A})
    numbers, text, whole, struct, nested, empty = read_cells(tmp_path / "a.mat", "data")[0]
    assert np.array_equal(numbers, A)
    assert text.tolist() == ["CSF"]
    assert whole.dtype == np.int16
    assert struct.dtype == nested.dtype == np.dtype("V1")
    assert (struct.shape, nested.shape, empty.size) == ((1, 1), (2, 1), 0)


def test_cells_are_no_arrays_for_who_does_not_ask_for_them(tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / "a.mat", {"data": cell(A, A), "x": A + 1})
    assert np.array_equal(read_array_file(tmp_path / "a.mat"), A + 1)


def test_a_file_without_the_cells_and_one_of_version_7_3_are_refused(tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / "a.mat", {"data": cell(A, A), "names": A})
    with pytest.raises(
        DataError, match=r"has to contain a cell array names; it contains data \[2, 1\] \|V1, names \[3, 4\]"
    ):
        read_cells(tmp_path / "a.mat", "data", "names")
    with h5py.File(tmp_path / "b.mat", "w", userblock_size=512) as file:
        file["data"] = A
    with pytest.raises(DataError, match=r"b\.mat is of version 7\.3, .*save it with -v7"):
        read_cells(tmp_path / "b.mat", "data")
    with pytest.raises(DataError, match=r"c\.mat cannot be read"):
        read_cells(tmp_path / "c.mat", "data")


def test_structures_and_a_single_cell_are_looked_into(tmp_path: Path) -> None:
    for name, content in (
        ("a", {"roi": {"ts": A, "tr": 2.0}}),
        ("b", {"tc": column(A)}),
        ("c", {"x": {"y": {"z": A}}}),
    ):
        scipy.io.savemat(tmp_path / f"{name}.mat", content)
        assert np.array_equal(read_array_file(tmp_path / f"{name}.mat"), A)


def test_a_series_beside_its_connectivity_is_the_one_that_is_meant(tmp_path: Path) -> None:
    series = np.random.default_rng(0).normal(size=(9, 4))
    np.savez(tmp_path / "a.npz", x=series, y=np.corrcoef(series.T))
    scipy.io.savemat(tmp_path / "b.mat", {"x": series, "y": np.corrcoef(series.T)})
    for name in ("a.npz", "b.mat"):
        assert np.array_equal(read_array_file(tmp_path / name), series)


def test_of_several_arrays_the_one_that_fits_the_atlas_is_meant(tmp_path: Path) -> None:
    series, design = np.random.default_rng(0).normal(size=(9, 4)), np.random.default_rng(1).normal(size=(9, 6))
    np.savez(tmp_path / "a.npz", x=series, confounds=design)
    assert np.array_equal(read_array_file(tmp_path / "a.npz", n_rois=4), series)
    with pytest.raises(DataError, match=r"x \[9, 4\] float64, confounds \[9, 6\] .*save each in a file of its own"):
        read_array_file(tmp_path / "a.npz", n_rois=5)


def test_an_array_of_several_recordings_points_to_the_function_for_it(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((2, 9, 4)))
    with pytest.raises(DataError, match=r"\[n, frame, roi\] go through semantoks\.recordings_from_arrays"):
        read_array_file(tmp_path / "a.npy")


@pytest.mark.parametrize(
    ("held", "places"),
    [
        (column(A, A + 1), {"tc{1}": ("1", ""), "tc{2}": ("2", "")}),
        (column(A, A + 1).T, {"tc{1}": ("1", ""), "tc{2}": ("2", "")}),
        (column(A, A + 1, A + 2, A + 3).reshape(2, 2), {f"tc{{{i},{j}}}": (i, j) for i in "12" for j in "12"}),
        (column({"ts": A, "id": "x"}, {"ts": A + 1, "id": "y"}), {"tc{1}.ts": ("1", ""), "tc{2}.ts": ("2", "")}),
        (np.array([(A,), (A + 1,)], dtype=[("ts", object)]), {"tc(1).ts": ("1", ""), "tc(2).ts": ("2", "")}),
        (column(A), {}),
        (A, {}),
        (column("one", "two"), {}),
    ],
)
@pytest.mark.parametrize("compressed", [False, True])
def test_cells_of_series_are_several_recordings(tmp_path: Path, held, places, compressed: bool) -> None:
    scipy.io.savemat(tmp_path / "a.mat", {"names": column("one", "two"), "tc": held}, do_compression=compressed)
    assert recordings_in(tmp_path / "a.mat") == places


def test_cells_of_version_7_3_are_several_recordings_too(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.mat", "w", userblock_size=512) as file:
        for number in (1, 2):
            file[f"#refs#/{number}"] = (A + number).T
            file[f"#refs#/{number}"].attrs["MATLAB_class"] = np.bytes_("double")
        refs = np.array([[file["#refs#/1"].ref, file["#refs#/2"].ref]], dtype=h5py.ref_dtype)
        file["tc"] = refs  # {2,1} in MATLAB
        file["tc"].attrs["MATLAB_class"] = np.bytes_("cell")
    assert recordings_in(tmp_path / "a.mat") == {"tc{1}": ("1", ""), "tc{2}": ("2", "")}
    assert np.array_equal(read_nested(tmp_path / "a.mat")["tc{2}"], A + 2)


def test_several_arrays_are_listed_with_their_shapes(tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / "a.mat", {"one": A, "two": A})
    with pytest.raises(DataError, match=r"it contains one \[3, 4\] float64, two \[3, 4\] float64"):
        read_array_file(tmp_path / "a.mat")


@pytest.mark.parametrize("array", [np.zeros(4), np.zeros((2, 3, 4)), A + 1j, A > 1])
def test_what_is_no_table_of_real_numbers_is_refused(tmp_path: Path, array: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(DataError, match="has to contain one 2-D array of real numbers"):
        read_array_file(tmp_path / "a.npy")


def test_python_objects_are_never_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{"x": 1}], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "a.npz", x=np.array([{"x": 1}], dtype=object), allow_pickle=True)
    for name in ("a.npy", "a.npz"):
        with pytest.raises(
            DataError, match=r"a\.np. contains Python objects \(a pickle\).*np\.savez\(FILE, bold=ARRAY\)"
        ):
            read_array_file(tmp_path / name)
    np.savez(tmp_path / "b.npz", bold=A)
    assert np.array_equal(read_array_file(tmp_path / "b.npz"), A)


def test_a_pickle_called_npy_is_a_pickle(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(pickle.dumps({"sub-01": A}))
    with pytest.raises(DataError, match=r"a\.npy contains Python objects .*semantoks\.recordings_from_mapping"):
        read_array_file(tmp_path / "a.npy")


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.mat"])
def test_a_damaged_file_is_a_data_error(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x93NUMPY\x01\x00 cut off")
    with pytest.raises(DataError, match=f"{name} cannot be read"):
        read_array_file(tmp_path / name)
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(DataError, match=f"{name} cannot be read"):
        read_array_file(tmp_path / name)


def test_a_header_that_is_no_python_and_an_impossible_shape_are_data_errors(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", A)
    whole = (tmp_path / "a.npy").read_bytes()
    token, memory = r" as \.npy, is it damaged\? \(TokenError", r": it takes more than 1,024 MiB of memory"
    for shape, reason in ((b"(3, 4 , }", token), (b"(3, 9999999999999), }", memory)):
        (tmp_path / "a.npy").write_bytes(whole.replace(b"(3, 4), }".ljust(len(shape)), shape))
        with pytest.raises(DataError, match=rf"a\.npy cannot be read{reason}"):
            read_array_file(tmp_path / "a.npy")


def test_an_encrypted_archive_is_a_data_error(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=A)
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        flags = (6, archive.start_dir + 8)  # of the file and in the directory
    data = bytearray((tmp_path / "a.npz").read_bytes())
    for place in flags:
        data[place] = 1
    (tmp_path / "a.npz").write_bytes(data)
    with pytest.raises(DataError, match=r"a\.npz cannot be read .*RuntimeError: .*encrypted"):
        read_array_file(tmp_path / "a.npz")


def test_a_mat_file_that_kills_its_reader_is_a_data_error_and_the_process_lives(tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / "a.mat", {"x": A, "y": A})
    data = bytearray((tmp_path / "a.mat").read_bytes())
    data[145] = 0b1110  # flags of x: complex, so that y is read as its imaginary part
    (tmp_path / "a.mat").write_bytes(data)
    with pytest.raises(DataError, match=r"a\.mat cannot be read: its reader crashed \(SIGSEGV\)"):
        read_array_file(tmp_path / "a.mat")


def test_what_a_mat_file_holds_beside_arrays_is_listed(tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / "a.mat", {"file": A, "x": A, "who": {"age": 3}})
    with pytest.raises(DataError, match=r"file \[3, 4\] float64, x \[3, 4\] float64, who \[1, 1\]"):
        read_array_file(tmp_path / "a.mat")


def test_a_fault_of_our_own_is_no_data_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "a.npy", A)
    monkeypatch.setattr(series_file, "_is_table", lambda array: array.no_such_attribute)
    with pytest.raises(AttributeError, match="no_such_attribute"):
        read_array_file(tmp_path / "a.npy")


RUNS = [{"run1": {"bold": A}, "run2": {"bold": A + 1}}, {"rest": {"timeseries": A}, "task": {"bold": A + 1}}]


@pytest.mark.parametrize("runs", RUNS)
@pytest.mark.parametrize("version", [5, 7.3])
def test_two_runs_in_structures_are_refused_and_none_is_chosen(tmp_path: Path, runs, version: float) -> None:
    path = tmp_path / "sub-01.mat"
    if version == 5:
        scipy.io.savemat(path, runs)
    else:
        with h5py.File(path, "w", userblock_size=512) as file:
            for run, inner in runs.items():
                for name, array in inner.items():
                    file[f"{run}/{name}"] = array
    with pytest.raises(
        DataError, match=r"one 2-D array.*(run1\.bold|rest\.timeseries).*sub-01_run-1.*sub-01_run-2"
    ) as caught:
        read_array_file(path)
    assert "put sub- into" not in str(caught.value)


def test_bold_and_timeseries_in_one_file_are_refused_unless_one_fits_the_atlas(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", bold=A, timeseries=A + 1)
    with pytest.raises(DataError, match=r"bold \[3, 4\] .*timeseries \[3, 4\] .*save that alone"):
        read_array_file(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", bold=A, timeseries=A[:, :2])
    assert np.array_equal(read_array_file(tmp_path / "b.npz", n_rois=4), A)
