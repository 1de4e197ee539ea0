"""The label image of one of Schaefer's atlases, by nilearn: from its folder of data, or from the network."""

import re
from pathlib import Path

from semantoks.atlas.atlas import Atlas
from semantoks.errors import ConfigError, DataError

SCHAEFER = re.compile(r"schaefer(?P<parcels>\d+)(?P<order>-17)?")
RESOLUTION = 2
"""Millimetres of a voxel."""
SPACE = "MNI152NLin6Asym"
"""The space that the images are in."""


def fetch_parcellation(atlas: Atlas) -> Path:
    """Give the image whose value k is ROI k of the atlas; nilearn keeps it (``NILEARN_DATA``, ``~/nilearn_data``).

    Raises
    ------
    ConfigError
        When the atlas is none of Schaefer's alone, or the image is not here and cannot be fetched.
    DataError
        When the labels that come with the image are not the atlas's.
    """
    found = SCHAEFER.fullmatch(atlas.name)
    if found is None:
        raise ConfigError(
            f"--fetch-parcellation knows the atlases schaefer100 to schaefer1000 (-17), not {atlas.name}: pass "
            "--parcellation IMAGE."
        )
    from nilearn.datasets import fetch_atlas_schaefer_2018

    order = 17 if found["order"] else 7
    try:
        fetched = fetch_atlas_schaefer_2018(
            int(found["parcels"]), yeo_networks=order, resolution_mm=RESOLUTION, verbose=0
        )
    except OSError as error:  # whatever a network has to say; nilearn's and requests' errors are of this kind
        raise ConfigError(
            f"the parcellation of {atlas.name} cannot be fetched ({type(error).__name__}): download it elsewhere and "
            "pass --parcellation IMAGE."
        ) from error
    names = [name.decode() if isinstance(name, bytes) else str(name) for name in fetched.labels]
    labels = [name.removeprefix(f"{order}Networks_") for name in names if name != "Background"]
    if labels != list(atlas.labels):
        raise DataError(
            f"the labels that nilearn fetched with {fetched.maps} are not those of {atlas.name}, in its order."
        )
    return Path(fetched.maps)
