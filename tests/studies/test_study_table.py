"""The table of runs: equal steps and equal epochs, parts that are disjoint and complete, settings that change."""

import dataclasses
import json

import pytest

from semantoks.config import merged
from semantoks.errors import ConfigError
from semantoks.studies.engine import begin
from semantoks.studies.settings import StudyConfig
from semantoks.studies.table import Planned, Study, build, changed, folder_name, for_people
from semantoks.train.recipe import PretrainConfig, load_recipe


@pytest.fixture
def study(most, recipe, tmp_path):
    config = load_recipe(recipe)
    runs = tuple(Planned(name=f"r{seed}", condition="full", seed=seed, people=28, config=config) for seed in range(11))
    return Study(
        kind="ablate", out=tmp_path, sides=most, targets=("sex",), settings=StudyConfig(), runs=runs, reference="full"
    )


def test_equal_steps_are_the_steps_of_all_people_and_equal_epochs_the_passes():
    small = load_recipe("small-published")  # 2,000 steps of 64
    assert for_people(small, 60, 600, "steps").steps == 2000
    assert for_people(small, 60, 600, "steps").batch_size == 60
    few = for_people(small, 60, 600, "epochs")
    assert few.steps == round(2000 * 64 / 600)
    assert for_people(small, 600, 600, "epochs").steps == 213 * 9
    by_epochs = dataclasses.replace(small, steps=None, epochs=10)
    assert for_people(by_epochs, 600, 600, "steps").steps == 90
    assert for_people(by_epochs, 200, 600, "epochs").steps == 30
    assert for_people(by_epochs, 200, 600, "steps").steps == 90


def test_a_batch_stays_a_multiple_of_its_parts():
    config = PretrainConfig(batch_size=64, accumulate=4)
    assert for_people(config, 31, 100, "steps").batch_size == 28
    with pytest.raises(ConfigError, match="3 people cannot fill a batch of 4 parts"):
        for_people(config, 3, 100, "steps")


def test_parts_are_disjoint_and_complete(study):
    parts = [study.part(f"{number}/4") for number in range(1, 5)]
    assert sorted(run.name for part in parts for run in part) == sorted(run.name for run in study.runs)
    assert [len(part) for part in parts] == [3, 3, 3, 2]
    assert study.part(None) == study.runs


@pytest.mark.parametrize("text", ["0/4", "5/4", "2", "a/b", "", "-1/4"])
def test_a_part_that_there_is_not_is_refused(study, text):
    with pytest.raises(ConfigError, match="has to be NUMBER/PARTS with a number from 1 on"):
        study.part(text)


def test_the_operations_of_a_run_are_those_of_its_steps(study):
    config, encoder = study.runs[0].config, build(study.runs[0], study.sides)
    assert study.flops["r0"] == 3 * 4 * encoder.flops(2 * 8)
    assert config.total_steps(28) == 3


def test_changed_settings_keep_the_others_and_another_kind_brings_its_own_defaults():
    small = load_recipe("small-published")
    found = changed(small, {"objective": {"ttr_share": 0.0}}, "x")
    assert (found.objective.ttr_share, found.objective.teacher_momentum) == (0.0, 0.96)
    other = changed(small, {"encoder": {"tokenizer": {"kind": "projection"}}}, "x")
    assert (other.encoder.tokenizer.kind, other.encoder.width) == ("projection", 64)
    with pytest.raises(ConfigError, match=r"condition 'x': objective has the unknown key 'ttr_shar'. Did you mean"):
        changed(small, {"objective": {"ttr_shar": 0.0}}, "condition 'x'")
    assert merged({"a": {"kind": "k", "b": 1}}, {"a": {"c": 2}}) == {"a": {"kind": "k", "b": 1, "c": 2}}


def test_folders_are_named_by_condition_and_seed():
    assert folder_name("masks of 30 to 50 %", 2) == "masks-of-30-to-50_seed-2"


def test_settings_of_a_study_are_checked():
    for wrong, words in (({"seeds": (0, 0)}, "different whole numbers"), ({"tflops": 0.0}, "--tflops has to be above")):
        with pytest.raises(ConfigError, match=words):
            StudyConfig(**wrong)


def test_a_study_of_a_version_with_fewer_settings_goes_on_and_one_with_others_does_not(study):
    begin(study)
    path = study.out / "study.json"
    written = json.loads(path.read_text())
    del written["sha256"], written["probe"]["bins"], written["runs"]["r3"]["config"]["accumulate"]
    path.write_text(json.dumps(written))
    begin(study)
    assert json.loads(path.read_text())["runs"]["r3"]["config"]["accumulate"] == 1
    for change in ({"probe": written["probe"] | {"folds": 7}}, {"probe": {"unknown": 1}}):
        path.write_text(json.dumps(written | change))
        with pytest.raises(ConfigError, match="holds a study with another probe: choose another --out"):
            begin(study)
