"""What the signals of a cohort are like: which networks have any, at which frequencies, what correlates with what."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from semantoks.atlas.atlas import Atlas, homotopic_pairs
from semantoks.counted import plural
from semantoks.reporting.cohort.folder import CohortFolder
from semantoks.reporting.content import Beside, Block, Cell, Figure, Figures, Pairs, Table, Words
from semantoks.reporting.figures.cohort import draw_spectra, quartiles_of
from semantoks.reporting.figures.images import by_network, draw_matrix
from semantoks.reporting.figures.plot import DASHES
from semantoks.reporting.figures.scores import Estimate, draw_bars
from semantoks.reporting.wording import share_range, share_words
from semantoks.signals.quality import GRID, missing_networks
from semantoks.statistics.methods import Look

MOST_NETWORKS = 20
MOST_CORRELATED = 500
"""Recordings that the mean correlation is taken over; of more, as many are taken evenly from the table."""
LEAST_FRAMES = 20
"""Good frames that a recording needs for that."""
SIGNAL, USABLE = Look(paint="blue"), Look(paint="orange", hatch="/////")
STAGES = (("before", Look(paint="muted", dash=DASHES)), ("after", Look(paint="blue")))
SHARES = (
    ("in_band_before", "0.01 to 0.1 Hz, before"),
    ("in_band_after", "0.01 to 0.1 Hz, after"),
    ("above_band_before", "Above 0.1 Hz, before"),
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Connectivity:
    """Functional connectivity of a group.

    Attributes
    ----------
    mean
        Mean Pearson correlation over recordings (by Fisher's z, of good frames); NaN where no recording has both ROIs,
        and on the diagonal.
    recordings
        How many recordings were averaged.
    within, between
        Mean of ``mean`` over pairs of ROIs of the same and of different networks; NaN where there are no such pairs.
    by_network
        (name, ROIs, within, to all other networks) of each network.
    homotopic, across
        Mean over the ``pairs`` of homotopic ROIs, and over all other pairs of a left and a right one; NaN without any.
    """

    mean: Float[ndarray, "roi roi"]
    recordings: int
    within: float
    between: float
    by_network: tuple[tuple[str, int, float, float], ...]
    homotopic: float
    across: float
    pairs: int


def coverage(cohort: CohortFolder) -> list[Block]:
    """Lay out which networks have signal: share of ROIs, and of recordings whose network the encoder sees."""
    atlas, missing = cohort.atlas, cohort.missing
    if not missing.any():
        size = f"{plural(atlas.n_rois, 'ROI')} in {plural(atlas.n_networks, 'network')}"
        return [Words(f"All {size} have signal in every recording.")]
    there, hidden = ~missing, missing_networks(missing, atlas.network_index)
    rows = [
        (name, float(there[:, atlas.network_index == network].mean(axis=1).mean()), float((~hidden[:, network]).mean()))
        for network, name in enumerate(atlas.network_names)
    ]
    shown = rows if len(rows) <= MOST_NETWORKS else sorted(rows, key=lambda row: row[1])[:MOST_NETWORKS]
    looks = (("ROIs with signal", SIGNAL), ("network usable", USABLE))
    bars = [
        (name, [Estimate(name=words, value=100 * share, look=look) for share, (words, look) in pair])
        for name, pair in ((name, zip(both, looks, strict=True)) for name, *both in shown)
    ]
    caption = "Share of ROIs with signal, over all recordings; and of recordings in which the network is usable."
    caption += f" Only the {MOST_NETWORKS} of {len(rows)} networks with the least signal." * (len(rows) > MOST_NETWORKS)
    figure = Figure(draw_bars("coverage", "Coverage by network", "share (%)", bars), caption)
    table = Table(
        label="Coverage by network",
        caption="The numbers behind the bars.",
        columns=("Network", "ROIs with signal", "Network usable"),
        rows=[[Cell(name), *(Cell(share_words(share)) for share in both)] for name, *both in shown],
    )
    never = int(missing.all(axis=0).sum())
    nowhere = f" ({plural(never, 'ROI')} missing in every recording)" if never else ""
    words = (
        f"{share_words(1 - missing.mean())} of all ROI series have signal; "
        f"{int(missing.any(axis=1).sum()):,} of {plural(len(missing), 'recording')} lack at least one "
        f"ROI{nowhere}. A network is usable where at least half of its ROIs have signal; elsewhere it is "
        "hidden from the encoder."
    )
    return [Words(words), Beside([Figures([figure])], [table])]


def spectra(cohort: CohortFolder) -> list[Block]:
    """Lay out the spectra before and after cleaning."""
    if cohort.spectra is None:
        return [Words("The spectra are not recorded.")]
    stages = [quartiles_of(name, look, cohort.spectra[:, stage]) for stage, (name, look) in enumerate(STAGES)]
    stated = cohort.about.get("Band")
    band = None if stated is None else (float(stated[0]), float(stated[1]))
    drawn = draw_spectra("spectra", "Power before and after cleaning", GRID, stages, band)
    known = int(np.isfinite(cohort.spectra).any(axis=(1, 2)).sum())
    caption = f"Line: median over {plural(known, 'recording')}; ribbon: the middle half of them."
    caption += "" if band is None else f" Shaded: the band of {band[0]:g} to {band[1]:g} Hz."
    shares = [(words, cohort.measured(column).dropna()) for column, words in SHARES]
    rows = [
        (words, share_range(values.median(), values.min(), values.max())) for words, values in shares if len(values)
    ]
    about = Words(
        "Each ROI's power spectrum is scaled to sum to one before all are averaged: the curves show at which "
        "frequencies there is power, not how much. Before: as the source gave it, without censored frames.",
        tone="quiet",
    )
    beside: list[Block] = [Pairs("Share of the power: median (smallest to largest)", rows), about] if rows else [about]
    return [Beside([Figures([Figure(drawn, caption)])], beside)]


def correlations(cohort: CohortFolder) -> list[Block]:
    """Lay out the mean correlation matrix, and what it shows of networks and of both sides of the brain."""
    found = connectivity(cohort)
    if found is None:
        return [Words("No recording that can be read is long enough to correlate its ROIs.")]
    drawn = draw_matrix("connectivity", "Mean correlation of the ROIs", found.mean, by_network(cohort.atlas))
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
        + f" Only the first {MOST_NETWORKS} of {len(found.by_network)}." * (len(found.by_network) > MOST_NETWORKS),
        columns=("Network", "ROIs", "Within", "To others"),
        rows=rows,
    )
    return [Words(_in_words(found)), Beside([Figures([Figure(drawn, caption)])], [table])]


def connectivity(cohort: CohortFolder) -> Connectivity | None:
    """Measure the connectivity of a cohort; None where no recording can be read."""
    chosen = np.flatnonzero(cohort.readable & (cohort.recordings["good_frames"] >= LEAST_FRAMES).to_numpy())
    if not len(chosen):
        return None
    if len(chosen) > MOST_CORRELATED:
        chosen = chosen[np.linspace(0, len(chosen) - 1, MOST_CORRELATED).round().astype(int)]
    total = np.zeros((cohort.atlas.n_rois, cohort.atlas.n_rois))
    count = np.zeros(total.shape, dtype=np.int64)
    for index in chosen.tolist():
        z = fisher(cohort.series(index)[cohort.good(index)], cohort.missing[index])
        total += np.nan_to_num(z)
        count += np.isfinite(z)
    mean = np.tanh(np.where(count > 0, total / np.maximum(count, 1), np.nan))
    np.fill_diagonal(mean, np.nan)
    return _measured(mean, cohort.atlas, len(chosen))


def fisher(series: Float[ndarray, "frame roi"], missing: Bool[ndarray, " roi"]) -> Float[ndarray, "roi roi"]:
    """Correlate ROIs and take Fisher's z; NaN for missing ROIs, large and finite for ROIs that are equal."""
    whole = np.full((missing.size, missing.size), np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = np.corrcoef(series[:, ~missing], rowvar=False)
    whole[np.ix_(~missing, ~missing)] = np.arctanh(np.clip(found, -0.999999, 0.999999))
    return whole


def _measured(mean: Float[ndarray, "roi roi"], atlas: Atlas, recordings: int) -> Connectivity:
    index, sides = atlas.network_index, np.array(atlas.hemisphere)
    same = index[:, None] == index
    pairs = homotopic_pairs(atlas)
    twins = np.zeros(mean.shape, dtype=bool)
    twins[pairs[:, 0], pairs[:, 1]] = True
    across = (sides == "L")[:, None] & (sides == "R") & ~twins
    rows = []
    for number, name in enumerate(atlas.network_names):
        own = index == number
        inside, outside = mean[np.ix_(own, own)], mean[np.ix_(own, ~own)]
        rows.append((name, int(own.sum()), _mean_of(inside), _mean_of(outside)))
    return Connectivity(
        mean=mean,
        recordings=recordings,
        within=_mean_of(mean[same]),
        between=_mean_of(mean[~same]),
        by_network=tuple(rows),
        homotopic=_mean_of(mean[twins]),
        across=_mean_of(mean[across]) if len(pairs) else float("nan"),
        pairs=int(np.isfinite(mean[twins]).sum()),
    )


def _mean_of(values: ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")


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
        words += "Which ROIs mirror each other is not known: the atlas gives no sides and centres. "
    if not (found.pairs or np.isfinite([found.within, found.between]).all()):
        return words
    return words + (
        "At rest, the first of each pair of numbers should be clearly larger. If it is not, the columns may not follow "
        "the atlas's order; `semantoks doctor` checks that."
    )


def _r(value: float) -> str:
    return f"{value:.2f}".replace("-", "−") if np.isfinite(value) else "n/a"
