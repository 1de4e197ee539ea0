"""Linear probes: an encoder's features beside functional connectivity, motion and random weights, same splits."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from numpy import ndarray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegressionCV, RidgeCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from semantoks.errors import DataError
from semantoks.evaluate.baselines import by_person, functional_connectivity, motion, random_encoder
from semantoks.evaluate.embed import Readout, embed_crops, open_encoder
from semantoks.evaluate.scores import class_scores, value_scores
from semantoks.evaluate.splits import Split, groups_of, split_people
from semantoks.model.weights import EncoderCard, check_atlas, hash_participant
from semantoks.signals.cohort import Cohort
from semantoks.signals.phenotypes import Target, target

INVERSE_PENALTIES = np.logspace(-6, 2, 9)
"""C of the logistic probe, for standardised features; the ridge probe's alphas are their inverses."""
Progress = Callable[[int, int], None]


class RowSpace(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Rotate features into the span of the training rows, without loss: for an L2 penalty the fit is the same.

    An L2-penalised linear model's weights lie in the span of its rows (representer theorem) and the penalty does not
    change under rotation, so n rows of p >> n features can be fitted in n dimensions.
    """

    def fit(self, rows: Float[ndarray, "row feature"], labels: ndarray | None = None) -> "RowSpace":  # noqa: ARG002
        """Find an orthonormal basis of the rows."""
        if rows.shape[1] <= rows.shape[0]:
            self.basis_ = np.eye(rows.shape[1], dtype=rows.dtype)
            return self
        exact = rows.astype(np.float64)
        values, vectors = np.linalg.eigh(exact @ exact.T)
        kept = values > values[-1] * 1e-10
        self.basis_ = exact.T @ (vectors[:, kept] / np.sqrt(values[kept]))
        return self

    def transform(self, rows: Float[ndarray, "row feature"]) -> Float[ndarray, "row rotated"]:
        """Rotate."""
        rotated: ndarray = rows @ self.basis_
        return rotated


def estimator(kind: str, inner: list[Split], binary: bool) -> Pipeline:
    """Return scaling and an L2 model whose penalty is chosen by the ``inner`` splits of the training rows."""
    if kind == "class":
        model: Any = LogisticRegressionCV(
            Cs=INVERSE_PENALTIES,
            cv=inner,
            scoring="roc_auc" if binary else "balanced_accuracy",
            class_weight="balanced",
            max_iter=2000,
        )
    else:
        model = RidgeCV(alphas=1 / INVERSE_PENALTIES, cv=inner, scoring="neg_mean_squared_error")
    return make_pipeline(SimpleImputer(strategy="median"), StandardScaler(), RowSpace(), model)


def score_split(
    features: Float[ndarray, "row feature"], aim: Target, labels: ndarray, groups: ndarray, split: Split, seed: int
) -> dict[str, float]:
    """Fit everything on the training side of one split and score the test side once."""
    train, test = split
    inner = split_people(labels[train], groups[train], kind=aim.kind, folds=3, repeats=1, seed=seed)
    model = estimator(aim.kind, inner, binary=aim.classes is not None and len(aim.classes) == 2)
    model.fit(features[train], labels[train])
    if aim.kind == "class":
        return class_scores(labels[test], model.predict_proba(features[test]), model.classes_)
    return value_scores(labels[test], model.predict(features[test]))


def feature_sets(
    model: str | Path, cohort: Cohort, *, readout: Readout, crops: int, device: str, progress: Progress | None
) -> tuple[dict[str, pd.DataFrame], EncoderCard, list[str]]:
    """Return each method's features by person, the encoder's card, and notes on what is not there."""
    encoder, card = open_encoder(model)
    check_atlas(card, cohort.atlas)
    where, notes = torch.device(device), []
    features = {}
    for name, network in (("encoder", encoder), ("random_weights", random_encoder(card))):
        crop_features, _ = embed_crops(
            network,
            cohort,
            readout=readout,
            crops=crops,
            device=where,
            progress=progress if name == "encoder" else None,
        )
        features[name] = crop_features.mean(axis=1)
    features["fc"] = functional_connectivity(cohort)
    moved = motion(cohort)
    if moved is None:
        notes.append("No motion row: the cohort has no mean framewise displacement (column mean_fd).")
    else:
        features["motion"] = moved
    return {name: by_person(values, cohort) for name, values in features.items()}, card, notes


def probe(
    model: str | Path,
    cohort: Cohort | str | Path,
    *,
    targets: Sequence[str],
    out: str | Path,
    readout: Readout = "cls_avg",
    crops: int = 8,
    folds: int = 5,
    repeats: int = 1,
    seed: int = 0,
    device: str = "cpu",
    command: str = "",
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Predict ``targets`` from the encoder and from every baseline on the same people and splits.

    L2 logistic regression (classes, balanced weights) or ridge (values); scaling and penalty are fitted inside each
    training fold; each test fold is scored once. A person's recordings are averaged, so that a row is a person.

    Returns
    -------
    DataFrame
        One row a target x method x split x metric (``scores.csv`` in ``out``, beside ``probe.json``).

    Raises
    ------
    DataError
        For an unknown target, too few people in a class, or a label that varies within a person.
    """
    cohort = cohort if isinstance(cohort, Cohort) else Cohort(Path(cohort))
    aims = {name: target(cohort.participants, name) for name in targets}
    features, card, notes = feature_sets(model, cohort, readout=readout, crops=crops, device=device, progress=None)
    people = features["encoder"].index
    groups = groups_of(cohort.recordings).reindex(people)
    notes += _seen(card, people)
    rows: list[dict[str, Any]] = []
    total, done = len(aims) * len(features) * folds * repeats, 0
    for name, aim in aims.items():
        values = aim.values[aim.values.index.isin(people)]
        if values.empty:
            raise DataError(f"nobody in the cohort has a value of {name!r}.")
        labels, group = values.to_numpy(), groups[values.index].to_numpy()
        splits = split_people(labels, group, kind=aim.kind, folds=folds, repeats=repeats, seed=seed)
        for method, table in features.items():
            matrix = table.loc[values.index].to_numpy()
            for number, split in enumerate(splits):
                found = score_split(matrix, aim, labels, group, split, seed)
                base = {"target": name, "kind": aim.kind, "method": method, "split": number}
                sizes = {"n_train": len(split[0]), "n_test": len(split[1])}
                rows += [{**base, **sizes, "metric": metric, "value": value} for metric, value in found.items()]
                done += 1
                if progress:
                    progress(done, total)
    scores = pd.DataFrame(rows)
    settings = {"readout": readout, "crops": crops, "folds": folds, "repeats": repeats, "seed": seed}
    notes = list(_notes(card, groups, "motion" in features))
    about = {
        "command": command,
        "targets": {
            name: {"kind": aims[name].kind, "n": len(values), "classes": aims[name].classes}
            for name, (values, _) in plans.items()
        },
        "methods": {name: METHODS[name] for name in features},
        "settings": settings,
        "notes": notes,
    }
    scores.to_csv(out / "scores.csv", index=False)
    (out / "probe.json").write_text(json.dumps(about, indent=1), encoding="utf-8")
    return scores


def _plan(aim: Target, groups: pd.Series, *, folds: int, repeats: int, seed: int) -> tuple[pd.Series, list[Split]]:
    """Return a target's values by person, in the order of ``groups``, and the splits that all methods share."""
    values = aim.values.reindex(groups.index).dropna()
    if values.empty:
        raise DataError(f"nobody in the cohort has a value of {aim.name!r}.")
    labels, group = values.to_numpy(), groups[values.index].to_numpy()
    try:
        splits = split_people(labels, group, kind=aim.kind, folds=folds, repeats=repeats, seed=seed, inner=INNER_FOLDS)
    except DataError as error:
        raise DataError(f"target {aim.name!r}: {error}") from error
    return values, splits


def _notes(card: EncoderCard, groups: pd.Series, has_motion: bool) -> Iterator[str]:
    """Say what a reader of the scores has to know."""
    known = set(card.participants)
    seen = sum(hash_participant(card.salt, person) in known for person in groups.index)
    yield f"{seen} of {len(groups)} people were seen, without labels, in pretraining."
    if copies := len(groups) - groups.nunique():
        yield f"{copies} people have a recording that is byte for byte another's: they stay on its side of every split."
    if not has_motion:
        yield "No motion row: the cohort has no mean framewise displacement (column mean_fd)."
