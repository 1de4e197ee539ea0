"""The commands one after the other, as a user types them, on simulated people; and what goes wrong on the way."""

import inspect
import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from typist import type_in

import semantoks
from semantoks.model.card import read_card
from semantoks.signals.cohort import Cohort

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
TINY = ("--encoder.width", 32, "--encoder.depth", 1, "--batch-size", 8, "--head.hidden", 16, "--head.projection", 8)


@pytest.fixture(scope="module")
def road(tmp_path_factory):
    """A folder with recordings, a cohort, a run, features, a probe and a report; and what each command said."""
    at = tmp_path_factory.mktemp("road")
    raw, cohort, run_folder = at / "raw", at / "cohort", at / "run a"
    said = {
        "simulate": type_in(
            "simulate", "--out", raw, "--participants", 24, "--sessions", 1, "--atlas", "schaefer100", "--minutes", 4.2
        ),
        "prepare": type_in("prepare", raw, "--out", cohort, "--atlas", "schaefer100"),
        "pretrain": type_in("pretrain", cohort, "--recipe", "smoke", "--out", run_folder, "--steps", 2, *TINY),
        "embed": type_in("embed", cohort, "--model", run_folder, "--out", at / "new" / "f.parquet", "--crops", 2),
        "probe": type_in(
            "probe", run_folder, cohort, "--target", "sex", "age", "--out", run_folder / "probe", "--folds", 2,
            "--crops", 1, "--repeats", 1, "--methods", "motion", "random_weights", "--analyses", "permutation",
            "--permutations", 9,
        ),
        "report": type_in("report", run_folder),
    }  # fmt: skip
    return at, said


def test_every_command_on_the_road_succeeds_and_shows_its_progress(road):
    _, said = road
    assert {name: answer.code for name, answer in said.items()} == dict.fromkeys(said, 0)
    assert "simulate: 24 of 24" in said["simulate"].err
    assert "prepare: 24 of 24" in said["prepare"].err
    assert "pretrain: 2 of 2" in said["pretrain"].err
    assert "embed: 48 of 48" in said["embed"].err
    assert "probe: 100 %" in said["probe"].err


def test_each_command_says_what_to_type_next(road):
    at, said = road
    assert f"semantoks prepare {at / 'raw'} --atlas schaefer100" in said["simulate"].out
    assert f"semantoks fit {at / 'cohort'} --edges --out encoders/a" in said["prepare"].out
    assert "semantoks pretrain" not in said["prepare"].out  # 24 people are no batch of the recipe small
    assert f"semantoks probe '{at / 'run a'}' {at / 'cohort'} --target" in said["pretrain"].out
    assert f"semantoks report '{at / 'run a'}'" in said["probe"].out
    assert str(at / "run a" / "report.html") in said["report"].out


def test_the_run_is_what_recipe_and_options_together_say(road):
    at, _ = road
    record = json.loads((at / "run a" / "run.json").read_text())
    assert record["config"]["encoder"]["width"] == 32
    assert record["config"]["encoder"]["frames"] == 100
    assert record["config"]["steps"] == 2
    assert record["status"] == "finished"
    assert record["command"].startswith(f"semantoks pretrain {at / 'cohort'} --recipe smoke --out '{at / 'run a'}'")
    card = read_card(at / "run a" / "encoder")
    assert (card.encoder.width, card.encoder.depth, card.tr, len(card.participants)) == (32, 1, 2.0, 24)


def test_the_features_are_a_row_a_recording(road):
    at, said = road
    table = pd.read_parquet(at / "new" / "f.parquet")
    assert len(table) == 24
    assert sum(column.startswith("cls_avg_") for column in table) == 64
    assert (
        table.index.get_level_values("participant_id").tolist()
        == Cohort(at / "cohort").recordings["participant_id"].tolist()
    )
    assert "24 rows x 64 features" in said["embed"].out


def test_the_probe_prints_and_writes_every_method(road):
    at, said = road
    scores = pd.read_csv(at / "run a" / "probe" / "scores.csv")
    assert set(scores["method"]) == {"encoder", "fc+encoder", "random_weights", "fc", "motion"}
    assert set(scores["target"]) == {"sex", "age"}
    assert set(scores["analysis"]) == {"main", "permutation"}
    for method in scores["method"].unique():
        rows = re.findall(rf"^{re.escape(method)} +-?\d", said["probe"].out, re.MULTILINE)
        assert len(rows) == 2, method
    assert (
        "sex, age: 0 people, families or copies of a recording are on both sides of any of 2 splits"
        in said["probe"].out
    )
    about = json.loads((at / "run a" / "probe" / "probe.json").read_text())
    assert about["command"].startswith("semantoks probe")
    assert any(note.startswith("24 of 24 people were seen, without labels, in pretraining") for note in about["notes"])


def test_the_report_shows_the_probe_and_opens_offline(road):
    at, _ = road
    page = (at / "run a" / "report.html").read_text(encoding="utf-8")
    assert "random weights" in page
    assert "<script src" not in page
    assert 'href="http' not in page


def test_info_says_in_about_ten_lines_what_each_folder_is(road):
    at, _ = road
    for path, words in (
        (
            at / "cohort",
            ["people     24, recordings 24, excluded 0", "schaefer100: 100 ROIs in 7 networks", "at 2.0 s"],
        ),
        (
            at / "run a",
            ["finished, 2 of 2 steps", "width 32, depth 1", "batch 8", "24 people", "cost       16 samples"],
        ),
        (at / "run a" / "encoder", ["width 32, depth 1", "100 ROIs x 100 frames", "7 networks x 5 patches"]),
    ):
        answer = type_in("info", path)
        assert answer.code == 0
        assert 8 <= len(answer.out.splitlines()) <= 12
        assert [word for word in words if word not in answer.out] == []


def test_verifying_finds_a_flipped_bit(road, tmp_path):
    at, _ = road
    answer = type_in("info", at / "cohort", "--verify")
    assert answer.code == 0
    assert "everything agrees with its checksum" in answer.out
    shutil.copytree(at / "cohort", tmp_path / "cohort")
    shard = tmp_path / "cohort" / "shards" / "000001.npy"
    data = bytearray(shard.read_bytes())
    data[-1] ^= 1
    shard.write_bytes(data)
    answer = type_in("info", tmp_path / "cohort", "--verify")
    assert answer.code == 3
    assert "does not match its checksum" in answer.out


def test_a_recipe_file_and_options_work_together_and_options_win(road, tmp_path):
    at, _ = road
    recipe = tmp_path / "own.toml"
    recipe.write_text(
        "steps = 9\nbatch_size = 4\n[encoder]\nwidth = 16\ndepth = 0\n[head]\nhidden = 8\nprojection = 4\n"
    )
    answer = type_in(
        "pretrain", at / "cohort", "--recipe", recipe, "--steps", 1, "--encoder.depth", 1, "--out", tmp_path / "run"
    )
    assert answer.code == 0
    config = json.loads((tmp_path / "run" / "run.json").read_text())["config"]
    assert (config["steps"], config["batch_size"]) == (1, 4)
    assert (config["encoder"]["width"], config["encoder"]["depth"], config["objective"]["head"]["hidden"]) == (16, 1, 8)


def test_recordings_that_cannot_be_used_are_listed_and_the_exit_code_is_four(road, tmp_path):
    at, _ = road
    shutil.copytree(at / "raw", tmp_path / "raw")
    bad = sorted((tmp_path / "raw").glob("*.npy"))[3]
    np.save(bad, np.load(bad)[:7])
    answer = type_in("prepare", tmp_path / "raw", "--out", tmp_path / "cohort", "--atlas", "schaefer100")
    assert answer.code == 4
    table = pd.read_csv(listed := tmp_path / "cohort" / "excluded.tsv", sep="\t")
    assert f"1 recording was excluded: see {listed}.\n(1 x) {table['reason'][0]}\n" in answer.out
    assert len(table) == 1
    assert bad.name in table["source_file"].iloc[0]
    assert len(Cohort(tmp_path / "cohort")) == 23


def mistakes(at: Path, other: Path):
    """Commands that a user gets wrong, the exit code, and words of the answer."""
    cohort, good, file = at / "cohort", at / "run a", at / "new" / "f.parquet"
    empty = other / "empty run"
    shutil.copytree(good, empty, ignore=shutil.ignore_patterns("encoder", "checkpoints"))
    (other / "own.toml").write_text("[encoder]\ndepht = 3\n")
    tiny = ("--recipe", "smoke", "--steps", 1, *TINY)
    yield ("pretrain", cohort, "--out", good, *tiny), 2, "already holds a run, which is finished"
    yield ("pretrain", other / "none", "--out", other / "o", *tiny), 3, "there is no folder"
    yield ("pretrain", cohort, "--out", other / "o", "--recipe", other / "own.toml"), 2, "Did you mean 'depth'"
    yield ("pretrain", cohort, "--out", file, *tiny), 3, "where a folder is needed"
    yield ("pretrain", cohort, "--out", file / "o", *tiny), 3, "where a folder is needed"
    yield ("pretrain", cohort, "--out", other / "o", *tiny, "--batch-size", 64), 2, "pass --batch-size 24 or less"
    yield ("embed", cohort, "--model", good, "--out", other), 2, "ends in .parquet"
    yield ("embed", cohort, "--model", good, "--out", file / "g.parquet"), 3, "cannot read or write"
    yield ("embed", cohort, "--model", good, "--out", other / "g.parquet", "--crops", 0), 2, "at least 1, not 0"
    yield (
        ("embed", cohort, "--model", good, "--out", other / "g.parquet", "--device", "gpu"),
        2,
        "--device 'gpu' is not available",
    )
    yield ("embed", cohort, "--model", empty, "--out", other / "g.parquet"), 3, "neither a run with a saved encoder"
    yield ("embed", good, "--model", good, "--out", other / "g.parquet"), 2, "no repetition time"
    yield ("probe", empty, cohort, "--target", "sex", "--out", other / "p"), 3, "neither a run with a saved encoder"
    yield ("probe", good, cohort, "--target", "sexx", "--out", other / "p"), 3, "Did you mean sex"
    yield ("probe", good, cohort, "--target", "sex", "--out", file), 3, "where a folder is needed"
    yield ("probe", good, cohort, "--target", "sex", "--out", file / "p"), 3, "where a folder is needed"
    yield ("finetune", good, cohort, "--target", "sex", "--out", file), 3, "where a folder is needed"
    yield ("probe", good, cohort, "--target", "sex", "--out", other / "p", "--folds", 20), 3, "target 'sex'"
    yield ("report", good, "--out", file / "page.html"), 3, "cannot read or write"
    yield ("prepare", at / "raw", "--out", file, "--atlas", "schaefer100"), 2, "is a file"
    yield ("prepare", at / "raw", "--out", at / "raw" / "c", "--atlas", "schaefer100"), 2, "is inside the source"
    yield ("prepare", at / "raw", "--out", cohort, "--atlas", "schaefer100", "--target-tr", 3), 2, "made differently"
    yield ("prepare", at / "raw", "--out", other / "o", "--atlas", "schafer100"), 3, "'schaefer100'"


def test_no_mistake_of_a_user_ends_in_a_traceback_or_leaves_anything_behind(road, tmp_path):
    at, _ = road
    for words, code, answer in mistakes(at, tmp_path):
        said = type_in(*words)
        assert said.code == code, words
        assert answer in said.err, words
        assert "Traceback" not in said.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty run", "own.toml"]


def test_recordings_of_another_atlas_are_refused(road, tmp_path):
    at, _ = road
    assert type_in("prepare", at / "raw", "--out", tmp_path / "one", "--atlas", "schaefer100:one").code == 0
    answer = type_in("embed", tmp_path / "one", "--model", at / "run a", "--out", tmp_path / "f.parquet")
    assert answer.code == 3
    assert "the encoder was made for atlas schaefer100 (100 ROIs)" in answer.err
    assert "(Brain)" in answer.err
    assert not (tmp_path / "f.parquet").exists()


def test_a_damaged_run_is_a_sentence(road, tmp_path):
    at, _ = road
    shutil.copytree(at / "run a", tmp_path / "run")
    (tmp_path / "run" / "run.json").write_text('{"status": "finished"}')
    answer = type_in("info", tmp_path / "run")
    assert answer.code == 3
    assert "was not written by a training run" in answer.err
    (tmp_path / "run" / "encoder" / "model.safetensors").write_bytes(b"")
    answer = type_in("embed", at / "cohort", "--model", tmp_path / "run", "--out", tmp_path / "f.parquet")
    assert answer.code == 3
    assert "cannot be read" in answer.err


PYTHON = {
    page: re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.S | re.M)
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
}


@pytest.mark.parametrize("page", [page for page, blocks in PYTHON.items() if blocks], ids=lambda page: page.name)
def test_the_python_of_a_page_runs_from_top_to_bottom(road, tmp_path, monkeypatch, page):
    """Whatever takes long only has its arguments checked, and gives back what the road before has made."""
    at, _ = road
    monkeypatch.chdir(tmp_path)
    Path("runs").mkdir()
    shutil.copytree(at / "run a", Path("runs/a"))
    Path("encoders").mkdir()
    shutil.copytree(at / "run a" / "encoder", Path("encoders/published"))
    cohort, features = Cohort(at / "cohort"), pd.read_parquet(at / "new" / "f.parquet")
    for name, made in {"prepare": cohort, "pretrain": {}, "embed": features, "probe": pd.DataFrame()}.items():
        taken = inspect.signature(getattr(semantoks, name))
        monkeypatch.setattr(semantoks, name, lambda *a, _s=taken, _m=made, **o: _s.bind(*a, **o) and _m)
    monkeypatch.setattr(semantoks.Encoder, "push_to_hub", lambda *_: "")
    encoder = semantoks.Encoder.from_pretrained(at / "run a")
    program = SimpleNamespace(
        module=lambda: lambda series, mask: (encoder(series, mask).cls, encoder(series, mask).grid)
    )
    monkeypatch.setattr("torch.export.load", lambda _: program)
    rng = np.random.default_rng(0)
    wide = [rng.normal(size=(60, 400)) for _ in range(2)]
    given = {
        "arrays": wide,
        "images": wide,
        "masker": SimpleNamespace(fit_transform=lambda images: images),
        "labels": list(semantoks.get_atlas("schaefer400").labels),
        "array": rng.normal(size=(60, 100)),
        "series": torch.randn(2, 100, 100),
        "mask": torch.zeros(2, 7, 5, dtype=torch.bool),
        "age": np.arange(10.0),
    }
    if page.name == "embedding.md":
        given["series"] = [rng.normal(size=(260, 100)) for _ in given["age"]]
    for block in PYTHON[page]:
        exec(compile(block, page.name, "exec"), given)
    assert page.name != "README.md" or given["tokens"].grid.shape == (2, 7, 5, 32)
