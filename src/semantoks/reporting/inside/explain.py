"""The page of an explanation: every map compared with that of random weights, and whether it means anything."""

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from semantoks.reporting.content import Block, Cell, Figure, Figures, Folded, Section, Table, Words
from semantoks.reporting.figures.brain import draw_brain
from semantoks.reporting.figures.images import NetworkOrder, draw_carpet, draw_grid
from semantoks.reporting.figures.scores import Estimate, Line, draw_bars, draw_lines
from semantoks.reporting.inside.folder import KERNELS, MAPS, RELEVANCE, ROIS, SANITY, Inside, answers, how, square
from semantoks.reporting.wording import number, thousandths
from semantoks.statistics.methods import ENCODER, RANDOM, method_look, method_name

TITLE = "Explanation"
QUESTION = "Which of its maps mean anything?"
MOST_BARS, MOST_KERNELS = 20, 9
NONNEGATIVE, PAIRS_OF = ("influence", "attention rollout"), "relevance of pairs"
_GRIDS = {
    "influence": (
        "1 − cosine",
        "How much a network's token (row) changes when another network (column) is hidden.",
    ),
    "attention rollout": (
        "share of attention",
        "Where a network's tokens (row) come from (column), through all blocks.",
    ),
    "network embeddings": ("cosine", "How alike the learned embeddings of two networks are."),
    "weights of tokens": (
        "weight per connection",
        "How much a network's token (row) weighs its connections with a network (column).",
    ),
    "relevance of pairs": (
        "change of what is read",
        "What two networks say together and neither alone; on the diagonal, what hiding one network changes "
        "(the scale is that of the other values).",
    ),
}


def sections(inside: Inside) -> list[Section]:
    """Return the sections of the page."""
    sanity = inside.table(SANITY)
    survives = set(sanity.loc[sanity["survives"].astype(str) == "True", "map"])
    return [
        Section("answer", QUESTION, "Answer", [*answers(inside), _sanity(sanity)]),
        Section("networks", "Which networks move which?", "Networks", _maps(inside, survives)),
        Section("rois", "What moves what is read?", "ROIs", _rois(inside, "relevance of ROIs" in survives)),
        Section("kernels", "What did it learn to filter?", "Kernels", _kernels(inside)),
        Section("how", "How it was done", "How", how(inside)),
    ]


def _sanity(sanity: pd.DataFrame) -> Table:
    rows = [
        [
            Cell(str(row["map"])),
            Cell(thousandths(r) if np.isfinite(r := float(row["rank_correlation"])) else "not told"),
            Cell("means nothing" if str(row["survives"]) == "True" else "" if np.isfinite(r) else "too few values"),
        ]
        for row in sanity.to_dict("records")
    ]
    return Table(
        label="Sanity",
        caption="Rank correlation of each map with that of the same encoder with random weights (Adebayo et al. 2018): "
        "from 0.7 on it shows the recordings and the architecture, and nothing that was learned.",
        columns=("Map", "With random weights", "Verdict"),
        rows=rows,
    )


def _maps(inside: Inside, survives: set[str]) -> list[Block]:
    maps, names = inside.table(MAPS), inside.listed("networks")
    blocks: list[Block] = []
    for name, rows in maps.groupby("map", sort=False) if len(maps) else ():
        unit, words = _GRIDS[str(name)]
        figures = []
        for source in (ENCODER, RANDOM):
            values = square(rows[rows["source"] == source], names, "value")
            title = f"{str(name)[0].upper()}{str(name)[1:]}, {method_name(source)}"
            key, most = f"explain {name} {source}", _largest_off_diagonal(values) if name == PAIRS_OF else None
            drawing = draw_grid(key, title, unit, values, names, most, from_zero=name in NONNEGATIVE)
            figures.append(Figure(drawing, f"{_extremes(values, names)} Columns are in the order of the rows."))
        nothing = " It survives random weights, so it means nothing." if name in survives else ""
        blocks += [Words(f"{words}{nothing}"), Figures(figures)]
    return blocks


def _extremes(values: Float[ndarray, "network network"], names: list[str]) -> str:
    """Name the largest value off the diagonal."""
    off = _off_diagonal(values)
    if not np.isfinite(off).any():
        return "No value is known."
    i, j = np.unravel_index(np.nanargmax(off), off.shape)
    return f"Largest: row {names[int(i)]}, column {names[int(j)]}, {number(float(f'{off[i, j]:.3g}'))}."


def _off_diagonal(values: Float[ndarray, "network network"]) -> Float[ndarray, "network network"]:
    off: ndarray = np.where(np.eye(len(values), dtype=bool), np.nan, values)
    return off


def _largest_off_diagonal(values: Float[ndarray, "network network"]) -> float | None:
    """Return the size of the largest value off the diagonal; None where there is none."""
    off = _off_diagonal(values)
    known = np.abs(off[np.isfinite(off)])
    return float(known.max()) if known.size and known.max() > 0 else None


def _rois(inside: Inside, survives: bool) -> list[Block]:
    table = inside.table(ROIS)
    read = str(inside.about.get("target", ""))
    by_network = table.groupby("network", sort=False)[[ENCODER, RANDOM]].mean()
    share = by_network / by_network.sum()
    ranked = share.sort_values(ENCODER, ascending=False).head(MOST_BARS)
    bars = [
        (
            str(name),
            [Estimate(name=method_name(s), value=float(row[s]), look=method_look(s)) for s in (ENCODER, RANDOM)],
        )
        for name, row in ranked.iterrows()
    ]
    figures = [
        Figure(
            draw_bars("explain networks", "By network", "share of relevance per ROI", bars),
            "Mean over the ROIs of a network.",
        )
    ]
    centroids = np.array(inside.about.get("centroids", []), dtype=float).reshape(-1, 3)
    if len(centroids) == len(table) and np.isfinite(centroids).all(axis=1).any():
        scores = dict(zip(table["label"], table[ENCODER] / table[ENCODER].max(), strict=True))
        drawing = draw_brain("explain brain", "On the brain: relevance", centroids, table["label"].tolist(), scores)
        figures.append(Figure(drawing, "One dot per ROI; the most relevant is 1."))
    figures += _over_time(inside, table)
    best = table.nlargest(20, ENCODER)
    listed = Table(
        label="The most relevant ROIs",
        caption="Mean size of integrated gradients over windows and frames, as a share of the largest.",
        columns=("ROI", "Network", "Encoder", "Random weights"),
        rows=[
            [
                Cell(str(row["label"])),
                Cell(str(row["network"])),
                *(Cell(thousandths(row[s] / table[s].max())) for s in (ENCODER, RANDOM)),
            ]
            for row in best.to_dict("records")
        ],
    )
    nothing = " The map survives random weights, so it means nothing." if survives else ""
    return [
        Words(f"Integrated gradients of what is read from the embedding ({read}), by ROI and frame.{nothing}"),
        Figures(figures),
        Folded("The most relevant ROIs", [listed]),
    ]


def _over_time(inside: Inside, table: pd.DataFrame) -> list[Figure]:
    """Draw ROI x time of the window whose total relevance is the median."""
    relevance = inside.array(RELEVANCE)
    if relevance is None or relevance.ndim != 3 or relevance.shape[1] != len(table):
        return []
    size = np.abs(relevance).sum(axis=(1, 2))
    window = relevance[np.argsort(size, kind="stable")[len(size) // 2]]
    shown = window / max(float(window.std()), 1e-12)
    names = list(dict.fromkeys(table["network"]))
    index = table["network"].map(names.index).to_numpy()
    rois = NetworkOrder(
        order=np.argsort(index, kind="stable"),
        names=tuple(names),
        ends=np.cumsum(np.bincount(index, minlength=len(names))),
    )
    absent, good = (window == 0).all(axis=1), np.ones(window.shape[1], dtype=bool)
    tr, unit = float(inside.about.get("tr", 1.0)), "standard deviations of relevance"
    drawing = draw_carpet("explain time", "ROI by time, one window", shown.T, absent, good, tr, rois, unit)
    return [
        Figure(drawing, f"The window whose total relevance is the median of {len(relevance)}; all are in {RELEVANCE}.")
    ]


def _kernels(inside: Inside) -> list[Block]:
    table = inside.table(KERNELS)
    if not len(table):
        return [Words("This tokenizer has no kernels over time.")]
    figures = []
    for (network, branch), rows in list(table.groupby(["network", "map"], sort=False))[:MOST_KERNELS]:
        lines = [
            Line(
                name=method_name(source),
                amounts=part["hz"].tolist()[1:],
                values=part["power"].tolist()[1:],
                sds=[0.0] * (len(part) - 1),
                look=method_look(source),
            )
            for source in (ENCODER, RANDOM)
            if len(part := rows[rows["source"] == source])
        ]
        support = rows.loc[rows["source"] == ENCODER, "support"].iloc[0]
        drawing = draw_lines(f"kernel {network} {branch}", f"{network}, {branch}", "power, mean 1", "Hz", lines)
        figures.append(Figure(drawing, f"90\u00a0% of the energy lies within {support:g} s."))
    more = len(table.groupby(["network", "map"])) - len(figures)
    quiet: list[Block] = [Words(f"And {more} more in kernels.tsv.", tone="quiet")] if more else []
    return [
        Words("Power of the kernels at each frequency, averaged over a branch's kernels."),
        Figures(figures),
        *quiet,
    ]
