import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save
from simulated_probe import NETWORKS

from semantoks.errors import DataError
from semantoks.reporting.run.folder import RunFolder, read_run
from semantoks.storage.checksums import seal_tensors, sealed

pytestmark = pytest.mark.slow


def test_a_run_folder_is_read_whole_without_notes(whole: RunFolder) -> None:
    assert (whole.notes, whole.probe_notes, whole.trained, whole.name) == ((), (), True, "a")
    assert whole.metrics["step"].tolist() == list(range(80))
    assert whole.about["cohorts"][0]["participants"] == 805
    assert whole.warnings == (("42", "The effective rank fell below 5 of 128: the learning rate may be too high."),)
    assert whole.stored_values == 192 * 100
    assert whole.probe is not None
    assert whole.finetune is None


def test_the_atlas_of_the_encoder_s_card_has_networks_and_places(whole: RunFolder) -> None:
    assert whole.atlas is not None
    assert whole.atlas.networks[:8] == (*NETWORKS, NETWORKS[0])
    assert whole.atlas.centroids.shape == (70, 3)
    assert np.isnan(whole.atlas.centroids).all(axis=1).tolist() == [False] * 68 + [True] * 2


@pytest.mark.parametrize(
    "atlas",
    [
        {},
        {"networks": ["a"]},
        {"networks": ["a"], "centroids": [[1, 2]]},
        {"networks": ["a"], "centroids": [[1, 2, 3]] * 2},
    ],
)
def test_an_atlas_that_is_not_as_expected_is_none(make_run: Callable[..., Path], atlas: dict[str, object]) -> None:
    run = make_run(probe=False)
    (run / "encoder" / "config.json").write_text(json.dumps({"atlas": atlas}))
    assert read_run(run).atlas is None


def test_a_probe_s_folder_alone_is_read(whole_run: Path, tmp_path: Path) -> None:
    run = read_run(shutil.copytree(whole_run / "probe", tmp_path / "mine"))
    assert (run.name, run.trained, run.atlas, run.notes) == ("mine", False, None, ())
    assert run.probe is not None


def test_a_probe_s_folder_in_a_run_is_read_with_the_run_around_it(make_run: Callable[..., Path]) -> None:
    run = make_run()
    (run / "probe").rename(run / "probe_two")
    assert read_run(run).probe is None
    found = read_run(run / "probe_two")
    assert found.probe is not None
    assert (found.name, found.trained, len(found.metrics)) == ("a, probe_two", True, 80)


def test_fine_tuning_is_read_like_a_probe(make_run: Callable[..., Path]) -> None:
    run = make_run()
    (run / "probe").rename(run / "finetune")
    found = read_run(run)
    assert found.probe is None
    assert found.finetune is not None
    assert found.finetune.key == "finetune"


def test_scores_in_the_old_long_form_ask_for_another_probe(make_run: Callable[..., Path]) -> None:
    folder = make_run()
    (folder / "probe" / "scores.csv").write_text(
        "target,kind,method,split,n_train,n_test,metric,value\nsex,class,fc,0,80,20,auroc,0.7\n"
    )
    run = read_run(folder)
    assert run.probe is None
    assert len(run.probe_notes) == 1
    assert "scores.csv lacks the columns analysis, condition: run the probe again." in run.probe_notes[0]


def test_without_predictions_the_scores_are_still_read(make_run: Callable[..., Path]) -> None:
    folder = make_run()
    (folder / "probe" / "predictions.parquet").unlink()
    run = read_run(folder)
    assert run.probe is not None
    assert np.isfinite(run.probe.compared("sex")["encoder"].mean)
    assert np.isnan(run.probe.compared("sex")["encoder"].low)
    assert run.probe_notes[0].startswith("Without predictions there are no intervals and no paired tests:")


def test_scores_that_do_not_fit_the_predictions_become_a_sentence(make_run: Callable[..., Path]) -> None:
    folder = make_run()
    scores = folder / "probe" / "scores.csv"
    lines = scores.read_text().splitlines()
    scores.write_text("\n".join([*lines, lines[1]]))
    run = read_run(folder)
    assert run.probe is None
    assert "scores.csv and predictions.parquet do not fit together:" in run.probe_notes[0]


@pytest.mark.slow
def test_rows_of_no_known_kind_are_left_out_and_counted(make_run: Callable[..., Path]) -> None:
    folder = make_run()
    scores = pd.read_csv(folder / "probe" / "scores.csv", dtype=str, keep_default_na=False)
    scores.loc[scores["analysis"] == "reliability", "kind"] = "colour"
    scores.to_csv(folder / "probe" / "scores.csv", index=False)
    run = read_run(folder)
    assert run.probe is not None
    assert run.probe.targets("reliability") == []
    assert run.probe_notes == ("18 rows are of an unknown kind in probe/scores.csv and left out.",)


def test_a_last_line_that_a_kill_cut_short_is_left_out_with_a_note(make_run: Callable[..., Path]) -> None:
    folder = make_run(steps=20, probe=False)
    text = (folder / "metrics.jsonl").read_text()
    (folder / "metrics.jsonl").write_text(text[:-40])
    run = read_run(folder)
    assert run.metrics["step"].tolist() == list(range(19))
    assert run.notes == (
        "The last line of metrics.jsonl is cut short (the run ended while writing it); it is left out.",
    )


def test_a_bad_line_in_the_middle_is_counted_and_named(make_run: Callable[..., Path]) -> None:
    folder = make_run(steps=5, probe=False)
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    lines[1] = lines[1][:30]
    (folder / "metrics.jsonl").write_text("\n".join(lines))
    run = read_run(folder)
    assert run.metrics["step"].tolist() == [0, 2, 3, 4]
    assert run.notes == ("1 line of metrics.jsonl cannot be read (first: line 2); left out.",)


def test_of_a_step_logged_twice_after_a_resume_the_later_row_counts(make_run: Callable[..., Path]) -> None:
    folder = make_run(steps=5, probe=False)
    with (folder / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"step": 4, "loss": -7.5}) + "\n")
    run = read_run(folder)
    assert run.metrics["step"].tolist() == [0, 1, 2, 3, 4]
    assert run.metrics.loc[4, "loss"] == -7.5
    assert "1 step is logged twice" in run.notes[0]


def test_a_loss_that_is_no_number_is_named_with_its_step(make_run: Callable[..., Path]) -> None:
    folder = make_run(steps=5, probe=False)
    with (folder / "metrics.jsonl").open("a") as file:
        file.write('{"step": 6, "loss": NaN}\n{"step": 7, "loss": Infinity}\n')
    assert read_run(folder).notes == ("The loss is not a finite number in 2 steps, first at step 6.",)


def test_damaged_parts_become_sentences(make_run: Callable[..., Path]) -> None:
    folder = make_run(steps=3)
    (folder / "run.json").write_text('{"version": "0.1')
    (folder / "probe" / "scores.csv").write_text("target,method\nsex,fc\n")
    (folder / "probe" / "probe.json").write_text("[]")
    (folder / "encoder" / "model.safetensors").write_bytes(b"\xff" * 20)
    run = read_run(folder)
    assert (run.about, run.stored_values, run.probe) == ({}, None, None)
    assert run.notes[0].startswith("run.json cannot be read as JSON: ")
    assert run.notes[-1].startswith("encoder/model.safetensors cannot be read as safetensors: ")
    assert run.probe_notes[0] == "probe.json has to contain a JSON object, not list. Its contents are missing here."
    assert "lacks the columns" in run.probe_notes[1]


def test_a_record_or_weights_that_do_not_match_their_checksums_are_named(make_run: Callable[..., Path]) -> None:
    folder = make_run(steps=3)
    (folder / "run.json").write_text(json.dumps(sealed({"version": "0.1"})).replace("0.1", "0.2"))
    whole = b"".join(seal_tensors(save({"a": np.zeros(4, np.float32)})))
    (folder / "encoder" / "model.safetensors").write_bytes(whole[:-1] + b"1")
    run = read_run(folder)
    assert run.about == {}
    assert run.notes[0].startswith("run.json does not match the checksum in it")
    assert run.notes[-1].startswith("encoder/model.safetensors does not match the checksum in it")
    assert not any(str(folder) in note for note in run.notes)


def test_a_folder_that_is_no_run_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"no run\.json, metrics\.jsonl or probe/scores\.csv.*Give the folder of a run, a probe"
    ):
        read_run(tmp_path)
    with pytest.raises(DataError, match=r"there is no folder .*nowhere"):
        read_run(tmp_path / "nowhere")


def test_a_run_that_declares_no_curves_or_damaged_ones_has_every_column_drawn_alone(
    make_run: Callable[..., Path],
) -> None:
    run = make_run(steps=5, probe=False)
    declared = read_run(run)
    assert next(panel.key for panel in declared.panels if panel.section == "loss") == "loss"
    about = json.loads((run / "run.json").read_text())
    for curves, notes in (([], 0), ([{"key": "loss"}], 1), (7, 1)):
        (run / "run.json").write_text(json.dumps(about | {"curves": curves}))
        found = read_run(run)
        assert {panel.key for panel in found.panels} == set(found.metrics) - {"step", "epoch"}
        assert len(found.notes) == len(declared.notes) + notes
