"""The page of an audit: what can be read of each order, by component and by pair of networks."""

from math import isfinite

import pandas as pd

from semantoks.reporting.content import Block, Cell, Figure, Figures, Folded, Section, Table, Words
from semantoks.reporting.figures.images import draw_grid
from semantoks.reporting.figures.scores import Estimate, Line, draw_lines, draw_rows
from semantoks.reporting.inside.folder import (
    COMPONENTS,
    ORDERS,
    PAIRS,
    Inside,
    answers,
    has_targets,
    how,
    square,
    targets,
)
from semantoks.reporting.wording import interval, score, share_words
from semantoks.statistics.methods import ENCODER, FC, MOTION, RANDOM, method_look, method_name

TITLE = "Audit of orders"
QUESTION = "What structure does the embedding keep?"
_ORDERS = {1: "first order", 2: "second order", 3: "third order"}
_DRAWN = (ENCODER, RANDOM, FC, MOTION)
_NAMES = {"coskewness": "co-skewness", "lagged_covariance": "lagged covariance"}
_OPENING = (
    "What one order alone says of a target, on the same people and splits as the encoder. What third order knows and "
    "FC does not is something that no correlation can show."
)
MOST_NETWORKS = 40
"""Networks of which all pairs are listed on the page; of more, pairs.tsv has them."""
_AXIS = "explained variance, people never seen"


def sections(inside: Inside) -> list[Section]:
    """Return the sections of the page."""
    orders = inside.table(ORDERS)
    found = [
        Section("answer", QUESTION, "Answer", [*answers(inside), *_drawn(orders)]),
        Section("map", "Which pairs of networks does it keep?", "Map", _maps(inside)),
        Section("components", "Which components does it keep?", "Components", _components(inside)),
    ]
    if orders["step"].notna().any():
        found.append(Section("steps", "When in training was it learned?", "Steps", _steps(orders)))
    if has_targets(inside):
        found.append(Section("targets", "Which order knows the targets?", "Targets", targets(inside, _NAMES, _OPENING)))
    return [
        *found,
        Section("numbers", "The numbers", "Numbers", [_numbers(orders)]),
        Section("how", "How it was done", "How", [*_explained(), *how(inside)]),
    ]


def _drawn(orders: pd.DataFrame) -> list[Block]:
    rows = [
        (
            str(name),
            [
                Estimate(
                    name=method_name(row["source"]),
                    value=row["explained"],
                    low=row["explained_low"],
                    high=row["explained_high"],
                    look=method_look(row["source"]),
                )
                for row in part.to_dict("records")
                if row["source"] in _DRAWN and not (row["source"] == FC and name == FC.upper())
            ],
        )
        for name, part in orders.groupby("structure", sort=False)
    ]
    drawing = draw_rows("audit orders", "Read from the embedding", _AXIS, rows)
    return [Figures([Figure(drawing, "Mean over components, with its 95\u00a0% interval over people.")])]


def _maps(inside: Inside) -> list[Block]:
    pairs, names = inside.table(PAIRS), inside.listed("networks")
    known = pairs[(pairs["structure"] == "tangent FC")] if len(pairs) else pairs
    figures = []
    for source in [one for one in (ENCODER, RANDOM, FC) if len(known) and (known["source"] == one).any()]:
        values = square(known[known["source"] == source], names, "explained", mirrored=True)
        title = f"From {method_name(source)}"
        drawing = draw_grid(f"audit map {source}", title, "explained variance", values, names, known["explained"].max())
        beyond = (
            " Values beyond the scale have the colour of its end." if (values < -known["explained"].max()).any() else ""
        )
        figures.append(Figure(drawing, f"Columns are in the order of the rows; all maps have one scale.{beyond}"))
    if not figures:
        return [Words("There is no map: tangent FC was not read.")]
    return [
        Words(
            "The share of the variance of tangent FC between people that can be read, for the connections of each pair "
            "of networks; below zero (blue) is worse than saying the mean."
        ),
        Figures(figures),
        *([Folded("All pairs of networks", [_pairs_table(known)])] if len(names) <= MOST_NETWORKS else []),
    ]


def _pairs_table(pairs: pd.DataFrame) -> Table:
    sources = [name for name in _DRAWN if name in set(pairs["source"])]
    wide = pairs.pivot_table(index=["network", "other"], columns="source", values="explained", sort=False)
    rows = [
        [
            Cell(f"{row['network']} and {row['other']}" if row["network"] != row["other"] else row["network"]),
            *(Cell(score(row[s], "r2")) for s in sources),
        ]
        for row in wide.reset_index().to_dict("records")
    ]
    return Table(
        label="Tangent FC by pair of networks",
        caption="Explained variance of tangent FC on people never seen.",
        columns=("Networks", *map(method_name, sources)),
        rows=rows,
    )


def _components(inside: Inside) -> list[Block]:
    table, figures = inside.table(COMPONENTS), []
    for structure, part in table.groupby("structure", sort=False) if len(table) else ():
        lines = [
            Line(
                name=method_name(source),
                amounts=[float(x) for x in rows["component"]],
                values=rows["explained"].tolist(),
                sds=[0.0] * len(rows),
                look=method_look(source),
            )
            for source in (ENCODER, RANDOM)
            if len(rows := part[part["source"] == source]) > 1
        ]
        if lines:
            drawing = draw_lines(f"audit by {structure}", str(structure), "explained variance", "component", lines)
            share = part.loc[part["source"] == ENCODER, "share"].sum()
            words = f"These components make {share_words(share)} of the variance between people."
            figures.append(Figure(drawing, words))
    return [Figures(figures)] if figures else [Words("No structure has several components.")]


def _steps(orders: pd.DataFrame) -> list[Block]:
    lines = []
    for name, part in orders[orders["step"].notna()].groupby("structure", sort=False):
        lines.append((str(name), part.sort_values("step")))
    rows = [
        [
            Cell(name),
            Cell(
                "",
                notes=[f"step {row['step']:,.0f}: {score(row['explained'], 'r2')}" for row in part.to_dict("records")],
            ),
            Cell(score(orders.query("structure == @name and source == @ENCODER")["explained"].iloc[0], "r2")),
        ]
        for name, part in lines
    ]
    return [
        Table(
            label="By step of training",
            caption="Explained variance, mean over components, from the checkpoints that are kept "
            "(`semantoks pretrain --keep` keeps more).",
            columns=("Structure", "Checkpoints", "The encoder"),
            rows=rows,
        )
    ]


def _numbers(orders: pd.DataFrame) -> Table:
    rows = [
        [
            Cell(f"{row['structure']}: {method_name(row['source'])}", under=_ORDERS[int(row["order"])]),
            *(
                Cell(
                    score(row[name], "r2", sign=name == "gain"),
                    under=interval(row[f"{name}_low"], row[f"{name}_high"], "r2", sign=name == "gain"),
                )
                if isfinite(row[name])
                else Cell("")
                for name in ("explained", "whole", "gain")
            ),
            Cell(f"{row['components']:.0f}"),
        ]
        for row in orders.to_dict("records")
    ]
    return Table(
        label="All structures",
        caption="Explained variance on people never seen, with 95\u00a0% intervals over people.",
        columns=(
            "Structure and source",
            "Mean over components",
            "Of all variance",
            "minus random weights",
            "Components",
        ),
        rows=rows,
    )


def _explained() -> list[Block]:
    return [
        Words(
            "Each structure is averaged over a person's recordings and cut into the principal components of "
            "all of them; a ridge regression predicts the scores of people of another fold from their embeddings. "
            "Its penalty is chosen within the training people, for each component. Embedding and structure come from "
            "the same frames: what is read is what the embedding keeps of these, noise included."
        )
    ]
