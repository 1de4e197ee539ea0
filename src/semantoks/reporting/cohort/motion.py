"""Motion of a cohort's people, and two of its recordings as pictures: the worst and a typical one."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from semantoks.counted import plural
from semantoks.reporting.cohort.folder import CohortFolder
from semantoks.reporting.content import Beside, Block, Figure, Figures, Pairs, Words
from semantoks.reporting.figures.cohort import draw_motion, draw_trace
from semantoks.reporting.figures.images import by_network, draw_carpet
from semantoks.reporting.figures.scores import Mark
from semantoks.reporting.wording import fd_words, share_words

COMMON, MOST_ABOVE = 0.98, 1.5
"""The axis of traces reaches up to the largest value, but at most to this multiple of this quantile."""


@dataclass(frozen=True, kw_only=True)
class Example:
    """A recording to show: its row, the title and the caption of its figures."""

    index: int
    title: str
    caption: str


def examples(cohort: CohortFolder) -> tuple[list[Example], str]:
    """Choose the worst and a typical recording (the median), and a sentence on how they were chosen."""
    ranks = [
        (cohort.recordings["mean_fd"], "mean framewise displacement", "Most motion"),
        (cohort.measured("dvars"), "change from frame to frame (DVARS)", "Most change"),
    ]
    traced = cohort.readable & cohort.recordings.index.isin(list(cohort.fd))
    among, which = (
        (traced, "whose motion is known frame by frame") if traced.any() else (cohort.readable, "that can be read")
    )
    for values, name, title in ranks:
        ranked = values[among].dropna().sort_values(kind="stable")
        if len(ranked):
            worst, typical = int(ranked.index[-1]), int(ranked.index[(len(ranked) - 1) // 2])
            chosen = [(worst, title)] + [(typical, "Typical")] * (typical != worst)
            shown = [Example(index=n, title=words, caption=_caption(cohort, n)) for n, words in chosen]
            those = f", among those {which}" if len(ranked) < values.notna().sum() else ""
            return shown, f"These are the recordings with the largest and with the median {name}{those}."
    readable = np.flatnonzero(cohort.readable)[:1]
    shown = [Example(index=int(n), title="First recording", caption=_caption(cohort, int(n))) for n in readable]
    return shown, "There is nothing to rank the recordings by: this is the first of the table."


def motion(cohort: CohortFolder) -> list[Block]:
    """Lay out the distribution of mean FD with the gates, then the traces of the worst and of a typical recording."""
    means = cohort.recordings["mean_fd"].dropna()
    if not len(means):
        return [
            Words(
                "It is not known how much people moved: neither the source nor its participants table gives framewise "
                "displacement (FD), so no recording could be left out for motion."
            )
        ]
    gates, lost = _gates(cohort), lost_means(cohort)
    histogram = draw_motion("motion", "Mean FD of the recordings", means.to_numpy(), gates, lost)
    without = len(cohort.recordings) - len(means)
    more = f" ({without:,} more without known motion are not shown)" if without else ""
    caption = f"Kept: {len(means):,}{more}; left out for motion: {len(lost):,}."
    if unknown := len(cohort.excluded) - len(lost):
        caption += f" Not shown, as their motion is not recorded: {unknown:,} left out for other reasons."
    rows = Pairs("Mean FD in mm", _quantiles(cohort, means))
    return [Beside([Figures([Figure(histogram, caption)])], [rows]), *_traces(cohort)]


def carpets(cohort: CohortFolder) -> list[Block]:
    """Lay out the worst and a typical recording as carpets."""
    shown, why = examples(cohort)
    if not shown:
        return [Words("No recording can be read.")]
    rois, figures = by_network(cohort.atlas), []
    for n, one in enumerate(shown):
        series, good, tr = cohort.series(one.index), cohort.good(one.index), float(cohort.trs[one.index])
        carpet = draw_carpet(f"carpet {n}", one.title, series, cohort.missing[one.index], good, tr, rois)
        figures.append(Figure(carpet, one.caption))
    words = (
        f"{why} Each row is an ROI, dark below and bright above its mean (black and white: 2 standard deviations), "
        "ordered by network. Vertical stripes are changes in all ROIs at once, often motion or breathing."
    )
    if any(cohort.missing[one.index].any() for one in shown):
        words += " Bluish rows have no signal."
    if any(not cohort.good(one.index).all() for one in shown):
        words += " Orange on top: censored frames; uniform grey: a gap too long to bridge."
    return [Words(words), Figures(figures)]


def _traces(cohort: CohortFolder) -> list[Block]:
    traced = [(one, cohort.fd[one.index].astype(float)) for one in examples(cohort)[0] if one.index in cohort.fd]
    found = [(one, fd) for one, fd in traced if np.isfinite(fd).any()]
    if not found:
        return [Words("Motion frame by frame is not known (the source gives only means), so no traces are drawn.")]
    most = max(float(np.nanmax(fd)) for _, fd in found)
    top = min(1.05 * most, MOST_ABOVE * max(float(np.nanquantile(fd, COMMON)) for _, fd in found)) or 1.0
    figures = []
    for n, (one, fd) in enumerate(found):
        source_tr, tr = float(cohort.recordings["source_tr"][one.index]), float(cohort.trs[one.index])
        trace = draw_trace(f"trace {n}", one.title, fd, source_tr, cohort.good(one.index), tr, top)
        figures.append(Figure(trace, one.caption))
    words = "Framewise displacement over time, on a common scale; shaded where frames of the cohort are censored."
    if most > top:
        words += f" Peaks are cut at {top:.1f} mm; the largest is {most:.1f} mm."
    return [Words(words), Figures(figures)]


def _gates(cohort: CohortFolder) -> list[Mark]:
    names = (("WarnMeanFD", "flagged above"), ("MaxMeanFD", "left out above"))
    known = [(value, words) for key, words in names if (value := cohort.about.get(key)) is not None]
    return [Mark(name=f"{words} {value:g}", value=float(value)) for value, words in known]


def _quantiles(cohort: CohortFolder, means: pd.Series) -> list[tuple[str, str]]:
    about, total = cohort.about, len(cohort.recordings)
    low, middle, high, most = (f"{float(means.quantile(q)):.3f}" for q in (0.25, 0.5, 0.75, 1))
    rows = [
        ("Known for", plural(total, "recording") if len(means) == total else f"{len(means):,} of {total:,} recordings"),
        ("Median", middle),
        ("Middle half", f"{low} to {high}"),
        ("Largest", most),
    ]
    if (warn := about.get("WarnMeanFD")) is not None:
        above = int((means > warn).sum())
        rows.append((f"Above {warn:g} (flagged)", f"{plural(above, 'recording')} ({share_words(above / len(means))})"))
    if (gate := about.get("MaxMeanFD")) is not None:
        return [*rows, (f"Above {gate:g} (left out)", plural(_lost(cohort), "recording"))]
    return [*rows, ("Left out", "none for motion: no gate was set" if "MaxMeanFD" in about else "not recorded")]


def lost_means(cohort: CohortFolder) -> Float[ndarray, " recording"]:
    """Return mean FD (mm) of the recordings that were left out for motion, as the reasons give it."""
    found = cohort.excluded["reason"].str.extract(r"^motion:.*? is ([0-9]+(?:\.[0-9]+)?) mm", expand=False)
    return found.dropna().to_numpy(float)


def _lost(cohort: CohortFolder) -> int:
    return int(cohort.excluded["reason"].str.startswith("motion:").sum())


def _caption(cohort: CohortFolder, index: int) -> str:
    row = cohort.recordings.iloc[index]
    bad = row["frames"] - row["good_frames"]
    censored = (
        f"{bad:,} of {row['frames']:,} frames censored ({share_words(bad / row['frames'])})" if bad else "none censored"
    )
    return f"{cohort.called(index)}: {fd_words(row['mean_fd'])}, {censored}."
