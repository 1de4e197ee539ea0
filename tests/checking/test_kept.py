"""The doctor leaves out what prepare leaves out, for the same reasons, and its next command works."""

import json
import shlex

import numpy as np
import pandas as pd
import pytest
from geometric import recordings, write

from semantoks.atlas.catalog import get_atlas
from semantoks.checking.checkup import checkup
from semantoks.cli.main import run
from semantoks.errors import DataError
from semantoks.signals.clean import CleaningConfig, band_pass
from semantoks.signals.prepare import prepare
from semantoks.signals.quality import GateConfig
from semantoks.signals.recording import Recording
from semantoks.signals.sources.memory import MemorySource
from tiny_people import save_model

pytestmark = pytest.mark.slow

ATLAS = get_atlas("schaefer100")


@pytest.fixture(scope="module")
def series():
    return recordings(ATLAS, people=4)


def as_source(series, **more):
    """Make a source of series [frame, roi]; ``more`` is one value per recording."""
    made = [
        Recording(
            series=one, tr=2.0, participant=f"{i:02d}", source=f"memory {i}", **{k: v[i] for k, v in more.items()}
        )
        for i, one in enumerate(series)
    ]
    return MemorySource(made, atlas=ATLAS)


def one_broken(series, how):
    """Break the second recording."""
    changed = [one.copy() for one in series]
    more = {}
    if how == "a ROI is NaN in one frame":
        changed[1][40, 3] = np.nan
    elif how == "a ROI is NaN at its end":
        changed[1][-20:, 7] = np.nan
    elif how == "one frame is infinite":
        changed[1][60] = np.inf
    elif how == "too short":
        changed[1] = changed[1][:15]
    elif how == "too much motion":
        more["mean_fd"] = [0.1, 1.8, 0.1, 0.1]
    elif how == "all frames censored":
        more["good"] = [None, np.zeros(len(series[1]), dtype=bool), None, None]
    elif how == "flat":
        changed[1][:] = 5
    return changed, more


HOWS = (
    *("a ROI is NaN in one frame", "a ROI is NaN at its end", "one frame is infinite", "too short", "too much motion"),
    *("all frames censored", "flat"),
)


@pytest.mark.parametrize("how", HOWS)
def test_the_doctor_leaves_out_what_prepare_leaves_out_for_the_same_reason(tmp_path, series, how):
    changed, more = one_broken(series, how)
    found = checkup(as_source(changed, **more), atlas=ATLAS)
    cohort = prepare(as_source(changed, **more), out=tmp_path / "cohort", atlas=ATLAS)
    assert f"kept       {len(cohort)} of the 4 looked into would be kept by prepare" in found.facts
    problems = [problem for problem in found.problems if problem.partial]
    assert len(problems) == min(1, len(cohort.excluded))
    for problem, reason in zip(problems, cohort.excluded["reason"], strict=True):
        assert problem.evidence == f"1 of 4 recordings cannot be used: (1 x, sub-01) {reason}"
    assert found.usable
    assert found.problems == problems


def test_a_source_of_which_nothing_would_be_kept_is_not_usable(tmp_path, series):
    found = checkup(as_source(series, mean_fd=[0.6, 0.7, 0.8, 0.9]), atlas=ATLAS)
    assert not found.usable
    assert found.problems[0].evidence.startswith(
        "4 of 4 recordings cannot be used: (4 x, for example sub-00) motion: mean"
    )
    assert "(--max-fd)" in found.problems[0].evidence
    assert checkup(as_source(series, mean_fd=[0.6, 0.7, 0.8, 0.9]), atlas=ATLAS, gates=GateConfig(max_fd=1.0)).usable


def test_settings_of_cleaning_decide_what_would_be_kept(series):
    short = [one[:70] for one in series]
    assert checkup(as_source(short), atlas=ATLAS).problems == []
    assert not checkup(as_source(short), atlas=ATLAS, cleaning=CleaningConfig(min_frames=80)).usable


def test_people_of_whom_none_is_in_the_participants_table_are_a_problem(tmp_path, series):
    folder = write(tmp_path / "raw", series)
    table = pd.DataFrame({"participant_id": ["ann", "bob"], "age": [20, 30]})
    table.to_csv(folder / "participants.tsv", sep="\t", index=False)
    found = checkup(folder, atlas=ATLAS, tr=2.0)
    (problem,) = found.problems
    assert problem.evidence.startswith("none of the 4 people with recordings is in the participants table: these ids")
    assert not found.usable
    table.assign(participant_id=["00", "bob"]).to_csv(tmp_path / "own.tsv", sep="\t", index=False)
    assert checkup(folder, atlas=ATLAS, tr=2.0, participants=tmp_path / "own.tsv").problems == []


def test_reasons_that_differ_only_in_names_and_numbers_are_one_line_and_ask_whether_arrays_are_transposed(
    tmp_path, series
):
    turned = as_source([one.T[:, : 140 + i] for i, one in enumerate(series)])
    with pytest.raises(DataError, match=r"reasons: \(4 x, for example\) memory 0: wrong .* Is it transposed\? All of"):
        prepare(turned, out=tmp_path / "cohort", atlas=ATLAS)
    (problem,) = checkup(turned, atlas=ATLAS).problems
    assert problem.evidence.startswith("4 of 4 recordings cannot be used: (4 x, for example) memory 0: wrong number")
    back = as_source([one.T for one in (one.T for one in series)])
    assert checkup(back, atlas=ATLAS).problems == []


def advised(said):
    """Take the words of the command that comes next."""
    return shlex.split(said.rpartition("Next: semantoks ")[2])


@pytest.mark.parametrize(
    ("given", "max_fd"),
    [([], 0.5), (["--max-fd", "0.7"], 0.7), (["--max-fd", "None", "--band", "0.02", "0.08"], None)],
)
def test_the_next_command_of_low_passed_recordings_does_not_filter_them_again_and_works(
    tmp_path, series, monkeypatch, capsys, given, max_fd
):
    monkeypatch.chdir(tmp_path)
    folder = write(tmp_path / "raw data", [band_pass(one.astype(np.float64), 2.0, (0.01, 0.08)) for one in series])
    words = ["doctor", str(folder), "--atlas", ATLAS.name, "--tr", "2", "--participant-label", "00", "02", *given]
    assert run(words) == 0
    following = advised(capsys.readouterr().out)
    assert following[:2] == ["prepare", str(folder)]
    assert "--already-filtered" in following
    assert run(following) == 0
    made = json.loads((tmp_path / "cohort" / "dataset_description.json").read_text())
    assert (made["AlreadyFiltered"], made["SourceRepetitionTime"], made["MaxMeanFD"]) == (True, 2.0, max_fd)


def test_the_next_command_of_a_source_of_which_some_would_be_left_out_works_and_both_exit_with_4(
    tmp_path, series, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    changed, _ = one_broken(series, "one frame is infinite")
    folder = write(tmp_path / "raw", [changed[0], changed[1][:15], *changed[2:]])
    assert run(["doctor", str(folder), "--atlas", ATLAS.name, "--tr", "2"]) == 4
    said = capsys.readouterr().out
    assert "LEFT OUT   1 of 4 recordings cannot be used: (1 x, sub-01_task-rest_timeseries.npy) too short" in said
    assert run(advised(said)) == 4


def test_doctor_and_prepare_exit_with_3_where_nothing_would_be_kept(tmp_path, series, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    folder = write(tmp_path / "raw", [one[:15] for one in series])
    assert run(["doctor", str(folder), "--atlas", ATLAS.name, "--tr", "2"]) == 3
    said = capsys.readouterr().out
    assert "kept       0 of the 4 looked into would be kept by prepare" in said
    assert (
        "PROBLEM    4 of 4 recordings cannot be used: (4 x, for example sub-00_task-rest_timeseries.npy) too short"
        in said
    )
    assert "Next" not in said
    assert run(["prepare", str(folder), "--atlas", ATLAS.name, "--tr", "2", "--out", "cohort"]) == 3


def test_what_is_said_to_be_filtered_already_needs_no_advice(tmp_path, series, capsys):
    folder = write(tmp_path / "raw", [band_pass(one.astype(np.float64), 2.0, (0.01, 0.08)) for one in series])
    assert run(["doctor", str(folder), "--atlas", ATLAS.name, "--tr", "2", "--already-filtered"]) == 0
    said = capsys.readouterr().out
    assert "4 of 4 were already low-passed: not filtered again, as told" in said
    assert advised(said).count("--already-filtered") == 1


def test_recordings_of_which_only_some_were_filtered_are_to_be_prepared_apart(tmp_path, series, capsys):
    mixed = [band_pass(one.astype(np.float64), 2.0, (0.01, 0.08)) for one in series[:2]] + series[2:]
    assert run(["doctor", str(write(tmp_path / "raw", mixed)), "--atlas", ATLAS.name, "--tr", "2"]) == 0
    said = capsys.readouterr().out
    assert "filter     2 of 4 were already low-passed: prepare them apart, with --already-filtered" in said
    assert "--already-filtered" not in advised(said)


def test_the_next_command_of_a_list_of_files_works(tmp_path, series, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    folder = write(tmp_path / "raw", series)
    paths = sorted(map(str, folder.glob("*.npy")))
    table = pd.DataFrame({"path": paths, "participant_id": list("abcd"), "tr": 2.0})
    table.to_csv(tmp_path / "my files.tsv", sep="\t", index=False)
    assert run(["doctor", "--files", "my files.tsv", "--atlas", ATLAS.name]) == 0
    assert run(advised(capsys.readouterr().out)) == 0


def test_with_a_model_its_atlas_band_and_time_count_and_embed_comes_next(tmp_path, series, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    model, folder = save_model(tmp_path / "encoder", atlas=ATLAS), write(tmp_path / "raw", series)
    people = pd.DataFrame({"participant_id": ["00", "01", "02", "03"], "mean_fd": 0.9})
    people.to_csv(folder / "participants.tsv", sep="\t", index=False)
    words = ["doctor", str(folder), "--tr", "2"]
    assert run([*words, "--atlas", ATLAS.name]) == 3  # too much motion for prepare
    capsys.readouterr()
    assert run([*words, "--model", str(model)]) == 0
    following = advised(capsys.readouterr().out)
    assert following[:4] == ["embed", str(folder), "--model", str(model)]
    assert run(following) == 0
    assert len(pd.read_parquet("features.parquet")) == 4
    assert run([*words, "--model", str(model), "--max-fd", "0.2"]) == 2


def test_the_doctor_warns_of_copies_under_other_ids_and_says_nothing_where_there_are_none(tmp_path, series, capsys):
    assert checkup(as_source(series), atlas=ATLAS).warnings == []
    copied = [*series, 3 * series[1][2:] + 70]
    (warning,) = checkup(as_source(copied), atlas=ATLAS).warnings
    assert warning.startswith("1 pair of recordings under different ids: copies of one recording")
    assert "sub-01 and sub-04" in warning
    command = ["doctor", str(write(tmp_path / "raw", copied)), "--atlas", "schaefer100", "--tr", "2"]
    assert run(command) == 0
    out = capsys.readouterr().out
    assert "\nWARNING    1 pair of recordings" in out
    assert "Nothing wrong" not in out
    assert "\nNext: semantoks prepare " in out
