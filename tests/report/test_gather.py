import json
from collections.abc import Callable
from pathlib import Path

import pytest

from semantoks.errors import DataError
from semantoks.report.gather import read_run


def test_a_run_folder_is_read_whole_without_notes(make_run: Callable[..., Path]) -> None:
    run = read_run(make_run(steps=80))
    assert run.notes == ()
    assert run.metrics["step"].tolist() == list(range(80))
    assert run.about["cohorts"][0]["participants"] == 805
    assert run.warnings == (("42", "The effective rank fell below 5 of 128: the learning rate may be too high."),)
    assert len(run.scores) == 10 * 5 * (2 * 2 + 2 * 3)
    assert run.stored_values == 192 * 100


def test_a_last_line_that_a_kill_cut_short_is_left_out_with_a_note(make_run: Callable[..., Path]) -> None:
    folder = make_run(steps=20)
    text = (folder / "metrics.jsonl").read_text()
    (folder / "metrics.jsonl").write_text(text[:-40])
    run = read_run(folder)
    assert run.metrics["step"].tolist() == list(range(19))
    assert run.notes == (
        "The last line of metrics.jsonl is cut short (the run ended while writing it); it is left out.",
    )


def test_a_bad_line_in_the_middle_is_counted_and_named(make_run: Callable[..., Path]) -> None:
    folder = make_run(steps=5)
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    lines[1] = lines[1][:30]
    (folder / "metrics.jsonl").write_text("\n".join(lines))
    run = read_run(folder)
    assert run.metrics["step"].tolist() == [0, 2, 3, 4]
    assert run.notes == ("1 lines of metrics.jsonl cannot be read (the first is line 2); left out.",)


def test_of_a_step_logged_twice_after_a_resume_the_later_row_counts(make_run: Callable[..., Path]) -> None:
    folder = make_run(steps=5)
    with (folder / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"step": 4, "loss": -7.5}) + "\n")
    run = read_run(folder)
    assert run.metrics["step"].tolist() == [0, 1, 2, 3, 4]
    assert run.metrics.loc[4, "loss"] == -7.5
    assert "1 steps are logged twice" in run.notes[0]


def test_a_loss_that_is_no_number_is_named_with_its_step(make_run: Callable[..., Path]) -> None:
    folder = make_run(steps=5)
    with (folder / "metrics.jsonl").open("a") as file:
        file.write('{"step": 6, "loss": NaN}\n{"step": 7, "loss": Infinity}\n')
    assert read_run(folder).notes == ("The loss is not a finite number in 2 steps, first at step 6.",)


def test_scores_that_are_no_number_are_left_out_and_counted(make_run: Callable[..., Path]) -> None:
    folder = make_run()
    with (folder / "probe" / "scores.csv").open("a") as file:
        file.write("sex,class,encoder,10,644,161,auroc,nan\nsex,class,encoder,11,644,161,auroc,inf\nsex,class,enco")
    run = read_run(folder)
    assert len(run.scores) == 500
    assert run.notes == ("3 scores are no number (undefined in their split, or cut short); they are left out.",)


def test_a_target_called_na_keeps_its_name(make_run: Callable[..., Path]) -> None:
    folder = make_run()
    with (folder / "probe" / "scores.csv").open("a") as file:
        file.write("NA,class,encoder,0,644,161,auroc,0.5\n")
    assert read_run(folder).scores["target"].iloc[-1] == "NA"


def test_damaged_and_missing_parts_become_sentences(make_run: Callable[..., Path]) -> None:
    folder = make_run(steps=3)
    (folder / "run.json").write_text('{"version": "0.1')
    (folder / "probe" / "scores.csv").write_text("target,method\nsex,fc\n")
    (folder / "encoder" / "model.safetensors").write_bytes(b"\xff" * 20)
    run = read_run(folder)
    assert (run.about, run.stored_values, len(run.scores)) == ({}, None, 0)
    assert run.notes[0].startswith("run.json cannot be read (")
    assert run.notes[1].startswith("probe/scores.csv lacks the columns kind, split, n_train, n_test, metric, value")


def test_a_folder_that_is_no_run_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no run\.json, metrics\.jsonl or probe/scores\.csv.*--out of"):
        read_run(tmp_path)
    with pytest.raises(DataError, match="nowhere is no folder"):
        read_run(tmp_path / "nowhere")
