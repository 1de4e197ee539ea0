"""The page of a vocabulary: its words, who uses them, what follows what, and what they say of targets."""

from math import isfinite, nan

import numpy as np
import pandas as pd

from semantoks.reporting.content import Block, Cell, Figure, Figures, Folded, Section, Table, Words
from semantoks.reporting.figures.images import draw_grid
from semantoks.reporting.inside.folder import (
    CODEBOOKS,
    FOLLOWING,
    PATTERNS,
    STABILITY,
    USAGE,
    WORDS,
    Inside,
    answers,
    has_targets,
    how,
    square,
    targets,
)
from semantoks.reporting.wording import listed, percent, share_words, thousandths

TITLE = "Vocabulary"
QUESTION = "Do the tokens form words?"
DRAWN = 12
MOST_TIES = 3
MOST_SQUARES = 40
_OPENING = (
    "What words alone say of a target, compared with the encoder's continuous features: the difference is the price "
    "of being discrete. Codebooks are learned from training people alone."
)
_NAMES = {
    "words": "usage of words",
    "word_transitions": "transitions of words",
    "word_direction": "direction of words",
    "random_words": "usage of words, random weights",
    "random_word_transitions": "transitions of words, random weights",
    "random_word_direction": "direction of words, random weights",
}
_KINDS = {"kmeans": "k-means", "residual": "residual k-means", "fsq": "finite scalar quantisation"}


def sections(inside: Inside) -> list[Section]:
    """Return the sections of the page."""
    words = inside.table(WORDS)
    found = [
        Section("answer", QUESTION, "Answer", [*answers(inside), *_codebooks(inside), *_stability(inside)]),
        Section("words", "What are the words?", "Words", _drawn(inside, words)),
        Section("order", "What follows what?", "Order", _following(inside, words)),
    ]
    if not inside.about.get("whole_brain"):
        found.append(Section("networks", "Which networks use which?", "Networks", _networks(inside)))
    if has_targets(inside):
        found.append(Section("targets", "What do words say of targets?", "Targets", targets(inside, _NAMES, _OPENING)))
    return [*found, Section("how", "How it was done", "How", how(inside))]


def _codebooks(inside: Inside) -> list[Block]:
    rows = [
        [
            Cell(_KINDS.get(str(row["codebook"]), str(row["codebook"]))),
            Cell(f"{row['bits']:.1f}", under=f"{row['used_bits']:.1f} as used"),
            Cell(percent(row["kept"])),
        ]
        for row in inside.table(CODEBOOKS).to_dict("records")
    ]
    caption = "Share of the tokens' variance that words of one half of the people keep of the other half."
    return [Table(label="Codebooks", caption=caption, columns=("Codebook", "Bits", "Variance kept"), rows=rows)]


def _stability(inside: Inside) -> list[Block]:
    rows = [
        [
            Cell(str(row["map"])),
            Cell(percent(row["found_again"]) if isfinite(row.get("found_again", nan)) else ""),
            Cell(thousandths(row["icc"]) if isfinite(row.get("icc", nan)) else ""),
            Cell(thousandths(row["agreement"]) if isfinite(row.get("agreement", nan)) else ""),
        ]
        for row in inside.table(STABILITY).to_dict("records")
    ]
    return [
        Table(
            label="Stability",
            caption="People re-identified by their usage of words; its median ICC; adjusted Rand index of codebooks.",
            columns=("What is compared", "People re-identified", "ICC", "Codebooks agree"),
            rows=rows,
        )
    ]


def _drawn(inside: Inside, words: pd.DataFrame) -> list[Block]:
    patterns, names = inside.table(PATTERNS), inside.listed("networks")
    pairs = patterns[patterns["together"].notna()]
    figures = []
    most = (
        float(pairs.loc[pairs["word"].isin(words["word"].head(DRAWN)), "together"].abs().max()) if len(pairs) else 0.0
    )
    for row in words.head(DRAWN).to_dict("records") if len(pairs) else ():
        values = square(pairs[pairs["word"] == row["word"]], names, "together", mirrored=True)
        title = f"Word {row['word']}: {share_words(row['share'])}"
        drawing = draw_grid(f"word {row['word']}", title, "correlation minus its mean", values, names, most)
        level = patterns[(patterns["word"] == row["word"]) & patterns["level"].notna()].set_index("network")["level"]
        figures.append(Figure(drawing, f"Highest in {_extreme(level, 1)}; lowest in {_extreme(level, -1)}."))
    table = Table(
        label="All words",
        caption="The most frequent word first; dwell time is how long a word lasts, and what chance would make of it.",
        columns=("Word", "Share of tokens", "Used by", "Dwell time", "Most often in"),
        rows=[
            [
                Cell(str(row["word"])),
                Cell(share_words(row["share"])),
                Cell(percent(row["people"]) + " of people"),
                Cell(f"{row['dwell']:.0f} s", under=f"{row['dwell_by_chance']:.0f} s by chance"),
                Cell(str(row["network"]), under=percent(row["of_network"]) + " of its uses"),
            ]
            for row in words.to_dict("records")
        ],
    )
    first = Words(
        "Each word is drawn as the mean of the windows that it names, minus the mean of all: how the networks' mean "
        "series move together, and in which of them they are high or low (in standard deviations)."
    )
    drawn: list[Block] = [Figures(figures, narrow=True)] if figures else []
    return [first, *drawn, Folded(f"All {len(words)} words", [table])]


def _extreme(level: pd.Series, sign: int) -> str:
    value = float((sign * level).max()) * sign
    ties = [str(name) for name, one in level.items() if f"{one:.2f}" == f"{value:.2f}"]
    names = listed(ties) if len(ties) <= MOST_TIES else f"{len(ties)} networks"
    return f"{names} ({'+' if value >= 0 else '−'}{abs(value):.2f})"


def _following(inside: Inside, words: pd.DataFrame) -> list[Block]:
    table = inside.table(FOLLOWING)
    if not len(table):
        return [Words("No word follows another: recordings have one token of each network.")]
    size = min(len(words), MOST_SQUARES)
    share = words["share"].to_numpy()[:size]
    after = np.zeros((size, size))
    for row in table.to_dict("records"):
        i, j = int(row["word"]) - 1, int(row["next"]) - 1
        if max(i, j) < size:
            after[i, j] = row["probability"]
    names = [str(number + 1) for number in range(size)]
    drawing = draw_grid("following", "Word after word", "probability minus the word's share", after - share, names)
    return [
        Figures(
            [
                Figure(
                    drawing,
                    "Rows: a word; columns: the next one, in the same order. Orange: more often than by chance."
                    + (f" The {size} most frequent of {len(words)} words." if size < len(words) else ""),
                )
            ]
        )
    ]


def _networks(inside: Inside) -> list[Block]:
    usage = inside.table(USAGE)
    rows = []
    for network, part in usage.groupby("network", sort=False):
        if not part["share"].sum() > 0:
            rows.append([Cell(str(network)), Cell(""), Cell("no data")])
            continue
        best = part.nlargest(3, "share")
        rows.append(
            [
                Cell(str(network)),
                Cell(f"{part['effective_words'].iloc[0]:.1f}"),
                Cell(", ".join(f"{w} ({share_words(s)})" for w, s in zip(best["word"], best["share"], strict=True))),
            ]
        )
    table = Table(
        label="Words by network",
        caption="Each network's tokens are named after their mean is taken away, so that all networks share the words. "
        "Words in use: how many equally frequent ones would be as varied.",
        columns=("Network", "Words in use", "Most frequent words"),
        rows=rows,
    )
    return [table] if len(rows) <= MOST_SQUARES else [Folded(f"All {len(rows)} networks", [table])]
