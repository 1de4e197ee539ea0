"""A baseline from outside the package: ten lines of Python, scored beside the packaged ones with its own words."""

import json

import numpy as np
import pandas as pd
import pytest

from semantoks import Baseline, ProbeConfig, probe, report
from semantoks.errors import ConfigError, DataError
from semantoks.evaluate.study.tasks import Predicted
from tiny_people import cohort, model

pytestmark = pytest.mark.slow

__all__ = ["cohort", "model"]


def autocorrelations(shown):
    rows = []
    for index in range(len(shown)):
        series = shown.series(index)
        rows.append((series[1:] * series[:-1]).mean(axis=0))
    return np.array(rows)


class FirstComponent:
    """Where people are along the direction in which the training people differ most; fitted in every fold."""

    def __init__(self, shown):
        rows = [np.corrcoef(shown.series(index).T)[np.triu_indices(8, 1)] for index in range(len(shown))]
        self.edges, self.fitted_on = shown.people.average(np.array(rows)), []

    def matrix(self, train, people):
        self.fitted_on.append(set(train.tolist()))
        mean = self.edges[train].mean(axis=0)
        direction = np.linalg.svd(self.edges[train] - mean)[2][0]
        return (self.edges[people] - mean) @ direction[:, None]


AR1 = Baseline(words="lag-1 autocorrelation of each ROI", features=autocorrelations)
QUICK = {"crops": 1, "folds": 2, "repeats": 1, "methods": ("motion",)}


def quick(model, cohort, out, extra, **changes):
    return probe(model, cohort, targets=["sex"], out=out, config=ProbeConfig(**QUICK | changes), extra=extra)


@pytest.fixture(scope="module")
def run(cohort, model, tmp_path_factory):
    out, sets = tmp_path_factory.mktemp("outside") / "probe", []
    first = Baseline(
        words="the first component of the training people's FC",
        features=lambda shown: sets.append(FirstComponent(shown)) or sets[0],
    )
    nothing = Baseline(words="heart rate", features=lambda _: None)
    extra = {"ar1": AR1, "first component": first, "heart": nothing}
    summary = quick(model, cohort, out, extra, analyses=("permutation",), permutations=19)
    return summary, out, sets[0]


def test_it_has_its_rows_in_every_table_and_changes_nobody_elses(run, cohort, model, tmp_path):
    summary, out, _ = run
    scores, said = pd.read_csv(out / "scores.csv"), pd.read_parquet(out / "predictions.parquet")
    for name in ("ar1", "first component"):
        assert (scores["method"] == name).sum() == 3  # two splits and the permutation null
        assert sorted(said.loc[said["method"] == name, "person"]) == list(range(40))
        row = summary.set_index("method").loc[name]
        assert row["verdict"] in ("higher", "lower", "undecided")
        assert 0 < row["p_null"] <= 1
    alone = quick(model, cohort, tmp_path / "alone", {}, analyses=("permutation",), permutations=19)
    shared = summary[~summary["method"].isin(["ar1", "first component"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(shared, pd.DataFrame(alone))


def test_what_is_fitted_is_fitted_on_training_people_alone(run):
    _, out, features = run
    said = pd.read_parquet(out / "predictions.parquet")
    tested = said[said["method"] == "fc"].groupby("split")["person"].agg(set)
    trained = [set(range(40)) - people for people in tested]
    assert all(people in trained for people in features.fitted_on)


def test_the_report_shows_it_with_its_own_words(run, tmp_path):
    _, out, _ = run
    page = report(out, tmp_path / "report.html").read_text()
    assert "first component" in page
    assert AR1.words in page
    about = json.loads((out / "probe.json").read_text())
    assert about["methods"]["ar1"] == AR1.words
    assert about["extra"] == ["ar1", "first component", "heart"]
    assert "No heart row: the cohort has no data for it (heart rate)." in about["notes"]


def test_scores_with_other_baselines_of_ones_own_are_not_replaced(run, cohort, model):
    _, out, _ = run
    with pytest.raises(ConfigError, match="with other settings: choose another --out"):
        quick(model, cohort, out, {"ar1": AR1}, analyses=("permutation",), permutations=19)


class Nearest:
    """The label of the training person whose variances are nearest: it needs labels, so it predicts by itself."""

    def __init__(self, shown):
        self.rows = shown.people.average(
            np.array([shown.series(index)[:50].var(axis=0) for index in range(len(shown))])
        )
        self.seen = []

    def predict(self, task, before):
        self.seen.append((len(task.labels), set(task.train) & set(task.test), sorted(before)))
        classes, truth = np.unique(task.labels, return_inverse=True)
        distance = ((self.rows[task.test][:, None] - self.rows[task.train]) ** 2).sum(axis=-1)
        test = np.eye(len(classes))[truth[distance.argmin(axis=1)]]
        inner = np.full((len(task.train), len(classes)), 1 / len(classes))
        return Predicted(classes=classes, test=test, inner=inner, candidates=test[None])


def test_a_model_that_needs_labels_predicts_by_itself_on_the_same_splits(cohort, model, tmp_path):
    made = []
    nearest = Baseline(words="nearest variances", features=lambda shown: made.append(Nearest(shown)) or made[0])
    summary = quick(model, cohort, tmp_path / "p", {"nearest": nearest}, analyses=("permutation",), permutations=1)
    said = pd.read_parquet(tmp_path / "p" / "predictions.parquet")
    assert sorted(said.loc[said["method"] == "nearest", "person"]) == list(range(40))
    assert {chance.max() for chance in said.loc[said["method"] == "nearest", "probability"]} == {1.0}
    assert [(size, both) for size, both, _ in made[0].seen] == [(20, set())] * 2
    assert "nearest" in set(summary["method"])


def test_the_name_of_a_packaged_method_and_a_table_of_another_length_are_refused(cohort, model, tmp_path):
    for name in ("fc", "encoder_cls", "finetuned"):
        with pytest.raises(ConfigError, match="a packaged method already has this name; choose another one"):
            quick(model, cohort, tmp_path / "p", {name: AR1})
    short = Baseline(words="too short", features=lambda _: np.zeros((3, 2)))
    with pytest.raises(DataError, match=r"'short' has to return one row per recording, \[80, features\], .* \[3, 2\]"):
        quick(model, cohort, tmp_path / "p", {"short": short}, analyses=())
    assert not (tmp_path / "p" / "scores.csv").exists()
