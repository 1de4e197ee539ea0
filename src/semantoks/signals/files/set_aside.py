"""Files of arrays that lie beside recordings and are none, known by their names: what they are, and how many."""

import re
from collections import Counter
from collections.abc import Iterable

from semantoks.signals.files.names import bare_name

SERIES = re.compile(r"time_?-?series|bold|(?:^|[_-])ts(?:$|[_-])")
"""Who calls a file so means a recording, whatever else is in its name."""
MATRICES, MAPS, LISTS, TABLES = (
    "connectivity matrices",
    "maps of one value per ROI",
    "lists of ids or names",
    "tables of confounds, motion, events and the like",
)
KINDS = {
    MATRICES: re.compile(
        r"relmat|corr(?:elation|mat)|corr_?mat|connectivity|connectome|con_?mat|conn_?mat|p?conn$|net_?mat|adjacency|"
        r"covariance|fisher_?z|z_?fisher|fc_?mat|(?:^|[_-])(?:fc|[zp]?corr|cov|sc|sfc|dfc|pearson|boldmap|edges)$|"
        r"^(?:fc|[zp]?corr|cov|sc)[_-]sub|(?:^|[_-])(?:z|cov|adj|dist|sim)[_-]?mat(?:rix)?$"
    ),
    MAPS: re.compile(r".*(?:^|[_-])(?:stat-)?(?:f?alff|reho|coverage)(?:$|[_-](?:bold|map)$)"),
    LISTS: re.compile(
        r"(?:^|.*[_-])(?:(?:subj?(?:ect)?s?|participants?|sessions?|scans?)?_?(?:ids?|list)|subjects|"
        r"(?:roi|region|parcel|node|network)s?_?(?:names?|labels?|list|info|order)|labels?|names|order|"
        r"files?(?:list)?|(?:roi_?|mni_?)?(?:coords?|coordinates|centroids)|(?:.*[_-])?lut)$"
    ),
    TABLES: re.compile(
        r"(?:participants|recordings|phenotypic.*|demographics|readme.*|license.*|changes.*)$|"
        r"(?:phenotypes?|behaviou?r(?:al)?(?:_data)?|covariates|metadata|clinical|sessions|scans|sites|notes|quality|qc|"
        r"excluded?|included?)$|(?:rp_|movement_reg).*|"
        r"(?:.*[_-])?(?:fd(?:[_-]power)?|dvars|movement|framewise_?displacement|t?mask|censor)$|.*(?:[_-]confounds|_motion|"
        r"_outliers|_scans$|_sessions$|_dseg$|_physio$|_channels$|_stim$|_events$|_qc$)"
    ),
}
UNCOUNTED = re.compile(r"participants|phenotypic|readme|license|changes")
"""Tables about people and texts, which nobody takes for recordings."""


def set_aside(name: str) -> str:
    """Say what kind of file beside recordings has this name; empty for a recording."""
    stem = bare_name(name).lower()
    kinds = [kind for kind, pattern in KINDS.items() if (pattern.search if kind == MATRICES else pattern.match)(stem)]
    if not kinds or (kinds not in ([MAPS], [TABLES]) and SERIES.search(stem)):
        return ""
    return kinds[-1]


def counted_aside(names: Iterable[str]) -> list[str]:
    """Count the files that are no recordings, by kind: ``connectivity matrices (12)``."""
    kinds = Counter(set_aside(name) for name in names if not UNCOUNTED.match(name.lower()))
    return [f"{kind} ({kinds[kind]})" for kind in KINDS if kinds[kind]]
