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
