"""Encoders for the box are made of files, and tried at other sites, at a size at which the figures say nothing."""

import re
import sys

import h5py
import numpy as np
import pytest
from benchmarks import box, make_box

from semantoks import SimulationConfig, get_atlas, load_encoder, prepare, simulate
from semantoks.model.group import read_group

pytestmark = pytest.mark.slow


@pytest.fixture
def run(monkeypatch, capsys):
    """Run a script in this process, and return what it prints."""

    def call(script, *words):
        monkeypatch.setattr(sys, "argv", [script.__name__, *map(str, words)])
        script.main()
        return capsys.readouterr().out

    return call


def test_an_encoder_for_the_box_is_made_of_a_file_of_recordings(tmp_path, run):
    rng = np.random.default_rng(0)
    names = [label.partition(".")[0] for label in get_atlas("mist122").labels]  # as the file has them: some come twice
    with h5py.File(tmp_path / "rpn.h5", "w") as file:
        file["bold"] = rng.normal(size=(52, 123, 40)).cumsum(axis=2).astype(np.float32)
        file["length"] = np.full(52, 40)
        file["scan_id"] = np.array([f"a-{row // 2 if row < 4 else row}_ses-{row % 2}" for row in range(52)], "S")
        file["roi_name"] = np.array(["GlobSig", *names], "S")
        file["tr"] = np.full(52, 2.0)
    printed = run(make_box, "mist122", tmp_path / "rpn.h5", "--out", tmp_path / "made", "--columns", 40)
    assert re.search(r"\| people +\| +50 \|", printed)
    assert re.search(r"\| columns +\| +36 \|", printed)
    encoder, card = load_encoder(tmp_path / "made")
    assert (encoder.config.width, card.atlas.labels) == (36, get_atlas("mist122").labels)
    with h5py.File(tmp_path / "rpn.h5") as file:
        each = [np.corrcoef(series[1:]) for series in file["bold"]]
    people = [each[0] + each[1], each[2] + each[3], *(2 * one for one in each[4:])]
    np.testing.assert_allclose(read_group(tmp_path / "made", 122), np.mean(people, axis=0) / 2, atol=2e-3)


def test_an_encoder_of_one_site_is_tried_at_the_others(tmp_path, run):
    config = SimulationConfig(participants=100, sessions=1, minutes=3.5, atlas="tian-s1")
    prepare(simulate(config, out=tmp_path / "rec"), out=tmp_path / "cohort", atlas="tian-s1")
    sizes = ("--people", 50, "--components", 4, "--columns", 60, "--n-jobs", 1)
    words = ("--site", "A", "--out", tmp_path / "o", "--target", "age", *sizes)
    printed = run(box, tmp_path / "cohort", *words)
    assert "50 people of A; scores: people of all other sites" in printed
    assert re.search(r"\| the box \(k = 10\) +\| +55 \| +-?0\.\d{3} \[", printed)
    for name in ("edges, k = 4", "FC", "FC, tangent of the training people", "tangent, same reference"):
        assert f"| {name} " in printed
    assert run(box, tmp_path / "cohort", *words) == printed
    with pytest.raises(SystemExit, match="site 'A' has 50 people with a minute of data, not 51"):
        run(box, tmp_path / "cohort", *words, "--people", 51)
