"""What a training is not begun with: said before anything is written or launched, with a remedy that works."""

import pytest
from tiny_run import tiny_config

from semantoks.cli.main import run
from semantoks.errors import ConfigError
from semantoks.train.run import pretrain


def names_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_run_is_not_written_among_a_cohorts_files(cohort, capsys):
    before = names_in(cohort.path)
    assert run(["pretrain", str(cohort.path), "--recipe", "smoke", "--out", str(cohort.path)]) == 2
    said = capsys.readouterr().err
    assert f"{cohort.path} contains SHA256SUMS and is not a run: choose a new or an empty folder." in said
    assert names_in(cohort.path) == before


def test_a_run_whose_record_was_moved_away_or_whose_checkpoints_are_to_be_elsewhere_is_taken_up(cohort, tmp_path):
    elsewhere, out = tmp_path / "elsewhere", tmp_path / "run"
    elsewhere.mkdir()
    out.mkdir()
    (out / "checkpoints").symlink_to(elsewhere)
    pretrain(cohort, out=out, config=tiny_config(steps=1))
    assert [path.name for path in elsewhere.iterdir()] == ["step-00000001.safetensors"]
    (out / "run.json").rename(tmp_path / "damaged.json")
    assert pretrain(cohort, out=out, config=tiny_config(steps=1)).status == "finished"
    (out / "run.json").unlink()
    (elsewhere / "step-00000001.safetensors").unlink()
    with pytest.raises(ConfigError, match="contains encoder and is not a run"):
        pretrain(cohort, out=out, config=tiny_config(steps=1))


@pytest.fixture(scope="module")
def parent(cohort, tmp_path_factory):
    """A run of one step, of width 16, depth 1 and 8 projected dimensions."""
    out = tmp_path_factory.mktemp("parent") / "run"
    pretrain(cohort, out=out, config=tiny_config(steps=1))
    return out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--encoder.width", "32"], "--encoder.width is 32, but the weights of {} have 16"),
        (["--encoder.depth=2"], "--encoder.depth is 2, but the weights of {} have 1"),
        (["--objective.head.projection", "4"], "--objective.head.projection is 4, but the weights of {} have 8"),
        (["--head.projection", "4"], "--objective.head.projection is 4, but the weights of {} have 8"),
        (
            ["--encoder.tokenizer.kind", "projection"],
            "--encoder.tokenizer.kind is projection, but the weights of {} have",
        ),
    ],
)
def test_a_size_that_was_typed_and_is_not_that_of_the_weights_is_refused(cohort, parent, tmp_path, capsys, words, said):
    start = ["pretrain", str(cohort.path), "--recipe", "smoke", "--out", str(tmp_path / "run"), "--min-seconds", "0"]
    assert run([*start, "--init-from", str(parent), *words]) == 2
    assert said.format(parent) in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_sizes_of_a_recipe_and_typed_ones_that_are_those_of_the_weights_are_taken(cohort, parent, tmp_path):
    words = ["pretrain", str(cohort.path), "--recipe", "smoke", "--out", str(tmp_path / "run"), "--min-seconds", "0"]
    sizes = ["--encoder.width", "16", "--objective.teacher-momentum", "0.9", "--batch-size", "4", "--steps", "1"]
    assert run([*words, "--init-from", str(parent), *sizes, "--quiet"]) == 0


def test_a_session_takes_the_sizes_of_the_weights_but_for_settings_that_it_says_are_given(cohort, parent, tmp_path):
    config = tiny_config(steps=1, encoder={"width": 32, "depth": 1})
    with pytest.raises(
        ConfigError, match=r"--encoder\.width is 32.* have 16.*: leave the option out, or leave out --i"
    ):
        pretrain(
            cohort, out=tmp_path / "run", config=config, init_from=parent, given=["encoder.depth", "encoder.width"]
        )
    assert pretrain(cohort, out=tmp_path / "run", config=config, init_from=parent)["config"]["encoder"]["width"] == 16


@pytest.mark.parametrize(("size", "devices", "near"), [(16, 3, 15), (2, 3, 3), (4, 8, 8)])
def test_a_batch_that_devices_cannot_share_is_refused_before_they_are_launched(
    cohort, tmp_path, monkeypatch, size, devices, near
):
    monkeypatch.setattr("semantoks.train.run.start_fabric", lambda *_: pytest.fail("launched"))
    config = tiny_config(batch_size=size)
    with pytest.raises(ConfigError, match=rf"{size} has to be a multiple .* = {devices}: use --batch-size {near}, or"):
        pretrain(cohort, out=tmp_path / "run", config=config, devices=devices)


def test_a_process_that_alone_cannot_train_says_so_after_a_while(cohort, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("semantoks.cli.training.PATIENCE", 0.2)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert run(["pretrain", str(tmp_path / "x"), "--out", str(tmp_path / "run")]) != 0
    assert capsys.readouterr().err.count("semantoks: ") == 1


@pytest.mark.parametrize("words", [["probe", "RUN", "x", "--target", "sex"], ["fit", "x"], ["pretrain", "x"]])
def test_a_cohort_that_is_not_there_is_called_that(parent, tmp_path, capsys, words):
    words = [{"x": str(tmp_path / "x"), "RUN": str(parent)}.get(word, word) for word in words]
    assert run([*words, "--out", str(tmp_path / "out")]) == 3
    assert f"there is no folder '{tmp_path / 'x'}'." in capsys.readouterr().err
