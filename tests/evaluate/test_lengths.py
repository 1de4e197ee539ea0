"""One short window of each test person: which frames it has, who trains on what, and what cannot be embedded."""

import json

import numpy as np
import pytest

from semantoks.errors import ConfigError
from semantoks.evaluate.analyses.lengths import AtLengths, too_short, windows_of
from semantoks.evaluate.baselines.connectivity import edges_of, functional_connectivity
from semantoks.evaluate.baselines.tangent import tangent_of_windows, tangent_space
from semantoks.evaluate.models.predictors import Fixed
from semantoks.evaluate.probe import probe
from semantoks.evaluate.settings import ProbeConfig
from semantoks.features.encode import open_encoder
from semantoks.statistics.shrinkage import SHRINKAGES, likelihoods
from semantoks.statistics.tables import read_predictions, read_scores
from tiny_people import make_people, shown, write_cohort


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """Twelve people of one recording each; the fourth has 20 frames alone."""
    series = {name: one for name, one in make_people(12)[0].items() if name.endswith("ses-1")}
    series["sub-03_ses-1"] = series["sub-03_ses-1"][:20]
    return write_cohort(tmp_path_factory.mktemp("people"), series)


def test_a_window_is_the_earliest_with_the_most_good_frames(people):
    good = people.good.copy()
    try:
        people.good[:] = True
        begin = int(people.first_frames[1])
        people.good[begin : begin + 5] = False
        found = windows_of(people, np.arange(12), 30)
        assert found.first[:3].tolist() == [0, 5, 0]
        assert found.recording.tolist() == [0, 1, 2, -1, *range(4, 12)]
        people.good[begin : begin + len(people.series(1))] = False
        people.good[begin : begin + 14] = True  # fewer than half of 30
        assert windows_of(people, np.arange(12), 30).recording[1] == -1
        assert windows_of(people, np.arange(12), 28).first[1] == 0
    finally:
        people.good[:] = good


def test_the_first_recording_that_is_long_enough_has_the_window(cohort):
    owner = np.unique(cohort.recordings["participant_id"], return_inverse=True)[1]
    frames = cohort.recordings["frames"].to_numpy()
    found = windows_of(cohort, owner, 100)
    for person in range(40):
        long = [i for i in np.flatnonzero(owner == person) if frames[i] >= 100]
        assert found.recording[person] == (long[0] if long else -1)
    spans = found.spans(cohort)
    assert (spans.sum(axis=1) <= frames).all()
    assert (spans[found.recording[found.there]] == [0, 100]).all()


def test_features_of_windows_lie_behind_those_of_whole_recordings_and_nothing_is_fitted_on_them(cohort):
    whole, owner = shown(cohort), np.unique(cohort.recordings["participant_id"], return_inverse=True)[1]
    windows = windows_of(cohort, owner, 60)
    short = shown(cohort, windows.spans(cohort))
    fc = Fixed(whole.people.average(functional_connectivity(whole)))
    cut = Fixed(np.stack([edges_of(short.series(int(i))) for i in windows.recording]))
    both = AtLengths(fc, (cut,), 40).matrix(np.arange(20), np.array([3, 43, 7]))
    np.testing.assert_array_equal(both, [fc.values[3], cut.values[3], fc.values[7]])
    series = cohort.series(int(windows.recording[3]))[:60].astype(float)
    np.testing.assert_allclose(cut.values[3], np.arctanh(np.corrcoef(series.T)[np.triu_indices(8, 1)]), atol=1e-5)

    tangent = tangent_space(whole)
    of_windows = tangent_of_windows(tangent, short, windows.recording)
    rest = [cohort.series(int(i))[60:].astype(float).T for i in windows.recording]
    early = [cohort.series(int(i))[:60].astype(float).T for i in windows.recording]
    total = np.sum([likelihoods(a, b) for a, b in zip(early, rest, strict=True) if b.shape[1] >= 20], axis=0)
    assert of_windows.shrinkage(np.arange(40)) == SHRINKAGES[int(total.argmax())]
    np.testing.assert_array_equal(of_windows.group, tangent.correlations)


def test_an_encoder_of_fixed_windows_needs_a_patch_and_says_so(model):
    encoder, _ = open_encoder(model)
    assert too_short(encoder, 20) == ""
    assert too_short(encoder, 15) == "for a patch of it needs 20 frames and the window has 15"


@pytest.mark.parametrize(("change", "words"), [({"seconds": (0.0,)}, "above 0"), ({"protocol": "paper"}, "nested")])
def test_seconds_that_make_no_sense_are_refused(change, words):
    with pytest.raises(ConfigError, match=words):
        ProbeConfig(**({"seconds": (30.0,)} | change))


@pytest.mark.slow
def test_every_method_is_scored_from_every_length_and_all_is_the_main_score(cohort, model, tmp_path):
    config = ProbeConfig(
        crops=1,
        folds=2,
        repeats=2,
        analyses=(),
        seconds=(30.0, 120.0, 4000.0),
        methods=("fc_tangent", "random_weights"),
    )
    probe(model, cohort, targets=["sex", "age"], out=tmp_path / "p", config=config)
    table = read_scores(tmp_path / "p" / "scores.csv")
    main, found = (table[table["analysis"] == name] for name in ("main", "seconds"))
    methods = {"encoder", "random_weights", "fc", "fc_tangent", "fc+encoder", "tangent+encoder"}
    conditions = found.groupby("method")["condition"].agg(set).to_dict()
    assert set(conditions) == methods
    for name in methods:
        short = set() if "encoder" in name or name == "random_weights" else {"30"}
        assert conditions[name] == {"120", "all"} | short
    whole = found[found["condition"] == "all"].set_index(["target", "method", "split"]).sort_index()
    same = main.set_index(["target", "method", "split"]).loc[whole.index]
    for metric in ("balanced_accuracy", "r"):
        np.testing.assert_allclose(whole[metric], same[metric], atol=1e-6)
    notes = json.loads((tmp_path / "p" / "probe.json").read_text())["notes"]
    assert any(note.startswith("Not scored from 4000 s: 0 of 40 people") for note in notes)
    assert any(note.startswith("Not scored from 30 s: encoder, ") for note in notes)
    assert any(note.startswith("From 30, 120 s: one window of each test person") for note in notes)
    said = read_predictions(tmp_path / "p" / "predictions.parquet")
    assert set(said.loc[said["analysis"] == "seconds", "condition"]) == {"30", "120", "all"}
    fc = found[(found["method"] == "fc") & (found["target"] == "sex")].groupby("condition")["auroc"].mean()
    assert fc["30"] < fc["all"]
