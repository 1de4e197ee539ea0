"""Odd cells, odd JSON and odd paths: each means what it says, or is refused; nothing beside it moves."""

import json
import os

import numpy as np
import pandas as pd
import pytest
from damages import FAMILIES, FIVE, series, write_xcpd
from damaging import ODD_CELLS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from semantoks.errors import ConfigError, DataError
from semantoks.signals.sources.folder import open_folder
from semantoks.signals.sources.listed import open_listed
from semantoks.signals.sources.source import Request
from semantoks.signals.sources.xcpd import open_xcpd
from semantoks.signals.typed_columns import MISSING

pytestmark = pytest.mark.slow

MORE = int(os.environ.get("SEMANTOKS_FUZZ", "0"))
few = settings(
    max_examples=30 * max(1, MORE),
    derandomize=not MORE,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**400)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["TR", "2.0", "0.01 Hz", "n/a"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["Low-pass", "high pass", "Name", "Version", "order", "x"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)
PARTS = st.sampled_from(
    ["..", ".", "", "~", "$HOME", "*", "a\x00b", "a\nb", "in.npy", "link.npy", "outside.npy", "é", "-"]
)


def only(family, folder, path):
    """The series of the one file; None where it is refused by its name."""
    try:
        source = family.opened(folder)
        (item,) = [item for item in source.items() if item.path == path]
        return source.read(item).series
    except (DataError, ConfigError) as error:
        assert path.name in str(error) or str(folder) in str(error)  # noqa: PT017
        return None


def meant(cell, whole):
    """What a cell says, as far as it is a number as computers write them."""
    bare = cell.strip(" \x0c").strip('"').strip()
    if bare in (*MISSING, "-nan"):
        return np.float32(np.nan)
    assert bare.isascii()
    assert "_" not in bare
    with np.errstate(over="ignore"):
        return np.float64(bare).astype(np.float32)


@pytest.mark.parametrize("column", [0, 4])
@pytest.mark.parametrize(
    ("name", "pattern"),
    [("xcpd", "*timeseries.tsv"), ("halfpipe", "*.tsv"), ("pcp", "*.1D"), ("dpabi", "*.txt")]
    + [("folder", f"*.{end}") for end in ("tsv", "csv", "1D", "txt")],
)
def test_a_cell_is_the_number_that_it_says_or_missing_or_the_file_is_refused(tmp_path, name, pattern, column):
    family = FAMILIES[name]
    family.write(tmp_path)
    (path,) = tmp_path.rglob(pattern)
    truth = only(family, tmp_path, path)
    lines = path.read_text().split("\n")
    line = len(lines) - 4  # of 9 frames the seventh, or sixth below a header
    mark = next((mark for mark in "\t," if mark in lines[line]), " ")
    frame = len(truth) - (len(lines) - 1 - line)
    for cell in ODD_CELLS:
        cells = lines[line].split(mark)
        cells[column] = cell
        path.write_bytes("\n".join([*lines[:line], mark.join(cells), *lines[line + 1 :]]).encode())
        if (found := only(family, tmp_path, path)) is None:
            continue
        wanted = truth.copy()
        wanted[frame, column] = meant(cell, truth[frame, column])
        np.testing.assert_array_equal(found, wanted, err_msg=repr(cell))


@few
@given(JSON, JSON, JSON, st.integers(0, 3))
def test_whatever_sidecars_hold_the_repetition_time_is_the_one_they_state(
    tmp_path_factory, seconds, filters, tools, deep
):
    folder = tmp_path_factory.mktemp("x")
    write_xcpd(folder)
    (sidecar,) = folder.rglob("*_desc-denoised_bold.json")
    held = json.dumps({"RepetitionTime": seconds, "SoftwareFilters": filters})
    nested = '{"a":' * 300 * deep + "1" + "}" * 300 * deep
    sidecar.write_text(held.replace("null", nested) if deep else held)
    (folder / "dataset_description.json").write_text(json.dumps({"GeneratedBy": tools}))
    try:
        source = open_xcpd(Request(path=folder, atlas=FIVE))
        found = source.read(source.items()[0])
    except DataError as error:
        assert "sub-01_task-rest" in str(error)  # noqa: PT017
        return
    assert found.tr == float(seconds[0] if isinstance(seconds, list) else seconds)
    assert found.band is None or len(found.band) == 2


def outcome(source):
    """What each item gives: its series, or None where it is refused."""
    found = []
    for item in source.items():
        try:
            found.append(source.read(item).series)
        except DataError:
            found.append(None)
    return found


@pytest.fixture(scope="module")
def around(tmp_path_factory):
    """A folder with one recording and a link, and a recording beside it."""
    root = tmp_path_factory.mktemp("around")
    (root / "inside").mkdir()
    np.save(root / "inside" / "in.npy", series(1))
    np.save(root / "outside.npy", series(2))
    (root / "inside" / "link.npy").symlink_to(root / "outside.npy")
    return root


@few
@given(st.lists(PARTS, min_size=1, max_size=4), st.booleans())
def test_a_table_that_lies_in_a_folder_leads_nowhere_out_of_it(around, parts, absolute):
    name = (f"{around}/" if absolute else "") + "/".join(parts)
    table = pd.DataFrame({"participant_id": ["01"], "filename": [name]})
    try:
        source = open_folder(Request(path=around / "inside", atlas=FIVE, tr=2.0, participants=table))
    except (DataError, ConfigError) as error:
        assert str(around) in str(error) or "repetition time" in str(error)  # noqa: PT017
        return
    named = [item.participant for item in source.items()].index("01") if name else 0
    there = outcome(source)[named]
    assert there is None or any(np.array_equal(there, series(seed)) for seed in (1, 2))
    if there is not None and np.array_equal(there, series(2)):
        assert os.path.normpath(name).endswith("link.npy")  # the link is the folder's own


@few
@given(st.lists(PARTS, min_size=1, max_size=4), st.booleans())
def test_a_path_in_a_list_is_that_file_or_refused(around, parts, absolute):
    name = (f"{around}/" if absolute else "") + "/".join(parts)
    path = around / "inside" / "list.tsv"
    path.write_text(f'path\tparticipant_id\n"{name}"\t01\n', newline="")
    try:
        (found,) = outcome(open_listed(Request(path=path, atlas=FIVE, tr=2.0)))
    except DataError as error:
        assert "list.tsv" in str(error)  # noqa: PT017
        return
    if found is not None:
        np.testing.assert_array_equal(found, np.load(around / "inside" / name))
