import dataclasses
import json
import os

import numpy as np
import pandas as pd
import pytest
from scripted import TOY, ScriptedSource, noise, scripted, tree

from semantoks.errors import ConfigError, DataError
from semantoks.signals.clean import CleaningConfig, clean
from semantoks.signals.cohort import Cohort
from semantoks.signals.prepare import prepare
from semantoks.signals.quality import GateConfig
from semantoks.storage.durable import TEMPORARY


@pytest.fixture
def folder(tmp_path):
    """Two people, two sessions of the first, one recording that is too short, and a table beside them."""
    path = tmp_path / "arrays"
    path.mkdir()
    for number, name in enumerate(["sub-02_ses-1", "sub-02_ses-2", "sub-010"]):
        np.save(path / f"{name}_task-rest_timeseries.npy", noise(number, 100))
    np.save(path / "sub-03_task-rest_timeseries.npy", noise(3, 6 + 1))
    table = "participant_id\tsite\ttr\tage\nsub-02\tA\t1.5\t30\nsub-010\tB\t2.0\tn/a\nsub-03\tB\t2.0\t50\n"
    (path / "participants.tsv").write_text(table)
    return path


def test_a_folder_becomes_a_cohort_with_the_table_that_lies_in_it(folder, tmp_path):
    cohort = prepare(folder, out=tmp_path / "out", atlas=TOY)
    rows = cohort.recordings
    assert rows["participant_id"].tolist() == ["010", "02", "02"]
    assert rows["session_id"].tolist() == ["", "1", "2"]
    assert rows["site"].tolist() == ["B", "A", "A"]
    assert rows["source_tr"].tolist() == [2.0, 1.5, 1.5]
    assert rows["frames"].tolist() == [100, 75, 75]
    assert rows["source_file"][0] == str(folder / "sub-010_task-rest_timeseries.npy")
    np.testing.assert_array_equal(
        cohort.series(2), clean(noise(1, 100), 1.5, CleaningConfig()).series.astype(np.float16)
    )
    assert cohort.participants["participant_id"].tolist() == ["02", "010", "03"]
    assert cohort.participants["age"].tolist()[::2] == [30, 50]
    assert cohort.excluded["participant_id"].tolist() == ["03"]
    assert cohort.verify() == []


def test_a_table_can_be_given_as_file_or_frame_and_then_counts_instead(folder, tmp_path):
    own = pd.DataFrame({"participant_id": ["sub-02", "sub-010", "sub-03"], "tr": [3.0, 3.0, 3.0]})
    own.to_csv(tmp_path / "own.csv", index=False)
    from_frame = prepare(folder, out=tmp_path / "a", atlas=TOY, participants=own)
    from_file = prepare(folder, out=tmp_path / "b", atlas=TOY, participants=tmp_path / "own.csv")
    assert from_frame.recordings["frames"].tolist() == [150, 150, 150]
    assert tree(from_frame.path) == tree(from_file.path)


def test_the_gates_decide_who_is_kept_and_are_described(folder, tmp_path):
    table = pd.DataFrame({"participant_id": ["02", "010", "03"], "tr": 2.0, "mean_fd": [0.3, 0.4, 0.1]})
    given = {"atlas": TOY, "participants": table}
    strict = prepare(folder, out=tmp_path / "strict", gates=GateConfig(max_fd=0.35, warn_fd=0.1), **given)
    assert strict.excluded["participant_id"].tolist() == ["010", "03"]
    assert (strict.description["MaxMeanFD"], strict.description["WarnMeanFD"]) == (0.35, 0.1)
    assert prepare(folder, out=tmp_path / "usual", **given).excluded["participant_id"].tolist() == ["03"]


def test_the_description_says_what_defines_the_cohort(folder, tmp_path):
    cleaning = CleaningConfig(band=(0.02, 0.08), target_tr=1.0, order=3, min_frames=7)
    description = prepare(folder, out=tmp_path / "out", atlas=TOY, cleaning=cleaning).description
    expected = {
        "DatasetType": "derivative",
        "SchemaVersion": 1,
        "SourceKind": "folder of arrays",
        "SourcePath": str(folder),
        "SourceRepetitionTime": None,
        "Items": 4,
        "Shards": 1,
        "Atlas": "toy",
        "AtlasFingerprint": TOY.fingerprint,
        "RepetitionTime": 1.0,
        "Band": [0.02, 0.08],
        "FilterOrder": 3,
        "AlreadyFiltered": False,
        "MinFrames": 7,
    }
    assert {key: description[key] for key in expected} == expected
    assert description["GeneratedBy"][0]["Name"] == "semantoks"


def test_a_band_that_was_not_applied_is_not_claimed(tmp_path):
    cohort = prepare(scripted(2), out=tmp_path / "out", atlas=TOY, cleaning=CleaningConfig(already_filtered=True))
    assert (cohort.description["Band"], cohort.description["AlreadyFiltered"]) == (None, True)


def test_the_cohort_is_byte_identical_whatever_the_number_of_processes(tmp_path):
    source = scripted(70, zz_bad=noise(1, rois=3))
    alone = prepare(source, out=tmp_path / "one", atlas=TOY)
    together = prepare(source, out=tmp_path / "two", atlas=TOY, n_jobs=2)
    assert len(alone.shards) == 3
    assert tree(alone.path) == tree(together.path)


def test_a_finished_cohort_is_left_alone(folder, tmp_path):
    first = prepare(folder, out=tmp_path / "one", atlas=TOY)
    times = {file: file.stat().st_mtime_ns for file in first.path.rglob("*")}
    assert prepare(folder, out=tmp_path / "one", atlas=TOY).recordings.equals(first.recordings)
    assert {file: file.stat().st_mtime_ns for file in first.path.rglob("*")} == times


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"cleaning": CleaningConfig(band=None)}, r"Band is \[0\.01, 0\.1\] there, None now"),
        ({"cleaning": CleaningConfig(target_tr=1.0)}, r"RepetitionTime is 2\.0 there, 1\.0 now"),
        ({"cleaning": CleaningConfig(min_frames=30)}, "MinFrames is 20 there, 30 now"),
        ({"cleaning": CleaningConfig(order=2)}, "FilterOrder is 5 there, 2 now"),
        ({"atlas": TOY.one_network()}, "Atlas is 'toy' there, 'toy:one' now"),
        ({"source": scripted(3)}, "Items is 2 there, 3 now; the list of recordings or the size of a file differs"),
        (
            {"source": scripted(1, other=noise(1))},
            "differently: the list of recordings or the size of a file differs",
        ),
        (
            {
                "source": ScriptedSource(
                    scripted(2).path, scripted(2).script, pd.DataFrame({"participant_id": ["p000"]})
                )
            },
            r"the participants table differs.*To change phenotypes alone, edit .*participants\.tsv",
        ),
    ],
)
def test_a_folder_with_a_cohort_made_otherwise_is_refused_with_the_difference(tmp_path, changes, named):
    told = {"source": scripted(2), "out": tmp_path / "out", "atlas": TOY}
    prepare(**told)
    before = tree(tmp_path / "out")
    with pytest.raises(ConfigError, match=named):
        prepare(**(told | changes))
    assert tree(tmp_path / "out") == before


def test_a_source_file_of_another_size_is_not_the_same_source_but_a_touched_one_is(folder, tmp_path):
    made = prepare(folder, out=tmp_path / "out", atlas=TOY)
    file = folder / "sub-010_task-rest_timeseries.npy"
    os.utime(file, ns=(1, 1))
    assert prepare(folder, out=tmp_path / "out", atlas=TOY).recordings.equals(made.recordings)
    np.save(file, noise(2, 101))
    with pytest.raises(ConfigError, match="differently: the list of recordings or the size of a file differs"):
        prepare(folder, out=tmp_path / "out", atlas=TOY)


def test_another_version_may_open_a_finished_cohort_but_not_go_on_with_an_unfinished_one(tmp_path):
    out = tmp_path / "out"
    prepare(scripted(2), out=out, atlas=TOY)
    file = out / "dataset_description.json"
    told = json.loads(file.read_text())
    told["GeneratedBy"][0]["Version"] = "0.0.1"
    file.write_text(json.dumps(told))
    (out / "SHA256SUMS").unlink()
    assert len(prepare(scripted(2), out=out, atlas=TOY)) == 2
    (out / "recordings.tsv").unlink()
    with pytest.raises(ConfigError, match=r"GeneratedBy is .*0\.0\.1"):
        prepare(scripted(2), out=out, atlas=TOY)


@pytest.mark.parametrize("content", ["photo.png", "dataset_description.json"])
def test_a_folder_that_holds_something_else_is_refused_and_left_alone(tmp_path, content):
    (tmp_path / content).write_text('{"Name": "my dataset"}')
    (tmp_path / f"{TEMPORARY}1").touch()
    with pytest.raises(ConfigError, match="empty folder"):
        prepare(scripted(2), out=tmp_path, atlas=TOY)
    assert sorted(tree(tmp_path)) == [content]  # what a killed job of ours left is nobody's


def test_a_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "out").touch()
    with pytest.raises(ConfigError, match="is a file"):
        prepare(scripted(2), out=tmp_path / "out", atlas=TOY)


def test_a_cohort_inside_its_own_source_is_refused(folder):
    with pytest.raises(ConfigError, match="is inside the source"):
        prepare(folder, out=folder / "cohort", atlas=TOY)


def test_what_a_kill_left_half_written_is_cleared(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / f"{TEMPORARY}1-x").write_text("half a descr")
    assert sorted(tree(prepare(scripted(1), out=tmp_path / "out", atlas=TOY).path)) == [
        *("SHA256SUMS", "atlas.tsv", "dataset_description.json", "excluded.tsv", "participants.tsv", "quality.tsv"),
        *(
            "recordings.tsv",
            "shards/000001.fd.npy",
            "shards/000001.full.npy",
            "shards/000001.moments.npy",
            "shards/000001.npy",
            "shards/000001.quality.tsv",
        ),
        *("shards/000001.spectra.npy", "shards/000001.tsv"),
    ]


def test_when_nothing_is_left_the_most_common_reasons_are_told(tmp_path):
    source = scripted(0, a=noise(1, 5), b=noise(2, 5), c=noise(3, rois=2))
    with pytest.raises(
        DataError, match=r"none of the 3 .*\(2 x\) too short: 5 frames.*\(1 x\) wrong number.*excluded\.tsv"
    ):
        prepare(source, out=tmp_path / "out", atlas=TOY)


class Twice(ScriptedSource):
    def items(self):
        return super().items() * 2


@pytest.mark.parametrize(
    ("source", "message"), [(scripted(0), "has no recordings"), (Twice(scripted(1).path, scripted(1).script), "p000")]
)
def test_an_empty_work_list_or_a_repeated_recording_is_refused(tmp_path, source, message):
    with pytest.raises(DataError, match=message):
        prepare(source, out=tmp_path / "out", atlas=TOY)


class Rows(ScriptedSource):
    def items(self):
        return [dataclasses.replace(item, path=self.path, row=int(item.key)) for item in super().items()]


def test_rows_of_one_file_keep_their_order(tmp_path):
    source = Rows(tmp_path / "a.h5", {str(row): noise(row) for row in (10, 9, 2, 11)})
    assert prepare(source, out=tmp_path / "out", atlas=TOY).recordings["recording_id"].tolist() == [
        "2",
        "9",
        "10",
        "11",
    ]


@pytest.mark.parametrize("settings", [{"n_jobs": 0}, {"tr": 2.0}, {"participants": "people.tsv"}])
def test_settings_that_cannot_be_followed_are_refused(tmp_path, settings):
    with pytest.raises(ConfigError):
        prepare(scripted(2), out=tmp_path / "out", atlas=TOY, **settings)


def test_names_with_control_characters_or_not_in_utf8_are_escaped_and_nothing_is_lost(tmp_path):
    folder = tmp_path / "arrays"
    folder.mkdir()
    for number, name in enumerate(
        [b"sub-a\rb.npy", b"sub-a\tb.npy", b"sub-\xff.npy", b"sub-\xfe.npy", b"sub-n\nl.npy"]
    ):
        with open(os.fsencode(folder) + b"/" + name, "wb") as file:
            np.save(file, noise(number, 5 if b"\xfe" in name else 60))
    cohort = prepare(folder, out=tmp_path / "out", atlas=TOY, tr=2.0)
    people = ["a\tb", "a\\rb", "n\nl", "\\udcff"]
    assert sorted(cohort.recordings["participant_id"]) == sorted(people)
    assert sorted(cohort.participants["participant_id"]) == sorted([*people, "\\udcfe"])
    assert cohort.excluded["recording_id"].tolist() == ["sub-\\udcfe.npy"]
    assert cohort.verify() == []
    times = {file: file.stat().st_mtime_ns for file in (cohort.path / "shards").iterdir()}
    (cohort.path / "recordings.tsv").unlink()
    assert len(prepare(folder, out=tmp_path / "out", atlas=TOY, tr=2.0)) == 4
    assert {file: file.stat().st_mtime_ns for file in (cohort.path / "shards").iterdir()} == times


def test_a_participant_may_be_called_na_and_one_without_an_id_is_listed(tmp_path):
    source = ScriptedSource(tmp_path, {"NA": noise(1), "nan": noise(2), "n/a": noise(3), "": noise(4)})
    cohort = prepare(source, out=tmp_path / "out", atlas=TOY)
    assert cohort.recordings["participant_id"].tolist() == ["NA", "nan"]
    assert cohort.participants["participant_id"].tolist() == ["NA", "n/a", "nan"]
    assert [reason.partition("id is ")[2] for reason in cohort.excluded["reason"]] == [
        *("empty: give it one.", "n/a: give it one.")
    ]
    assert Cohort(cohort.path).verify() == []


@pytest.mark.parametrize("name", ["a" * 5000 + ".npy", "a\0b.npy"])
def test_a_file_name_that_no_file_can_have_excludes_that_row_alone(folder, tmp_path, name):
    table = pd.DataFrame({"participant_id": ["02", "evil"], "filename": ["sub-010_task-rest_timeseries.npy", name]})
    cohort = prepare(folder, out=tmp_path / "out", atlas=TOY, tr=2.0, participants=table)
    assert cohort.recordings["participant_id"].tolist() == ["02", "02", "02"]
    assert cohort.excluded["participant_id"].tolist() == ["evil", "03"]
