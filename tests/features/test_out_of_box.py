"""Without a model, recordings take the encoder in the box whose ROIs they have by label; nothing is guessed."""

import re
import shlex

import numpy as np
import pandas as pd
import pytest

from semantoks import CleaningConfig, embed, get_atlas, prepare, recordings_from_arrays
from semantoks.cli.main import run
from semantoks.errors import ConfigError, DataError
from semantoks.features.embed import write_features

MIST = get_atlas("mist122")


def smooth(frames, rois, seed):
    return np.random.default_rng(seed).normal(size=(frames, rois)).cumsum(axis=0).astype(np.float32)


def write_tables(folder, labels, people=2):
    """Tables with the labels as header, after a first column that is none of the atlas."""
    folder.mkdir()
    for number in range(people):
        values = smooth(60, len(labels), number)
        header = "\t".join(labels)
        np.savetxt(folder / f"sub-{number}_timeseries.tsv", values, delimiter="\t", header=header, comments="")
    return folder


def features(table):
    return table.filter(like="avg_").to_numpy()


def test_labelled_recordings_are_embedded_without_a_model_and_the_table_names_what_was_taken(tmp_path, capsys):
    raw = write_tables(tmp_path / "raw", MIST.labels)
    out = tmp_path / "f.parquet"
    assert run(["embed", str(raw), "--tr", "2", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "mist122, the one in the box that fits; --model takes another" in printed
    assert "119 people, relative to them; nothing of one person, no labels, nothing learned" in printed
    assert "2 rows x 1485 features" in printed
    table = pd.read_parquet(out)
    assert table.attrs == {"encoder": "mist122"}
    named = embed(raw, model="mist122", tr=2.0)
    np.testing.assert_array_equal(features(table), features(named))
    write_features(named, out)
    assert pd.read_parquet(out).attrs == {}


def test_a_wider_atlas_another_order_and_a_cohort_of_it_give_the_same(tmp_path):
    labels = [*MIST.labels[::-1], "GlobSig", "Cerebellum_Vis"]
    raw = write_tables(tmp_path / "raw", labels)
    table = embed(raw, tr=2.0)
    wide = tmp_path / "wide.tsv"
    wide.write_text("label\tnetwork\n" + "".join(f"{label}\tany\n" for label in labels))
    cohort = prepare(raw, out=tmp_path / "cohort", atlas=wide, tr=2.0, cleaning=CleaningConfig(band=None))
    found = embed(cohort.path)
    np.testing.assert_allclose(features(found), features(table), atol=1e-6)
    assert found.attrs["encoder"] == "mist122"


def test_a_subset_is_completed_as_the_group_has_it(tmp_path):
    raw = write_tables(tmp_path / "raw", MIST.labels[:80])
    table = embed(raw, tr=2.0)
    assert np.isfinite(features(table)).all()
    assert table["hidden_share"].tolist() == [0, 0]
    assert "ROIs       80 of 122 are there" in table.attrs["notes"]
    with pytest.raises(
        ConfigError,
        match=r"no encoder in the box fits: the recordings have other ROIs \(.*half of the ROIs of mist122\)",
    ):
        embed(write_tables(tmp_path / "few", MIST.labels[:60]), tr=2.0)


def test_unlabelled_columns_are_not_guessed_and_the_remedy_works(tmp_path):
    raw = tmp_path / "raw"
    raw.mkdir()
    np.save(raw / "sub-1_timeseries.npy", smooth(60, 122, 0))
    with pytest.raises(
        ConfigError, match=r"no labels that tell their atlas. If they are the ROIs of .*say so \(--model\)"
    ):
        embed(raw, tr=2.0)
    assert features(embed(raw, model="mist122", tr=2.0)).shape == (1, 1485)
    arrays = recordings_from_arrays([smooth(60, 122, 0)], tr=2.0, atlas="mist122")
    with pytest.raises(ConfigError, match="recordings in memory have no labels"):
        embed(arrays)


def test_a_cohort_of_another_atlas_is_told_to_fit_its_own(tmp_path):
    labels = [f"roi{number}" for number in range(6)]
    raw = write_tables(tmp_path / "raw", labels, people=5)
    (tmp_path / "own.tsv").write_text("label\tnetwork\n" + "".join(f"{label}\ta\n" for label in labels))
    cohort = prepare(raw, out=tmp_path / "cohort", atlas=tmp_path / "own.tsv", tr=2.0)
    with pytest.raises(
        ConfigError, match=r"the cohort's atlas is own, and the box has schaefer400 and mist122. Fit one to your own"
    ) as refusal:
        embed(cohort)
    words = shlex.split(re.search(r"\((semantoks fit .*)\)", str(refusal.value))[1])[1:]
    words[-1] = str(tmp_path / "a")
    assert run([*words, "--columns", "2", "--components", "4"]) == 0
    assert features(embed(cohort, model=tmp_path / "a")).shape == (5, 2)


def test_what_is_wrong_whatever_the_atlas_is_said_as_ever(tmp_path):
    with pytest.raises(DataError, match="there is no"):
        embed(tmp_path / "nowhere", tr=2.0)
    raw = write_tables(tmp_path / "raw", MIST.labels, people=1)
    with pytest.raises(ConfigError, match="no repetition time"):
        embed(raw)
