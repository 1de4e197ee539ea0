import numpy as np
import pytest

from semantoks.atlas.atlas import Atlas
from semantoks.atlas.catalog import get_atlas
from semantoks.errors import DataError
from semantoks.signals.files.columns import in_atlas_order
from semantoks.signals.files.counters import only_counts


def test_the_axis_as_long_as_the_atlas_is_the_rois(atlas: Atlas, series: np.ndarray) -> None:
    assert np.array_equal(in_atlas_order(series, atlas, where="f"), series)
    assert np.array_equal(in_atlas_order(series.T, atlas, where="f"), series)


def test_a_square_array_is_ambiguous(atlas: Atlas, series: np.ndarray) -> None:
    remedy = r"either axis could be time\. Save it as \.tsv with the atlas's labels as its first line\."
    with pytest.raises(DataError, match=remedy):
        in_atlas_order(series[:5], atlas, where="f")


def test_a_square_array_with_labels_is_not_ambiguous(atlas: Atlas, series: np.ndarray) -> None:
    got = in_atlas_order(series[:5], atlas, column_names=atlas.labels, where="f")
    assert np.array_equal(got, series[:5])
    got = in_atlas_order(series[:5].T, atlas, row_names=atlas.labels, where="f")
    assert np.array_equal(got, series[:5])


def test_another_number_of_rois_is_refused_with_both_numbers(atlas: Atlas) -> None:
    with pytest.raises(DataError, match=r"wrong number of ROIs\. The atlas five has 5, .* the array is 8 x 4"):
        in_atlas_order(np.zeros((8, 4)), atlas, where="f")


def test_labels_reorder_columns_and_leave_the_absent_as_nan(atlas: Atlas, series: np.ndarray) -> None:
    names = ["Default", "Cerebellum", "Mot_L", "Vis_L"]
    got = in_atlas_order(series[:, [4, 3, 2, 0]], atlas, column_names=names, where="f")
    assert np.array_equal(got[:, [0, 2, 4]], series[:, [0, 2, 4]])
    assert np.isnan(got[:, [1, 3]]).all()


def test_labels_decide_before_counts(atlas: Atlas, series: np.ndarray) -> None:
    """Five frames of four labelled ROIs: by count the frames would be the ROIs."""
    got = in_atlas_order(series[:5, :4], atlas, column_names=atlas.labels[:4], where="f")
    assert np.array_equal(got[:, :4], series[:5, :4])
    assert np.isnan(got[:, 4]).all()


def test_names_that_only_count_leave_the_order_as_it_is(atlas: Atlas, series: np.ndarray) -> None:
    for names in (["0", "1", "2", "3", "4"], ["ROI_1", "ROI_2", "ROI_5", "ROI_6", "ROI_9"]):
        assert np.array_equal(in_atlas_order(series, atlas, column_names=names, where="f"), series)


def test_bare_numbers_are_positions_even_where_the_labels_are_numbers(series: np.ndarray) -> None:
    """A header that counts from 0 would be shifted by one against labels that count from 1."""
    numbered = Atlas(name="n", labels=("1", "2", "3", "4", "5"), networks=("a",) * 5)
    assert np.array_equal(in_atlas_order(series, numbered, column_names=list("01234"), where="f"), series)


def test_labels_of_another_atlas_are_refused_even_if_the_count_fits(atlas: Atlas, series: np.ndarray) -> None:
    with pytest.raises(DataError, match="none of its 5 labels is a label of the atlas five: it has 'a'"):
        in_atlas_order(series, atlas, column_names=["a", "b", "c", "d", "e"], where="f")


def test_labels_that_atlas_refuses_are_refused_in_the_name_of_the_file() -> None:
    """Labels of another resolution name other parcels, although all are spelled the same."""
    names = get_atlas("schaefer100").labels
    with pytest.raises(DataError, match=r"^file\.tsv: .*100 Schaefer parcels \(7 networks\)"):
        in_atlas_order(np.zeros((8, 100)), get_atlas("schaefer200"), column_names=names, where="file.tsv")


@pytest.mark.parametrize(("theirs", "ours"), [("schaefer100-17", "schaefer100"), ("schaefer100", "schaefer100-17")])
def test_labels_of_the_other_order_of_networks_are_the_same_parcels_and_brought_over_on_request(theirs, ours) -> None:
    atlas, names = get_atlas(ours), get_atlas(theirs).labels
    series = np.arange(100.0)[None].repeat(8, axis=0)
    with pytest.raises(DataError, match=r"^file\.tsv: .*other order of networks than .* --reorder brings them"):
        in_atlas_order(series, atlas, column_names=names, where="file.tsv")
    found = in_atlas_order(series, atlas, column_names=names, where="file.tsv", reorder=True)
    same = [np.flatnonzero((get_atlas(theirs).centroids == centre).all(axis=1))[0] for centre in atlas.centroids]
    assert found[0].tolist() == same


def test_a_label_that_comes_twice_is_refused(atlas: Atlas, series: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"^f: .*'Vis_L'"):
        in_atlas_order(series[:, :3], atlas, column_names=["Vis_L", "Vis_L", "Mot_L"], where="f")


def test_a_delimiter_at_the_end_of_each_line_is_no_roi(atlas: Atlas, series: np.ndarray) -> None:
    padded = np.column_stack([series, np.full(8, np.nan)])
    assert np.array_equal(in_atlas_order(padded, atlas, where="f"), series)


@pytest.mark.parametrize(
    ("names", "counts", "bare"),
    [
        (["0", "1", "2"], True, True),
        (["2001", "2002", "2101"], True, True),
        (["t_0", "t_1"], True, False),
        (["1", "1"], False, False),
        (["a_1", "b_2"], False, False),
        (["Vis", "Mot"], False, False),
    ],
)
def test_only_counts_knows_a_running_number(names: list[str], counts: bool, bare: bool) -> None:
    assert only_counts(names) is counts
    assert only_counts(names, bare=True) is bare


@pytest.mark.parametrize("pairs", [10, 15])
def test_a_row_of_pairs_of_rois_is_taken_for_connectivity(atlas: Atlas, pairs: int) -> None:
    """Five ROIs have 10 pairs, 15 with the diagonal."""
    values = np.random.default_rng(0).normal(size=(1, pairs))
    with pytest.raises(DataError, match=r"as many numbers as there are pairs: connectivity\? Leave it out"):
        in_atlas_order(values, atlas, where="f")
