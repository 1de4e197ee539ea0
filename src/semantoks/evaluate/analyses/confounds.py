"""Confounds: what is known of them, which apply to a target, decoding them, and whether predictions follow them."""

import math
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int, Shaped
from numpy import ndarray
from scipy.stats import spearmanr

from semantoks.counted import plural
from semantoks.errors import DataError
from semantoks.evaluate.study.crossval import INNER_FOLDS
from semantoks.evaluate.study.people import People
from semantoks.evaluate.study.splits import split_people
from semantoks.evaluate.study.tasks import Plan
from semantoks.signals.cohort import Cohort
from semantoks.signals.phenotypes import find_column
from semantoks.signals.targets import LARGEST
from semantoks.statistics.confounder import association, p_of_association, redrawn
from semantoks.statistics.methods import MOTION, MOTION_SCAN, SCAN, SITE
from semantoks.statistics.tables import TargetKind, row_key

DEFAULT = ("mean_fd", "good_frames", "site", "age", "sex")
"""Confounds that are regressed out and tested by default, as far as they are known."""
DECODED = ("site", "source_tr", "frames", "mean_fd")
_NAMES = {"site": "Site", "source_tr": "Repetition time", "frames": "Scan length", "mean_fd": "Mean FD"}
OF_SITE = ("site", "source_tr", "frames", "good_frames")
"""Determined by the site: regressing them out would remove what a prediction of the site needs."""
HELD: Mapping[str, tuple[str, ...]] = {
    MOTION: ("mean_fd",),
    SCAN: ("source_tr", "frames"),
    MOTION_SCAN: ("mean_fd", "source_tr", "frames"),
    SITE: ("site",),
}
"""What baselines hold as it is: decoding it from them would tell nothing."""
_RECORDED = ("source_tr", "frames", "mean_fd", "good_frames")
_SPELLINGS = {"age": ("age",), "sex": ("sex", "gender")}
_LEAST_FD = 1e-3
_FEW_VALUES = 6
_SAME_RANKS = 0.999


def confound_table(cohort: Cohort, people: People, extra: Sequence[str] = ()) -> pd.DataFrame:
    """Return the known confounds, one row per person, in the order of ``people``.

    Columns that are unknown, or the same for everybody, are left out. The others are: ``site`` (of the first
    recording); ``source_tr`` (s), ``frames``, ``good_frames`` and ``mean_fd`` (log of mm, at least log 1e-3), averaged
    over a person's recordings; and from participants.tsv ``age``, ``sex`` and ``extra``, in any case (of a person's
    rows, the mean of numbers and the first text). Numbers are float64, NaN where unknown; text is "" where unknown.

    Raises
    ------
    DataError
        If participants.tsv lacks a column named in ``extra``, or one has numbers whose square is none.
    """
    recordings, participants = cohort.recordings, cohort.participants
    check_confounds(participants, extra)
    table = {"site": people.first(recordings["site"].fillna("").astype(str).tolist())}
    for name in _RECORDED:
        values = recordings[name].to_numpy(np.float64)
        table[name] = people.average(np.log(np.maximum(values, _LEAST_FD)) if name == "mean_fd" else values)
    for name in dict.fromkeys((*_SPELLINGS, *extra)):
        column = find_column(participants, _SPELLINGS.get(name, (name.lower(),)))
        if column is not None and name not in table:
            table[name] = _of_people(participants, column, people)
    return pd.DataFrame({name: column for name, column in table.items() if len(np.unique(column[known(column)])) > 1})


def check_confounds(participants: pd.DataFrame, names: Sequence[str]) -> None:
    """Raise DataError where nothing is known by a name that was given to be regressed out."""
    for name in names:
        held = name in ("auto", "site", *_RECORDED)
        if not held and find_column(participants, _SPELLINGS.get(name, (name.lower(),))) is None:
            raise DataError(
                f"participants.tsv has no column {name!r} to regress out; it has {', '.join(map(str, participants))}."
            )


def known(column: Shaped[ndarray, " person"]) -> ndarray:
    """Return whether each value of a column is known."""
    found: ndarray = ~np.isnan(column) if column.dtype.kind == "f" else column != ""
    return found


def kind_of(column: Shaped[ndarray, " person"]) -> TargetKind:
    """Treat text, and numbers with at most six different values (a TR, a scan length), as classes."""
    return "value" if column.dtype.kind == "f" and len(np.unique(column[known(column)])) > _FEW_VALUES else "class"


def _of_people(participants: pd.DataFrame, name: str, people: People) -> ndarray:
    column = participants.set_index("participant_id")[name]
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        if (endless := column.abs() > LARGEST).any():
            raise DataError(
                f"the column {name} of the participants table has {column[endless].iloc[0]:g}, which cannot be "
                "regressed out: make that cell n/a, give the column in another unit, or leave it out of --confounds."
            )
        return column.groupby(level=0).mean().reindex(list(people.ids)).to_numpy(np.float64)
    text = column.dropna().astype(str).groupby(level=0).first()
    return text.reindex(list(people.ids)).fillna("").to_numpy(object)


def confounds_of(table: pd.DataFrame, plan: Plan, names: Sequence[str] = DEFAULT) -> list[str]:
    """Choose what is regressed out for a target: the known ones of ``names``, except the target itself.

    This leaves out the target's own column, one that is equivalent to it (classes that match one to one; the same
    ranks), columns that are constant among the people of the plan, and, if the target is the site, whatever the site
    determines (``OF_SITE``).
    """
    target = plan.target.lower()
    rows = table.iloc[plan.people]
    return [
        name
        for name in names
        if name in table and name.lower() != target and not (target == "site" and name in OF_SITE)
        if rows[name].nunique() > 1 and not _same(rows[name].to_numpy(), plan)
    ]


def _same(column: Shaped[ndarray, " row"], plan: Plan) -> bool:
    there = known(column)
    if plan.kind == "value":
        numeric = column.dtype.kind == "f"
        return numeric and bool(abs(spearmanr(column[there], plan.labels[there]).statistic) > _SAME_RANKS)
    pairs = pd.DataFrame({"one": column[there], "other": plan.labels[there]}).drop_duplicates()
    return len(pairs) == pairs["one"].nunique() == pairs["other"].nunique()


def design(table: pd.DataFrame, names: Sequence[str]) -> Float[ndarray, "person column"]:
    """Turn columns of the table into numbers: each number and whether it is missing; one column per level of a class.

    Every level has a column, even if the others determine it (an unknown class is a level, too). ``Deconfounded`` needs
    no reference level; with one, a site without training people would be mistaken for it.
    """
    columns: list[ndarray] = []
    for name in names:
        values = table[name].to_numpy()
        if values.dtype.kind == "f":
            columns += [values] if known(values).all() else [values, (~known(values)).astype(np.float64)]
        else:
            columns += [(values == level).astype(np.float64) for level in np.unique(values)]
    return np.column_stack(columns)


def decode_plans(
    table: pd.DataFrame, groups: Int[ndarray, " person"], *, folds: int, repeats: int, seed: int
) -> tuple[list[Plan], list[str]]:
    """Return one plan (analysis ``decode``) for each of site, source TR, frames and mean FD that varies, and notes.

    TR and frames with at most six different values are classes, like the site; mean FD is log-transformed. Classes
    with too few people for the folds are left out, and confounds that cannot be split are skipped, each with a note.
    """
    plans, notes = list[Plan](), list[str]()
    for name in DECODED:
        if name not in table:
            notes.append(f"{_NAMES[name]} could not be tested: it is unknown or the same for everybody.")
            continue
        column = table[name].to_numpy()
        kind, rows = kind_of(column), np.flatnonzero(known(column))
        if kind == "class":
            column = np.array([f"{value:g}" if isinstance(value, float) else value for value in column], dtype=str)
            enough = _big_classes(column[rows], groups[rows], folds)
            if not enough.all():
                classes = len(np.unique(column[rows][~enough]))
                lost = plural(int((~enough).sum()), "person")
                notes.append(f"{_NAMES[name]}: {lost} left out; classes too small to test: {classes}.")
            rows = rows[enough]
        labels = column[rows]
        try:
            if len(np.unique(labels)) < 2:
                raise DataError("fewer than two classes are large enough.")
            splits = split_people(
                labels, groups[rows], kind=kind, folds=folds, repeats=repeats, seed=seed, inner=INNER_FOLDS
            )
        except DataError as error:
            notes.append(f"{_NAMES[name]} could not be tested: {error}")
            continue
        plan = Plan(
            target=name, kind=kind, people=rows, labels=labels, groups=groups[rows], splits=(), analysis="decode"
        ).with_splits(splits)
        if plan.unscored:
            notes.append(plan.unscored_words())
        if plan.splits:
            plans.append(plan)
    return plans, notes


def _big_classes(labels: Shaped[ndarray, " row"], groups: Int[ndarray, " row"], folds: int) -> ndarray:
    """Return whether each row's class has enough groups for every fold, and for every inner fold of the rest."""
    least = max(folds, math.ceil(INNER_FOLDS * folds / (folds - 1)))
    counts = pd.DataFrame({"label": labels, "group": groups}).groupby("label")["group"].transform("nunique")
    enough: ndarray = counts.to_numpy() >= least
    return enough


def confound_tests(
    predictions: pd.DataFrame,
    table: pd.DataFrame,
    names: Sequence[str],
    groups: Int[ndarray, " person"],
    *,
    permutations: int = 1000,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Test every method's predictions of one target against every confound (``statistics.confounder``).

    Parameters
    ----------
    predictions
        Rows of predictions.parquet for one target and one analysis. A person's predictions (class probabilities, or
        the value) are averaged over splits.
    names
        Columns of ``table``, which has one row per person. People without a value are left out of the test.
    groups
        Copies and families (``People.groups``): only the first person of each is used, because the test assumes
        independent people.

    Returns
    -------
    list of dict
        One row of scores.csv per method and confound, with its p.
    """
    first = predictions.drop_duplicates("person").sort_values("person")
    first = first[~pd.Series(groups[first["person"]]).duplicated().to_numpy()]
    kind, target = first["kind"].iloc[0], first["target"].iloc[0]
    truth = first["truth"].to_numpy() if kind == "value" else first["truth_name"].to_numpy(str)
    predicted = {
        method: _mean_prediction(rows, first["person"]) for method, rows in predictions.groupby("method", sort=False)
    }
    rows = []
    for name in names:
        column = table[name].to_numpy()[first["person"]]
        there = known(column)
        rng = np.random.default_rng([seed, zlib.crc32(f"{target} {name}".encode())])
        kind_confound = kind_of(column)
        draws = redrawn(column[there], truth[there], kind_confound, kind, permutations=permutations, rng=rng)
        found = association(np.hstack(list(predicted.values()))[there], draws, kind_confound)
        parts = np.split(found, np.cumsum([outputs.shape[1] for outputs in predicted.values()])[:-1])
        for method, part in zip(predicted, parts, strict=True):
            key = row_key("confound_test", name, target, kind, str(method), -1)
            rows.append({**key, "n_test": int(there.sum()), "p": p_of_association(part)})
    return rows


def _mean_prediction(rows: pd.DataFrame, people: pd.Series) -> Float[ndarray, "person output"]:
    """Average a method's predictions for each person over splits: probabilities, or values."""
    outputs = np.stack(rows["probability"].to_list()).astype(np.float64)
    outputs = outputs if outputs.shape[1] else rows[["predicted"]].to_numpy(np.float64)
    return pd.DataFrame(outputs).groupby(rows["person"].to_numpy()).mean().loc[people].to_numpy()
