"""Recipes: packaged ones, a file of one's own, and what is wrong with it in a sentence."""

import inspect
import json

import pytest

from semantoks.config import to_plain
from semantoks.errors import ConfigError
from semantoks.evaluate.finetuning.tuning import load_settings
from semantoks.studies.ablate import load_grid
from semantoks.train.recipe import PretrainConfig, completed, list_recipes, load_recipe


def test_the_paper_recipe_is_the_defaults_of_the_configuration():
    assert load_recipe("paper") == PretrainConfig()


def test_every_packaged_recipe_can_be_read():
    assert {"paper", "small", "small-published", "smoke"} <= set(list_recipes())
    for name in list_recipes():
        assert load_recipe(name).batch_size >= 1


def test_a_file_changes_what_it_names_and_nothing_else(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text('steps = 7\n[encoder]\nwidth = 32\n[views]\npolicy = "apart"\n[views.masks]\nshare = [0.5, 0.6]\n')
    config = load_recipe(path)
    assert config == load_recipe(str(path))
    assert (config.steps, config.encoder.width, config.views.policy) == (7, 32, "apart")
    assert config.views.masks.share == (0.5, 0.6)
    assert config.encoder.depth == PretrainConfig().encoder.depth
    assert config.optim == PretrainConfig().optim


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[encoder]\ndepht = 2\n", r"own\.toml: encoder has the unknown key 'depht'\. Did you mean 'depth'"),
        ("bacth_size = 2\n", r"own\.toml has the unknown key 'bacth_size'\. Did you mean 'batch_size'"),
        ('[views]\npolicy = "acros"\n', "policy has to be one of published, apart, across, not 'acros'.*'across'"),
        ("[optim]\nlr = 'fast'\n", r"own\.toml: optim: lr has to be of type float, not 'fast'"),
        ("steps = 1.5\n", "steps has to be of type int, not 1.5"),
        ("batch_size = 0\n", "at least 1"),
        ("encoder = 3\n", "encoder has to be a table of settings, not 3"),
        ("[optim]\nweight_decay = [0.1]\n", "weight_decay has to be a list of 2 values"),
        ("steps 5\n", r"own\.toml is not valid TOML: .*line 1"),
    ],
)
def test_a_faulty_file_is_answered_with_its_name_and_place(tmp_path, text, words):
    path = tmp_path / "own.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words):
        load_recipe(path)


def test_an_unknown_recipe_lists_the_known_ones_and_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"no recipe 'smal': use .*smoke.*, or a FILE\.toml"):
        load_recipe("smal")
    with pytest.raises(ConfigError, match=r"there is no file .*absent\.toml"):
        load_recipe(tmp_path / "absent.toml")
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(ConfigError, match=r"folder\.toml cannot be read"):
        load_recipe(tmp_path / "folder.toml")


def test_settings_at_their_former_places_are_understood_and_both_places_at_once_refused(tmp_path):
    path = tmp_path / "old.toml"
    path.write_text("[head]\nhidden = 8\n[optim]\nlr = 0.1\nteacher_momentum = 0.5\n")
    config = load_recipe(path)
    assert (config.objective.head.hidden, config.objective.teacher_momentum, config.optim.lr) == (8, 0.5, 0.1)
    path.write_text('objective = "self-distillation"\n[head]\nhidden = 8\n')
    with pytest.raises(ConfigError, match="objective has to be a table of settings, not 'self-distillation'"):
        load_recipe(path)
    path.write_text("[optim]\nteacher_momentum = 0.5\n[objective]\nteacher_momentum = 0.6\n")
    with pytest.raises(ConfigError, match=r"both optim\.teacher_momentum and objective\.teacher_momentum: keep the"):
        load_recipe(path)


def test_an_unknown_objective_is_answered_with_the_nearest(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text('[objective]\nkind = "self-destillation"\n')
    with pytest.raises(ConfigError, match=r"objective: kind has to be one of self-distillation.* Did you mean"):
        load_recipe(path)


def test_settings_of_an_older_run_that_came_later_are_their_defaults_and_those_of_outsiders_stay():
    now = json.loads(json.dumps(to_plain(load_recipe("small-published"))))
    before = json.loads(json.dumps(now))
    del before["objective"]["rate_weight"], before["objective"]["kind"], before["encoder"]["norm"]
    assert completed(before) == now
    outside = {"objective": {"kind": "mine", "weight": 3}}
    assert completed(outside)["objective"] == outside["objective"]


def test_a_value_out_of_range_is_refused_with_its_file_and_section(tmp_path):
    path = tmp_path / "long.toml"
    path.write_text("[encoder]\npatch = 400\n")
    with pytest.raises(ConfigError, match=r"long\.toml: encoder: patch has to be 1 to 100 .* not 400"):
        load_recipe(path)


@pytest.mark.parametrize("load", [load_recipe, load_grid, load_settings])
def test_what_is_no_name_is_refused_in_a_sentence(untyped, load):
    with pytest.raises(ConfigError, match=r"^name has to be (text|a path), not 3\.$"):
        inspect.unwrap(load)(3)
