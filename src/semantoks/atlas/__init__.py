"""What a column of a recording means: the label, network, hemisphere and place of each ROI."""

from semantoks.atlas.atlas import Atlas, join
from semantoks.atlas.catalog import get_atlas, list_atlases

__all__ = ["Atlas", "get_atlas", "join", "list_atlases"]
