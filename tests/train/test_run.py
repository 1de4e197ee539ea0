"""Pretraining jobs: resume to the bit, signals, checkpoints, metrics, what is written for users."""

import dataclasses
import json
import os
import signal

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tiny_run import ATLAS, make_cohort, tiny_config

from semantoks.cli.main import run
from semantoks.errors import ConfigError, DataError, MemoryShort, WeightsError
from semantoks.model.card import hash_participant
from semantoks.model.encoder import Encoder
from semantoks.model.hub import load_encoder
from semantoks.model.precision import Choice
from semantoks.storage import memory
from semantoks.train import launch
from semantoks.train.run import pretrain
from semantoks.views import pool

pytestmark = pytest.mark.slow


def weights(run):
    """Tensors of the last checkpoint."""
    return load_file(sorted((run / "checkpoints").glob("*.safetensors"))[-1])


def rows(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def stop_at(step, number=signal.SIGTERM):
    """Send this process a signal once the given step is written."""

    def on_row(row):
        if row["step"] == step:
            os.kill(os.getpid(), number)

    return on_row


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_stopped_at_step_seven_of_fifteen_and_resumed_is_bitwise_never_stopped(cohort, tmp_path, number):
    config = tiny_config()
    pretrain([cohort], out=tmp_path / "whole", config=config, log_every=1)
    # the row of step 5 is written at the end of step 5, so the seventh step (6) sees the request and is the last
    record = pretrain([cohort], out=tmp_path / "cut", config=config, log_every=1, on_row=stop_at(6, number))
    assert record["status"] == "stopped"
    assert [row["step"] for row in rows(tmp_path / "cut")] == list(range(7))
    record = pretrain([cohort], out=tmp_path / "cut", config=config, log_every=4, resume=True)
    assert record["status"] == "finished"
    assert equal(weights(tmp_path / "whole"), weights(tmp_path / "cut"))
    timing = ("samples_per_s", "data_wait")
    strip = lambda run: [{k: v for k, v in row.items() if k not in timing} for row in rows(run)]  # noqa: E731
    assert strip(tmp_path / "whole") == strip(tmp_path / "cut")
    assert record["cost"]["samples"] == 15 * 4


def test_the_same_seed_gives_the_same_weights_and_another_does_not(cohort, tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        pretrain([cohort], out=tmp_path / name, config=tiny_config(seed=seed, steps=3))
    assert equal(weights(tmp_path / "a"), weights(tmp_path / "b"))
    assert not equal(weights(tmp_path / "a"), weights(tmp_path / "c"))


@pytest.mark.parametrize(("free", "processes", "held"), [(None, 1, True), (10, 1, True), (10, 4, False), (2, 1, False)])
def test_frames_are_held_in_memory_where_all_processes_of_a_machine_have_room(
    cohort, monkeypatch, free, processes, held
):
    size = sum(shard.nbytes for shard in cohort.shards)
    monkeypatch.setattr(pool, "free_memory", lambda: free and free * size)
    frames = pool.open_pool([cohort], torch.device("cpu"), processes=processes).frames
    assert (frames.resident is not None) == held
    monkeypatch.setattr(memory, "free_memory", lambda: processes * size - 1)
    with pytest.raises(MemoryShort, match=r"--residence memory needs .* leave --residence out, or take disk\."):
        pool.open_pool([cohort], torch.device("cpu"), "memory", processes=processes)


def test_frames_on_disk_train_the_same_weights_as_frames_in_memory(cohort, tmp_path):
    for place in ("disk", "memory"):
        pretrain([cohort], out=tmp_path / place, config=tiny_config(steps=3), residence=place)
    assert equal(weights(tmp_path / "disk"), weights(tmp_path / "memory"))


def test_every_trained_parameter_moves_and_the_buffers_do_not(cohort, tmp_path):
    config = tiny_config(views={"masks": {"probability": 1.0}})
    pretrain([cohort], out=tmp_path / "a", config=dataclasses.replace(config, steps=1), checkpoint_every=1)
    pretrain([cohort], out=tmp_path / "b", config=dataclasses.replace(config, steps=6))
    start, end = weights(tmp_path / "a"), weights(tmp_path / "b")
    for name in start:
        if name.startswith("student."):
            assert torch.equal(start[name], end[name]) == name.endswith(".norm"), name


def test_a_metrics_row_says_everything_and_agrees_with_the_schedules(cohort, tmp_path):
    pretrain([cohort], out=tmp_path / "run", config=tiny_config(steps=40, views={"policy": "across"}))
    table = rows(tmp_path / "run")
    assert [row["step"] for row in table] == list(range(40))
    asked = {
        "loss", "loss_cls", "agreement", "coding_rate", "coding_rate_max", "effective_rank", "feature_sd",
        "teacher_student_cosine", "momentum", "lr", "weight_decay", "grad_norm", "samples_per_s", "data_wait",
        "ttr_weight", "masked", "epoch",
    }  # fmt: skip
    assert all(asked <= row.keys() for row in table)
    assert table[0]["lr"] == 0.0
    assert table[0]["ttr_weight"] == 0.5
    assert table[1]["loss_ttr"] is not None
    assert "loss_ttr" not in table[2]
    assert all(("loss_tok" in row) == bool(row["masked"]) for row in table)
    for row in table:
        total = row["loss_cls"] + 0.5 * row.get("loss_tok", 0.0) + row["ttr_weight"] * row.get("loss_ttr", 0.0)
        assert row["loss"] == pytest.approx(total, rel=1e-5)
        assert 0 < row["coding_rate"] <= row["coding_rate_max"]
        assert 1 <= row["effective_rank"] <= 8
        assert row["agreement_overlap_0"] == pytest.approx(row["agreement"], rel=1e-4)  # across: nothing is shared
        assert row["agreement_overlap_3"] is None


def test_a_training_in_pieces_is_the_training_of_whole_batches(cohort, tmp_path):
    for parts in (1, 2):
        pretrain([cohort], out=tmp_path / str(parts), config=tiny_config(steps=4, accumulate=parts), log_every=1)
    rows = [(tmp_path / str(n) / "metrics.jsonl").read_text().splitlines() for n in (1, 2)]
    for one, two in zip(*([json.loads(line) for line in lines] for lines in rows), strict=True):
        for column in ("loss", "coding_rate", "effective_rank", "grad_norm"):
            assert two[column] == pytest.approx(one[column], rel=1e-4)
    weights = [load_file(next((tmp_path / str(n) / "checkpoints").glob("*4.safetensors"))) for n in (1, 2)]
    for name, value in weights[0].items():
        if name.startswith("student."):
            torch.testing.assert_close(weights[1][name], value, rtol=1e-3, atol=1e-4)


def test_compiling_what_goes_through_in_pieces_is_refused(cohort, tmp_path):
    with pytest.raises(ConfigError, match="leave it out, or set --accumulate 1"):
        pretrain([cohort], out=tmp_path, config=tiny_config(accumulate=2), torch_compile=True)


def test_only_the_last_checkpoints_are_kept_and_a_cut_one_is_named(cohort, tmp_path):
    run = tmp_path / "run"
    pretrain([cohort], out=run, config=tiny_config(), checkpoint_every=4, keep=2)
    names = [path.name for path in sorted((run / "checkpoints").iterdir())]
    assert names == ["step-00000012.safetensors", "step-00000015.safetensors"]
    last = run / "checkpoints" / names[-1]
    last.write_bytes(last.read_bytes()[:1000])
    with pytest.raises(WeightsError, match="Delete it, and resume from the one before"):
        pretrain([cohort], out=run, config=tiny_config(), resume=True)


def test_resuming_with_other_settings_names_the_difference(cohort, tmp_path):
    pretrain([cohort], out=tmp_path / "run", config=tiny_config(steps=2))
    with pytest.raises(WeightsError, match=r"config\.seed was 0 and is now 1"):
        pretrain([cohort], out=tmp_path / "run", config=tiny_config(steps=2, seed=1), resume=True)


def test_a_run_from_before_objectives_and_tokenizers_had_kinds_goes_on(cohort, tmp_path):
    run = tmp_path / "run"
    pretrain([cohort], out=tmp_path / "whole", config=tiny_config(steps=4))
    with pytest.raises(KeyboardInterrupt):
        pretrain([cohort], out=run, config=tiny_config(steps=4), checkpoint_every=2, on_epoch=interrupt)
    path = sorted((run / "checkpoints").iterdir())[-1]
    with safe_open(path, framework="pt") as file:
        written = file.metadata()
    meta = json.loads(written["meta"])
    objective, tokenizer = meta["config"]["objective"], meta["config"]["encoder"]["tokenizer"]
    assert (objective.pop("kind"), tokenizer.pop("kind")) == ("self-distillation", "published")
    del objective["rate_weight"]
    meta["config"]["head"] = objective.pop("head")
    meta["config"]["optim"]["teacher_momentum"] = objective.pop("teacher_momentum")
    save_file(load_file(path), path, metadata={"step": written["step"], "meta": json.dumps(meta)})
    pretrain([cohort], out=run, config=tiny_config(steps=4), resume=True)
    assert equal(weights(tmp_path / "whole"), weights(run))


def interrupt(epoch, out):
    raise KeyboardInterrupt


def test_a_run_is_not_overwritten_by_accident(cohort, tmp_path):
    pretrain([cohort], out=tmp_path / "run", config=tiny_config(steps=1))
    with pytest.raises(ConfigError, match="already holds a run"):
        pretrain([cohort], out=tmp_path / "run", config=tiny_config(steps=1))


def test_fewer_people_than_a_batch_is_an_error_not_an_empty_training(cohort, tmp_path):
    with pytest.raises(ConfigError, match="batch of 64 people cannot be drawn from 12"):
        pretrain([cohort], out=tmp_path / "run", config=tiny_config(batch_size=64))
    assert not (tmp_path / "run").exists()


def test_the_saved_encoder_is_the_teacher_with_its_card(cohort, tmp_path):
    record = pretrain([cohort], out=tmp_path / "run", config=tiny_config(steps=3))
    encoder, card = load_encoder(tmp_path / "run" / "encoder")
    teacher = {k.removeprefix("teacher.encoder."): v for k, v in weights(tmp_path / "run").items()}
    for name, value in encoder.state_dict().items():
        assert torch.equal(value, teacher[name])
    assert card.atlas.fingerprint == ATLAS.fingerprint
    assert (card.tr, card.band) == (2.0, (0.01, 0.1))
    assert len(card.participants) == 12
    assert hash_participant(card.salt, "03") in card.participants
    assert set(card.recordings) == {hash_participant(card.salt, one) for one in cohort.recordings["sha256"]}
    text = (tmp_path / "run" / "encoder" / "config.json").read_text()
    assert '"03"' not in text
    assert card.cost["samples"] == record["cost"]["samples"] == 12
    assert card.cost["flops"] == pytest.approx(4.0 * 3 * encoder.flops(8))


def test_several_cohorts_are_pooled_and_unlike_ones_refused(cohort, tmp_path):
    other = make_cohort(tmp_path / "other", people=5, seed=1)
    record = pretrain([cohort, other], out=tmp_path / "run", config=tiny_config(batch_size=17, steps=1))
    assert [c["participants"] for c in record["cohorts"]] == [12, 5]
    renamed = dataclasses.replace(ATLAS, networks=("x",) * 8)
    (tmp_path / "third").mkdir()
    from semantoks.signals.prepare import prepare

    third = prepare(tmp_path / "other" / "raw", out=tmp_path / "third" / "cohort", atlas=renamed, tr=2.0)
    with pytest.raises(DataError, match="one atlas"):
        pretrain([cohort, third], out=tmp_path / "bad", config=tiny_config())


def test_short_recordings_train_with_their_empty_patches_hidden(tmp_path, monkeypatch):
    short = make_cohort(tmp_path, people=6, frames=(25, 130), seed=2)
    shown, forward = [], Encoder._tokens

    def watched(self, series, mask):
        shown.append((series.unflatten(2, (5, 20)).eq(0).all(dim=(1, 3)), mask))
        return forward(self, series, mask)

    monkeypatch.setattr(Encoder, "_tokens", watched)
    plain = {"drop_rois": [0, 0], "drop_frames": [0, 0], "scale": [1, 1], "noise": 0}
    views = {"corruption": plain, "masks": {"probability": 0.0}}
    pretrain([short], out=tmp_path / "run", config=tiny_config(steps=6, views=views))
    assert all(row["loss"] is not None for row in rows(tmp_path / "run"))
    assert any(past_the_end.any() for past_the_end, _ in shown)
    for past_the_end, mask in shown:
        hidden = torch.zeros(8, 3, 5, dtype=torch.bool) if mask is None else mask
        assert torch.equal(hidden, past_the_end[:, None].expand(-1, 3, -1))


def test_epochs_call_back_with_the_encoder_saved(cohort, tmp_path):
    seen = []
    pretrain(
        [cohort],
        out=tmp_path / "run",
        config=tiny_config(steps=7),
        on_epoch=lambda epoch, run: seen.append((epoch, (run / "encoder" / "config.json").exists())),
    )
    assert seen == [(0, True), (1, True)]


def test_a_training_too_short_for_its_teacher_says_so(cohort, tmp_path):
    pretrain([cohort], out=tmp_path / "run", config=tiny_config())
    first = json.loads((tmp_path / "run" / "warnings.jsonl").read_text().splitlines()[0])
    assert "keeps 92% of its random initial weights through these 15 steps" in first["message"]
    pretrain([cohort], out=tmp_path / "moved", config=tiny_config(objective={"teacher_momentum": 0.5}))
    text = (
        (tmp_path / "moved" / "warnings.jsonl").read_text() if (tmp_path / "moved" / "warnings.jsonl").exists() else ""
    )
    assert "initial weights" not in text


def test_a_finished_run_stays_finished_when_it_is_resumed(cohort, tmp_path):
    for resume in (False, True):
        record = pretrain([cohort], out=tmp_path / "run", config=tiny_config(steps=2), resume=resume)
        assert record["status"] == "finished"
        assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "finished"


def test_a_run_keeps_the_precision_that_was_chosen_for_it_when_a_resuming_machine_would_choose_another(
    cohort, tmp_path, monkeypatch
):
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(launch, "choose_precision", lambda *_: Choice("bf16-mixed", "it gains"))
        for name, on_row in (("whole", None), ("cut", stop_at(2))):
            record = pretrain([cohort], out=tmp_path / name, config=tiny_config(steps=4), log_every=1, on_row=on_row)
    assert (record["environment"]["precision"], record["environment"]["precision_because"]) == (
        "bf16-mixed",
        "it gains",
    )
    record = pretrain([cohort], out=tmp_path / "cut", config=tiny_config(steps=4), resume=True, log_every=1)
    assert (record["environment"]["precision"], record["status"]) == ("bf16-mixed", "finished")
    assert equal(weights(tmp_path / "whole"), weights(tmp_path / "cut"))
    with pytest.raises(WeightsError, match="precision was 'bf16-mixed' and is now '32-true'"):
        pretrain([cohort], out=tmp_path / "cut", config=tiny_config(steps=4), resume=True, precision="32-true")


def test_resuming_on_other_recordings_is_refused(cohort, tmp_path):
    other = make_cohort(tmp_path / "other", people=12, seed=5)
    pretrain([cohort], out=tmp_path / "run", config=tiny_config(steps=2))
    with pytest.raises(WeightsError, match="recordings was"):
        pretrain([other], out=tmp_path / "run", config=tiny_config(steps=2), resume=True)


def test_a_cohort_given_twice_and_options_out_of_range_are_refused(cohort, tmp_path):
    with pytest.raises(DataError, match="more than once"):
        pretrain([cohort, cohort], out=tmp_path / "run", config=tiny_config())
    for bad in ({"keep": 0}, {"checkpoint_every": 0}, {"log_every": 0}, {"devices": -1}):
        with pytest.raises(ConfigError, match="at least 1"):
            pretrain([cohort], out=tmp_path / "run", config=tiny_config(), **bad)


def test_a_damaged_run_json_is_a_sentence(cohort, tmp_path):
    pretrain([cohort], out=tmp_path / "run", config=tiny_config(steps=2))
    (tmp_path / "run" / "run.json").write_text('{"cost": [')
    with pytest.raises(DataError, match="is damaged"):
        pretrain([cohort], out=tmp_path / "run", config=tiny_config(steps=2), resume=True)


def test_recordings_with_too_little_good_data_are_left_out_and_counted(tmp_path):
    cohort = make_cohort(tmp_path, people=8, frames=(100, 101), sessions=1)
    longer = make_cohort(tmp_path / "longer", people=6, frames=(130, 131), sessions=1, seed=1)
    with pytest.raises(DataError, match="has 240 s of good data to train on: lower --min-seconds"):
        pretrain([cohort], out=tmp_path / "none", config=tiny_config(steps=1, min_seconds=240.0))
    record = pretrain([cohort], out=tmp_path / "all", config=tiny_config(steps=1, min_seconds=200.0))
    assert (record["cohorts"][0]["recordings"], record["cohorts"][0]["too_short"]) == (8, 0)
    table = (cohort.path / "recordings.tsv").read_text().splitlines()
    place = table[0].split("\t").index("good_frames")
    for row in range(1, 4):
        cells = table[row].split("\t")
        cells[place] = "90"
        table[row] = "\t".join(cells)
    (cohort.path / "recordings.tsv").write_text("\n".join(table) + "\n")
    (cohort.path / "SHA256SUMS").unlink()
    record = pretrain([cohort.path, longer], out=tmp_path / "some", config=tiny_config(steps=1, min_seconds=200.0))
    assert [(one["recordings"], one["participants"], one["too_short"]) for one in record["cohorts"]] == [
        (5, 5, 3),
        (6, 6, 0),
    ]
    _, card = load_encoder(tmp_path / "some" / "encoder")
    assert hash_participant(card.salt, "00") in card.participants  # of the longer cohort
    assert len(card.participants) == 8
    assert card.origin[0].startswith("trained on 5 recordings of 5 people")


def test_without_the_coding_rate_a_training_collapses_and_the_watch_says_so(cohort, tmp_path):
    ends = {}
    for weight in (1.0, 0.0):
        objective = {"head": {"hidden": 16, "projection": 8}, "rate_weight": weight, "teacher_momentum": 0.9}
        config = tiny_config(steps=60, batch_size=12, optim={"lr": 0.32}, objective=objective)
        out = tmp_path / str(weight)
        pretrain([cohort], out=out, config=config)
        ends[weight] = rows(out)[-1]
        said = config.objective.find_collapse(ends[weight])
        assert (said is None) == (weight == 1.0)
    assert "the representation is collapsing" in (tmp_path / "0.0" / "warnings.jsonl").read_text()
    assert ends[0.0]["effective_rank"] < 1.01 < ends[1.0]["effective_rank"]
    assert ends[1.0]["token_similarity_across"] < ends[0.0]["token_similarity_across"]


def test_the_same_command_goes_on_without_an_option(cohort, tmp_path, caplog):
    config = tiny_config()
    pretrain([cohort], out=tmp_path / "whole", config=config)
    pretrain([cohort], out=tmp_path / "cut", config=config, on_row=stop_at(6, signal.SIGTERM), log_every=1)
    with caplog.at_level("INFO", "semantoks"):
        record = pretrain([cohort], out=tmp_path / "cut", config=config)
    assert "pretrain goes on from step 7 of 15" in caplog.text
    assert record["status"] == "finished"
    assert equal(weights(tmp_path / "whole"), weights(tmp_path / "cut"))
    with pytest.raises(ConfigError, match="already holds a run, which is finished"):
        pretrain([cohort], out=tmp_path / "cut", config=config)


def test_another_command_does_not_go_on_with_a_run_that_was_stopped(cohort, tmp_path):
    pretrain([cohort], out=tmp_path, config=tiny_config(), on_row=stop_at(6, signal.SIGTERM), log_every=1)
    with pytest.raises(ConfigError, match="already holds a run with other settings"):
        pretrain([cohort], out=tmp_path, config=tiny_config(seed=1))


def test_resume_keeps_the_settings_that_the_run_was_given(cohort, tmp_path):
    words = ["pretrain", str(cohort.path), "--out", str(tmp_path / "run")]
    config = tiny_config()
    pretrain([cohort], out=tmp_path / "run", config=config, on_row=stop_at(6, signal.SIGTERM), log_every=1)
    assert run([*words, "--resume", "--device", "cpu", "--quiet"]) == 0
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (record["status"], record["config"]["steps"]) == ("finished", config.steps)
