import itertools
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from semantoks.atlas import Atlas, catalog, get_atlas, list_atlases
from semantoks.atlas.catalog import brainmarks_spaces, seven_network_labels
from semantoks.errors import DataError

SEVEN = {"Vis", "SomMot", "DorsAttn", "SalVentAttn", "Limbic", "Cont", "Default"}
OUTSIDE = {"Subcortical", "Cerebellar"}
SIZES = range(100, 1001, 100)
N_ROIS = (
    {f"schaefer{n}": n for n in SIZES}
    | {f"schaefer{n}-17": n for n in SIZES}
    | {"tian-s1": 16, "tian-s2": 32, "tian-s3": 50, "tian-s4": 54, "buckner7": 7}
    | {"cc200": 200, "cc400": 392, "aal": 116, "ho": 111, "4s456": 456, "mist122": 122}
)


def runs(atlas: Atlas) -> list[tuple[str, int]]:
    return [(network, len(list(group))) for network, group in itertools.groupby(atlas.networks)]


def test_every_packaged_atlas_has_its_number_of_rois():
    assert {name: get_atlas(name).n_rois for name in list_atlases()} == N_ROIS


def test_the_list_goes_by_size():
    names = list_atlases()
    assert names.index("schaefer200") < names.index("schaefer200-17") < names.index("schaefer1000")


def test_the_tables_hold_six_columns_and_are_small():
    paths = list(Path(catalog.__file__).with_name("tables").iterdir())
    plain = "label\tnetwork\themisphere\tx\ty\tz"
    for path in paths:
        expected = f"{plain}\tlabel_7network" if path.stem.endswith("-17") else plain
        assert path.read_text().splitlines()[0] == expected
    assert sum(path.stat().st_size for path in paths) < 700_000


def test_the_published_atlas_has_the_network_runs_of_the_method():
    atlas = get_atlas("schaefer400+tian-s3+buckner7")
    order = ["Vis", "SomMot", "DorsAttn", "SalVentAttn", "Limbic", "Cont", "Default"]
    left, right = [31, 37, 23, 22, 13, 22, 52], [30, 40, 23, 25, 13, 30, 39]
    cortex = list(zip(order * 2, left + right, strict=True))
    assert runs(atlas) == [*cortex, ("Subcortical", 50), ("Cerebellar", 7)]
    assert np.bincount(atlas.network_index).tolist() == [61, 77, 46, 47, 26, 52, 91, 50, 7]
    assert atlas.name == "schaefer400+tian-s3+buckner7"
    assert atlas.fingerprint == "c878ec886b77bfba"  # golden: saved encoders carry it


@pytest.mark.parametrize("name", [name for name in N_ROIS if name.startswith("schaefer")])
def test_schaefer_labels_tell_hemisphere_and_network_left_first(name):
    atlas = get_atlas(name)
    half = atlas.n_rois // 2
    assert atlas.hemisphere == ("L",) * half + ("R",) * half
    assert [label.split("_")[:2] for label in atlas.labels] == [
        [f"{side}H", network] for side, network in zip(atlas.hemisphere, atlas.networks, strict=True)
    ]
    assert atlas.n_networks == (17 if name.endswith("-17") else 7)


@pytest.mark.parametrize("size", SIZES)
def test_both_orders_of_schaefer_hold_the_same_parcels(size):
    seven, seventeen = get_atlas(f"schaefer{size}"), get_atlas(f"schaefer{size}-17")
    if 500 <= size <= 900:
        assert np.isnan(seven.centroids).all()
        assert np.isnan(seventeen.centroids).all()
        return
    assert sorted(map(tuple, seven.centroids)) == sorted(map(tuple, seventeen.centroids))
    assert not np.array_equal(seven.centroids, seventeen.centroids)


def test_the_seventeen_network_tables_stand_in_their_own_order():
    # From CBIG's Schaefer2018_400Parcels_17Networks_order.
    atlas = get_atlas("schaefer400-17")
    assert atlas.labels[:2] == ("LH_VisCent_ExStr_1", "LH_VisCent_ExStr_2")
    # Parcel 61 of that order is LH_Vis_1 of the 7-network order.
    assert atlas.labels[60] == "LH_DorsAttnA_TempOcc_2"
    np.testing.assert_array_equal(atlas.centroids[60], get_atlas("schaefer400").centroids[0])


@pytest.mark.parametrize("name", N_ROIS)
def test_a_side_agrees_with_the_sign_of_x(name):
    atlas = get_atlas(name)
    x = atlas.centroids[:, 0]
    side = np.array(atlas.hemisphere)
    assert not (x[side == "L"] > 0).any()
    assert not (x[side == "R"] < 0).any()
    known = atlas.centroids[~np.isnan(atlas.centroids).any(axis=1)]
    assert (np.abs(known) < 110).all()


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_tian_has_its_right_side_first_and_mirrored_on_the_left(scale):
    atlas = get_atlas(f"tian-s{scale}")
    half = atlas.n_rois // 2
    right, left = atlas.labels[:half], atlas.labels[half:]
    assert [label.removesuffix("-rh") for label in right] == [label.removesuffix("-lh") for label in left]
    assert atlas.hemisphere == ("R",) * half + ("L",) * half
    assert atlas.network_names == ("Subcortical",)


def test_buckner_labels_name_the_cortical_network_of_each_zone():
    atlas = get_atlas("buckner7")
    order = ["Vis", "SomMot", "DorsAttn", "SalVentAttn", "Limbic", "Cont", "Default"]
    assert atlas.labels == tuple(f"Cerebellum_{network}" for network in order)
    assert atlas.network_names == ("Cerebellar",)


@pytest.mark.parametrize(
    ("name", "subcortical", "cerebellar"), [("cc200", 19, 17), ("cc400", 41, 35), ("aal", 12, 26), ("ho", 15, 0)]
)
def test_rois_outside_cortex_have_networks_of_their_own(name, subcortical, cerebellar):
    count = Counter(get_atlas(name).networks)
    assert (count["Subcortical"], count["Cerebellar"]) == (subcortical, cerebellar)
    assert set(count) - OUTSIDE == SEVEN


def test_craddock_labels_are_the_values_of_the_image_in_ascending_order():
    assert get_atlas("cc200").labels == tuple(map(str, range(1, 201)))
    values = [int(label) for label in get_atlas("cc400").labels]
    assert values == sorted(values)
    assert set(range(1, 401)) - set(values) == {33, 79, 86, 311, 358, 369, 382, 390}


def test_anatomical_rois_lie_in_the_networks_that_anatomy_expects():
    aal, ho = get_atlas("aal"), get_atlas("ho")
    network = dict(zip(aal.labels + ho.labels, aal.networks + ho.networks, strict=True))
    expected = {
        "Calcarine_L": "Vis",
        "Precentral_R": "SomMot",
        "Putamen_R": "Subcortical",
        "Cerebelum_Crus1_L": "Cerebellar",
        "Left Thalamus": "Subcortical",
        "Left Occipital Pole": "Vis",
        "Unnamed 3455": "Subcortical",
    }
    assert {label: network[label] for label in expected} == expected
    assert aal.labels[0] == "Precentral_L"
    assert ho.labels.index("Unnamed 3455") == 82


def test_4s456_is_schaefer400_with_other_subcortex_and_cerebellum():
    atlas, cortex = get_atlas("4s456"), get_atlas("schaefer400")
    assert atlas.labels[:400] == cortex.labels
    assert atlas.networks[:400] == cortex.networks
    np.testing.assert_array_equal(atlas.centroids[:400], cortex.centroids)
    assert runs(atlas)[-2:] == [("Subcortical", 46), ("Cerebellar", 10)]
    assert not set(atlas.labels[400:]) & set(get_atlas("tian-s3+buckner7").labels)


def test_names_may_be_written_in_any_case():
    assert get_atlas("Schaefer400+Tian-S3") == get_atlas("schaefer400+tian-s3")
    assert get_atlas("CC200:ONE") == get_atlas("cc200:one")


def test_a_suffix_holds_for_the_whole_of_a_joined_name():
    atlas = get_atlas("tian-s1+buckner7:one")
    assert (atlas.n_rois, atlas.network_names, atlas.name) == (23, ("Brain",), "tian-s1+buckner7:one")
    assert get_atlas("cc200:each").network_index.tolist() == list(range(200))


def test_the_name_of_every_atlas_gives_that_atlas_again():
    for name in ("aal", "cc200:each", "tian-s1+buckner7:one"):
        atlas = get_atlas(name)
        assert get_atlas(atlas.name) == atlas


def test_a_table_of_ones_own_can_be_given_joined_and_suffixed(tmp_path):
    path = tmp_path / "my+own.tsv"
    path.write_text("label\tnetwork\na\tA\nb\tB\n")
    assert get_atlas(path).labels == get_atlas(str(path)).labels == ("a", "b")
    assert get_atlas(f"{path}:one").network_names == ("Brain",)
    path.rename(tmp_path / "own.tsv")
    assert get_atlas(f"buckner7+{tmp_path}/own.tsv").labels[6:] == ("Cerebellum_Default", "a", "b")


def test_an_atlas_is_passed_through():
    atlas = Atlas(name="mine", labels=("a",), networks=("A",))
    assert get_atlas(atlas) is atlas


@pytest.mark.parametrize("name", ["schaeffer400", "buckner7+schaeffer400", "schaeffer400:one"])
def test_an_unknown_name_is_answered_by_the_nearest_and_the_way_to_a_table(name):
    with pytest.raises(
        DataError, match=r"no atlas 'schaeffer400'. Nearest .*'schaefer400'.*FILE\.tsv with the columns"
    ):
        get_atlas(name)


@pytest.mark.parametrize("name", ["", "cc200+", "cc200:two", "cc200:one+aal", "mine.csv"])
def test_what_is_no_name_is_refused(name):
    with pytest.raises(DataError, match="there is no atlas"):
        get_atlas(name)


def test_atlases_that_share_labels_are_not_joined():
    with pytest.raises(DataError, match="400 labels occur in more than one"):
        get_atlas("schaefer400+4s456")


@pytest.mark.parametrize("size", [100, 200, 300, 400, 500, 600, 700, 800, 900, 1000])
def test_both_orders_of_networks_hold_the_same_parcels_and_it_is_known_which_is_which(size):
    seven, seventeen = get_atlas(f"schaefer{size}"), get_atlas(f"schaefer{size}-17")
    place = [seven.labels.index(label) for label in seven_network_labels(size)]
    assert sorted(place) == list(range(size))
    assert [seven.hemisphere[i] for i in place] == list(seventeen.hemisphere)
    np.testing.assert_array_equal(seven.centroids[place], seventeen.centroids)


def test_the_number_of_columns_tells_the_space():
    widths = {space: len(labels) for space, labels in brainmarks_spaces().items()}
    assert widths == {"schaefer400": 400, "schaefer400_tians3": 450, "schaefer400_tians3_buckner7": 457}


def test_their_cortex_is_in_seventeen_network_order_and_behind_tians_rois():
    spaces = brainmarks_spaces()
    cortex, seventeen = get_atlas("schaefer400"), get_atlas("schaefer400-17")
    place = cortex.match(spaces["schaefer400"])
    np.testing.assert_array_equal(cortex.centroids, seventeen.centroids[place])
    assert spaces["schaefer400_tians3"] == (*get_atlas("tian-s3").labels, *spaces["schaefer400"])


def test_every_space_holds_rois_of_the_published_atlas_once():
    published = get_atlas("schaefer400+tian-s3+buckner7")
    for labels in brainmarks_spaces().values():
        assert (published.match(labels) >= 0).sum() == len(set(labels)) == len(labels)
    assert brainmarks_spaces()["schaefer400_tians3_buckner7"] == published.labels
