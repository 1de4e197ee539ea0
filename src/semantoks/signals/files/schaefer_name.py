"""Names such as ``Schaefer2018400Parcels7Networks``: the labels that columns without labels have in that order."""

import re

from semantoks.atlas.catalog import get_atlas, list_atlases

SCHAEFER = re.compile(r"Schaefer(?:2018)?(?P<parcels>\d{3,4})Parcels(?P<networks>7|17)Networks", re.IGNORECASE)


def schaefer_labels(name: str) -> tuple[str, ...] | None:
    """Give the labels of the parcels that a name tells, in its order of networks; None when it tells none."""
    found = SCHAEFER.fullmatch(name)
    atlas = "" if found is None else f"schaefer{found['parcels']}" + ("-17" if found["networks"] == "17" else "")
    return get_atlas(atlas).labels if atlas in list_atlases() else None
