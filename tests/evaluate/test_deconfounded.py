"""Residuals against least squares, fitted on the training people; and penalties that are judged without mirrors."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from semantoks.evaluate.analyses.confounds import design
from semantoks.evaluate.analyses.deconfounded import Deconfounded, LinearWithout
from semantoks.evaluate.models.linear import INVERSE_PENALTIES, calibrated, log_odds, standardised_rows
from semantoks.evaluate.models.predictors import Fixed, Linear
from semantoks.evaluate.study.splits import split_people
from semantoks.evaluate.study.tasks import Predicted, Task


def people_with_confounds(people=60, features=7, seed=0):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({"site": rng.choice(list("ABC"), people), "age": rng.normal(size=people)})
    shift = pd.get_dummies(table["site"]).to_numpy(float) @ rng.normal(size=(3, features))
    noise = rng.normal(size=(people, features))
    return table, (noise + 3 * shift + table[["age"]].to_numpy() * rng.normal(size=features)).astype(np.float32)


def test_residuals_are_those_of_least_squares_on_the_training_people():
    table, values = people_with_confounds()
    confounds = design(table, ["site", "age"])
    train, test = np.arange(40)[::-1], np.arange(40, 60)
    spelt = np.column_stack([np.ones(60), table["site"] == "B", table["site"] == "C", table["age"]]).astype(float)
    weights, *_ = np.linalg.lstsq(spelt[train], values[train].astype(float), rcond=None)
    found = Deconfounded(Fixed(values), confounds).matrix(train, test)[:, :]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, values[test] - spelt[test] @ weights, atol=1e-5)
    left = Deconfounded(Fixed(values), confounds).matrix(train, train)[:, :]
    np.testing.assert_allclose(left.T @ spelt[train], 0, atol=1e-3)


def test_test_people_decide_nothing():
    table, values = people_with_confounds()
    confounds = design(table, ["site", "age"])
    train, test = np.arange(40), np.arange(40, 60)
    before = Deconfounded(Fixed(values), confounds).matrix(train, test)[:, :][:10]
    values[50:], confounds[50:] = 1e3, -1e3
    np.testing.assert_array_equal(Deconfounded(Fixed(values), confounds).matrix(train, test)[:, :][:10], before)


def test_many_features_are_done_in_parts(monkeypatch):
    table, values = people_with_confounds()
    sets = Deconfounded(Fixed(values), design(table, ["site", "age"]))
    whole = sets.matrix(np.arange(40), np.arange(60))[:, :]
    monkeypatch.setattr("semantoks.evaluate.analyses.deconfounded._COLUMNS", 3)
    np.testing.assert_allclose(sets.matrix(np.arange(40), np.arange(60))[:, :], whole, atol=1e-6)


def test_a_site_without_training_people_is_corrected_by_the_training_mean():
    table, values = people_with_confounds(300)
    confounds = design(table[["site"]], ["site"])
    elsewhere = (table["site"] == "C").to_numpy()
    train, test = np.flatnonzero(~elsewhere), np.flatnonzero(elsewhere)
    found = Deconfounded(Fixed(values), confounds).matrix(train, test)[:, :]
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found, values[test] - values[train].mean(axis=0), atol=0.3)
    levels = [values[train][table["site"][train] == site].mean(axis=0) for site in "AB"]
    assert np.abs(levels[0] - levels[1]).max() > 3


def test_missing_cells_count_as_the_median_of_the_training_people():
    table, values = people_with_confounds()
    table.loc[[3, 45], "age"] = np.nan
    values[5, 0] = np.nan
    train, test = np.arange(40), np.arange(40, 60)
    filled = table.assign(age=table["age"].fillna(table["age"][:40].median()), gone=table["age"].isna() * 1.0)
    full = values.copy()
    full[5, 0] = np.nanmedian(values[:40, 0])
    expected = Deconfounded(Fixed(full), design(filled, ["site", "age", "gone"])).matrix(train, test)[:, :]
    np.testing.assert_allclose(
        Deconfounded(Fixed(values), design(table, ["site", "age"])).matrix(train, test)[:, :], expected, atol=1e-5
    )


def test_wrapped_features_are_fitted_on_the_training_people():
    class Fitted:
        def matrix(self, train, people):
            self.train = train
            return np.stack([people, people**2], axis=1) - train.mean()

    inner = Fitted()
    train, people = np.array([4, 0, 2, 5, 1]), np.array([3, 0, 3])
    found = Deconfounded(inner, np.zeros((6, 1))).matrix(train, people)[:, :]
    np.testing.assert_array_equal(inner.train, train)
    values = np.stack([people, people**2], axis=1)
    np.testing.assert_allclose(found, values - [train.mean(), (train**2).mean()])


def make_task(labels, train, test, kind="value"):
    inner = split_people(labels[train], train, kind=kind, folds=3, repeats=1, seed=0)
    return Task(kind=kind, train=train, test=test, labels=labels[train], inner=tuple(inner), seed=0)


def sited_people(people=240, features=600, sites=12, seed=0):
    """Many weak features of a trait, few people a site, and a target that differs between sites, too."""
    rng = np.random.default_rng(seed)
    site = rng.integers(0, sites, people)
    trait = rng.normal(size=people)
    values = 0.15 * trait[:, None] * rng.normal(size=features) + rng.normal(size=(people, features))
    values += 2 * rng.normal(size=(sites, features))[site]
    confounds = (site[:, None] == np.arange(sites)).astype(float)
    return values.astype(np.float32), confounds, trait, trait + 2 * rng.normal(size=sites)[site]


def test_the_penalty_is_judged_on_people_whose_confounds_were_not_fitted():
    values, confounds, trait, target = sited_people(sites=24)
    train, test = np.arange(160), np.arange(160, 240)
    task = make_task(target, train, test)
    honest = LinearWithout(Fixed(values), confounds).predict(task, {})
    mirrored = Linear(Deconfounded(Fixed(values), confounds)).predict(task, {})
    np.testing.assert_allclose(honest.candidates, mirrored.candidates, atol=1e-6)
    assert np.corrcoef(honest.test[:, 0], trait[test])[0, 1] > 0.8
    assert np.corrcoef(honest.inner[:, 0], trait[train])[0, 1] > 0.8
    assert np.corrcoef(mirrored.inner[:, 0], trait[train])[0, 1] < 0.2
    assert np.array_equal(mirrored.test, mirrored.candidates[0])
    assert not np.array_equal(honest.test, honest.candidates[0])


@pytest.mark.parametrize("kind", ["value", "class"])
def test_inner_predictions_are_those_of_residuals_of_the_inner_training_people(kind):
    values, confounds, trait, target = sited_people(90, 40, 4)
    labels = target if kind == "value" else np.where(trait > 0, "a", "b")
    train, test = np.arange(60), np.arange(60, 90)
    task = make_task(labels, train, test, kind)
    said = LinearWithout(Fixed(values), confounds).predict(task, {})
    # By hand: residuals of the outer fold, standardised there; in each inner split, residuals of these once more.
    rows = Deconfounded(Fixed(values), confounds).matrix(train, train)[:, :]
    rows, _ = standardised_rows(rows, len(train))
    best = int(np.argmax([np.array_equal(said.test, one) for one in said.candidates]))
    by_hand = np.zeros((60, 2))
    for seen, unseen in task.inner:
        spelt = np.column_stack([np.ones(60), confounds[train]])
        weights, *_ = np.linalg.lstsq(spelt[seen], rows[seen], rcond=None)
        left = rows - spelt @ weights
        if kind == "value":
            x, y = left[seen] - left[seen].mean(axis=0), labels[train][seen]
            penalty = np.eye(x.shape[1]) / INVERSE_PENALTIES[best]
            beta = np.linalg.solve(x.T @ x + penalty, x.T @ (y - y.mean()))
            expected = (left[unseen] - left[seen].mean(axis=0)) @ beta + y.mean()
            np.testing.assert_allclose(said.inner[unseen, 0], expected, atol=1e-6)
        else:
            model = LogisticRegression(class_weight="balanced", C=INVERSE_PENALTIES[best], max_iter=500, tol=1e-6).fit(
                left[seen], labels[train][seen]
            )
            by_hand[unseen] = model.predict_proba(left[unseen])
    if kind == "class":
        found = calibrated(
            Predicted(classes=model.classes_, test=by_hand, inner=by_hand, candidates=by_hand[None]),
            labels[train],
            log_odds,
        )
        np.testing.assert_allclose(said.inner, found.inner, atol=1e-2)


def test_the_confounds_alone_tell_nothing_any_more():
    values, confounds, _, _ = sited_people()
    site = np.where(confounds[:, :6].any(axis=1), "here", "there")
    train, test = np.arange(160), np.arange(160, 240)
    task = make_task(site, train, test, "class")
    known = Linear(Fixed(values)).predict(task, {}).test.argmax(axis=1)
    left = LinearWithout(Fixed(values), confounds).predict(task, {}).test
    truth = (site[test] == "there") * 1
    assert np.mean(known == truth) > 0.95
    assert np.mean(left.argmax(axis=1) == truth) < 0.65
