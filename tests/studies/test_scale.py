"""Scaling: nested subsets, one size against the next, a planted law in the probes of a study, and none in noise."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from semantoks.errors import ConfigError
from semantoks.statistics.methods import ENCODER, FC, RANDOM
from semantoks.statistics.seeds import over_seeds
from semantoks.studies import scale
from semantoks.studies.results import Scored
from semantoks.studies.scale import amount_of, plan_scaling, summarise_scaling
from semantoks.train.recipe import load_recipe


@pytest.fixture
def sides(most):
    return most


def test_sizes_are_nested_random_subsets_with_batches_that_they_can_fill(sides, recipe):
    runs = plan_scaling(load_recipe(recipe), sides, [0, 1], values=[100, 25, 50])
    assert [(run.people, run.seed) for run in runs] == [(7, 0), (7, 1), (14, 0), (14, 1), (28, 0), (28, 1)]
    few, many = (set(run.cohort(sides).recordings["participant_id"]) for run in (runs[0], runs[2]))
    assert len(few) == 7
    assert few < many
    assert [run.config.batch_size for run in runs] == [7, 7, 8, 8, 8, 8]
    assert {run.config.steps for run in runs} == {3}
    assert [run.config.seed for run in runs] == [0, 1, 0, 1, 0, 1]
    by_epochs = plan_scaling(load_recipe(recipe), sides, [0], values=[50, 100], equal="epochs")
    assert [run.config.steps for run in by_epochs] == [1, 3]
    assert [FC in run.methods or "fc_tangent" in run.methods for run in runs] == [False] * 4 + [True, False]


def test_width_depth_and_minutes_grow_too(sides, recipe):
    recipe = load_recipe(recipe)
    wide = plan_scaling(recipe, sides, [0], over="width", values=[16, 8])
    assert [run.config.encoder.width for run in wide] == [8, 16]
    deep = plan_scaling(recipe, sides, [0], over="depth", values=[1, 2])
    assert [amount_of(run, "depth") for run in deep] == [1, 2]
    short = plan_scaling(dataclasses.replace(recipe, min_seconds=150.0), sides, [0], over="minutes", values=[2, 4])
    assert [run.config.min_seconds for run in short] == [120.0, 150.0]
    assert short[0].cohort(sides).recordings["frames"].max() == 60
    assert short[0].tested(sides).recordings["frames"].max() > 60


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"values": [1, 100]}, r"1 % of 28 people are 0, and a training needs 4: begin with --values 14\.3"),
        ({"values": [50]}, "two or more different people above 0"),
        ({"values": [50, 50]}, "two or more different"),
        ({"values": [50, 101]}, "above 0 and up to 100, not 101"),
        ({"over": "width"}, "over width needs values"),
        ({"over": "width", "values": [8.5, 16]}, "width has to be a whole number, not 8.5"),
        ({"over": "depth", "values": [-1, 2]}, "two or more different depth above 0"),
    ],
)
def test_sizes_that_there_are_not_are_refused_before_any_training(sides, recipe, options, words):
    with pytest.raises(ConfigError, match=words):
        plan_scaling(load_recipe(recipe), sides, [0], **options)
    if "begin with" in words:
        assert plan_scaling(load_recipe(recipe), sides, [0], values=[14.3, 100])


def scored(runs, gain, noise, *, seed=0):
    """Scores as probes would give them: 0.1 with random weights, more by the gain of each run's people."""
    rng = np.random.default_rng(seed)
    people = rng.normal(size=200) * noise
    means, samples = {}, {}
    for run in runs:
        for method, value in ((RANDOM, 0.1), (ENCODER, 0.1 + gain(run.people) + rng.normal() * noise)):
            means[run.name, method] = value
            samples[run.name, method] = value + people + rng.normal(size=200) * noise * (method == ENCODER)
    line = over_seeds(np.array([0.3]), np.array([[0.3, 0.31]]))
    return Scored(
        target="age", kind="value", metric="r", runs=tuple(runs), means=means, samples=samples, lines={FC: line}
    )


def test_a_planted_law_is_named_with_its_slope_and_noise_has_none(sides, recipe):
    runs = plan_scaling(load_recipe(recipe), sides, [0, 1, 2], values=[15, 22, 32, 46, 68, 100])
    found = scored(runs, lambda people: 0.2 * np.log(people / 4), 0.0005)
    sizes, laws, said = summarise_scaling("people", [found])
    assert sizes["amount"].tolist() == [4, 6, 9, 13, 19, 28]
    assert sizes["gain"].iloc[-1] == pytest.approx(0.2 * np.log(7), abs=0.003)
    assert sizes[FC].tolist() == [0.3] * 6
    assert (sizes["gain_low"] < sizes["gain"]).all()
    assert laws.loc[laws["best"] == "yes", "law"].tolist() == ["log-linear"]
    assert said[0][1].startswith("The gain rises with people, +0.46")
    nothing = scored(runs, lambda people: 0.0, 0.05, seed=3)
    _, laws, said = summarise_scaling("people", [nothing])
    assert said[0][1].startswith("No law can be told: the gain does not change measurably with people")


def test_sizes_that_a_seed_lacks_take_no_part_and_one_size_says_nothing(sides, recipe):
    runs = plan_scaling(load_recipe(recipe), sides, [0, 1], values=[15, 50, 100])
    part = scored([run for run in runs if (run.people, run.seed) != (28, 1)], lambda people: people / 100, 0.001)
    sizes, _, said = summarise_scaling("people", [part])
    assert sizes["seeds"].tolist() == [2, 2, 1]
    assert "By which law cannot be told from fewer than 4 sizes" in said[0][1]
    alone = scored(runs[:1], lambda people: 0.1, 0.001)
    _, laws, said = summarise_scaling("people", [alone])
    assert laws.empty
    assert "Fewer than two sizes are there for every seed" in said[0][1]


def test_a_study_of_sizes_ends_with_its_tables_and_its_page(command, tmp_path):
    out = tmp_path / "study"
    code, said, _ = command(
        "scale", out, "--target", "age", "--values", "50", "100", "--seeds", "0", "--equal", "epochs"
    )
    assert code == 0
    assert "run 2 of 2: 20 people, seed 0" in said
    table = pd.read_csv(out / "summary.tsv", sep="\t")
    assert table["amount"].tolist() == [10, 20]
    assert {"fc", "fc_tangent", "random_weights"} <= set(table)
    text = (out / "report.html").read_text()
    assert 'aria-label="Line plot, age: correlation r, over people (dashed: FC = ' in text
    assert "FC, tangent" in text
    assert (out / "report_tables" / "numbers_the_laws.tsv").exists()
    assert scale.SHARES[-1] == 100
