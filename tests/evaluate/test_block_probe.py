"""A probe of the blocks of a task: people kept apart, resampled whole, and beside FC of the same frames."""

import json
import re
import shlex

import numpy as np
import pandas as pd
import pytest

from semantoks.cli.main import run
from semantoks.errors import ConfigError, DataError
from semantoks.evaluate.methods import feature_sets
from semantoks.evaluate.plans import open_study
from semantoks.evaluate.settings import ProbeConfig
from semantoks.features.events import find_blocks
from semantoks.signals.cohort import Cohort
from semantoks.statistics.methods import FC
from semantoks.statistics.tables import read_predictions, read_scores
from tiny_people import write_cohort

PEOPLE, ONSETS = 12, (0, 60, 120, 180)
QUICK = "--folds 3 --repeats 1 --delay 0 --n-jobs 1"


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    """Twelve people, four blocks of 50 s each in an order of their own; ROIs a and b go together in one trial type."""
    folder, rng = tmp_path_factory.mktemp("blocks"), np.random.default_rng(0)
    series, events = {}, folder / "bids"
    events.mkdir()
    for who in range(PEOPLE):
        values, kinds = rng.normal(size=(120, 8)), rng.permutation(["left", "right"] * 2)
        for onset in np.array(ONSETS)[kinds == "left"] // 2:
            values[onset : onset + 25, 1] += 3 * values[onset : onset + 25, 0]
        name = f"sub-{who:02d}_task-hands"
        kinds, loads = [*kinds, "left"], [*rng.normal(size=4).round(3).astype(str), "n/a"]
        table = pd.DataFrame({"onset": [*ONSETS, 238], "duration": 50, "trial_type": kinds, "load": loads})
        table.to_csv(events / f"{name}_events.tsv", sep="\t", index=False)
        series[name] = values
    people = pd.DataFrame({"participant_id": [f"{who:02d}" for who in range(PEOPLE)]})
    people["family_id"] = ["x", "x", *(f"f{who}" for who in range(2, PEOPLE))]
    return write_cohort(folder, series, people), events


@pytest.fixture(scope="module")
def probed(task, model, tmp_path_factory):
    cohort, events = task
    out = tmp_path_factory.mktemp("probed") / "probe"
    words = f"probe {model} {cohort.path} --events {events} --target trial_type --identifiers --out {out} {QUICK}"
    assert run(shlex.split(f"{words} --methods fc roi")) == 0
    return out


def opened(task, model, tmp_path, targets=("trial_type",), **settings):
    cohort, events = task
    settings = {"folds": 3, "repeats": 1, "delay": 0.0, "events": events} | settings
    return open_study(model, cohort, targets, ProbeConfig(**settings), device="cpu", out=tmp_path)


def test_what_the_blocks_of_one_trial_type_share_is_found_in_fc_of_the_blocks(probed):
    scores = read_scores(probed / "scores.csv").query("target == 'trial_type'")
    means = scores.groupby("method")["balanced_accuracy"].mean()
    assert means["fc"] > 0.85
    assert set(means.index) == {"encoder", "fc", "fc+encoder", "roi"}


def test_all_blocks_of_a_person_and_of_their_family_are_on_one_side_and_are_one_unit(probed):
    table = read_predictions(probed / "predictions.parquet")
    one = table[(table["method"] == "fc") & (table["target"] == "trial_type")]
    assert len(one) == 4 * PEOPLE
    assert one["participant_id"].value_counts().eq(4).all()
    assert one.groupby("participant_id")["group"].nunique().eq(1).all()
    assert one.groupby("group")["split"].nunique().eq(1).all()
    assert one["group"].nunique() == PEOPLE - 1
    assert one[one["participant_id"].isin(["00", "01"])]["group"].nunique() == 1


def test_the_probe_says_what_its_rows_are_and_what_is_left_out(probed):
    about = json.loads((probed / "probe.json").read_text())
    assert about["unit"] == "block"
    assert about["targets"]["trial_type"]["n"] == 48
    assert about["excluded"] == [["less than 10 s of it within the recording", 12]]
    assert any("(48 blocks in 11 groups)" in check for check in about["checks"])
    assert any(note.startswith("48 blocks of 12 people in 12 recordings: left 24, right 24") for note in about["notes"])
    assert "none is run for blocks" in " ".join(about["notes"])
    assert "activation maps" in about["methods"]["roi"]


def test_the_page_counts_blocks(probed):
    assert run(["report", str(probed)]) == 0
    page = next(probed.parent.rglob("*.html")).read_text(encoding="utf-8")
    assert "48 blocks" in page
    assert "48 people" not in page


def test_fc_of_a_block_is_that_of_its_frames_alone(task, model, tmp_path):
    study = opened(task, model, tmp_path, targets=("trial_type", "load"), methods=("fc",))
    assert [plan.kind for plan in study.plans] == ["class", "value"]
    features = feature_sets(study)[FC].matrix(np.arange(0), np.arange(48))
    blocks = find_blocks(task[0], study.config).blocks
    for row in (0, 5, 47):
        index, first, frames = blocks.loc[row, ["recording", "first", "frames"]]
        series = np.asarray(task[0].series(index)[first : first + frames], dtype=float)
        wanted = np.arctanh(np.corrcoef(series.T)[np.triu_indices(8, 1)])
        np.testing.assert_allclose(features[row], wanted, atol=2e-3)


@pytest.mark.parametrize(
    ("targets", "settings", "error", "said"),
    [
        (("sex",), {}, DataError, "targets are columns of the events: trial_type, onset, duration, load"),
        (("duration",), {}, DataError, "all blocks have the same duration"),
        (("trial_type",), {"methods": ("motion",)}, ConfigError, "--methods motion says nothing of one block"),
        (("trial_type",), {"protocol": "paper"}, ConfigError, "--events needs --protocol nested"),
        (("trial_type",), {"split": "site"}, ConfigError, "--split person"),
        (("trial_type",), {"analyses": ("permutation",)}, ConfigError, "leave --analyses out"),
        (("trial_type",), {"folds": 12}, DataError, "Use --folds 11"),
    ],
)
def test_what_blocks_cannot_be_asked_is_refused(task, model, tmp_path, targets, settings, error, said):
    with pytest.raises(error, match=re.escape(said)):
        feature_sets(opened(task, model, tmp_path, targets, **settings))


def test_a_trial_type_of_few_people_is_named_with_the_ways_out(task, model, tmp_path):
    cohort, events = task
    rare = tmp_path / "bids"
    rare.mkdir()
    for file in events.iterdir():
        text = file.read_text()
        (rare / file.name).write_text(text + "70\t20\tpause\tn/a\n" if "sub-03" in file.name else text)
    given = (cohort, rare)
    with pytest.raises(DataError, match=r"too few in: 'pause' \(1\)\. Leave these classes out \(--drop-rare\)"):
        opened(given, model, tmp_path)
    study = opened(given, model, tmp_path, drop_rare=True)
    assert study.excluded[-1] == ("trial_type: class 'pause' is rare (fewer than 4 people)", 1)
    assert len(study.plans[0].people) == 48
    assert len(opened(given, model, tmp_path, trial_types=("left", "right")).plans[0].people) == 48


def test_people_that_the_encoder_saw_are_left_out_with_all_their_blocks(task, model, tmp_path):
    study = opened(task, model, tmp_path, exclude_pretrained=True)
    assert len(study.plans[0].people) == 4 * (PEOPLE - 2)  # the model has seen 00 and 01
    assert not {"00", "01"} & {study.names[row] for row in study.plans[0].people}


def test_finetune_takes_whole_recordings_alone(task, model, tmp_path):
    from semantoks.evaluate.finetuning.finetune import finetune

    config = ProbeConfig(events=task[1])
    with pytest.raises(ConfigError, match="fine-tuning is of whole recordings"):
        finetune(model, Cohort(task[0].path), targets=["trial_type"], out=tmp_path / "f", probe=config)
