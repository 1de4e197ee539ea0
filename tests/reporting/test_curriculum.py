"""How the trainings of a study went: means over seeds, one line per condition, cut lines left out."""

import json

import pytest

from semantoks.reporting.content import Figures, Words
from semantoks.reporting.curriculum import curriculum


def write(folder, values):
    folder.mkdir(parents=True)
    rows = [json.dumps({"step": step, "effective_rank": value}) for step, value in enumerate(values)]
    (folder / "metrics.jsonl").write_text("\n".join([*rows, '{"step": 9, "eff']))


@pytest.fixture
def runs(tmp_path):
    write(tmp_path / "full_seed-0", [1.0, 2.0, 4.0])
    write(tmp_path / "full_seed-1", [1.0, 4.0, 6.0])
    write(tmp_path / "off_seed-0", [1.0, 1.0, 1.5])
    return tmp_path


def test_each_condition_is_a_line_of_the_mean_over_its_seeds(runs):
    quiet, figures = curriculum(runs, [("full model", ["full_seed-0", "full_seed-1"]), ("TTR off", ["off_seed-0"])])
    assert isinstance(figures, Figures)
    (only,) = figures.figures
    assert "full model: 1 at step 0, 5 at step 2." in only.drawing.alt
    assert "TTR off: 1 at step 0, 1.5 at step 2." in only.drawing.alt
    assert "Effective rank" in only.drawing.alt
    assert quiet.text.startswith("Mean over the seeds")


def test_more_than_five_conditions_are_counted_off_and_none_is_a_sentence(runs):
    words, _ = curriculum(runs, [(f"c{n}", ["full_seed-0"]) for n in range(7)])
    assert words.text.endswith("Not drawn: c5, c6.")
    assert curriculum(runs, [("x", ["absent"])]) == [Words("No training has logged a step yet.")]
