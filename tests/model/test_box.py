"""What is in the box: small, with its terms, of nobody in particular, in the wheel, and used by name like any other."""

import fnmatch
import functools
import json
import tomllib
from pathlib import Path

import pytest
import torch

from semantoks import Encoder, get_atlas
from semantoks.cli.cohorts import info
from semantoks.cli.main import run
from semantoks.cli.results import embed
from semantoks.errors import WeightsError
from semantoks.model.box import BOX, box_folder, box_that_fits, list_box
from semantoks.model.group import GROUP, read_about
from semantoks.model.hub import find_encoder, load_encoder
from tiny_people import save_model

SPDX = {"schaefer400": ("Apache-2.0", "Apache License", 55), "mist122": ("BSD-3-Clause", "BSD 3-Clause License", 119)}


@functools.cache
def loaded(name):
    return load_encoder(find_encoder(name))


@pytest.mark.parametrize("name", SPDX)
def test_each_is_small_says_its_terms_and_holds_nothing_of_one_person(name):
    files = {path.name: path for path in (BOX / name).iterdir()}
    assert set(files) == {"config.json", "group.json", GROUP, "LICENSE"}
    assert max(path.stat().st_size for path in files.values()) < 200_000
    licence, first, people = SPDX[name]
    about = read_about(BOX / name)
    assert (about.licence, about.people) == (licence, people)
    assert first in files["LICENSE"].read_text()
    assert "et al." in about.citation
    config = json.loads(files["config.json"].read_text())
    assert (config["participants"], config["recordings"], config["band"]) == ([], [], None)
    assert any(str(people) in line for line in config["origin"])
    assert any(licence in line and about.citation in line for line in config["origin"])


@pytest.mark.parametrize("name", SPDX)
def test_each_is_an_encoder_of_its_atlas_with_at_most_1536_columns(name):
    encoder, card = loaded(name)
    assert card.atlas.labels == get_atlas(name).labels
    assert encoder.config.width == 1485
    assert torch.isfinite(encoder(torch.randn(2, card.atlas.n_rois, 90)).grid).all()
    assert find_encoder(name.upper()) == find_encoder(name) == BOX / name


def test_the_packaged_files_are_in_the_wheel():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    patterns = project["tool"]["setuptools"]["package-data"]["semantoks"]
    files = [path.relative_to(BOX.parent).as_posix() for path in BOX.rglob("*") if path.is_file()]
    assert len(files) == 8
    assert all(any(fnmatch.fnmatch(file, pattern) for pattern in patterns) for file in files)


@pytest.mark.parametrize(
    ("labels", "name"),
    [
        (get_atlas("schaefer400").labels, "schaefer400"),
        (get_atlas("schaefer400+tian-s3+buckner7").labels, "schaefer400"),
        (get_atlas("4s456").labels, "schaefer400"),
        (get_atlas("schaefer400").labels[:200], "schaefer400"),
        ([f"7Networks_{label}" for label in get_atlas("schaefer400").labels[::-1]], "schaefer400"),
        (get_atlas("mist122").labels[5:], "mist122"),
        (get_atlas("schaefer400").labels[:199], None),
        (get_atlas("schaefer400-17").labels, None),
        (get_atlas("schaefer100").labels, None),
        (get_atlas("schaefer300").labels, None),
        (get_atlas("schaefer1000").labels, None),
        (get_atlas("cc200").labels, None),
    ],
)
def test_the_one_that_fits_has_half_of_its_rois_among_the_labels(labels, name):
    assert box_that_fits(labels) == name


def test_the_helps_name_what_is_in_the_box():
    for command in (embed, info):
        assert f"in the box: {', '.join(list_box())}." in command.__doc__


def test_a_folder_here_goes_before_a_name_in_the_box(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert list_box() == ["schaefer400", "mist122"]
    (tmp_path / "mist122").mkdir()
    assert find_encoder("mist122") == BOX / "mist122"
    save_model(tmp_path / "schaefer400")
    assert find_encoder("schaefer400") == Path("schaefer400")
    assert box_folder("cc200") is None
    with pytest.raises(WeightsError, match="nor schaefer400 or mist122"):
        find_encoder("cc200")


def test_it_is_described_saved_and_exported_like_any_other(tmp_path, capsys):
    assert run(["info", "mist122"]) == 0
    printed = capsys.readouterr().out
    assert "people     119, as their mean alone" in printed
    assert "BSD-3-Clause; cite Spisak" in printed
    encoder, _ = loaded("mist122")
    again = Encoder.from_pretrained(encoder.save_pretrained(tmp_path / "copy"))
    series = torch.randn(1, 122, 60)
    assert torch.equal(again(series).grid, encoder(series).grid)
    assert "cite Spisak" in (tmp_path / "copy" / "README.md").read_text()
    assert run(["info", "schaefer40"]) == 3
    assert "in the box there are schaefer400 and mist122" in capsys.readouterr().err
    assert run(["convert", "mist122", str(tmp_path / "back.pth"), "--back"]) == 3
    assert "has only the teacher" in capsys.readouterr().err
