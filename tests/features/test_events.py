"""Blocks of a task: whose events are whose, which frames a block has, and that nothing is left out in silence."""

import re
import shlex
import shutil

import numpy as np
import pandas as pd
import pytest
import torch

from semantoks.cli.main import run
from semantoks.errors import ConfigError, DataError
from semantoks.features.block_config import BlockConfig
from semantoks.features.blocks import Blocks
from semantoks.features.embed import embed
from semantoks.features.encode import embed_crops, open_encoder, read_out
from semantoks.features.events import find_blocks
from semantoks.model.card import EncoderCard
from semantoks.model.encoder import EncoderConfig, random_encoder
from semantoks.model.tensors import save_encoder
from semantoks.model.tokenizers.connectivity import ConnectivityConfig
from tiny_people import ATLAS, save_model, write_cohort

FRAMES = 100
HEAD = "onset\tduration\ttrial_type\n"


def events(folder, name="events.tsv", rows=((10, 20, "a"),), head=HEAD):
    """Write a table of events."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["\t".join(map(str, row)) for row in rows]
    (folder / name).write_text(head + "\n".join(lines) + "\n")
    return folder / name


def found(cohort, path, **settings):
    return find_blocks(cohort, BlockConfig(events=path, **settings))


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Two people of two tasks each, 200 s; frames 50 to 59 of the first recording are censored."""
    rng = np.random.default_rng(0)
    names = [f"sub-{who}_ses-1_task-{task}_run-01" for who in ("01", "02") for task in ("motor", "words")]
    series = {name: rng.normal(size=(FRAMES, 8)) for name in names}
    series[names[0]][50:60] = np.nan
    return write_cohort(tmp_path_factory.mktemp("task"), series)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_model(tmp_path_factory.mktemp("published") / "encoder")


def test_the_frames_of_a_block_begin_after_the_delay_and_last_as_long_as_it_does(cohort, tmp_path):
    path = events(tmp_path, rows=[(10, 20, "a"), (100.4, 31, "b")])
    table = found(cohort, path).blocks
    assert table[table["recording"] == 1][["first", "frames"]].values.tolist() == [[8, 10], [53, 16]]
    early = found(cohort, path, delay=-2.0).blocks
    assert early[early["recording"] == 1][["first", "frames"]].values.tolist() == [[4, 10], [50, 15]]


def test_every_block_that_is_left_out_is_listed_with_its_reason(cohort, tmp_path):
    rows = [
        ("n/a", 20, "a"),
        ("ten", 20, "a"),
        (10, "n/a", "a"),
        (12, 20, "n/a"),
        (14, 4, "a"),
        (-60, 30, "a"),
        (300, 30, "a"),
        (187, 30, "a"),
        (180, 30, "a"),  # seven frames are left of it
        (95, 20, "a"),  # frames 50 to 59: censored in the first recording
        (40, 20, "a"),
    ]
    path = events(tmp_path, rows=rows)
    one = found(cohort, path)
    own = one.left_out[(one.left_out["participant_id"] == "01")]
    assert own["reason"].value_counts().to_dict() == {
        "onset or duration is n/a": 4,
        "onset or duration is no number": 2,
        "no trial_type": 2,
        "shorter than 10 s": 2,
        "before the recording begins": 2,
        "after the recording ends": 2,
        "less than 10 s of it within the recording": 2,
        "less than 10 s of good frames": 1,
    }
    assert len(one.blocks) + len(one.left_out) == 4 * len(rows)
    assert any(note.startswith("4 blocks are cut by an end") for note in one.notes)


def test_the_events_that_agree_with_most_of_a_name_are_a_recordings(cohort, tmp_path):
    events(tmp_path, "task-motor_events.tsv", [(10, 20, "of the task")])
    events(tmp_path / "sub-02" / "func", "sub-02_ses-1_task-motor_run-1_events.tsv", [(10, 20, "own")])
    events(tmp_path / "sub-09" / "func", "sub-09_task-motor_events.tsv", [(10, 20, "somebody else's")])
    one = found(cohort, tmp_path)
    assert one.blocks[["recording", "trial_type"]].values.tolist() == [[0, "of the task"], [2, "own"]]
    assert one.left_out[["participant_id", "reason"]].values.tolist() == [
        [who, "a recording without events"] for who in ("01", "02")
    ]


def test_one_table_of_everybody_is_dealt_out_by_its_ids(cohort, tmp_path):
    head = "participant_id\tsession_id\tonset\tduration\ttrial_type\n"
    rows = [("sub-01", "ses-1", 10, 20, "a"), ("02", "1", 30, 40, "b"), ("03", "1", 30, 40, "c")]
    one = found(cohort, events(tmp_path, rows=rows, head=head))
    assert one.blocks[["recording", "trial_type"]].values.tolist() == [[0, "a"], [1, "a"], [2, "b"], [3, "b"]]


def test_participants_whose_ids_differ_by_zeros_are_others(cohort, tmp_path):
    events(tmp_path, "sub-1_run-1_events.tsv")
    events(tmp_path, "sub-02_run-001_events.tsv")
    assert found(cohort, tmp_path).blocks["recording"].tolist() == [2, 3]


def test_an_encoder_that_needs_more_frames_makes_the_shortest_block_longer(cohort, tmp_path):
    path = events(tmp_path, rows=[(10, 20, "a"), (40, 40, "b")])
    one = find_blocks(cohort, BlockConfig(events=path), least_frames=14)
    assert set(one.blocks["trial_type"]) == {"b"}
    assert set(one.left_out["reason"]) == {"shorter than 28 s"}


def test_two_tables_that_fit_alike_are_not_chosen_between(cohort, tmp_path):
    for name in ("acq-1", "acq-2"):
        events(tmp_path, f"sub-01_{name}_events.tsv")
    events(tmp_path, "sub-02_events.tsv")
    one = found(cohort, tmp_path)
    assert one.blocks["recording"].tolist() == [2, 3]
    assert set(one.left_out["reason"]) == {"2 tables fit it alike: sub-01_acq-1_events.tsv, sub-01_acq-2_events.tsv"}


def test_overlapping_blocks_are_kept_and_counted(cohort, tmp_path):
    one = found(cohort, events(tmp_path, rows=[(10, 60, "a"), (20, 20, "b"), (50, 20, "b"), (90, 30, "a")]))
    assert len(one.blocks) == 16
    assert any(note == "8 blocks overlap an earlier one" for note in one.notes)


def test_only_the_trial_types_that_are_asked_for_count(cohort, tmp_path):
    path = events(tmp_path, rows=[(10, 20, "a"), (40, 20, "b"), (70, 2, "cue")])
    one = found(cohort, path, trial_types=("b",))
    assert set(one.blocks["trial_type"]) == {"b"}
    assert one.left_out.empty
    events(tmp_path / "one", "sub-01_events.tsv", [(10, 20, "a"), (40, 20, "b"), ("n/a", 20, "a")])
    assert set(found(cohort, tmp_path / "one", trial_types=("b",)).left_out["participant_id"]) == {"02"}
    with pytest.raises(DataError, match=r"no trial_type 'B'; there are: a, b, cue\."):
        found(cohort, path, trial_types=("B",))


@pytest.mark.parametrize(
    ("name", "head", "rows", "said"),
    [
        ("sub-01_bold.tsv", HEAD, [(1, 2, "a")], "no file whose name ends in events.tsv"),
        ("events.tsv", "onset\tduration\n", [(1, 2)], "lacks the column trial_type"),
        ("events.tsv", "onset,duration,trial_type\n", [("1,2,a",)], "lacks the columns onset, duration, trial_type"),
        ("sub-09_events.tsv", HEAD, [(1, 20, "a")], "the first events are of sub-09"),
        ("events.tsv", HEAD, [(10000, 20000, "a")], "after the recording ends (4)"),
        ("events.tsv", "participant_id\t" + HEAD, [("", 1, 20, "a")], "rows without a participant_id"),
    ],
)
def test_events_that_cannot_be_used_are_refused_in_a_sentence(cohort, tmp_path, name, head, rows, said):
    events(tmp_path, name, rows, head)
    with pytest.raises(DataError, match=re.escape(said)):
        found(cohort, tmp_path)


def test_events_of_nobody_here_are_taken_without_the_name_as_the_message_says(cohort, tmp_path):
    path = events(tmp_path, "sub-09_events.tsv", [(1, 20, "a")])
    with pytest.raises(DataError, match=r"or give one events.tsv of all, without a participant\."):
        found(cohort, tmp_path)
    path.rename(tmp_path / "events.tsv")
    assert len(found(cohort, tmp_path).blocks) == 4


def test_events_of_another_task_than_the_recordings_say_how_its_recordings_are_read(cohort, tmp_path):
    events(tmp_path, "task-faces_events.tsv", [(1, 20, "a")])
    with pytest.raises(DataError, match=r"Prepare the recordings of that task: --task-label faces\."):
        found(cohort, tmp_path)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"delay": 3.0}, "--delay is of the blocks of a task: give --events, too."),
        ({"trial_types": ("a",)}, "--trial-types is of the blocks"),
        ({"events": "nowhere"}, "there is no file or folder nowhere"),
        ({"min_block": 0.0}, "--min-block has to be above 0"),
        ({"delay": float("nan")}, "delay has to be a number, not NaN"),
    ],
)
def test_settings_of_blocks_are_checked(settings, said):
    with pytest.raises(ConfigError, match=re.escape(said)):
        BlockConfig(**settings)


def test_a_block_is_one_real_patch_and_every_other_position_is_hidden(cohort, model, tmp_path):
    path = events(tmp_path, rows=[(95, 30, "a"), (150, 2, "cue")])
    with pytest.warns(UserWarning, match=r"left out: shorter than 10 s \(4\)\."):
        table = embed(cohort, model=model, blocks=BlockConfig(events=path))
    encoder, _ = open_encoder(model)
    series = torch.zeros(1, 8, 100)
    series[0, :, :15] = torch.from_numpy(np.asarray(cohort.series(1)[50:65], dtype=np.float32).T)
    mask = torch.zeros(1, 3, 5, dtype=torch.bool)
    mask[:, :, 1:] = True
    with torch.inference_mode():
        wanted = read_out(encoder(series, mask), "cls_avg").numpy()
    row = table.loc["01"].iloc[1]
    np.testing.assert_allclose(row.filter(like="cls_avg_").to_numpy(np.float64), wanted[0], atol=1e-5)
    assert row[["onset", "duration", "trial_type", "frames"]].tolist() == [95, 30, "a", 15]
    assert table.index.names == ["participant_id", "session_id", "run", "block"]
    assert set(table["hidden_share"]) == {0.8}


def test_a_block_that_is_longer_than_a_window_is_seen_whole(cohort, model, tmp_path):
    small = EncoderConfig(width=16, depth=1, frames=40, patch=20)
    encoder = random_encoder(small, ATLAS.network_index, 0)
    place = save_encoder(tmp_path / "e", encoder, EncoderCard(encoder=small, atlas=ATLAS, tr=2.0, band=None))
    path = events(tmp_path, rows=[(0, 150, "a")])
    table = embed(cohort, model=place, blocks=BlockConfig(events=path, delay=0.0), keep_crops=True)
    assert table.loc["02"].index.get_level_values("crop").tolist() == [0, 1] * 2
    assert table["crop_spread"].notna().all()


def test_an_encoder_of_any_length_sees_the_frames_of_a_block_and_no_other(cohort, tmp_path):
    size = EncoderConfig(width=16, depth=1, frames=20, patch=20, tokenizer=ConnectivityConfig(components=2, lag=4))
    encoder = random_encoder(size, ATLAS.network_index, 0).eval()
    path = events(tmp_path, rows=[(0, 20, "a"), (60, 40, "b")])
    blocks = find_blocks(cohort, BlockConfig(events=path, delay=0.0)).blocks
    seen, device = Blocks(cohort, blocks), torch.device("cpu")
    got, _ = embed_crops(encoder, seen, readouts=["avg"], crops=seen.windows(encoder), device=device)
    for row, (index, first, count) in enumerate(blocks[["recording", "first", "frames"]].to_numpy()):
        spans = np.array([[0, FRAMES]] * 4)
        spans[index] = first, count
        one, _ = embed_crops(encoder, cohort, readouts=["avg"], crops=None, device=device, spans=spans)
        np.testing.assert_allclose(got["avg"][row], one["avg"][index], atol=1e-5)


def test_the_command_lists_what_is_left_out_and_says_so_by_its_code(cohort, model, tmp_path, capsys):
    path = events(tmp_path / "bids", rows=[(10, 30, "a"), (60, 30, "b"), (120, 3, "cue")])
    out = tmp_path / "blocks.parquet"
    words = f"embed {cohort.path} --model {model} --events {path} --out {out}"
    assert run(shlex.split(words)) == 4
    said = capsys.readouterr().out
    assert "8 blocks of 2 people in 4 recordings: a 4, b 4" in said
    assert f"Left out: shorter than 10 s (4). See {tmp_path / 'blocks.left_out.tsv'}." in said
    listed = pd.read_csv(tmp_path / "blocks.left_out.tsv", sep="\t", dtype=str)
    assert listed.columns.tolist() == [
        *("participant_id", "session_id", "run", "onset", "duration", "trial_type", "reason"),
    ]
    assert listed["trial_type"].tolist() == ["cue"] * 4
    assert run(shlex.split(f"{words} --trial-types a b")) == 0
    assert not (tmp_path / "blocks.left_out.tsv").exists()
    table = pd.read_parquet(out)
    assert table.groupby("trial_type").size().to_dict() == {"a": 4, "b": 4}
    shutil.rmtree(tmp_path / "bids")
    assert run(shlex.split(words)) == 2
