import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from semantoks.atlas.atlas import Atlas
from semantoks.errors import DataError, UnknownTRError
from semantoks.signals.recording import Recording
from semantoks.signals.sources import open_source

NAME = "sub-01_task-rest_run-1_desc-clean_timeseries"
FUNC = "sub-01/func/"
ReadAll = Callable[..., list[Recording]]


def put(root: Path, series: np.ndarray, sidecars: dict[str, dict], name: str = f"{FUNC}{NAME}.npy") -> Path:
    for path, content in {name: None, **sidecars}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            np.save(root / path, series)
        else:
            (root / path).write_text(json.dumps(content))
    return root


@pytest.mark.parametrize(
    "sidecar",
    [
        f"{FUNC}{NAME}.json",
        f"{FUNC}sub-01_task-rest_run-1_bold.json",
        f"{FUNC}sub-01_task-rest_run-1_space-MNI_desc-preproc_bold.json",
        "sub-01/sub-01_task-rest_bold.json",
        "task-rest_bold.json",
        "task-rest_timeseries.json",
        "bold.json",
    ],
)
def test_a_repetition_time_beside_or_above_a_time_series_is_read(
    tmp_path: Path, series: np.ndarray, read_all: ReadAll, sidecar: str
) -> None:
    (recording,) = read_all(put(tmp_path, series, {sidecar: {"RepetitionTime": 0.8}}), tr=None)
    assert recording.tr == 0.8
    assert recording.tr_from == f"RepetitionTime of {Path(sidecar).name}"


@pytest.mark.parametrize(
    "sidecar",
    [
        f"{FUNC}sub-01_task-movie_run-1_bold.json",
        f"{FUNC}sub-01_task-rest_run-2_bold.json",
        "sub-02_bold.json",
        f"{FUNC}sub-01_task-rest_run-1_events.json",
        "sub-02/func/task-rest_bold.json",
    ],
)
def test_a_sidecar_of_another_run_or_of_something_else_says_nothing(
    tmp_path: Path, series: np.ndarray, atlas: Atlas, sidecar: str
) -> None:
    with pytest.raises(UnknownTRError, match="no repetition time"):
        open_source(put(tmp_path, series, {sidecar: {"RepetitionTime": 0.8}}), atlas=atlas, tr=None, participants=None)


def test_the_nearest_sidecar_counts(tmp_path: Path, series: np.ndarray, read_all: ReadAll) -> None:
    sidecars = {"task-rest_bold.json": {"RepetitionTime": 2.5}, f"{FUNC}{NAME}.json": {"RepetitionTime": 0.8}}
    (recording,) = read_all(put(tmp_path, series, sidecars), tr=None)
    assert recording.tr == 0.8


def test_sidecars_in_one_folder_that_disagree_are_refused(
    tmp_path: Path, series: np.ndarray, read_all: ReadAll
) -> None:
    sidecars = {
        f"{FUNC}sub-01_task-rest_bold.json": {"RepetitionTime": 2.5},
        f"{FUNC}{NAME}.json": {"RepetitionTime": 0.8},
    }
    with pytest.raises(DataError, match=r"says a repetition time of 0\.8 s, but .*rest_bold\.json says 2\.5 s"):
        read_all(put(tmp_path, series, sidecars), tr=None)


def test_a_repetition_time_against_the_sidecar_is_refused_and_the_remedy_works(
    tmp_path: Path, series: np.ndarray, read_all: ReadAll
) -> None:
    put(tmp_path, series, {f"{FUNC}{NAME}.json": {"RepetitionTime": 0.8}})
    with pytest.raises(DataError, match=r"--tr says 3 s, but RepetitionTime of .* says 0\.8 s .*correct the wrong one"):
        read_all(tmp_path, tr=3.0)
    assert read_all(tmp_path, tr=0.8)[0].tr == 0.8
    assert read_all(tmp_path, tr=None)[0].tr == 0.8


@pytest.mark.parametrize(
    ("stated", "reason"),
    [
        (
            800,
            f"RepetitionTime of {NAME}.json is 800, not 0.3 to 6 s. Write seconds there, or remove the field and pass",
        ),
        ("800", f"RepetitionTime of {NAME}.json is '800', not 0.3 to 6 s"),
        (0, "is 0, not 0.3 to 6 s"),
        ("0.8 s", f"no RepetitionTime in {NAME}.json that is a number (it is '0.8 s')"),
        ([0.8, 0.8], "that is a number (it is [0.8, 0.8])"),
        (True, "that is a number (it is True)"),
        (float("inf"), "that is a number (it is inf)"),
    ],
)
@pytest.mark.parametrize("tr", [None, 0.8])
def test_what_can_be_no_repetition_time_is_refused_with_its_place_and_the_remedies_work(
    tmp_path: Path, series: np.ndarray, read_all: ReadAll, stated: object, reason: str, tr: float | None
) -> None:
    put(tmp_path, series, {f"{FUNC}{NAME}.json": {"RepetitionTime": stated}, "bold.json": {"RepetitionTime": 0.8}})
    with pytest.raises(DataError, match=re.escape(reason)):
        read_all(tmp_path, tr=tr)
    put(tmp_path, series, {f"{FUNC}{NAME}.json": {"RepetitionTime": 0.8}})
    assert read_all(tmp_path, tr=tr)[0].tr == 0.8
    put(tmp_path, series, {f"{FUNC}{NAME}.json": {}, "bold.json": {}})
    assert read_all(tmp_path, tr=0.8)[0].tr == 0.8


@pytest.mark.parametrize("stated", [2, 2.0, "2.0", " 2 ", "2e0", [2.0], ["2"]])
def test_text_and_a_list_of_one_that_are_a_number_are_that_number(
    tmp_path: Path, series: np.ndarray, read_all: ReadAll, stated: object
) -> None:
    put(tmp_path, series, {f"{FUNC}{NAME}.json": {"RepetitionTime": stated}})
    assert read_all(tmp_path, tr=None)[0].tr == 2.0
    with pytest.raises(DataError, match=r"--tr says 3 s, but RepetitionTime of .* says 2 s"):
        read_all(tmp_path, tr=3.0)


@pytest.mark.parametrize("stated", [None, "n/a", "NA", "", [], [None], float("nan")])
def test_a_repetition_time_that_is_said_to_be_unknown_is_none(
    tmp_path: Path, series: np.ndarray, atlas: Atlas, read_all: ReadAll, stated: object
) -> None:
    put(tmp_path, series, {f"{FUNC}{NAME}.json": {"RepetitionTime": stated}})
    with pytest.raises(UnknownTRError):
        open_source(tmp_path, atlas=atlas, tr=None, participants=None)
    assert read_all(tmp_path, tr=0.8)[0].tr == 0.8


@pytest.mark.parametrize("rate", [0.5, "0.5", [2]])
def test_a_sampling_frequency_alone_is_not_read_and_must_not_be_contradicted(
    tmp_path: Path, series: np.ndarray, read_all: ReadAll, rate: object
) -> None:
    put(tmp_path, series, {f"{FUNC}{NAME}.json": {"SamplingFrequency": rate}})
    with pytest.raises(
        DataError, match=r"no RepetitionTime in .* \(its SamplingFrequency, \S+, is not read: some tools"
    ):
        read_all(tmp_path, tr=None)
    with pytest.raises(DataError, match=r"--tr says 3 s for participant 01, and a sidecar \S+ or \S+ s: no Repet"):
        read_all(tmp_path, tr=3.0)
    assert [read_all(tmp_path, tr=tr)[0].tr for tr in (2.0, 0.5)] == [2.0, 0.5]


def test_a_sidecar_that_was_not_fetched_is_the_reason(tmp_path: Path, series: np.ndarray, read_all: ReadAll) -> None:
    put(tmp_path, series, {})
    (tmp_path / "task-rest_bold.json").symlink_to(".git/annex/objects/MD5E-s1.json")
    with pytest.raises(DataError, match=r"task-rest_bold\.json is a link to a file that is not here \(datalad get"):
        read_all(tmp_path)


def test_filters_that_the_sidecar_states_are_read(tmp_path: Path, series: np.ndarray, read_all: ReadAll) -> None:
    filters = {"Bandpass": {"LowPassCutoff": 0.08, "HighPassCutoff": 0.01}}
    (recording,) = read_all(put(tmp_path, series, {f"{FUNC}{NAME}.json": {"SoftwareFilters": filters}}))
    assert recording.band == (0.01, 0.08)
    other = {"desc-other_timeseries.json": {"SoftwareFilters": filters}}
    assert read_all(put(tmp_path / "b", series, other))[0].band is None
    inherited = {"desc-clean_timeseries.json": {"SoftwareFilters": filters}}
    assert read_all(put(tmp_path / "c", series, inherited))[0].band == (0.01, 0.08)


@pytest.mark.parametrize("name", ["s1.csv", "s1.csv.gz", "ROISignals_s1.txt", "s1_rois_five.1D"])
def test_a_file_of_any_name_has_its_own_sidecar(
    tmp_path: Path, series: np.ndarray, read_all: ReadAll, name: str
) -> None:
    np.savetxt(tmp_path / name, series, delimiter="\t")
    (tmp_path / f"{name.partition('.')[0]}.json").write_text('{"RepetitionTime": 1.5}')
    assert read_all(tmp_path, tr=None)[0].tr == 1.5
    with pytest.raises(DataError, match=r"--tr says 2 s"):
        read_all(tmp_path, tr=2.0)


def test_a_list_of_files_reads_their_sidecars_and_must_not_contradict_them(
    tmp_path: Path, series: np.ndarray, read_all: ReadAll
) -> None:
    put(tmp_path, series, {"task-rest_bold.json": {"RepetitionTime": 0.8}})
    (tmp_path / "list.tsv").write_text(f"path\tparticipant_id\n{FUNC}{NAME}.npy\t01\n")
    assert read_all(tmp_path / "list.tsv", tr=None)[0].tr == 0.8
    (tmp_path / "list.tsv").write_text(f"path\tparticipant_id\ttr\n{FUNC}{NAME}.npy\t01\t2\n")
    with pytest.raises(DataError, match=r"line 2 says a repetition time of 2 s, but .*rest_bold\.json says 0\.8 s"):
        read_all(tmp_path / "list.tsv", tr=None)


def test_a_damaged_sidecar_is_the_reason(tmp_path: Path, series: np.ndarray, read_all: ReadAll) -> None:
    put(tmp_path, series, {})
    (tmp_path / f"{FUNC}{NAME}.json").write_text("{")
    with pytest.raises(DataError, match=r"timeseries\.json cannot be read as JSON"):
        read_all(tmp_path)
