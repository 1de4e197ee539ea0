"""Atlases: what they know of each ROI, how they are numbered, matched, joined and kept."""

import dataclasses
import hashlib
import json

import numpy as np
import pytest

from semantoks.atlas import Atlas, join
from semantoks.atlas.atlas import homotopic_pairs
from semantoks.errors import DataError


def small(name: str = "small", labels: tuple[str, ...] = ("a", "b", "c", "d")) -> Atlas:
    n = len(labels)
    return Atlas(
        name=name,
        labels=labels,
        networks=("Vis", "Limbic", "Vis", "Cont")[:n],
        hemisphere=("L", "R", "n/a", "L")[:n],
        centroids=np.arange(3.0 * n).reshape(n, 3),
    )


def test_networks_are_numbered_in_order_of_first_appearance():
    atlas = small()
    assert (atlas.n_rois, atlas.n_networks) == (4, 3)
    assert atlas.network_names == ("Vis", "Limbic", "Cont")
    assert atlas.network_index.tolist() == [0, 1, 0, 2]
    assert atlas.network_index.dtype == np.int64


def test_hemisphere_and_centroids_left_out_are_unknown():
    atlas = Atlas(name="bare", labels=("a", "b"), networks=("x", "y"))
    assert atlas.hemisphere == ("n/a", "n/a")
    assert atlas.centroids.shape == (2, 3)
    assert np.isnan(atlas.centroids).all()


def test_centroids_are_a_copy_that_cannot_be_written():
    given = np.zeros((1, 3))
    atlas = Atlas(name="one", labels=("a",), networks=("x",), centroids=given)
    given[0, 0] = 5
    assert atlas.centroids[0, 0] == 0
    with pytest.raises(ValueError, match="read-only"):
        atlas.centroids[0, 0] = 1


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"labels": ()}, "0 labels and 2 networks"),
        ({"networks": ("x",)}, "2 labels and 1 networks"),
        ({"labels": ("a", "a")}, "ROI 1: the label 'a' occurs already at ROI 0"),
        ({"labels": ("a", "")}, "ROI 1: the label is empty"),
        ({"networks": ("n/a", "x")}, "ROI 0: the network is n/a"),
        ({"labels": ("a", "b\t")}, "ROI 1: the label 'b"),
        ({"hemisphere": ("L",)}, "1 hemispheres"),
        ({"hemisphere": ("L", "left")}, "not 'left'"),
        ({"centroids": np.zeros((3, 3))}, r"shape \(3, 3\)"),
    ],
)
def test_an_atlas_that_contradicts_itself_is_refused(fields, message):
    with pytest.raises(DataError, match=message):
        Atlas(**({"name": "bad", "labels": ("a", "b"), "networks": ("x", "y")} | fields))


def test_the_fingerprint_is_the_hash_of_labels_and_networks_in_order():
    atlas = small()
    text = json.dumps([["a", "b", "c", "d"], ["Vis", "Limbic", "Vis", "Cont"]])
    assert atlas.fingerprint == hashlib.sha256(text.encode()).hexdigest()[:16]


def test_the_fingerprint_moves_with_order_and_network_but_not_with_name_or_place():
    atlas = small()
    assert small(name="other").fingerprint == atlas.fingerprint
    assert Atlas(name="x", labels=atlas.labels, networks=atlas.networks).fingerprint == atlas.fingerprint
    assert atlas.select(["b", "a", "c", "d"]).fingerprint != atlas.fingerprint
    assert atlas.one_network().fingerprint != atlas.fingerprint


def test_select_takes_rois_in_the_order_given_with_all_that_belongs_to_them():
    chosen = small().select(["d", "b"])
    assert chosen.labels == ("d", "b")
    assert chosen.networks == ("Cont", "Limbic")
    assert chosen.hemisphere == ("L", "R")
    assert chosen.centroids.tolist() == [[9, 10, 11], [3, 4, 5]]
    assert chosen.name == "small (2 of 4 ROIs)"


def test_select_names_the_nearest_labels_of_an_unknown_one():
    atlas = small(labels=("Insula_L", "Insula_R"))
    with pytest.raises(DataError, match=r"no ROI 'Insulla_L'. Nearest to 'Insulla_L': 'Insula_L', 'Insula_R'"):
        atlas.select(["Insulla_L"])


def test_select_refuses_a_label_named_twice():
    with pytest.raises(DataError, match="'a' occurs already at ROI 0"):
        small().select(["a", "a"])


def test_reorder_brings_columns_into_the_order_of_the_atlas():
    atlas, labels = small(), ["x", "d", "a", "c", "b"]
    series = np.array([[9.0, 4.0, 1.0, 3.0, 2.0]])
    assert series[:, atlas.reorder_from(labels)].tolist() == [[1, 2, 3, 4]]


def test_reorder_undoes_any_permutation():
    atlas = small()
    order = np.random.default_rng(0).permutation(atlas.n_rois)
    shuffled = [atlas.labels[i] for i in order]
    assert order[atlas.reorder_from(shuffled)].tolist() == [0, 1, 2, 3]


def test_reorder_names_the_rois_that_are_absent():
    with pytest.raises(DataError, match="2 of the 4 ROIs of atlas small are not among the 3 labels given: 'b', 'd'"):
        small().reorder_from(["a", "c", "bb"])


def test_match_says_minus_one_where_a_recording_lacks_an_roi():
    assert small().match(["d", "a"]).tolist() == [1, -1, -1, 0]


def test_joined_atlases_keep_their_order_and_share_networks_of_one_name():
    joined = join("both", small(), small(labels=("e", "f")))
    assert joined.name == "both"
    assert joined.labels == ("a", "b", "c", "d", "e", "f")
    assert joined.network_index.tolist() == [0, 1, 0, 2, 0, 1]
    assert joined.hemisphere == ("L", "R", "n/a", "L", "L", "R")
    assert joined.centroids[:, 0].tolist() == [0, 3, 6, 9, 0, 3]


def test_join_refuses_a_label_that_occurs_in_two_atlases():
    with pytest.raises(DataError, match=r"left and right cannot be joined: 1 labels occur .*'b'"):
        join("both", small(name="left"), small(name="right", labels=("e", "b")))


def test_one_network_and_each_roi_its_own_change_networks_alone():
    atlas = small()
    assert atlas.one_network().network_names == ("Brain",)
    assert atlas.each_roi_its_own_network().networks == atlas.labels
    assert atlas.each_roi_its_own_network().network_index.tolist() == [0, 1, 2, 3]
    assert np.array_equal(atlas.one_network().centroids, atlas.centroids)


def test_the_frame_counts_columns_from_zero():
    frame = small().to_frame()
    assert list(frame.columns) == ["index", "label", "network", "hemisphere", "x", "y", "z"]
    assert frame["index"].tolist() == [0, 1, 2, 3]
    assert frame.iloc[1, 1:].tolist() == ["b", "Limbic", "R", 3, 4, 5]


def test_an_atlas_survives_the_way_through_a_table(tmp_path):
    centroids = np.array([[-1.23456789, 2, np.nan], [np.nan] * 3, [0.1, 0.2, 0.3]])
    labels = ("NA", "007", 'Right Heschl\'s "Gyrus" (H1, H2)')
    atlas = Atlas(name="odd", labels=labels, networks=("1", "None", "nan"), centroids=centroids)
    atlas.to_tsv(tmp_path / "odd.tsv")
    again = Atlas.from_tsv(tmp_path / "odd.tsv")
    assert again == atlas
    assert again.fingerprint == atlas.fingerprint
    np.testing.assert_array_equal(again.centroids, centroids)


def test_networks_may_be_numbered_in_another_order_which_files_and_fingerprints_keep(tmp_path):
    plain = small()
    atlas = dataclasses.replace(plain, network_order=("Cont", "Vis", "Limbic"))
    assert atlas.network_index.tolist() == [1, 2, 1, 0]
    assert atlas.fingerprint != plain.fingerprint
    atlas.to_tsv(tmp_path / "small.tsv")
    assert Atlas.from_tsv(tmp_path / "small.tsv") == atlas
    assert dataclasses.replace(plain, network_order=("Vis", "Limbic", "Cont")) == plain
    assert atlas.one_network().network_index.tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("order", [("Vis", "Limbic"), ("Vis", "Limbic", "Cont", "Cont"), ("Vis", "Limbic", "Other")])
def test_an_order_that_does_not_hold_each_network_once_is_refused(order):
    with pytest.raises(DataError, match="network_order has to hold each of its 3 networks once"):
        dataclasses.replace(small(), network_order=order)


@pytest.mark.parametrize(
    "numbers", [("0", "1", "2", "3"), ("0", "1", "0", "1"), ("1", "2", "1", "3"), ("0", "", "0", "x")]
)
def test_a_table_whose_networks_are_not_numbered_one_each_is_refused(tmp_path, numbers):
    rows = zip("abcd", ("Vis", "Limbic", "Vis", "Cont"), numbers, strict=True)
    lines = ["label\tnetwork\tnetwork_number", *("\t".join(row) for row in rows)]
    (tmp_path / "odd.tsv").write_text("\n".join(lines))
    with pytest.raises(DataError, match="has to number the 3 networks 0 to 2"):
        Atlas.from_tsv(tmp_path / "odd.tsv")


def test_homotopic_rois_are_each_other_s_nearest_mirror_image_within_12_mm():
    atlas = Atlas(
        name="own",
        labels=tuple("abcdefg"),
        networks=("Vis",) * 7,
        hemisphere=("L", "R", "L", "R", "L", "R", "n/a"),
        centroids=np.array([[-30, 0, 0], [29, 1, 0], [-33, 0, 0], [60, 0, 0], [-40, 50, 0], [40, 63, 0], [0, 0, 0.0]]),
    )
    assert homotopic_pairs(atlas).tolist() == [[0, 1]]  # c is farther from b than a is; e and f are 13 mm apart
    bare = Atlas(name="bare", labels=("a", "b"), networks=("x", "y"))
    assert homotopic_pairs(bare).shape == (0, 2)
