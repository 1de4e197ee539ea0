"""Files in a folder that are no recordings: what kind they are by name, how many, and what reading them would take."""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from semantoks.signals.files.names import bare_name, walk

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


NEEDS = {
    (
        ".nii",
        ".nii.gz",
    ): "images have to be averaged over ROIs first: run XCP-D on fMRIPrep's output, or give fMRIPrep's "
    "output folder with --parcellation IMAGE",
    (".dcm", ".ima"): "DICOM images have to be converted and preprocessed first (dcm2niix, fMRIPrep, XCP-D)",
    (
        ".mgz",
        ".mgh",
        ".gii",
        ".head",
        ".brik",
    ): "surface and AFNI images have to be averaged over ROIs first, and saved as text tables [frame, roi]",
    (".xlsx", ".xls", ".ods"): "spreadsheets are not read: save them as .csv",
    (
        ".pkl",
        ".pickle",
        ".joblib",
        ".pt",
        ".pth",
    ): "pickles are not read, for they can run code: save the arrays as .npy",
    (".parquet", ".feather", ".rds", ".rdata"): "save each recording as .csv or .npy, one file each",
    (".zip", ".tar", ".tar.gz", ".tgz", ".7z", ".tar.xz"): "unpack the archives",
}
"""What files end with -> what it would take."""
SHOWN = 4


def lying_there(root: Path) -> str:
    """Say what a folder has instead of recordings, by the ends of names, with counts, and what they would need.

    XCP-D before 0.6 named its series as it does no longer: that is said, too.
    """
    names = [name.lower() for _, name in walk(root)]
    ends = Counter(map(_end, names))
    if not names:
        return "It has no files at all."
    counted = [f"{count} {end or 'without an ending'}" for end, count in ends.most_common(SHOWN)]
    more = f" and {len(ends) - SHOWN} other kinds" if len(ends) > SHOWN else ""
    needs = [words for known, words in NEEDS.items() if any(end in known for end in ends)]
    if any(name.endswith("_desc-timeseries_bold.tsv") for name in names):
        needs.insert(0, "this is XCP-D before 0.3, which is not read: run 0.6 or later")
    remedy = f" {'. '.join(need[0].upper() + need[1:] for need in needs[:2])}." if needs else ""
    return f"It has {', '.join(counted)}{more}.{remedy}"


def _end(name: str) -> str:
    """Give the known end of a file name, two suffixes long if need be, else its last suffix."""
    known = [end for ends in NEEDS for end in ends if name.endswith(end)]
    return max(known, key=len) if known else Path(name).suffix
