"""One network at a time: what the encoder is shown, FC within the network, and rows by name."""

import dataclasses

import numpy as np
import pytest
import torch

from semantoks.atlas.atlas import Atlas
from semantoks.evaluate.analyses import importance
from semantoks.evaluate.analyses.importance import Embedding, edges_within, network_scores
from semantoks.evaluate.baselines.connectivity import functional_connectivity
from semantoks.evaluate.models.predictors import Fixed, Linear
from semantoks.evaluate.study.crossval import cross_validate
from semantoks.evaluate.study.people import people_of
from semantoks.evaluate.study.splits import split_people
from semantoks.evaluate.study.tasks import Plan
from semantoks.features.encode import embed_crops, open_encoder
from semantoks.model.encoder import random_encoder
from tiny_people import ATLAS, make_people, save_model, shown, write_cohort

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")


def embedding_of(cohort, encoders, *, readout="cls_avg", crops=1):
    people = people_of(cohort)
    return Embedding(encoders=encoders, cohort=cohort, people=people, readout=readout, crops=crops, device=CPU)


@pytest.fixture(scope="module")
def age(cohort):
    table = cohort.participants.drop_duplicates("participant_id").set_index("participant_id")["age"]
    people = people_of(cohort)
    labels = table.loc[list(people.ids)].to_numpy(float)
    splits = split_people(labels, people.groups, kind="value", folds=2, repeats=1, seed=0, inner=3)
    everybody = np.arange(len(people))
    return Plan(target="age", kind="value", people=everybody, labels=labels, groups=people.groups, splits=tuple(splits))


def test_each_network_is_scored_alone_beside_the_fc_within_it(cohort, model, age):
    encoder, card = open_encoder(model)
    people, seen = people_of(cohort), []
    fc = people.average(functional_connectivity(shown(cohort)))
    encoders = {
        "encoder": encoder,
        "random_weights": random_encoder(card.encoder, card.atlas.network_index, card.seed),
    }
    embedding = embedding_of(cohort, encoders, readout="cls", crops=2)
    found, notes = network_scores(embedding, [age], fc, seed=0, progress=lambda *x: seen.append(x))
    assert notes == found.predictions == []
    assert seen == [(1, 3), (2, 3), (3, 3)]
    scores, _ = found.tables()
    assert scores.groupby(["analysis", "condition", "target", "method"]).size().to_dict() == {
        ("network", name, "age", method): 2 for name in "xyz" for method in ("encoder", "random_weights", "fc")
    }
    alone, _ = embed_crops(encoder, cohort, readouts=["cls"], crops=2, device=CPU, shown=[1])
    expected = {"encoder": Linear(Fixed(people.average(alone["cls"].mean(axis=1))))}
    pairs = [(i, j) for i, j in zip(*np.triu_indices(8, 1), strict=True) if {i, j} <= {1, 4}]
    assert pairs == [(1, 4)]
    expected["fc"] = Linear(Fixed(fc[:, [list(zip(*np.triu_indices(8, 1), strict=True)).index((1, 4))]]))
    rows = cross_validate(dataclasses.replace(age, analysis="network", condition="y"), expected, seed=0).scores
    for row in rows:
        assert row in found.scores


def test_edges_within_a_network_have_both_rois_in_it():
    within = edges_within(ATLAS)
    names = {"x": [0, 2, 6], "y": [1, 4], "z": [3, 5, 7]}
    for edge, (i, j) in enumerate(zip(*np.triu_indices(8, 1), strict=True)):
        both = [number for number, rois in enumerate(names.values()) if i in rois and j in rois]
        assert within[edge] == (both[0] if both else -1)


def test_a_network_of_one_roi_has_no_fc_row_and_a_lost_one_is_noted(tmp_path, monkeypatch):
    atlas = Atlas(name="lone", labels=tuple("abcdefgh"), networks=("x",) * 7 + ("y",))
    monkeypatch.setattr("tiny_people.ATLAS", atlas)
    series, table = make_people(20)
    series["sub-03_ses-1"][:, 7] = 0
    cohort = write_cohort(tmp_path, series, table)
    encoder, _ = open_encoder(save_model(tmp_path / "encoder", atlas=atlas))
    people = people_of(cohort)
    labels = np.random.default_rng(0).normal(size=20)
    splits = split_people(labels, people.groups, kind="value", folds=2, repeats=1, seed=0, inner=3)
    plan = Plan(
        target="tall", kind="value", people=np.arange(20), labels=labels, groups=people.groups, splits=tuple(splits)
    )
    fc = people.average(functional_connectivity(shown(cohort)))
    found, notes = network_scores(embedding_of(cohort, {"encoder": encoder}), [plan], fc, seed=0)
    rows = {(row["condition"], row["method"]) for row in found.scores}
    assert rows == {("x", "encoder"), ("x", "fc"), ("y", "encoder")}
    assert notes == [
        "Single networks: 1 recording lacks at least one; the encoder sees nothing when shown only that one."
    ]


def test_a_network_that_nobody_has_is_not_scored_and_said(tmp_path, monkeypatch):
    atlas = Atlas(name="lacking", labels=tuple("abcdefgh"), networks=("x",) * 4 + ("y",) * 2 + ("z",) * 2)
    monkeypatch.setattr("tiny_people.ATLAS", atlas)
    series, table = make_people(20)
    for one in series.values():
        one[:, 6:] = 0
    cohort = write_cohort(tmp_path, series, table)
    encoder, _ = open_encoder(save_model(tmp_path / "encoder", atlas=atlas))
    people, labels = people_of(cohort), np.array(["a", "b"] * 10)
    splits = split_people(labels, people.groups, kind="class", folds=2, repeats=1, seed=0, inner=3)
    everybody = np.arange(20)
    plan = Plan(
        target="coin", kind="class", people=everybody, labels=labels, groups=people.groups, splits=tuple(splits)
    )
    fc = people.average(functional_connectivity(shown(cohort)))
    found, notes = network_scores(embedding_of(cohort, {"encoder": encoder}), [plan], fc, seed=0)
    assert {row["condition"] for row in found.scores} == {"x", "y"}
    assert notes == ["Single networks: no recording has z, so there is no score."]


def test_an_atlas_of_one_network_or_of_too_many_is_not_asked(cohort, model, age, monkeypatch):
    encoder, _ = open_encoder(model)
    fc = np.zeros((40, 28), dtype=np.float32)
    monkeypatch.setattr(importance, "MOST_NETWORKS", 2)
    found, notes = network_scores(embedding_of(cohort, {"encoder": encoder}), [age], fc, seed=0)
    assert not found.scores
    assert notes == ["Single networks are not scored: the atlas has 3; 2 to 2 are possible."]
    one = Atlas(name="one", labels=ATLAS.labels, networks=("x",) * 8)
    monkeypatch.setattr(cohort, "atlas", one)
    _, notes = network_scores(embedding_of(cohort, {"encoder": encoder}), [age], fc, seed=0)
    assert "the atlas has 1;" in notes[0]
