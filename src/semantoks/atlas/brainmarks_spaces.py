"""The spaces of the Brainmarks suite: by name, what the columns of a sample are, as labels of our atlases."""

from functools import cache

from semantoks.atlas.catalog import get_atlas, seven_network_labels


@cache
def brainmarks_spaces() -> dict[str, tuple[str, ...]]:
    """Give the labels of each space in the order of its columns; all differ in their number.

    Their CIFTI spaces average by labels in 17-network order, Tian's first; the volume one is the published 457.
    """
    cortex, tian = seven_network_labels(400), get_atlas("tian-s3").labels
    return {
        "schaefer400": cortex,
        "schaefer400_tians3": (*tian, *cortex),
        "schaefer400_tians3_buckner7": get_atlas("schaefer400+tian-s3+buckner7").labels,
    }
