"""The methods paragraph of a cohort, to paste into a paper: what its files record, and nothing else."""

from semantoks.atlas.catalog import get_atlas, list_atlases
from semantoks.counted import plural
from semantoks.reporting.cohort.exclusions import reasons, short_counts
from semantoks.reporting.cohort.folder import CohortFolder
from semantoks.reporting.wording import listed, median_words, share_words

Z_SCORE = "z-score per ROI over the recording, population standard deviation"
SAME_TR = 1e-6
_YEO = "Yeo et al. 2011, J Neurophysiol 106:1125"
_SCHAEFER = ("Schaefer et al. 2018, Cereb Cortex 28:3095", _YEO)
CITATIONS = {
    "schaefer": _SCHAEFER,
    "tian": ("Tian et al. 2020, Nat Neurosci 23:1421",),
    "buckner": ("Buckner et al. 2011, J Neurophysiol 106:2322",),
    "4s": (
        *_SCHAEFER,
        "Pauli et al. 2018 (CIT168)",
        "Najdenovska et al. 2018 (thalamus)",
        "Glasser et al. 2013 (hippocampus and amygdala)",
        "King et al. 2019 (cerebellum)",
    ),
    "cc": ("Craddock et al. 2012, Hum Brain Mapp 33:1914", _YEO),
    "aal": ("Tzourio-Mazoyer et al. 2002, NeuroImage 15:273", _YEO),
    "ho": ("Desikan et al. 2006, NeuroImage 31:968", _YEO),
}
"""What to cite for a named atlas, by what its name begins with (docs/atlases.md)."""


def methods(cohort: CohortFolder) -> str:
    """Write the paragraph."""
    sentences = [_data(cohort), _atlas(cohort), _repetition(cohort), _kept(cohort), _motion(cohort)]
    sentences += [_censoring(cohort), *_filtering(cohort), _resampling(cohort), _normalised(cohort), _absent(cohort)]
    return " ".join(sentence for sentence in sentences if sentence)


def references(cohort: CohortFolder) -> list[str]:
    """List what to cite for the atlas; nothing unless its name and its columns are those of a known one."""
    name, suffix, _ = cohort.atlas.name.partition(":")
    parts = name.split("+")
    if not set(parts) <= set(list_atlases()):
        return []
    if get_atlas(cohort.atlas.name).fingerprint != cohort.atlas.fingerprint:
        return []
    found = [cite for part in parts for begin, cites in CITATIONS.items() if part.startswith(begin) for cite in cites]
    return [cite for cite in dict.fromkeys(found) if not (suffix and cite == _YEO)]  # its networks are not used


def made_by(cohort: CohortFolder) -> str:
    """Name the software that prepared the cohort, with its version."""
    maker = cohort.about["GeneratedBy"][0]
    return f"{maker['Name']} {maker['Version']}"


def _data(cohort: CohortFolder) -> str:
    kind = cohort.about.get("SourceKind")
    source = f" (source: {kind})" if kind else ""
    return f"Regional BOLD time series{source} were prepared with {made_by(cohort)}."


def _atlas(cohort: CohortFolder) -> str:
    atlas = cohort.atlas
    cites = "; ".join(cite.partition(",")[0].partition(" (")[0] for cite in references(cohort))
    size = f"{plural(atlas.n_rois, 'ROI')} in {plural(atlas.n_networks, 'network')}"
    return f"The atlas was {atlas.name} ({size}{'; ' if cites else ''}{cites})."


def _repetition(cohort: CohortFolder) -> str:
    found = sorted(cohort.recordings["source_tr"].dropna().unique())
    if not found:
        return ""
    if len(found) > 6:
        return f"Repetition times of the scans were {found[0]:g} to {found[-1]:g} s ({len(found)} different values)."
    words = listed(f"{tr:g}" for tr in found)
    return f"The repetition time{' of the scans was' if len(found) == 1 else 's of the scans were'} {words} s."


def _kept(cohort: CohortFolder) -> str:
    table, lost = cohort.recordings, len(cohort.excluded)
    total = len(table) + lost
    gone = set(cohort.excluded["participant_id"]) - set(table["participant_id"]) - {""}
    people = plural(table["participant_id"].nunique(), "person")
    if not lost:
        return f"All {plural(total, 'recording')} ({people}) were kept."
    counted = [f"{count:,} {words}" for words, count in short_counts(reasons(cohort.excluded)).items()]
    all_of = f", among them every recording of {plural(len(gone), 'person')}" if gone else ""
    return (
        f"Of {plural(total, 'recording')}, {len(table):,} ({people}) were kept and {lost:,} excluded "
        f"({', '.join(counted)}){all_of}."
    )


def _motion(cohort: CohortFolder) -> str:
    means, words = cohort.recordings["mean_fd"], ""
    unknown = int(means.isna().sum())
    if unknown < len(means):
        words = f"Mean framewise displacement (FD), as given by the source, was {median_words(means, 2)} mm"
        words += f" in the {plural(len(means) - unknown, 'recording')} with known FD. " if unknown else ". "
    rules = []
    if cohort.about.get("MaxMeanFD") is not None:
        rules.append(f"a mean FD above {cohort.about['MaxMeanFD']:g} mm{' (where it is known)' if unknown else ''}")
    if (least := cohort.about.get("MinFrames")) is not None:
        target = cohort.about.get("RepetitionTime")
        rules.append(f"fewer than {least} frames{'' if target is None else f' of {target:g} s'}")
    return words + (f"Criteria for exclusion were {' or '.join(rules)}." if rules else "")


def _censoring(cohort: CohortFolder) -> str:
    frames, good = cohort.recordings["frames"], cohort.recordings["good_frames"]
    marked = int((good < frames).sum())
    if not marked:
        return "No frame was censored."
    share = share_words((frames - good).sum() / frames.sum())
    words = f"Frames that the source marks as unusable were censored ({share} of all, in {plural(marked, 'recording')})"
    if (bridge := cohort.about.get("BridgeSeconds")) is None:
        return f"{words}."
    return (
        f"{words}: they were replaced by monotone piecewise cubic interpolation before any filter and not counted as "
        f"data afterwards; gaps of more than {bridge:g} s were set to 0 at the end."
    )


def _filtering(cohort: CohortFolder) -> list[str]:
    target = cohort.about.get("RepetitionTime")
    fast = target is not None and bool((cohort.recordings["source_tr"] < target - SAME_TR).any())
    low_pass = (
        f"; if faster than {target:g} s, they were low-passed before resampling (Chebyshev type I of order 8, 0.05 dB "
        "ripple, cut-off at 0.8 of the new Nyquist frequency, zero phase)"
        if fast
        else ""
    )
    band = cohort.about.get("Band")
    if band is None:
        before = "The series had been filtered before and were" if cohort.about.get("AlreadyFiltered") else "They were"
        return [f"{before} not band-passed{low_pass}."]
    filtered = [
        f"Each series was band-passed to {band[0]:g} to {band[1]:g} Hz at the repetition time of its scan, with a "
        f"Butterworth filter of order {cohort.about.get('FilterOrder', 'not recorded')} run forwards and backwards "
        "(zero phase; gain 0.5 at both corners)."
    ]
    kept = int((cohort.recordings["full_sha256"] != "").sum())
    if kept:
        some = "" if kept == len(cohort.recordings) else f" of {plural(kept, 'recording')}"
        filtered.append(
            f"The series{some} without this band-pass were kept, too: their linear trend was removed; where the "
            "repetition time changed, frequencies above 0.8 of the lower Nyquist frequency were removed, too "
            "(Chebyshev type I of order 8, 0.05 dB ripple, zero phase)."
        )
    if "BridgeSeconds" in cohort.about:  # earlier versions did not ask the files
        filtered.append(f"Series that had been filtered according to their files were not band-passed again{low_pass}.")
    return filtered


def _resampling(cohort: CohortFolder) -> str:
    target = cohort.about.get("RepetitionTime")
    if target is None:
        return "The series kept the repetition times of their scans."
    others = int(((cohort.recordings["source_tr"] - target).abs() > SAME_TR).sum())
    if not others:
        return f"All scans have a repetition time of {target:g} s, so nothing was resampled."
    which = "All series" if others == len(cohort.recordings) else f"The series of {plural(others, 'recording')}"
    return f"{which} were resampled to {target:g} s by cubic spline interpolation."


def _normalised(cohort: CohortFolder) -> str:
    stated = cohort.about.get("Normalisation")
    if stated != Z_SCORE:
        return f"Normalisation: {stated}." if stated else ""
    censored = bool((cohort.recordings["good_frames"] < cohort.recordings["frames"]).any())
    over = "the frames of a recording that were not censored" if censored else "each recording"
    return f"Each ROI was z-scored over {over} (population standard deviation)."


def _absent(cohort: CohortFolder) -> str:
    if not cohort.missing.any():
        return ""
    some = int(cohort.missing.any(axis=1).sum())
    return (
        f"ROIs without signal ({share_words(cohort.missing.mean())} of all ROI series, in "
        f"{plural(some, 'recording')}) were set to 0 and marked as missing."
    )
