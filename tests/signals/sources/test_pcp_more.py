"""C-PAC's and ABIDE's files: numbers of ROIs that are lacking, values that are not known, and another tool's names."""

import numpy as np
import pytest
from tiny_pcp import ATLAS, made, opened, read

from semantoks.atlas.catalog import get_atlas
from semantoks.signals.layouts.abide import TABLE, write_abide
from semantoks.signals.sources.pcp import is_pcp


def save(root, series, numbers, name="NYU_0050952_rois_cc200.1D"):
    header = "\t".join(f"#{number}" for number in numbers)
    np.savetxt(root / name, series, fmt="%.9g", delimiter="\t", header=header, comments="")


@pytest.mark.parametrize("beyond", [[], [201]])
def test_a_number_that_the_header_skips_is_an_roi_that_is_missing(tmp_path, beyond):
    numbers = [*range(1, 5), *range(6, 201), *beyond]
    series = made(rois=len(numbers)).series
    save(tmp_path, series, numbers)
    found = read(tmp_path)[0].series
    assert np.flatnonzero(np.isnan(found).all(axis=0)).tolist() == [4]
    np.testing.assert_array_equal(found[:, :4], series[:, :4])
    np.testing.assert_array_equal(found[:, 5:], series[:, 4:199])


def test_numbers_name_no_roi_where_the_atlas_has_words_as_labels(tmp_path):
    series = made(rois=116).series
    save(tmp_path, series, [2001, 2002, *range(2101, 2215)], "NYU_0050952_rois_aal.1D")
    np.testing.assert_array_equal(read(tmp_path, get_atlas("aal"))[0].series, series)


def test_what_abides_table_does_not_know_is_missing_and_other_codes_stay(tmp_path):
    write_abide([made("CMU_a_0050642", mean_fd=0.1), made("NYU_0050952", mean_fd=0.2)], tmp_path, ATLAS)
    lines = (tmp_path / TABLE).read_text().splitlines()
    told = [
        f"{line},{cells}" for line, cells in zip(lines, ("FIQ,DX_GROUP,HAND", "-9999,1,-9999", "104,2,R"), strict=True)
    ]
    (tmp_path / TABLE).write_text("\n".join(told) + "\n")
    table = opened(tmp_path).participants().set_index("participant_id")
    assert np.isnan(table.loc["CMU_a_0050642", "FIQ"])
    assert table.loc["NYU_0050952", "FIQ"] == 104
    assert table["HAND"].isna().tolist() == [True, False]
    assert table["DX_GROUP"].tolist() == [1, 2]
    assert table["func_mean_fd"].tolist() == [0.1, 0.2]


def test_text_series_of_halfpipe_are_not_its(tmp_path):
    (tmp_path / "sub-01_task-rest_feature-corr_atlas-mine_timeseries.txt").touch()
    assert not is_pcp(tmp_path)
    (tmp_path / "sub-01_task-rest_atlas-mine_timeseries.1D").touch()
    assert is_pcp(tmp_path)
