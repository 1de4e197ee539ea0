"""What is asked for is what is read, in every source; what that leaves out is said; nothing there is an error."""

import re
import shlex
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from semantoks.atlas.atlas import Atlas
from semantoks.errors import ConfigError, DataError
from semantoks.signals.opened_source import SourceConfig, find_source
from semantoks.signals.reading_config import ReadingConfig
from semantoks.signals.recording import Recording
from semantoks.signals.sources import open_source
from semantoks.signals.sources.memory import MemorySource
from semantoks.signals.sources.runs import numbered, run_labels
from semantoks.signals.sources.source import Item, Source, refuse_twins

WHO = [("01", "1", "rest"), ("01", "2", "rest"), ("01", "1", "nback"), ("02", "1", "rest")]


@pytest.fixture
def atlas() -> Atlas:
    return Atlas(name="two", labels=("a", "b"), networks=("x", "y"))


def save(path: Path, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.random.default_rng(seed).normal(size=(30, 2)))


def folder(root: Path) -> Path:
    for seed, (sub, ses, task) in enumerate(WHO):
        save(root / f"sub-{sub}_ses-{ses}_task-{task}_timeseries.npy", seed)
    return root


def listed(root: Path) -> Path:
    lines = ["path\tparticipant_id\tsession\ttask"]
    for seed, (sub, ses, task) in enumerate(WHO):
        save(root / f"{seed}.npy", seed)
        lines.append(f"{seed}.npy\t{sub}\t{ses}\t{task}")
    (root / "files.tsv").write_text("\n".join(lines) + "\n")
    return root / "files.tsv"


def scans(root: Path) -> Path:
    with h5py.File(root / "data.h5", "w") as file:
        file["bold"] = np.random.default_rng(0).normal(size=(len(WHO), 2, 30))
        file["scan_id"] = [f"sub-{sub}_ses-{ses}_task-{task}" for sub, ses, task in WHO]
    return root / "data.h5"


def columns(root: Path) -> Path:
    with h5py.File(root / "data.h5", "w") as file:
        file["bold"] = np.random.default_rng(0).normal(size=(len(WHO), 2, 30))
        for name, values in zip(("participant_id", "session_id", "task"), zip(*WHO, strict=True), strict=True):
            file[name] = list(values)
    return root / "data.h5"


EVERY = pytest.mark.parametrize("write", [folder, listed, scans, columns])


def opened(path: Path, atlas: Atlas, **reading: object) -> Source:
    return open_source(path, atlas=atlas, tr=2.0, participants=None, reading=ReadingConfig(**reading))


def whose(source: Source) -> list[tuple[str, str, str]]:
    return sorted((item.participant, item.session, item.run) for item in source.items())


@EVERY
def test_rest_alone_is_read_where_there_is_rest_and_the_other_tasks_are_counted(tmp_path, atlas, write):
    source = opened(write(tmp_path), atlas)
    assert whose(source) == [("01", "1", ""), ("01", "2", ""), ("02", "1", "")]
    assert "left out, tasks other than rest (--task-label reads them): 1 recording, nback (1)" in source.notes()


@EVERY
def test_participants_sessions_and_tasks_are_those_that_were_asked_for(tmp_path, atlas, write):
    path = write(tmp_path)
    source = opened(path, atlas, participant_label=("sub-01", "77"), session_label=("1",), task_label=("nback",))
    assert whose(source) == [("01", "1", "")]
    assert source.notes() == [
        "asked for, but not there: sub-77",
        "left out, other participants: 1 recording, 02 (1)",
        "left out, other sessions: 1 recording, 2 (1)",
        "left out, other tasks: 1 recording, rest (1)",
    ]
    both = opened(path, atlas, task_label=("nback", "task-rest"))
    assert whose(both) == [("01", "1", "nback"), ("01", "1", "rest"), ("01", "2", "rest"), ("02", "1", "rest")]


@EVERY
@pytest.mark.parametrize(
    ("reading", "message"),
    [
        ({"participant_label": ("99",)}, "has no sub-99; it has 01, 02."),
        ({"session_label": ("7",)}, "has no ses-7; it has 1, 2."),
        ({"task_label": ("movie",)}, "has no task-movie; it has nback, rest."),
        ({"space": "T1w"}, "has no space-T1w; no name says a space: leave --space out."),
        ({"variant": "desc-gsr"}, "has no version called 'desc-gsr'. Its names say no version: leave --variant out."),
    ],
)
def test_what_is_asked_for_and_not_there_is_an_error_that_names_what_is_there(tmp_path, atlas, write, reading, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        opened(write(tmp_path), atlas, **reading)


def test_a_selection_that_is_not_there_names_five_of_a_thousand_people(tmp_path, atlas):
    for number in range(1000):
        (tmp_path / f"sub-{number:04}.npy").touch()
    with pytest.raises(ConfigError, match=r"has no sub-x; it has 0000, 0001, 0002, 0003, 0004 and 995 more\."):
        opened(tmp_path, atlas, participant_label=("x",))


def test_several_tasks_of_which_none_is_rest_are_said(tmp_path, atlas):
    for task in ("nback", "motor"):
        save(tmp_path / f"sub-1_task-{task}.npy")
    source = opened(tmp_path, atlas)
    assert whose(source) == [("1", "", "motor"), ("1", "", "nback")]
    assert source.notes() == [
        "several tasks, none of them rest, are all read: motor (1), nback (1). Choose with --task-label"
    ]


def test_what_names_no_task_is_read_beside_rest_and_said(tmp_path, atlas):
    for name in ("sub-1_task-rest", "sub-1_task-nback", "sub-2"):
        save(tmp_path / f"{name}.npy")
    source = opened(tmp_path, atlas)
    assert whose(source) == [("1", "", "rest"), ("2", "", "")]
    assert source.notes()[-1] == "1 recording of no named task read beside rest"


def test_the_authors_layout_has_no_task_and_keeps_the_numbers_of_its_runs_whoever_is_asked_for(tmp_path, atlas):
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["timeseries/two"] = np.random.default_rng(0).normal(size=(3, 2, 30))
        file["long_subject_id"] = ["1", "2", "2"]
    path = tmp_path / "data.h5"
    assert whose(opened(path, atlas, participant_label=("2",))) == [("2", "", "1"), ("2", "", "2")]
    with pytest.raises(ConfigError, match="has no task-rest; no name says a task"):
        opened(path, atlas, task_label=("rest",))


def test_repeated_rows_of_one_person_keep_their_numbers_whoever_is_asked_for(tmp_path, atlas):
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["bold"] = np.random.default_rng(0).normal(size=(3, 2, 30))
        file["participant_id"] = ["1", "2", "2"]
    assert whose(opened(tmp_path / "data.h5", atlas, participant_label=("2",))) == [("2", "", "1"), ("2", "", "2")]


@pytest.mark.parametrize(
    ("words", "asked", "variant"),
    [
        (("_desc-gsr", "_desc-nogsr"), "desc-gsr or desc-nogsr", "desc-gsr"),
        (("", "_desc-smooth"), "no desc or desc-smooth", "desc-smooth"),
        (("_echo-1", "_echo-2"), "echo-1 or echo-2", "echo-1"),
        (("_res-1", "_res-2"), "res-1 or res-2", "res-1"),
        (("_den-10k", "_den-91k"), "den-10k or den-91k", "den-10k"),
        (("_rec-a", "_rec-b"), "rec-a or rec-b", "rec-a"),
        (("_part-mag", "_part-phase"), "part-mag or part-phase", "part-mag"),
        (("_hemi-L", "_hemi-R"), "hemi-L or hemi-R", "hemi-L"),
        (("_cohort-1", "_cohort-2"), "cohort-1 or cohort-2", "cohort-1"),
        (("_atlas-cc200", "_atlas-cc400"), "atlas-cc200 or atlas-cc400", "atlas-cc200"),
        (
            ("_res-1_desc-gsr", "_res-2_desc-gsr", "_res-2_desc-nogsr"),
            "desc-gsr res-1 or desc-gsr res-2 or desc-nogsr res-2",
            "desc-gsr res-1",
        ),
    ],
)
def test_versions_of_a_run_are_asked_about_and_the_answer_that_is_named_works(tmp_path, atlas, words, asked, variant):
    for seed, word in enumerate(words):
        save(tmp_path / f"sub-1_task-rest{word}_timeseries.npy", seed)
    with pytest.raises(ConfigError, match=rf"for example sub-1_task-rest: {asked}\. They are the same frames") as error:
        opened(tmp_path, atlas)
    remedy = shlex.split(str(error.value).rpartition("for example ")[2].removesuffix("."))
    assert remedy == ["--variant", variant]
    (item,) = opened(tmp_path, atlas, variant=remedy[1]).items()
    assert set(variant.split()) <= set(item.path.name.split("_"))


def test_versions_in_names_without_bids_are_asked_about_and_the_answer_works(tmp_path, atlas):
    for seed, name in enumerate(("0001_gsr", "0001_nogsr", "0002_gsr", "0002_nogsr")):
        save(tmp_path / f"{name}.npy", seed)
    with pytest.raises(ConfigError, match="sub-0001: desc-gsr or desc-nogsr") as error:
        opened(tmp_path, atlas)
    remedy = shlex.split(str(error.value).rpartition("for example ")[2].removesuffix("."))
    assert whose(opened(tmp_path, atlas, variant=remedy[1])) == [("0001", "", ""), ("0002", "", "")]


def test_versions_that_differ_between_people_are_read_and_said(tmp_path, atlas):
    save(tmp_path / "sub-1_desc-gsr_bold.npy")
    save(tmp_path / "sub-2_desc-nogsr_bold.npy")
    source = opened(tmp_path, atlas)
    assert [item.participant for item in source.items()] == ["1", "2"]
    assert source.notes() == [
        "recordings of different versions are read: desc-gsr (1), desc-nogsr (1). Choose with --variant"
    ]
    assert opened(tmp_path, atlas, variant="gsr").notes() == ["left out, other versions: 1 file, desc-nogsr (1)"]


def test_a_version_is_chosen_by_its_word_its_value_or_the_lack_of_it(tmp_path, atlas):
    for word in ("", "_desc-gsr", "_desc-nogsr"):
        save(tmp_path / f"sub-1{word}_bold.npy")
    for variant, name in (("gsr", "sub-1_desc-gsr_bold.npy"), ("no-desc", "sub-1_bold.npy")):
        source = opened(tmp_path, atlas, variant=variant)
        assert [item.path.name for item in source.items()] == [name]
    assert source.notes() == ["left out, other versions: 2 files, desc-gsr (1), desc-nogsr (1)"]
    with pytest.raises(ConfigError, match=r"no version called 'no-res'\. There are: desc-gsr, desc-nogsr"):
        opened(tmp_path, atlas, variant="no-res")


def test_files_with_a_space_and_without_are_asked_about_and_both_can_be_chosen(tmp_path, atlas):
    for word in ("", "_space-MNI"):
        save(tmp_path / f"sub-1{word}_bold.npy")
    with pytest.raises(ConfigError, match=r"several spaces \(MNI, none\): choose one with --space"):
        opened(tmp_path, atlas)
    for space, name in (("none", "sub-1_bold.npy"), ("MNI", "sub-1_space-MNI_bold.npy")):
        assert [item.path.name for item in opened(tmp_path, atlas, space=space).items()] == [name]


@pytest.mark.parametrize("names", [("gsr/sub-1_bold.npy", "nogsr/sub-1_bold.npy"), ("1_bold.npy", "1_timeseries.npy")])
def test_two_files_with_the_labels_of_one_recording_are_refused(tmp_path, atlas, names):
    for name in names:
        save(tmp_path / name)
    with pytest.raises(ConfigError, match=rf"{names[0]}, {names[1]}\. They are the same recording: keep one"):
        opened(tmp_path, atlas)
    if "/" in names[0]:
        assert len(opened(tmp_path / "gsr", atlas).items()) == 1


def test_files_that_the_table_gives_one_person_are_told_apart_by_session_and_run_of_their_names(tmp_path, atlas):
    names = ["sub-a_ses-1_run-1.npy", "sub-a_ses-1_run-2.npy", "sub-a_ses-2_run-1.npy"]
    for name in names:
        save(tmp_path / name)
    table = pd.DataFrame({"participant_id": ["P"] * 3, "filename": names, "tr": 2.0})
    source = open_source(tmp_path, atlas=atlas, tr=None, participants=table)
    assert whose(source) == [("P", "1", "1"), ("P", "1", "2"), ("P", "2", "1")]
    save(tmp_path / "sub-b_ses-1_run-1.npy")
    table.loc[3] = {"participant_id": "P", "filename": "sub-b_ses-1_run-1.npy", "tr": 2.0}
    with pytest.raises(ConfigError, match="several versions of a run, for example sub-P_ses-1_run-1"):
        open_source(tmp_path, atlas=atlas, tr=None, participants=table)


def test_versions_among_the_scans_of_a_file_are_asked_about(tmp_path, atlas):
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["bold"] = np.random.default_rng(0).normal(size=(4, 2, 30))
        file["scan_id"] = ["sub-1_desc-gsr", "sub-1_desc-nogsr", "sub-2_desc-gsr", "sub-1_desc-nogsr"]
    with pytest.raises(ConfigError, match=r"for example sub-1: desc-gsr or desc-nogsr\..*--variant desc-gsr"):
        opened(tmp_path / "data.h5", atlas)
    assert whose(opened(tmp_path / "data.h5", atlas, variant="desc-gsr")) == [("1", "", ""), ("2", "", "")]


def test_no_source_may_list_two_recordings_of_one_participant_session_and_run(atlas):
    def item(key: str, participant: str, run: str) -> Item:
        return Item(key=key, path=Path("x"), row=None, participant=participant, session="", run=run)

    refuse_twins([item("a", "1", "1"), item("b", "1", "2"), item("c", "2", "1")], Path("x"))
    with pytest.raises(DataError, match=r"x: a and b are both participant 1, run 1\. If they are versions"):
        refuse_twins([item("a", "1", "1"), item("b", "sub-1", "run-1")], Path("x"))


def test_labels_of_runs_stay_apart_where_they_would_run_together():
    from semantoks.signals.files.names import BidsFile

    def files(*tasks: tuple[str, str]) -> list[BidsFile]:
        return [BidsFile(path=Path("x"), entities={"sub": "1", "task": task, "run": run}) for task, run in tasks]

    assert run_labels(files(("rest", "1"), ("nback", "1"))) == ["rest1", "nback1"]
    assert run_labels(files(("rest", "11"), ("rest1", "1"))) == ["rest.11", "rest1.1"]


def test_a_repeated_recording_is_not_given_a_number_that_another_has():
    assert numbered([("1", "", ""), ("1", "", ""), ("1", "", "1")]) == ["2", "3", "1"]


def test_a_source_of_ones_own_refuses_selections(atlas):
    own = MemorySource(
        [Recording(series=np.ones((9, 2), np.float32), tr=2.0, participant="1", source="x")], atlas=atlas
    )
    config = SourceConfig(atlas=atlas, reading=ReadingConfig(participant_label=("1",), task_label=("rest",)))
    with pytest.raises(ConfigError, match="choose among them there, not by participant_label, task_label here"):
        find_source(own, config)
