"""A trait that pretraining learns has a slope above 0; noise has no law."""

import pandas as pd
import pytest

from semantoks.cli.main import run
from simulated_people import write_simulated

RECIPE = """
batch_size = 16
steps = 10
min_seconds = 0.0
[encoder]
width = 64
depth = 0
patch = 100
norm = false
[encoder.tokenizer]
kind = "connectivity"
lag = 2
shrinkage = 0.9
[views]
student_seconds = [30, 90]
teacher_seconds = [120, 300]
[objective]
teacher_momentum = 0.9
[objective.head]
hidden = 16
projection = 8
[optim]
lr = 2e-3
"""


@pytest.mark.slow
def test_the_direction_of_states_is_learned_better_from_more_people_and_noise_is_not(tmp_path):
    cohort, _ = write_simulated(tmp_path, 200)
    recipe, out = tmp_path / "recipe.toml", tmp_path / "study"
    recipe.write_text(RECIPE)
    words = f"scale {cohort.path} --recipe {recipe} --out {out} --target sequence noise --values 8 100 --held-out 0.5"
    assert run([*words.split(), "--repeats", "1", "--n-jobs", "1"]) == 0
    said = pd.read_csv(out / "answers.tsv", sep="\t").set_index("target")["answer"]
    assert said["sequence"].startswith("The gain rises with people, +")
    assert said["noise"].startswith("No law can be told")
