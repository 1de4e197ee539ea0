"""Ablations end to end: every run once, killed and gone on with, in parts, one table, one page."""

import json
import os
import shutil
import signal
from functools import partial

import pandas as pd
import pytest

import semantoks
from semantoks.cli.main import run
from semantoks.config import to_plain
from semantoks.errors import ConfigError
from semantoks.evaluate.study.overlap import overlap
from semantoks.evaluate.study.people import people_of
from semantoks.model.hub import load_encoder
from semantoks.signals.part import Part
from semantoks.statistics.tables import SCORES
from semantoks.storage.lock import hold_folder
from semantoks.studies import engine
from semantoks.studies.ablate import FULL, Grid, answers_of, list_grids, load_grid, plan_ablation
from semantoks.studies.settings import StudyConfig
from semantoks.studies.table import Study, changed
from semantoks.train.recipe import load_recipe
from semantoks.train.run import pretrain
from tiny_people import QUICK_STUDY

GRID = """
[[condition]]
name = "TTR off"
group = "loss"
set.objective.ttr_share = 0.0
[[condition]]
name = "one network"
networks = "one"
[[condition]]
name = "projection"
set.encoder.tokenizer.kind = "projection"
"""
WORDS = ("--target", "age", "--seeds", "0", "1", "--only", "TTR off", "projection", "--grid")


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    path = tmp_path_factory.mktemp("grid") / "grid.toml"
    path.write_text(GRID)
    return path


@pytest.fixture(scope="module")
def done(people, recipe, grid, tmp_path_factory):
    """A whole study, in two parts and assembled."""
    out = tmp_path_factory.mktemp("done") / "study"
    words = [str(people.path), "--recipe", str(recipe), "--out", str(out), *QUICK_STUDY, *WORDS, str(grid)]
    codes = [run(["ablate", *words, *extra]) for extra in (["--part", "1/2"], ["--part", "2/2"], ["--assemble"])]
    return out, codes


def table(out, name="summary.tsv"):
    return pd.read_csv(out / name, sep="\t", keep_default_na=False)


def test_parts_are_assembled_into_one_table_with_paired_differences(done):
    out, codes = done
    assert codes == [4, 4, 4]  # a condition is left out
    rows = table(out)
    assert rows["condition"].tolist() == [FULL, "TTR off"]
    assert rows["seeds"].tolist() == [2] * 2
    runs = table(out, "results.tsv").astype({"encoder": float, "random_weights": float, "gain": float})
    assert len(runs) == 4
    by_run = runs[runs["target"] == "age"].set_index("run")["encoder"]
    away = [by_run[f"ttr-off_seed-{s}"] - by_run[f"full-model_seed-{s}"] for s in (0, 1)]
    row = rows[(rows["target"] == "age") & (rows["condition"] == "TTR off")].iloc[0]
    assert float(row["diff"]) == pytest.approx(sum(away) / 2)
    assert float(row["diff_low"]) <= float(row["diff"]) <= float(row["diff_high"])
    assert (runs["gain"] - runs["encoder"] + runs["random_weights"]).abs().max() < 1e-12


def test_the_function_of_that_name_says_what_the_command_has_found(done, people, recipe, grid):
    out, _ = done
    few = StudyConfig(held_out=0.5, folds=2, repeats=1, n_jobs=1, seeds=(0, 1))
    options = {"targets": "age", "grid": grid, "only": ("TTR off", "projection"), "recipe": recipe, "config": few}
    told = []
    found = semantoks.ablate(str(people.path), out=str(out), tell=told.append, **options)
    assert found.summary["condition"].tolist() == [FULL, "TTR off"]
    assert (len(found.there), found.missing, list(found.left_out)) == (4, {}, ["projection"])
    assert found.page == out / "report.html"
    assert set(found.answers) < set(told)
    assert len(repr(found)) < 160
    assert found._repr_html_().startswith("<table>")
    plan = semantoks.ablate(people, out=out, dry_run=True, **options)
    assert "4 runs, 4 there" in plan.plan
    head, *rows = plan.plan.splitlines()
    assert head.split() == ["condition", "runs", "there", "people", "steps", "hours"]
    assert rows[0].split()[:-5] == FULL.split()
    assert rows[0].split()[-5:-3] == ["2", "2"]
    assert rows[2] == "  objective.ttr_share 0.0"
    assert max(map(len, [head, *rows[:3]])) <= 60
    assert len(rows[0]) == len(rows[1]) == len(head)
    assert plan.page is None


def test_the_condition_that_does_not_fit_is_named_with_its_reason(done):
    out, _ = done
    ((name, why),) = json.loads((out / "study.json").read_text())["left_out"]
    assert name == "projection"
    assert "needs an atlas in which every ROI is its own network" in why
    assert "1 condition left out:" in (out / "report.html").read_text()


def test_nobody_who_is_tested_was_trained_on_in_any_run(done, halves):
    out, sides = done[0], halves
    for folder in sorted((out / "runs").iterdir()):
        card = load_encoder(folder / "encoder")[1]
        assert not overlap(card, sides.tested, people_of(sides.tested)).seen.any()
        assert len(card.participants) == len(sides.pool)
        assert json.loads((folder / "probe" / "probe.json").read_text())["targets"]["age"]["n"] == 20


def test_the_page_has_the_answers_and_the_numbers(done):
    out, _ = done
    text = (out / "report.html").read_text()
    for answer in table(out, "answers.tsv")["answer"]:
        assert answer[:40].split("“")[0] in text
    assert "4 of 4 done" in text
    assert 'aria-label="Dot plot, age: difference in' in text
    assert (out / "report_tables" / "numbers_all_conditions.tsv").exists()


def test_what_is_there_is_not_run_again(done, grid, command, monkeypatch):
    out, _ = done
    monkeypatch.setattr(engine, "pretrain", None)
    monkeypatch.setattr(engine, "probe", None)
    before = {path: path.stat().st_mtime_ns for path in out.glob("runs/**/*")}
    code, said, _ = command("ablate", out, *WORDS, grid)
    assert code == 4
    assert {path: path.stat().st_mtime_ns for path in out.glob("runs/**/*")} == before
    assert "The full model scores" in said
    code, said, _ = command("ablate", out, *WORDS, grid, "--dry-run", "--tflops", "1")
    assert "4 runs, 4 there; the others train 0 h" in said
    assert "Left out: projection: " in said


DAMAGED = {
    "study.json": (lambda content: content[:-9], "cannot be read as JSON"),
    "runs/full-model_seed-0/run.json": (lambda content: content.replace(b"1", b"2", 1), "does not match the checksum"),
    f"runs/full-model_seed-0/probe/{SCORES}": (
        lambda content: content[: content.index(b"\n", 999) + 1],
        "does not match",
    ),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_of_a_run_ends_an_assembling_with_its_name(done, grid, command, tmp_path, name):
    out, (damage, words) = shutil.copytree(done[0], tmp_path / "out"), DAMAGED[name]
    (out / name).write_bytes(damage((out / name).read_bytes()))
    code, _, error = command("ablate", out, *WORDS, grid, "--assemble")
    assert (code, f"{out / name} {words}" in error) == (3, True)


def test_other_targets_people_or_settings_in_the_same_folder_are_refused(done, grid, command, people, tmp_path):
    out, _ = done
    assert (
        "holds a study with other targets: choose another --out"
        in command("ablate", out, "--target", "sex", "--grid", grid)[2]
    )
    others = command("ablate", out, *WORDS, grid, "--held-out", "0.6")[2]
    assert "holds a study with other people: choose another --out" in others
    settings = command("ablate", out, *WORDS, grid, "--steps", "4")[2]
    assert "holds the run full-model_seed-0 with other settings (4 such runs)" in settings
    assert people.path.exists()


def test_a_stopped_study_goes_on_and_its_runs_are_the_unbroken_ones(done, grid, halves, recipe, monkeypatch, tmp_path):
    (whole, _), sides = done, halves
    runs, _ = plan_ablation(load_grid(grid, ["loss"]), load_recipe(recipe), sides, [0])
    settings = StudyConfig(seeds=(0,), folds=2, repeats=1)
    study = Study(kind="ablate", out=tmp_path, sides=sides, targets=("age",), settings=settings, runs=runs)

    def stopping(*args, on_row, **options):
        def row(numbers):
            on_row(numbers)
            if numbers["step"] == 1:
                os.kill(os.getpid(), signal.SIGTERM)

        return pretrain(*args, on_row=row, log_every=1, **options)

    def probe(run, cohort, *, out, **options):
        out.mkdir()
        (out / "probe.json").write_text("{}")

    monkeypatch.setattr(engine, "probe", probe)
    monkeypatch.setattr(engine, "pretrain", stopping)
    shown = []
    assert [state for _, state in engine.carry_out(study).missing] == ["started", "absent"]
    monkeypatch.setattr(engine, "pretrain", partial(pretrain, log_every=1))
    assert engine.carry_out(study, progress=lambda done, total: shown.append((done, total))).missing == ()
    assert shown[-1] == (1000, 1000)
    assert sorted(shown) == shown
    for name in ("full-model_seed-0", "ttr-off_seed-0"):
        weights = [out / "runs" / name / "encoder" / "model.safetensors" for out in (whole, tmp_path)]
        assert weights[0].read_bytes() == weights[1].read_bytes()


def test_a_run_that_another_job_writes_is_left_to_it(grid, halves, recipe, tmp_path):
    runs, _ = plan_ablation(load_grid(grid, ["loss"]), load_recipe(recipe), halves, [0])
    study = Study(kind="ablate", out=tmp_path, sides=halves, targets=("age",), settings=StudyConfig(), runs=runs[:1])
    with hold_folder(study.folder(runs[0])):
        found = engine.carry_out(study)
    assert [state for _, state in found.missing] == ["another job is writing it"]


def test_a_training_that_does_not_stay_finite_is_noted_and_the_others_go_on(done, grid, command, monkeypatch, tmp_path):
    out = tmp_path / "copy"
    shutil.copytree(done[0], out)
    shutil.rmtree(out / "runs" / "ttr-off_seed-1")

    def broken(*args, **options):
        raise FloatingPointError("loss None at step 1")

    monkeypatch.setattr(engine, "pretrain", broken)
    code, said, _ = command("ablate", out, *WORDS, grid)
    assert code == 4
    assert "TTR off: 1 of 2 trainings did not stay finite." in said
    assert "4 of 4 done" in (out / "report.html").read_text()
    assert (out / "runs/ttr-off_seed-1/failed.txt").read_text() == "loss None at step 1\n"
    assert table(out)["seeds"].tolist() == [2, 1]


def test_a_run_of_somebody_who_is_tested_is_refused(done, people, recipe, grid, command, tmp_path):
    config = load_recipe(recipe)
    pretrain([Part(people)], out=tmp_path / "x/runs/full-model_seed-0", config=config)
    said = command("ablate", tmp_path / "x", "--target", "age", "--seeds", "0", "--grid", grid, "--only", "loss")[2]
    assert "was trained on 20 of the test people" in said


@pytest.mark.parametrize("name", list_grids())
@pytest.mark.parametrize("recipe_name", ["its own", "small-published", "paper"])
def test_every_packaged_condition_is_a_change_of_a_packaged_recipe(name, recipe_name, people):
    grid = load_grid(name)
    recipe = load_recipe(grid.recipe if recipe_name == "its own" else recipe_name)
    whole = to_plain(recipe)
    for one in grid.condition:
        assert one.networks != "own" or to_plain(changed(recipe, one.set, one.name)) != whole, one.name


def test_other_networks_and_what_does_not_fit_this_recipe_are_planned_as_such(grid, halves, recipe, tmp_path):
    sides, config = halves, load_recipe(recipe)
    runs, left_out = plan_ablation(load_grid(grid), config, sides, [0])
    assert [run.condition for run in runs] == [FULL, "TTR off", "one network"]
    assert runs[2].tested(sides).atlas.n_networks == runs[2].cohort(sides).atlas.n_networks == 1
    assert [name for name, _ in left_out] == ["projection"]
    path = tmp_path / "long.toml"
    path.write_text('[[condition]]\nname = "long"\nset.encoder.patch = 100\n[[condition]]\nname = "as it is"\n'
                    "set.encoder.patch = 20\n"
                    '[[condition]]\nname = "too much"\nset.views.student_seconds = [60.0, 300.0]\n')  # fmt: skip
    _, left_out = plan_ablation(load_grid(path), config, sides, [0])
    assert left_out == (
        ("long", "with this recipe: encoder: patch has to be 1 to 60 (the frames per window), not 100."),
        ("as it is", "it is the full model of this recipe"),
        (
            "too much",
            "views of 300 s are longer than the encoder's window of 120 s: raise encoder.frames to 150, or "
            "shorten them.",
        ),
    )


def test_a_wrong_grid_is_answered_in_a_sentence(tmp_path, halves, recipe):
    path = tmp_path / "g.toml"
    sides, config = halves, load_recipe(recipe)
    wrong = {
        '[[condition]]\nname = "x"': "the condition 'x' changes nothing",
        "": "lacks condition",
        "condition = []": "at least one",
        '[[condition]]\nname = ""\nnetworks = "one"': "needs a name other than 'full model'",
        '[[condition]]\nname = "x"\nnetworks = "ones"': "Did you mean 'one'",
        '[[condition]]\nname = "x"\nset = 3': "set has to be a table of settings, not 3",
        '[[condition]]\nname = "a b"\nnetworks = "one"\n[[condition]]\nname = "A-b"\nnetworks = "one"': "the same name",
    }
    for text, words in wrong.items():
        path.write_text(text)
        with pytest.raises(ConfigError, match=words):
            load_grid(path)
    path.write_text('[[condition]]\nname = "x"\nset.objective.ttr_shar = 0')
    with pytest.raises(ConfigError, match=r"condition 'x': objective has the unknown key 'ttr_shar'. Did you mean"):
        plan_ablation(load_grid(path), config, sides, [0])
    with pytest.raises(ConfigError, match="there is no grid 'papr': use objectives, paper, small"):
        load_grid("papr")
    with pytest.raises(ConfigError, match="has no condition or group 'masks of'"):
        load_grid("paper", ["masks of"])
    assert isinstance(load_grid("paper", ["masks"]), Grid)


def test_answers_name_what_is_lower_higher_undecided_and_collapsed():
    row = {"target": "age", "score": 0.5, "low": 0.4, "high": 0.6, "gain": 0.1, "seeds": 3, "failed": 0, "collapsed": 0}
    row |= {"diff": -0.1, "diff_low": -0.2, "diff_high": -0.05, "expected": "", "verdict": ""}
    summary = pd.DataFrame(
        [
            {**row, "condition": FULL},
            {**row, "condition": "x", "verdict": "lower"},
            {**row, "condition": "y", "verdict": "undecided"},
            {**row, "condition": "z", "verdict": "higher", "diff": 0.1, "expected": "collapse", "collapsed": 3},
            {**row, "condition": "w", "verdict": "undecided", "expected": "collapse"},
        ]
    )
    said = [answer for _, answer in answers_of(summary)]
    assert said == [
        "The full model scores 0.500 [0.400, 0.600], +0.100 over random weights.",
        "Lower than the full model: x (-0.100 [-0.200, -0.050]).",
        "Higher than the full model: z (+0.100 [-0.200, -0.050]).",
        "Undecided, which is not “equal”: y, w.",
        "z: 3 of 3 trainings ended collapsed, as it has to.",
        "w: no training ended collapsed, although that was expected.",
    ]
    assert answers_of(pd.DataFrame()) == []
