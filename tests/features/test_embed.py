"""From recordings to a table in one call: the same numbers as by way of a cohort, and everything said that was done."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch

from semantoks.atlas.atlas import Atlas
from semantoks.errors import ConfigError, DataError, WeightsError
from semantoks.features.embed import crop_spread, embed, write_features
from semantoks.features.encode import find_device
from semantoks.model.card import EncoderCard
from semantoks.model.hub import load_encoder
from semantoks.model.tensors import save_encoder
from semantoks.signals.cohort import Cohort
from semantoks.signals.prepare import prepare
from semantoks.signals.recording import Recording
from tiny_people import ATLAS, RAW, SIZE, make_people, save_model, write_cohort

FEATURES = [f"cls_avg_{i:04d}" for i in range(2 * SIZE.width)]
QUALITY = ["frames", "hidden_share", "hidden_networks", "short", "crop_spread"]


@pytest.fixture
def published(tmp_path):
    """An encoder that demands 2 s and 0.01 to 0.1 Hz."""
    encoder, card = load_encoder(save_model(tmp_path / "plain", seed=7))
    fields = {"encoder": card.encoder, "atlas": card.atlas, "tr": 2.0}
    return save_encoder(tmp_path / "published", encoder, EncoderCard(band=(0.01, 0.1), **fields))


def smooth(frames, seed=0):
    return np.random.default_rng(seed).normal(size=(frames, 8)).cumsum(axis=0).astype(np.float32)


def write_folder(folder, series):
    folder.mkdir()
    for name, values in series.items():
        np.save(folder / f"{name}_timeseries.npy", values)
    return folder


def test_a_folder_embedded_in_one_call_is_bitwise_the_cohort_prepared_and_embedded(tmp_path, published):
    raw = write_folder(tmp_path / "raw", {f"sub-{i}_ses-1": smooth(300 + 40 * i, i) for i in range(4)})
    table = embed(raw, model=published, tr=0.8)
    cohort = prepare(raw, out=tmp_path / "cohort", atlas=ATLAS, tr=0.8)
    pd.testing.assert_frame_equal(table, embed(cohort, model=published), check_exact=True)
    pd.testing.assert_frame_equal(table, embed(cohort.path, model=published), check_exact=True)
    assert table.index.names == ["participant_id", "session_id", "run"]
    assert table.columns.tolist() == [*QUALITY, *FEATURES]
    assert table.index[2] == ("2", "1", "")
    assert table["frames"].tolist() == [120, 136, 152, 168]
    assert (table[FEATURES].dtypes == np.float32).all()


def test_in_bfloat16_features_are_near_and_the_notes_say_so(tmp_path, published):
    raw = write_folder(tmp_path / "raw", {"sub-1_ses-1": smooth(300)})
    exact, near = (embed(raw, model=published, tr=0.8, precision=name) for name in ("32-true", "bf16-mixed"))
    gap = np.abs(near[FEATURES].to_numpy() - exact[FEATURES].to_numpy()).max()
    assert 0 < gap < 0.05
    assert "computed in bf16-mixed" in " ".join(near.attrs["notes"])
    assert "bf16" not in " ".join(exact.attrs["notes"])


def test_recordings_in_memory_are_a_folder_without_files(tmp_path, published):
    series = {f"sub-{i}_ses-1": smooth(320, i) for i in range(3)}
    table = embed(write_folder(tmp_path / "raw", series), model=published, tr=0.8)
    given = [
        Recording(series=values, tr=0.8, participant=name[:5], session="1", source=name)
        for name, values in series.items()
    ]
    pd.testing.assert_frame_equal(embed(given, model=published), table, check_exact=True)
    twice = embed([given[0], given[0]], model=published)
    assert twice.index.tolist() == [("0", "1", "1"), ("0", "1", "2")]
    with pytest.raises(DataError, match="the list is empty"):
        embed([], model=published)
    with pytest.raises(ConfigError, match="has its own tr and participants"):
        embed(given, model=published, tr=0.8)


def test_what_was_done_is_said_line_by_line(tmp_path, published):
    series = {f"sub-{i}": smooth(n, i) for i, n in enumerate((300, 300, 150))}
    series["sub-1"][:, [1, 4]] = 7.0
    table = embed(write_folder(tmp_path / "raw", series), model=published, tr=0.8)
    assert table.attrs["notes"] == [
        "encoder    tiny: 8 ROIs in 3 networks",
        "expects    100 frames of 2 s, 0.01 to 0.1 Hz, z-score per ROI over the recording",
        "source     folder of arrays: 3 recordings of 3 people",
        "           no participants table: nothing is known of them but their recordings",
        "used       3 recordings of 3 people; 0 were excluded",
        "TR         0.8 s, brought to 2 s by cubic interpolation",
        "cleaned    band-passed to 0.01 to 0.1 Hz, z-scored per ROI",
        "ROIs       6 to 8 of 8 are there",
        "hidden     network y (2 ROIs): missing in 1 of 3 recordings",
        "short      1 recording does not fill the encoder's window of 200 s: empty patches are hidden (column short)",
    ]
    assert table["hidden_networks"].tolist() == ["", "y", ""]
    assert table["short"].tolist() == [False, False, True]
    assert table["hidden_share"].tolist() == pytest.approx([0, 1 / 3, 2 / 5])


def test_a_cohort_that_does_not_say_where_it_is_from_is_embedded_all_the_same(cohort, model, tmp_path):
    folder = shutil.copytree(cohort.path, tmp_path / "cohort")
    description = json.loads((folder / "dataset_description.json").read_text())
    del description["SourceKind"], description["AlreadyFiltered"]
    (folder / "dataset_description.json").write_text(json.dumps(description))
    notes = embed(Cohort(folder, verify=False), model=model).attrs["notes"]
    assert "source     not known" in notes
    assert "cleaned    not band-passed, z-scored per ROI" in notes


def test_one_bad_recording_is_left_out_and_said_and_the_others_are_embedded(tmp_path, published):
    series = {f"sub-{i}": smooth(300, i) for i in range(3)}
    series["sub-1"][10, 3] = np.nan
    raw = write_folder(tmp_path / "raw", series)
    with pytest.warns(UserWarning, match=r"1 recording was excluded\. sub-1_timeseries.npy: not finite"):
        table = embed(raw, model=published, tr=0.8)
    assert table.index.get_level_values(0).tolist() == ["0", "2"]
    assert table.attrs["excluded"][0]["participant_id"] == "1"
    beside = write_features(table, tmp_path / "out" / "f.parquet")
    assert pd.read_csv(beside, sep="\t")["reason"][0].startswith("not finite: ROI 3")
    again = pd.read_parquet(tmp_path / "out" / "f.parquet")
    pd.testing.assert_frame_equal(again, table)
    assert again.attrs == {}
    for path in raw.iterdir():
        np.save(path, np.zeros((300, 8)))
    with pytest.raises(DataError, match=r"none of the 3 recordings .* \(3 x\) flat"):
        embed(raw, model=published, tr=0.8)


def test_a_table_without_exclusions_takes_the_old_list_of_them_away(tmp_path, cohort, model):
    (tmp_path / "f.excluded.tsv").write_text("of an earlier run")
    assert write_features(embed(cohort, model=model, crops=1), tmp_path / "f.parquet") is None
    assert [path.name for path in tmp_path.iterdir()] == ["f.parquet"]


def test_the_cleaned_recordings_are_kept_where_asked_and_nowhere_else(tmp_path, published, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "scratch").mkdir()
    raw = write_folder(tmp_path / "raw", {"sub-1": smooth(300)})
    table = embed(raw, model=published, tr=0.8, keep_cohort=tmp_path / "cohort")
    pd.testing.assert_frame_equal(embed(tmp_path / "cohort", model=published), table)
    embed(raw, model=published, tr=0.8)
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_row_is_the_mean_of_its_crops_and_their_spread_is_a_loop(tmp_path, model):
    cohort = write_cohort(tmp_path, {f"sub-{i}": smooth(n, i) for i, n in enumerate((170, 100, 141))})
    table = embed(cohort, model=model, crops=3)
    crops = embed(cohort.path, model=model, crops=3, keep_crops=True)
    assert crops.index.names == ["participant_id", "session_id", "run", "crop"]
    assert crops.index.get_level_values("crop").tolist() == [0, 1, 2] * 3
    for participant in "012":
        rows = crops.xs(participant, level=0)[FEATURES].to_numpy(np.float64)
        mean = rows.mean(axis=0)
        np.testing.assert_allclose(table.loc[participant, FEATURES].to_numpy()[0], mean, atol=1e-6)
        spread = np.sqrt(sum(((row - mean) ** 2).sum() for row in rows) / 3) / np.sqrt((mean**2).sum())
        assert table.loc[participant, "crop_spread"].item() == pytest.approx(spread, rel=1e-4, abs=1e-7)
    assert np.isnan(crop_spread(np.ones((2, 1, 4)))).all()
    assert crop_spread(np.array([[[3.0, 4.0], [3.0, 4.0]], [[1.0, 0.0], [0.0, 1.0]]])).tolist() == pytest.approx([0, 1])


def test_another_atlas_is_refused_with_the_first_difference(tmp_path):
    moved = ATLAS.select([*"abcdefg", "h"][::-1])
    other = save_model(tmp_path / "encoder", atlas=moved)
    cohort = write_cohort(tmp_path / "people", *make_people(1))
    with pytest.raises(WeightsError, match=r"ROI 1: the encoder expects 'h' \(z\), the recordings have 'a' \(x\)"):
        embed(cohort, model=other)


def test_labels_in_a_file_bring_its_columns_into_the_encoders_order_and_lacking_networks_are_hidden(
    tmp_path, published
):
    series = smooth(300)
    whole = embed(write_folder(tmp_path / "whole", {"sub-1": series}), model=published, tr=0.8)
    folder = tmp_path / "labelled"
    folder.mkdir()
    order = [7, 3, 0, 2, 6, 5, 1, 4]
    pd.DataFrame(series[:, order], columns=[ATLAS.labels[i] for i in order]).to_csv(
        folder / "sub-1_timeseries.tsv", sep="\t", index=False
    )
    found = embed(folder, model=published, tr=0.8)
    np.testing.assert_allclose(found[FEATURES], whole[FEATURES], atol=1e-5)
    pd.DataFrame(series[:, order[:6]], columns=[ATLAS.labels[i] for i in order[:6]]).to_csv(
        folder / "sub-1_timeseries.tsv", sep="\t", index=False
    )
    assert embed(folder, model=published, tr=0.8)["hidden_networks"].tolist() == ["y"]


def test_a_filtered_source_is_not_filtered_again(tmp_path, published, model):
    raw = write_folder(tmp_path / "raw", {"sub-1": smooth(200)})
    table = embed(raw, model=published, tr=2.0, already_filtered=True)
    plain = embed(prepare(raw, out=tmp_path / "cohort", atlas=ATLAS, tr=2.0, cleaning=RAW), model=model)
    np.testing.assert_array_equal(table[FEATURES], plain[FEATURES])
    assert "cleaned    not band-passed (were filtered before), z-scored per ROI" in table.attrs["notes"]


def test_no_crops_no_encoder_no_source_and_no_such_device_are_said(cohort, model, tmp_path):
    with pytest.raises(ConfigError, match="at least 1, not 0"):
        embed(cohort, model=model, crops=0)
    with pytest.raises(WeightsError, match="neither a run with a saved encoder nor an encoder folder"):
        embed(cohort, model=tmp_path)
    with pytest.raises(DataError, match="there is no"):
        embed(tmp_path / "nowhere", model=model)
    with pytest.raises(ConfigError, match="--device 'gpu' is not available"):
        embed(cohort, model=model, device="gpu")
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match="--device 'cuda' is not available"):
            find_device("cuda")


def test_an_encoder_of_one_network_hides_nothing(tmp_path):
    one = Atlas(name="one", labels=ATLAS.labels, networks=("x",) * 8)
    raw = write_folder(tmp_path / "raw", {"sub-1": smooth(200)})
    table = embed(raw, model=save_model(tmp_path / "e", atlas=one), tr=2.0, already_filtered=True)
    assert table["hidden_share"].tolist() == [0.0]
