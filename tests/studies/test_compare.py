"""Recipes side by side end to end: the same people, views and steps, each held against FC and the first recipe."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from semantoks.cli.main import run
from semantoks.errors import ConfigError
from semantoks.statistics.methods import FC
from semantoks.statistics.tables import read_scores
from semantoks.studies.compare import named_recipes, plan_comparison
from semantoks.studies.table import build
from semantoks.train.recipe import load_recipe
from tiny_people import QUICK_STUDY, RECIPE

RIVAL = (
    RECIPE.split("[objective.head]")[0].replace("batch_size = 8", "batch_size = 4")
    + '[objective]\nkind = "contrastive"\n'
)
GRID = """
[[condition]]
name = "JEPA"
set.objective = { kind = "jepa" }
[[condition]]
name = "no fit"
set.encoder.patch = 99
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory, recipe):
    folder = tmp_path_factory.mktemp("recipes")
    rival, grid = folder / "rival.toml", folder / "grid.toml"
    rival.write_text(RIVAL)
    grid.write_text(GRID)
    return str(recipe), str(rival), str(grid)


@pytest.fixture(scope="module")
def done(people, files, tmp_path_factory):
    """A comparison of three recipes; a fourth does not fit."""
    out = tmp_path_factory.mktemp("compared") / "study"
    words = [str(people.path), "--recipes", *files[:2], "--grid", files[2], "--target", "age", "--seeds", "0", "1"]
    return out, run(["compare", *words, "--out", str(out), *QUICK_STUDY])


def table(out, name="summary.tsv"):
    return pd.read_csv(out / name, sep="\t", keep_default_na=False, na_values=["", "n/a"])


def test_differences_from_fc_and_the_first_recipe_are_those_of_the_probes(done):
    out, code = done
    assert code == 4  # one does not fit
    rows = table(out).set_index("condition")
    assert rows.index.tolist() == ["tiny", "rival", "JEPA"]
    runs = table(out, "results.tsv").groupby("condition")["encoder"].mean()
    scores = read_scores(out / "runs" / "tiny_seed-0" / "probe" / "scores.csv")
    fc = scores[(scores["analysis"] == "main") & (scores["method"] == FC)]["r"].mean()
    for name, row in rows.iterrows():
        assert row["score"] == pytest.approx(runs[name])
        assert row["fc_diff"] == pytest.approx(runs[name] - row["fc"])
        assert row["tangent_diff"] == pytest.approx(runs[name] - row["fc_tangent"])
        assert row["fc_diff_low"] <= row["fc_diff"] <= row["fc_diff_high"]
    assert rows["fc"].nunique() == 1
    assert rows["fc"].iloc[0] == pytest.approx(fc)
    assert rows.loc["rival", "diff"] == pytest.approx(runs["rival"] - runs["tiny"])
    assert np.isnan(rows.loc["tiny", "diff"])


def test_what_recipes_share_is_the_first_ones_and_what_was_replaced_is_said(done):
    out, _ = done
    study = json.loads((out / "study.json").read_text())
    assert study["runs"]["rival_seed-0"]["config"]["batch_size"] == 8
    assert "rival: batch_size as in the first recipe (--views own keeps its own)." in study["notes"]
    assert [name for name, _ in study["left_out"]] == ["no fit"]
    assert table(out).set_index("condition").loc["rival", "differs"].startswith("objective.kind contrastive")


def test_cost_spread_and_people_found_again_stand_beside_the_scores(done):
    out, _ = done
    rows = table(out, "recipes.tsv").set_index("condition")
    assert {"tiny", "rival", "JEPA", "FC", "random weights"} <= set(rows.index)
    assert (rows.loc[["tiny", "rival", "JEPA"], ["steps"]] == 3).all(axis=None)
    for column in ("tflop", "seconds", "peak_memory_gib", "spread", "dimensions"):
        assert (rows.loc[["tiny", "rival", "JEPA"], column] > 0).all()
    assert rows["found_again"].between(0, 1).all()
    assert rows.loc["FC", "found_low"] == rows.loc["FC", "found_high"]


def test_the_page_has_every_recipe_the_bars_and_the_answers(done):
    text = (done[0] / "report.html").read_text()
    for words in (
        "Recipes side by side",
        "minus tangent FC",
        "minus tiny",
        "People re-identified",
        "Compared with FC, ",
        "JEPA",
    ):
        assert words in text


def test_equal_operations_give_a_cheaper_recipe_more_steps(halves, files):
    first = replace(load_recipe(files[0]), steps=300)
    runs, _, _ = plan_comparison(named_recipes(files[:2]), first, halves, [0], equal="operations")
    costs = [run.config.steps * run.config.objective.flops(build(run, halves), 8) for run in runs]
    assert costs[1] == pytest.approx(costs[0], rel=0.5 / runs[1].config.steps)
    assert runs[1].config.steps > runs[0].config.steps == 300


def test_own_views_are_kept_if_asked_for(halves, files):
    runs, _, notes = plan_comparison(named_recipes(files[:2]), load_recipe(files[0]), halves, [0], views="own")
    assert [run.config.batch_size for run in runs] == [8, 4]
    assert not notes


def test_a_recipe_alone_or_two_of_one_name_are_refused(files, tmp_path):
    with pytest.raises(ConfigError, match="tiny is alone: give --recipes a second one, or --grid objectives"):
        named_recipes(files[:1])
    with pytest.raises(ConfigError, match="two are called 'tiny'"):
        named_recipes([files[0], files[0]])
    assert len(named_recipes(["small-published"], "objectives")) == 10
