import numpy as np

from semantoks.atlas.brainmarks_spaces import brainmarks_spaces
from semantoks.atlas.catalog import get_atlas


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
