"""What lies in a folder that has no recordings, and what it would take to read it."""

from collections import Counter
from pathlib import Path

from semantoks.signals.files.names import walk

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
