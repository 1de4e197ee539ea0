"""Two parts of everybody's data: which frames they are, what is seen of them, and who is recognised."""

import json

import numpy as np
import pytest
import torch

from semantoks.evaluate.analyses import run
from semantoks.evaluate.analyses.reliability import compare, frames_of, reliability_scores, two_parts
from semantoks.evaluate.baselines.connectivity import functional_connectivity
from semantoks.evaluate.probe import probe
from semantoks.evaluate.settings import ProbeConfig
from semantoks.features.encode import embed_crops, open_encoder
from semantoks.statistics.identity import agreement, i_diff, identification, over_people, similarity
from semantoks.statistics.tables import read_scores
from tiny_people import shown, write_cohort

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")


def people_with_mixtures(sessions, *, people=24, frames=150, seed=0):
    """Everybody mixes the ROIs' noise in a way of their own, the same in all sessions."""
    rng = np.random.default_rng(seed)
    series = {}
    for person in range(people):
        mixture = rng.normal(size=(8, 8))
        for session in range(1, sessions + 1):
            length = frames + 2 * person
            series[f"sub-{person:02d}_ses-{session}"] = rng.normal(size=(length, 8)) @ mixture
    return series


@pytest.fixture(scope="module")
def halves(tmp_path_factory):
    """One recording each, of 150 frames (5 minutes) and more."""
    return write_cohort(tmp_path_factory.mktemp("halves"), people_with_mixtures(1))


@pytest.fixture(scope="module")
def sessions(tmp_path_factory):
    """Two recordings each."""
    return write_cohort(tmp_path_factory.mktemp("sessions"), people_with_mixtures(2, frames=105))


def test_halves_have_no_frame_in_common(halves):
    parts = two_parts(halves, "halves")
    lengths = halves.recordings["frames"].to_numpy()
    for person in range(24):
        recording = parts.recording[:, person]
        assert recording[0] == recording[1] == person
        seen = [set(range(b, b + n)) for b, n in zip(parts.first[:, person], parts.frames[:, person], strict=True)]
        assert not seen[0] & seen[1]
        assert len(seen[0]) == len(seen[1]) == lengths[person] // 2
        assert max(seen[1]) == lengths[person] - 1


def test_parts_are_of_two_sessions_of_two_runs_of_a_session_or_halves(tmp_path):
    rng = np.random.default_rng(0)
    names = ["1_ses-a_run-1", "1_ses-a_run-2", "1_ses-b_run-1", "2_ses-a_run-1", "2_ses-a_run-2", "3_ses-a_run-1"]
    names += ["4_ses-a_run-1", "4_ses-b_run-1", "4_ses-b_run-2"]
    cohort = write_cohort(tmp_path / "most", {f"sub-{name}": rng.normal(size=(60, 8)) for name in names})
    found = {kind: two_parts(cohort, kind) for kind in ("sessions", "runs", "halves")}
    told = {kind: [[names[row] for row in rows] for rows in one.recording] for kind, one in found.items()}
    assert told["sessions"] == [["1_ses-a_run-1", "4_ses-a_run-1"], ["1_ses-b_run-1", "4_ses-b_run-1"]]
    assert told["runs"] == [
        ["1_ses-a_run-1", "2_ses-a_run-1", "4_ses-b_run-1"],
        ["1_ses-a_run-2", "2_ses-a_run-2", "4_ses-b_run-2"],
    ]
    assert told["halves"] == 2 * [["1_ses-a_run-1", "2_ses-a_run-1", "3_ses-a_run-1", "4_ses-a_run-1"]]
    assert np.all(found["sessions"].first == 0)
    assert np.all(found["runs"].first == 0)


def test_copies_are_not_told_from_each_other(tmp_path):
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(2, 60, 8))
    series = {"sub-1_ses-a": one, "sub-1_ses-b": one, "sub-2_ses-a": one, "sub-3_ses-a": other}
    cohort = write_cohort(tmp_path, series)
    assert two_parts(cohort, "sessions").recording.shape == (2, 0)
    assert two_parts(cohort, "halves").recording.tolist() == [[0, 3], [0, 3]]


def test_only_the_people_who_are_named_are_compared(sessions, model):
    encoder, _ = open_encoder(model)
    ids = sorted(set(sessions.recordings["participant_id"]))
    rows, _ = reliability_scores({"encoder": encoder}, sessions, readout="cls", device=CPU, only=ids[:21])
    assert {row["n_test"] for row in rows} == {21}
    assert two_parts(sessions, "sessions", ids[3:5]).recording.shape == (2, 2)


def test_every_method_sees_the_first_minutes_of_each_half(halves, model):
    encoder, _ = open_encoder(model)
    seen = []
    rows, notes = reliability_scores(
        {"encoder": encoder}, halves, readout="cls", device=CPU, progress=lambda *x: seen.append(x)
    )
    assert [(row["condition"], row["method"]) for row in rows] == [
        (minutes, method) for minutes in ("1", "1.5", "2", "2.5") for method in ("encoder", "fc", "fc_tangent")
    ]
    assert seen == [(n, 4) for n in range(1, 5)]
    assert {row["n_test"] for row in rows} == {24}
    lengths = halves.recordings["frames"].to_numpy()
    for row in rows[3:5]:
        spans = [np.stack([begin, np.full(24, 45)], axis=1) for begin in (0 * lengths, lengths - lengths // 2)]
        if row["method"] == "encoder":
            both = [embed_crops(encoder, halves, readouts=["cls"], crops=1, device=CPU, spans=s) for s in spans]
            both = np.stack([features["cls"][:, 0] for features, _ in both])
        else:
            both = np.stack([functional_connectivity(shown(halves, s)) for s in spans])
        expected = {"analysis": "reliability", "target": "identity, halves", "kind": "value", "split": 0, "n_test": 24}
        expected |= {"condition": "1.5", "method": row["method"]}
        assert row == {**expected, **{name: pytest.approx(value) for name, value in compare(both).items()}}
    assert len(notes) == 1
    assert notes[0].startswith(
        "Reliability of two halves of one recording, the easy case: from 2.5 minutes of each part, 24 people are "
        "re-identified by encoder "
    )
    assert rows[-1]["method"] == "fc_tangent"
    assert rows[-1]["identification"] > 0.95


def test_people_are_recognised_the_better_the_more_there_is(sessions, model):
    encoder, _ = open_encoder(model)
    rows, notes = reliability_scores({"encoder": encoder}, sessions, readout="cls_avg", device=CPU)
    assert notes[0].startswith(
        "Reliability across sessions: from 3 minutes of each part, 24 people are re-identified by"
    )
    assert notes[1].startswith("Reliability of two halves of one recording, the easy case: from 1.5 minutes")
    assert [row["target"] for row in rows] == 15 * ["identity, sessions"] + 6 * ["identity, halves"]
    fc = [row for row in rows if row["method"] == "fc" and row["target"] == "identity, sessions"]
    assert [row["condition"] for row in fc] == ["1", "1.5", "2", "2.5", "3"]
    assert fc[-1]["identification"] > 0.95
    for name in ("i_diff", "icc"):
        found = [row[name] for row in fc]
        assert found == sorted(found)


def test_longer_parts_take_more_windows(tmp_path, model):
    encoder, _ = open_encoder(model)
    cohort = write_cohort(tmp_path, people_with_mixtures(2, people=20, frames=182))
    rows, _ = reliability_scores({"encoder": encoder}, cohort, readout="avg", device=CPU)
    rows = [row for row in rows if row["target"] == "identity, sessions" and row["method"] != "fc_tangent"]
    assert [row["condition"] for row in rows][::2] == ["1", "1.5", "2", "2.5", "3", "4", "6"]
    spans = np.tile([0, 180], (40, 1))
    found = embed_crops(encoder, cohort, readouts=["avg"], crops=2, device=CPU, spans=spans)[0]["avg"].mean(axis=1)
    assert rows[-2]["identification"] == pytest.approx(compare(np.stack([found[::2], found[1::2]]))["identification"])
    assert rows[-2]["icc"] == pytest.approx(compare(np.stack([found[::2], found[1::2]]))["icc"])


def test_all_amounts_are_asked_of_those_who_have_the_longest(tmp_path, model):
    encoder, _ = open_encoder(model)
    series = people_with_mixtures(1, people=30, frames=120)
    for name in list(series)[:6]:
        series[name] = series[name][:61]
    rows, _ = reliability_scores({"encoder": encoder}, write_cohort(tmp_path, series), readout="avg", device=CPU)
    assert {(row["condition"], row["n_test"]) for row in rows} == {("1", 24), ("1.5", 24), ("2", 24)}


def test_few_people_are_not_measured(tmp_path, model):
    encoder, _ = open_encoder(model)
    cohort = write_cohort(tmp_path, people_with_mixtures(1, people=19))
    rows, notes = reliability_scores({"encoder": encoder}, cohort, readout="avg", device=CPU)
    assert rows == []
    assert notes == [
        "Reliability of two halves of one recording, the easy case is not measured: it needs 20 people with two parts "
        "of 1 minute each; 19 have two parts."
    ]


def test_parts_are_compared_after_standardising_over_people():
    parts = np.random.default_rng(0).normal(size=(2, 12, 5)) + np.arange(5)
    alike = similarity(*parts)
    assert compare(parts) == {
        "identification": identification(alike),
        "i_diff": i_diff(alike),
        "icc": agreement(parts).median,
    }
    first, second = (over_people(part) for part in parts)
    np.testing.assert_allclose(alike, np.corrcoef(first, second)[:12, 12:], atol=1e-12)


def test_frames_are_whole():
    assert [frames_of(minutes, tr) for minutes, tr in ((1.0, 2.0), (2.5, 0.8), (1.0, 0.7), (1.5, 0.72))] == [
        30,
        187,
        85,
        125,
    ]


def test_of_many_people_some_are_drawn(cohort, model, tmp_path, monkeypatch):
    monkeypatch.setattr(run, "MOST_COMPARED", 25)
    config = ProbeConfig(crops=1, folds=2, repeats=1, methods=("fc",), analyses=("reliability",))
    probe(model, cohort, targets=["age"], out=tmp_path, config=config)
    rows = read_scores(tmp_path / "scores.csv").query("analysis == 'reliability'")
    assert set(rows["n_test"]) == {25}
    notes = json.loads((tmp_path / "probe.json").read_text())["notes"]
    assert "Reliability is that of 25 people, drawn at random from 40." in notes
