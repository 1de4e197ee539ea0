import itertools

import numpy as np
import pytest

from semantoks.atlas import Atlas, get_atlas
from semantoks.errors import DataError

SIZES = (100, 200, 400, 900)


def atlas_of(*labels: str) -> Atlas:
    return Atlas(name="mine", labels=labels, networks=("Net",) * len(labels))


@pytest.mark.parametrize(("name", "prefix"), [("schaefer400", "7Networks_"), ("schaefer400-17", "17Networks_")])
def test_labels_match_with_and_without_the_order_of_networks_in_front(name, prefix):
    atlas = get_atlas(name)
    prefixed = [prefix + label for label in atlas.labels][::-1]
    assert atlas.reorder_from(prefixed).tolist() == list(range(399, -1, -1))
    renamed = atlas_of(*prefixed)
    assert renamed.reorder_from(atlas.labels).tolist() == list(range(399, -1, -1))


def test_labels_of_the_other_order_never_match():
    assert atlas_of("7Networks_A").match(["17Networks_A"]).tolist() == [-1]
    assert atlas_of("LH_Vis_1").match(["17Networks_LH_Vis_1"]).tolist() == [-1]
    assert atlas_of("LH_VisCent_ExStr_1").match(["7Networks_LH_VisCent_ExStr_1"]).tolist() == [-1]


def test_two_spellings_of_one_roi_in_one_recording_are_refused():
    with pytest.raises(DataError, match=r"'LH_Vis_1' at positions 0, 2 \('LH_Vis_1', '7Networks_LH_Vis_1'\)"):
        atlas_of("LH_Vis_1").match(["LH_Vis_1", "LH_Vis_2", "7Networks_LH_Vis_1"])
    with pytest.raises(DataError, match="'A' at positions 0, 1"):
        atlas_of("A").match(["7Networks_A", "17Networks_A"])


def test_a_label_that_the_atlas_does_not_have_may_occur_twice():
    assert atlas_of("a").match(["b", "b", "a"]).tolist() == [2]


def test_the_three_cut_labels_of_the_tian_atlas_find_their_rois():
    atlas = get_atlas("tian-s3")
    cut = {"HIP-head-l-lh": "HIP-head-l-l", "HIP-body-lh": "HIP-body-l", "PUT-DA-lh": "PUT-DA-l"}
    assert atlas.reorder_from([cut.get(label, label) for label in atlas.labels]).tolist() == list(range(50))


def test_schaefer_atlases_of_two_sizes_never_match_though_they_share_labels():
    shared = set(get_atlas("schaefer100").labels) & set(get_atlas("schaefer400").labels)
    assert len(shared) == 100
    for order in ("", "-17"):
        atlases = {size: get_atlas(f"schaefer{size}{order}") for size in SIZES}
        for own, other in itertools.permutations(SIZES, 2):
            with pytest.raises(DataError, match=f"has {own} Schaefer parcels .* has {other} Schaefer parcels"):
                atlases[own].match(atlases[other].labels)


def test_the_order_of_seventeen_networks_is_refused_for_the_order_of_seven():
    with pytest.raises(DataError, match=r"400 Schaefer parcels \(7 networks\), .*400 Schaefer parcels \(17 networks\)"):
        get_atlas("schaefer400").match(get_atlas("schaefer400-17").labels)


def test_renamed_parcels_of_an_older_label_version_are_refused():
    atlas = get_atlas("schaefer400+tian-s3")
    labels = list(atlas.labels)
    labels[300] = "RH_SalVentAttn_OldName_1"
    with pytest.raises(DataError, match=r"only in the recording: 'RH_SalVentAttn_OldName_1'.*label version"):
        atlas.match(labels)


def test_a_recording_that_lacks_parcels_still_matches():
    atlas = get_atlas("schaefer400+tian-s3+buckner7")
    cortex = get_atlas("schaefer400").labels
    assert atlas.match(cortex).tolist() == list(range(400)) + [-1] * 57
    without = [label for label in cortex if label not in ("LH_Vis_1", "RH_Cont_Cing_1")]
    assert np.flatnonzero(atlas.match(without)[:400] < 0).tolist() == [0, cortex.index("RH_Cont_Cing_1")]


def test_a_selection_matches_the_whole_atlas_that_it_came_from():
    whole = get_atlas("schaefer400")
    left = [label for label in whole.labels if label.startswith("LH")]
    assert whole.select(left).reorder_from(whole.labels).tolist() == list(range(200))
    some = whole.select(whole.labels[7:40])
    assert some.reorder_from(whole.labels[::-1]).tolist() == [399 - i for i in range(7, 40)]


def test_a_selection_as_large_as_a_smaller_atlas_is_not_taken_for_it():
    whole = get_atlas("schaefer400")
    balanced = whole.select(whole.labels[:50] + whole.labels[200:250])
    assert balanced.reorder_from(whole.labels).tolist() == [*range(50), *range(200, 250)]
