"""Nothing is written among what somebody else keeps in a folder, and what a killed job left is taken up."""

import pytest

from semantoks.errors import ConfigError
from semantoks.evaluate.study.work import check_out
from semantoks.storage.own import need_own


def filled(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")
    return folder


@pytest.mark.parametrize(
    "names", [(), (".lock-semantoks",), (".a.lock-semantoks", ".tmp-semantoks-x-1-2"), ("logs/a",)]
)
def test_a_new_an_empty_and_a_killed_jobs_folder_are_taken(tmp_path, names):
    need_own(filled(tmp_path / "new", *names), "a run", marks=("run.json",), left=("logs",))


def test_with_its_mark_a_folder_is_taken_whatever_is_in_it_and_without_it_the_first_name_is_said(tmp_path):
    filled(tmp_path, "notes.txt", "made/step-1")
    with pytest.raises(ConfigError, match=rf"^--out {tmp_path} contains made and is not a run: choose a new or an em"):
        need_own(tmp_path, "a run", marks=("run.json",))
    need_own(tmp_path, "a run", marks=("run.json", "made/step-*"))


@pytest.mark.parametrize(
    "names", [("scores.csv", "predictions.parquet", "epochs.csv"), ("cache/a",), ("probe.json", "b")]
)
def test_results_of_a_probe_are_written_anew_where_a_kill_left_some(tmp_path, names):
    check_out(filled(tmp_path, *names))


@pytest.mark.parametrize("name", ["run.json", "dataset_description.json", "study.json"])
def test_results_of_a_probe_are_not_written_among_a_run_a_cohort_or_a_study(tmp_path, name):
    with pytest.raises(ConfigError, match=f"contains {name} and is not the folder of a probe or a fine-tuning"):
        check_out(filled(tmp_path, name, "scores.csv"))
