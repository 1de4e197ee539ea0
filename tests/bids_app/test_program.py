"""The program as a user types it: calls at once, then group; exit codes, and sentences instead of tracebacks."""

import json
import re
import shutil
import subprocess
import sysconfig
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import pytest
from small_derivative import PEOPLE, tree

from semantoks.atlas.catalog import get_atlas
from semantoks.cli.bids_app import run
from semantoks.cli.main import COMMANDS
from semantoks.cli.main import run as semantoks
from semantoks.signals.cohort import Cohort
from semantoks.signals.prepare import prepare
from tiny_people import save_model

pytestmark = pytest.mark.slow

PROGRAM = Path(sysconfig.get_path("scripts")) / "semantoks-bids"


@pytest.fixture
def call(xcpd, tmp_path, capsys):
    """Run the app on the small derivative: exit code, lines that it prints, lines of what is wrong."""

    def answer(level, *words, out="out", page=False):
        words = [*words, *([] if page else ["--no-report"])]
        code = run([str(word) for word in (xcpd, tmp_path / out, level, *words)])
        said = capsys.readouterr()
        return code, said.out.splitlines(), said.err.splitlines()

    return answer


def test_an_array_of_calls_at_once_and_then_group_is_what_prepare_makes(xcpd, tmp_path, capsys):
    out = tmp_path / "out"
    tasks = [["01", "sub-005"], ["02", "03", "sub-005", "04"]]
    words = [PROGRAM, xcpd, out, "participant", "--skip-bids-validator", "--participant-label"]
    calls = [subprocess.Popen([*words, *task], stdout=subprocess.PIPE, text=True) for task in tasks]
    said = [one.communicate(timeout=300)[0] for one in calls]
    assert [one.returncode for one in calls] == [0, 4]
    assert f"participants: 2, recordings kept: 3, excluded: 0, in {out}" in said[0]
    assert f"participants: 4, recordings kept: 4, excluded: 2, in {out}" in said[1]
    assert run([str(xcpd), str(out), "group"]) == 4
    assert f"participants: 4, recordings kept: 6, excluded: 2, in {out / 'cohort'}" in capsys.readouterr().out
    assert tree(out / "cohort") == tree(prepare(xcpd, out=tmp_path / "prepared").path)
    assert sorted(path.name for path in (out / "work").iterdir()) == sorted(f"sub-{one}" for one in PEOPLE)
    told = [".bidsignore", "cohort", "dataset_description.json", "logs", "report.html", "report_tables", "work"]
    assert sorted(path.name for path in out.iterdir()) == told
    cited = (out / "logs" / "CITATION.md").read_text()
    assert "arXiv:2512.11582" in cited
    assert "Schaefer et al. 2018" in cited
    assert (out / "logs" / "CITATION.bib").read_text().count("@") >= 4
    logs = {log.read_text().splitlines()[0]: log.read_text() for log in (out / "logs").glob("*.log")}
    assert len(logs) == 3
    assert (
        f"participants: 4, recordings kept: 6, excluded: 2, in {out / 'cohort'}"
        in logs[f"$ semantoks-bids {xcpd} {out} group"]
    )
    assert all("\nended: done\n" in log for log in logs.values())


def test_the_exit_code_says_whether_all_was_done_and_the_lines_say_what_was_not(call, tmp_path, capsys):
    work = tmp_path / "out" / "work"
    assert call("participant", "--participant-label", "01", "--n-jobs", "1")[:2] == (
        0,
        [f"participants: 1, recordings kept: 2, excluded: 0, in {tmp_path / 'out'}"],
    )
    assert call("participant", "--participant_label", "03", "77")[:2] == (
        4,
        [
            f"participants: 1, recordings kept: 1, excluded: 1, in {tmp_path / 'out'}",
            f"recordings excluded, see {work / 'sub-03' / 'excluded.tsv'}",
            "not in the input: sub-77",
        ],
    )
    code, lines, _ = call("group")
    assert (code, lines[0]) == (
        4,
        f"participants: 2, recordings kept: 3, excluded: 1, in {tmp_path / 'out' / 'cohort'}",
    )
    assert lines[2:] == [f"missing, no finished part: sub-{one}" for one in ("005", "02", "04")]
    assert call("group", "--participant-label", "01")[0] == 0
    assert semantoks(["info", str(tmp_path / "out" / "cohort")]) == 0
    assert "recordings 2, excluded 0" in capsys.readouterr().out


def test_a_call_that_fails_leaves_its_reason_in_the_log_of_the_derivative(call, tmp_path):
    assert call("participant", "--participant-label", "01")[0] == 0
    assert call("group", "--participant-label", "02")[0] == 3
    reasons = [
        re.search("^ended: (.*)", log.read_text(), re.M)[1] for log in sorted((tmp_path / "out" / "logs").iterdir())
    ]
    assert "done" in reasons
    assert any(reason.startswith("DataError: no part of 1 participants is finished") for reason in reasons)


@pytest.mark.parametrize("none", ["none", "None"])
def test_options_choose_sessions_tasks_and_cleaning(call, tmp_path, none):
    words = ["--participant-label", "01", "--session-label", "ses-b", "--task-label", "rest", "--target-tr", "1"]
    words += ["--band", none, "--max-fd", none]
    assert call("participant", *words)[0] == 0
    part = Cohort(tmp_path / "out" / "work" / "sub-01")
    assert part.recordings[["session_id", "frames"]].to_numpy().tolist() == [["b", 180]]
    assert (part.tr, part.description["Band"], part.description["MaxMeanFD"]) == (1.0, None, None)
    code, _, said = call("participant", "--task-label", "nback", out="other")
    assert (code, len(said)) == (2, 1)
    assert "has no task-nback; it has rest." in said[0]


@pytest.mark.parametrize(
    ("level", "words", "code", "said"),
    [
        ("participant", ["--nprocs", "4"], 2, "semantoks: --nprocs is called --n-jobs here."),
        ("participant", ["--session_id=1"], 2, "semantoks: --session_id is called --session-label here."),
        ("participant", ["--participant-label", "7"], 2, "has no sub-7; it has sub-005, sub-01, "),
        ("participant", ["--n-jobs", "0"], 2, "n_jobs must be a number of processes"),
        ("participant", ["--model", "m"], 3, "m is neither a run with a saved encoder"),
        ("participant", ["--crops", "0"], 2, "crops must be at least 1, not 0"),
        ("group", [], 3, "run the participant level first"),
        ("analysis", [], 2, "('participant', 'group')"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_is_written(call, tmp_path, level, words, code, said):
    answered, _, wrong = call(level, *words)
    assert (answered, said in " ".join(wrong)) == (code, True), wrong
    assert "Traceback" not in " ".join(wrong)
    assert not (tmp_path / "out").exists()


def test_an_input_that_is_not_there_is_said(tmp_path, capsys):
    assert run([str(tmp_path / "absent"), str(tmp_path / "out"), "participant"]) == 3
    assert capsys.readouterr().err == f"semantoks: INPUT {tmp_path / 'absent'} does not exist.\n"


def test_help_and_version_are_of_this_program_and_leave_the_other_alone(capsys):
    assert run(["--help"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("usage: semantoks-bids [-h] [OPTIONS] INPUT OUTPUT {participant,group}")
    assert "Example: semantoks-bids " in said
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"semantoks {version('semantoks')}\n"
    assert not [name for name in COMMANDS if "bids" in name]


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from semantoks.cli.bids_app import run; run(['--help'])\n"
        "from semantoks.cli.main import COMMANDS, WITH_RECIPES, run\n"
        "[run([name, '--help']) for name in COMMANDS if name not in WITH_RECIPES]\n"
        "sys.exit(' '.join({'torch', 'pandas', 'scipy', 'dask', 'distributed', 'joblib'} & set(sys.modules)))"
    )
    python = shutil.which("python", path=sysconfig.get_path("scripts"))
    done = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""


def test_embeddings_of_parts_are_those_of_the_cohort(call, tmp_path, xcpd):
    atlas = get_atlas("schaefer400+tian-s3+buckner7")
    model = save_model(tmp_path / "model", atlas=atlas)
    told = ["--model", model, "--crops", "2"]
    assert call("participant", "--participant-label", "01", "03", *told)[0] == 4
    code, lines, _ = call("group", "--participant-label", "01", "03", *told)
    place = tmp_path / "out" / "desc-semantoks_embeddings.parquet"
    assert (code, lines[1]) == (4, f"embeddings: 3, in {place}")
    table = tmp_path / "direct.parquet"
    words = ["embed", tmp_path / "out" / "cohort", "--model", model, "--crops", "2", "--out", table]
    assert semantoks([str(word) for word in words]) == 4
    pd.testing.assert_frame_equal(pd.read_parquet(place), pd.read_parquet(table), rtol=1e-5, atol=1e-6)
    sidecar = "sub-01/ses-a/func/sub-01_ses-a_task-rest_space-MNI152NLin2009cAsym_desc-semantoks_embedding.json"
    said = json.loads((tmp_path / "out" / sidecar).read_text())
    assert (said["RepetitionTime"], said["Frames"], said["GoodFrames"], said["Crops"]) == (2.0, 90, 86, 2)
    assert len(said["MissingROIs"]) == 8
    assert said["Sources"][0].startswith("bids:input:sub-01/ses-a/func/sub-01_ses-a_task-rest_space-")
    code, _, wrong = call("group", "--model", model, "--atlas", "cc200")
    assert (code, "leave out --atlas, --band and --target-tr" in wrong[-1]) == (2, True)
    (tmp_path / "out" / sidecar).unlink()
    code, lines, _ = call("group", "--participant-label", "01", "03", *told)
    assert (code, lines[1]) == (4, f"embeddings: 2, in {place}")
    assert [line for line in lines if line.startswith("without an embedding: ")] != []


def test_a_participant_of_whom_nothing_can_be_used_keeps_no_other_from_being_embedded(call, tmp_path):
    model = save_model(tmp_path / "model", atlas=get_atlas("schaefer400+tian-s3+buckner7"))
    code, lines, _ = call("participant", "--participant-label", "04", "02", "--model", model, "--crops", "1")
    assert (code, lines[0]) == (4, f"participants: 2, recordings kept: 2, excluded: 1, in {tmp_path / 'out'}")
    assert len(list((tmp_path / "out").glob("sub-*/**/*_embedding.tsv"))) == 2
