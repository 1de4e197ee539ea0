"""What the signals of a cohort are like: which networks have any, where the power lies, what correlates with what."""

import numpy as np

from semantoks.report.cohort.connectivity import Connectivity, connectivity
from semantoks.report.cohort.folder import FREQUENCIES, CohortFolder
from semantoks.report.cohort.methods import plural, share_words
from semantoks.report.content import Beside, Cell, Figure, Figures, Pairs, Part, Table, Words
from semantoks.report.figures.cohort import draw_spectra, spread_of
from semantoks.report.figures.images import bands_of, draw_matrix
from semantoks.report.figures.plot import DASHES, Look
from semantoks.report.figures.scores import Estimate, draw_bars

MOST_NETWORKS = 20
LEAST_SIGNAL = 0.5
"""Share of its ROIs that a network needs, or it is hidden from the encoder."""
SIGNAL, USABLE = Look(paint="blue"), Look(paint="orange", hatch="/////")
STAGES = (("before", Look(paint="muted", dash=DASHES)), ("after", Look(paint="blue")))
SHARES = (
    ("in_band_before", "0.01 to 0.1 Hz, before"),
    ("in_band_after", "0.01 to 0.1 Hz, after"),
    ("above_band_before", "Above 0.1 Hz, before"),
)


def coverage(cohort: CohortFolder) -> list[Part]:
    """Lay out which networks have signal: share of ROIs, and of recordings in which the encoder sees the network."""
    atlas, missing = cohort.atlas, cohort.missing
    if not missing.any():
        size = f"{plural(atlas.n_rois, 'ROI')} in {plural(atlas.n_networks, 'network')}"
        return [Words(f"All {size} have signal in every recording.")]
    rows = []
    for place, name in enumerate(atlas.network_names):
        there = (~missing[:, atlas.network_index == place]).mean(axis=1)
        rows.append((name, float(there.mean()), float((there >= LEAST_SIGNAL).mean())))
    shown = rows if len(rows) <= MOST_NETWORKS else sorted(rows, key=lambda row: row[1])[:MOST_NETWORKS]
    looks = (("ROIs with signal", SIGNAL), ("network usable", USABLE))
    bars = [
        (name, [Estimate(name=words, value=100 * share, look=look) for share, (words, look) in pair])
        for name, pair in ((name, zip(both, looks, strict=True)) for name, *both in shown)
    ]
    caption = "Share of ROIs with signal, over all recordings; and of recordings in which the network is usable."
    caption += f" The {MOST_NETWORKS} of {len(rows)} networks with least signal." * (len(rows) > MOST_NETWORKS)
    figure = Figure(draw_bars("coverage", "Coverage by network", "share (%)", bars), caption)
    table = Table(
        label="Coverage by network",
        caption="The numbers of the bars.",
        columns=("Network", "ROIs with signal", "Network usable"),
        rows=[[Cell(name), *(Cell(share_words(share)) for share in both)] for name, *both in shown],
    )
    never = int(missing.all(axis=0).sum())
    nowhere = f" ({plural(never, 'ROI')} lacking in every recording)" if never else ""
    words = (
        f"{share_words(1 - missing.mean())} of all ROI series have signal; "
        f"{int(missing.any(axis=1).sum()):,} of {plural(len(missing), 'recording')} lack at least one "
        f"ROI{nowhere}. A network is usable where at least half of its ROIs have signal; elsewhere it is "
        "hidden from the encoder."
    )
    return [Words(words), Beside([Figures([figure])], [table])]


def spectra(cohort: CohortFolder) -> list[Part]:
    """Lay out the spectra before and after cleaning."""
    if cohort.spectra is None:
        return [Words("The spectra are not recorded.")]
    spreads = [spread_of(name, look, cohort.spectra[:, stage]) for stage, (name, look) in enumerate(STAGES)]
    told = cohort.about.get("Band")
    band = None if told is None else (float(told[0]), float(told[1]))
    drawn = draw_spectra("spectra", "Power before and after cleaning", FREQUENCIES, spreads, band)
    known = int(np.isfinite(cohort.spectra).any(axis=(1, 2)).sum())
    caption = f"Line: median over {plural(known, 'recording')}; ribbon: the middle half of them."
    caption += "" if band is None else f" Shaded: the band of {band[0]:g} to {band[1]:g} Hz."
    shares = [(words, cohort.told(column).dropna()) for column, words in SHARES]
    rows = [
        (words, f"{share_words(values.median())} ({share_words(values.min())} to {share_words(values.max())})")
        for words, values in shares
        if len(values)
    ]
    about = Words(
        "Each ROI's power spectrum is scaled to sum to one before all are averaged: the curves show where the power "
        "lies, and not how much there is. Before: as the source gave it, without censored frames.",
        tone="quiet",
    )
    beside: list[Part] = [Pairs("Share of the power: median (least to most)", rows), about] if rows else [about]
    return [Beside([Figures([Figure(drawn, caption)])], beside)]


def correlations(cohort: CohortFolder) -> list[Part]:
    """Lay out the mean correlation matrix and what it says of networks and of both sides of the brain."""
    found = connectivity(cohort)
    if found is None:
        return [Words("No recording can be read that is long enough to correlate its ROIs.")]
    drawn = draw_matrix("connectivity", "Mean correlation of the ROIs", found.mean, bands_of(cohort.atlas))
    whole = len(cohort.recordings)
    taken = plural(found.recordings, "recording") + f" of {whole:,}" * (found.recordings < whole)
    caption = f"Mean over {taken} (Fisher's z; censored frames left out). Grey: no signal in any recording."
    rows = [
        [Cell(name), Cell(f"{size:,}"), Cell(_r(inside)), Cell(_r(outside))]
        for name, size, inside, outside in found.by_network[:MOST_NETWORKS]
    ]
    table = Table(
        label="Correlation by network",
        caption="Mean correlation of a network's ROIs with each other, and with those of all other networks."
        + f" The first {MOST_NETWORKS} of {len(found.by_network)}." * (len(found.by_network) > MOST_NETWORKS),
        columns=("Network", "ROIs", "Within", "To others"),
        rows=rows,
    )
    return [Words(_in_words(found)), Beside([Figures([Figure(drawn, caption)])], [table])]


def _in_words(found: Connectivity) -> str:
    words = ""
    if np.isfinite(found.within) and np.isfinite(found.between):
        words = f"The mean correlation is {_r(found.within)} within networks and {_r(found.between)} between them. "
    if found.pairs:
        words += "It is" if words else "The mean correlation is"
        words += (
            f" {_r(found.homotopic)} in {plural(found.pairs, 'pair')} of ROIs that mirror each other (homotopic), "
            f"and {_r(found.across)} in all other pairs of a left and a right ROI. "
        )
    else:
        words += "Which ROIs mirror each other is not known: the atlas does not say sides and centres. "
    if not (found.pairs or np.isfinite([found.within, found.between]).all()):
        return words
    return words + (
        "At rest the first of each two is clearly the larger one; if not, the columns may be in another order than the "
        "atlas (`semantoks doctor` looks into that)."
    )


def _r(value: float) -> str:
    return f"{value:.2f}".replace("-", "−") if np.isfinite(value) else "n/a"
