"""XCP-D's folders of all versions: read right, or refused with what to do."""

import json
import shutil

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from tiny_xcpd import ATLAS, files, made, opened, read

from semantoks.errors import ConfigError, DataError
from semantoks.signals.files.text_table import read_header
from semantoks.signals.prepare import prepare
from semantoks.signals.sources import xcpd
from semantoks.signals.sources.memory import MemorySource
from semantoks.simulation.derivatives import write_json, write_table, write_xcpd

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("version", ["0.6.4", "0.7.4", "0.9.1", "0.14.1", "26.0.0", "26.1.1"])
def test_every_version_gives_the_recordings_that_were_written(tmp_path, version):
    fd = np.r_[np.nan, np.linspace(0.05, 0.2, 159)]
    given = [
        made("01", session="a", run="1", fd=fd),
        made("01", seed=1, session="a", run="2"),
        made("02", seed=2, session="b"),
    ]
    write_xcpd(given, tmp_path / "xcp_d", ATLAS, version=version)
    source = opened(tmp_path / "xcp_d")
    assert source.kind == f"XCP-D {version}"
    said, left_over = source.notes()
    assert said == "atlases 4S456Parcels + Tian"
    assert left_over.startswith(f"4S456Parcels: 56 of its 456 columns are not ROIs of {ATLAS.name} and are left out")
    found = [source.read(item) for item in source.items()]
    assert [item.key for item in source.items()][:2] == [f"sub-01_ses-a_task-rest_run-{run}" for run in "12"]
    for one, expected in zip(found, given, strict=True):
        np.testing.assert_array_equal(one.series, expected.series)
        assert (one.participant, one.session, one.run, one.tr) == (
            expected.participant,
            expected.session,
            expected.run,
            0.8,
        )
        assert one.tr_from.endswith("desc-denoised_bold.json")
    assert found[0].mean_fd == pytest.approx(np.nanmean(fd))
    assert np.isnan(found[1].mean_fd)


def test_the_round_trip_to_a_cohort_equals_the_direct_cohort_to_the_bit(tmp_path):
    good = np.ones(160, dtype=bool)
    good[40:44] = False
    given = [made("01", good=good, fd=np.linspace(0, 0.4, 160)), made("02", seed=1)]
    write_xcpd(given, tmp_path / "xcp_d", ATLAS)
    direct = prepare(MemorySource(given, atlas=ATLAS), out=tmp_path / "direct", atlas=ATLAS)
    read_again = prepare(tmp_path / "xcp_d", out=tmp_path / "again", atlas=ATLAS)
    for index in range(2):
        np.testing.assert_array_equal(direct.series(index), read_again.series(index))
    for column in ("good_frames", "bad_frames", "missing_rois", "mean_fd"):
        pd.testing.assert_series_equal(direct.recordings[column], read_again.recordings[column])
    assert read_again.quality["coverage_Cerebellar"].tolist() == [0, 0]


# Trap 1, 2: the repetition time
def test_the_text_tr_of_the_sidecar_is_never_taken_for_a_number(tmp_path):
    write_xcpd([made()], tmp_path, ATLAS)
    (denoised,) = files(tmp_path, "*denoised_bold.json")
    denoised.unlink()
    source = opened(tmp_path)
    with pytest.raises(
        DataError, match=r"no repetition time for sub-01_task-rest: .*is the text \"TR\".*looked at .*pass --tr"
    ):
        source.read(source.items()[0])
    assert read(tmp_path, tr=0.8)[0].tr_from == "--tr"
    table = pd.DataFrame({"participant_id": ["01"], "tr": [0.8]})
    assert read(tmp_path, table=table)[0].tr_from == "the participants table"


def test_the_repetition_time_of_a_ptseries_is_the_next_best(tmp_path):
    write_xcpd([made()], tmp_path, ATLAS)
    (denoised,) = files(tmp_path, "*denoised_bold.json")
    denoised.unlink()
    series = nib.cifti2.cifti2_axes.SeriesAxis(0, 800, 3, unit="SECOND")
    parcels = nib.cifti2.cifti2_axes.ScalarAxis(["a"])
    image = nib.Cifti2Image(np.zeros((3, 1), np.float32), (nib.cifti2.cifti2_axes.SeriesAxis(0, 0.8, 3), parcels))
    assert series.step == 800
    name = denoised.name.replace("desc-denoised_bold.json", "atlas-Tian_den-91k_stat-mean_timeseries.ptseries.nii")
    nib.save(image, denoised.with_name(name))
    assert (read(tmp_path)[0].tr, read(tmp_path)[0].tr_from) == (pytest.approx(0.8), name)


def test_an_option_that_contradicts_the_file_is_refused(tmp_path):
    write_xcpd([made()], tmp_path, ATLAS)
    source = opened(tmp_path, tr=2.0)
    with pytest.raises(DataError, match=r"--tr says 2 s, but .*denoised_bold\.json says 0\.8 s"):
        source.read(source.items()[0])


# Trap 9: censored frames
def test_censored_series_are_put_back_onto_the_frames_of_the_scan(tmp_path):
    good = np.ones(160, dtype=bool)
    good[[0, 50, 51, 159]] = False
    given = made("01", good=good, fd=np.linspace(0, 0.4, 160))
    for name, censored in (("interpolated", False), ("censored", True)):
        write_xcpd([given], tmp_path / name, ATLAS, censored=censored)
        (found,) = read(tmp_path / name)
        assert found.good.tolist() == good.tolist()
        np.testing.assert_array_equal(found.series[good], given.series[good])
        assert np.isnan(found.series[~good]).all() == censored
        assert len(found.fd) == 160
    a, b = (prepare(tmp_path / name, out=tmp_path / f"c {name}", atlas=ATLAS) for name in ("interpolated", "censored"))
    np.testing.assert_array_equal(a.series(0), b.series(0))
    assert a.recordings["good_frames"].item() == b.recordings["good_frames"].item() < 64


def test_a_series_that_is_neither_whole_nor_censored_is_refused(tmp_path):
    good = np.ones(160, dtype=bool)
    good[3] = False
    write_xcpd([made(good=good)], tmp_path, ATLAS, censored=True)
    (path,) = files(tmp_path, "*outliers.tsv")
    write_table(path, ["framewise_displacement"], np.zeros((150, 1)))
    source = opened(tmp_path)
    with pytest.raises(DataError, match=r"has 150 frames, 150 of them not censored, but the time series has 159"):
        source.read(source.items()[0])
    write_table(path, ["framewise_displacement"], np.full((160, 1), 0.5))
    with pytest.raises(DataError, match="of 0 and 1"):
        source.read(source.items()[0])


# Concatenated runs, hashes, old versions
def test_runs_go_before_their_concatenation(tmp_path):
    write_xcpd([made(run="1"), made(run="2", seed=1), made("02", seed=3)], tmp_path, ATLAS)
    for path in files(tmp_path, "sub-01*run-1*"):
        shutil.copy(path, path.with_name(path.name.replace("_run-1", "")))
    source = opened(tmp_path)
    assert [item.key for item in source.items()] == [
        "sub-01_task-rest_run-1",
        "sub-01_task-rest_run-2",
        "sub-02_task-rest",
    ]
    assert "2 concatenated files left out" in source.notes()[2]


def test_a_concatenation_whose_name_lacks_run_and_direction_is_left_out(tmp_path):
    write_xcpd([made(run="1"), made(run="2", seed=1)], tmp_path, ATLAS)
    for path in files(tmp_path, "sub-01*run-*"):
        path.rename(path.with_name(path.name.replace("_run-1", "_dir-AP_run-1").replace("_run-2", "_dir-PA_run-1")))
    for path in files(tmp_path, "sub-01*dir-AP*"):
        shutil.copy(path, path.with_name(path.name.replace("_dir-AP_run-1", "")))
    source = opened(tmp_path)
    assert [(item.key, item.run) for item in source.items()] == [
        ("sub-01_task-rest_dir-AP_run-1", "AP1"),
        ("sub-01_task-rest_dir-PA_run-1", "PA1"),
    ]
    assert "2 concatenated files left out" in " ".join(source.notes())


def test_processings_of_a_run_are_asked_about_and_each_has_its_own_motion(tmp_path):
    for seed, proc in enumerate(("optcom", "meica")):
        given = made(seed=seed, fd=np.full(160, 0.1 + seed))
        write_xcpd([given], tmp_path / proc, ATLAS)
        for path in files(tmp_path / proc, "sub-01_task-rest_*"):
            new = tmp_path / "all" / path.name.replace("task-rest", f"task-rest_proc-{proc}")
            new.parent.mkdir(exist_ok=True)
            shutil.copy(path, new)
    with pytest.raises(ConfigError, match=r"proc-meica or proc-optcom\. .*--variant proc-meica\."):
        opened(tmp_path / "all")
    for seed, proc in enumerate(("optcom", "meica")):
        (found,) = read(tmp_path / "all", variant=f"proc-{proc}")
        np.testing.assert_array_equal(found.series[:, :450], made(seed=seed).series[:, :450])
        assert np.nanmax(found.fd) == pytest.approx(0.1 + seed)


def test_series_of_seg_and_of_atlas_names_beside_each_other_are_asked_about(tmp_path):
    write_xcpd([made()], tmp_path, ATLAS)
    for path in files(tmp_path, "*_atlas-*") or files(tmp_path, "*_seg-*"):
        swapped = path.name.replace("_atlas-", "_SEG-").replace("_seg-", "_atlas-").replace("_SEG-", "_seg-")
        shutil.copy(path, path.with_name(swapped))
    with pytest.raises(ConfigError, match=r"several versions of a run, .*: atlas or seg\..*--variant atlas\."):
        opened(tmp_path)
    assert len(read(tmp_path, variant="seg")) == 1


@pytest.mark.parametrize("version", ["0.7.1", "0.7.2", "0.7.3"])
def test_the_versions_that_ignored_the_band_are_warned_about(tmp_path, version):
    write_xcpd([made()], tmp_path, ATLAS, version=version)
    assert opened(tmp_path).notes()[-1] == (
        f"XCP-D {version} ignored --lower-bpf and --upper-bpf (fixed in 0.7.4): data are 0.01 to 0.1 Hz"
    )


def test_data_that_the_sidecar_calls_filtered_are_not_filtered_again(tmp_path):
    given = made(band=(0.01, 0.08))
    write_xcpd([given], tmp_path / "x", ATLAS)
    (found,) = read(tmp_path / "x")
    assert found.band == (0.01, 0.08)
    filtered = prepare(tmp_path / "x", out=tmp_path / "a", atlas=ATLAS)
    for path in files(tmp_path / "x", "*denoised_bold.json"):
        write_json(path, {"RepetitionTime": 0.8})
    again = prepare(tmp_path / "x", out=tmp_path / "b", atlas=ATLAS)
    assert np.abs(filtered.series(0).astype(float) - again.series(0)).max() > 0.5


# Which runs
def test_rest_is_read_unless_another_task_is_asked_for(tmp_path):
    write_xcpd([made()], tmp_path, ATLAS)
    for path in files(tmp_path, "*task-rest*"):
        shutil.copy(path, path.with_name(path.name.replace("task-rest", "task-nback")))
    assert [one.run for one in read(tmp_path)] == [""]
    assert [item.key for item in opened(tmp_path, task_label=("nback",)).items()] == ["sub-01_task-nback"]
    assert [one.run for one in read(tmp_path, task_label=("nback", "rest"))] == ["nback", "rest"]
    with pytest.raises(ConfigError, match="has no task-stroop; it has nback, rest"):
        opened(tmp_path, task_label=("stroop",))


def test_two_spaces_are_asked_about(tmp_path):
    write_xcpd([made()], tmp_path, ATLAS)
    for path in files(tmp_path, "*space-*"):
        shutil.copy(path, path.with_name(path.name.replace("MNI152NLin2009cAsym", "fsLR")))
    with pytest.raises(ConfigError, match=r"several spaces \(MNI152NLin2009cAsym, fsLR\): choose one with --space"):
        opened(tmp_path)
    assert len(read(tmp_path, space="fsLR")) == 1


def test_participants_and_sessions_are_chosen_with_or_without_prefix(tmp_path):
    write_xcpd([made("01", session="a"), made("02", session="b")], tmp_path, ATLAS)
    assert [one.participant for one in read(tmp_path, participant_label=("sub-02",))] == ["02"]
    assert [one.participant for one in read(tmp_path, session_label=("a",))] == ["01"]
    with pytest.raises(ConfigError, match="has no sub-09; it has 01, 02"):
        opened(tmp_path, participant_label=("09",))


def test_ids_with_leading_zeros_stay_text(tmp_path):
    write_xcpd([made("0050642")], tmp_path, ATLAS)
    table = pd.DataFrame({"participant_id": ["0050642"], "site": ["x"]})
    (found,) = read(tmp_path, table=table)
    assert (found.participant, found.site) == ("0050642", "x")


def test_letters_of_other_scripts_in_an_id_lose_nobody(tmp_path):
    write_xcpd([made("Zoë"), made("01", seed=1)], tmp_path, ATLAS)
    assert [found.participant for found in read(tmp_path)] == ["01", "Zoë"]


# Damaged files
def test_one_damaged_run_is_listed_and_the_others_are_prepared(tmp_path):
    write_xcpd([made(f"0{i}", seed=i) for i in range(1, 6)], tmp_path / "x", ATLAS)
    paths = files(tmp_path / "x", "*4S456Parcels*.tsv")
    paths[0].write_bytes(paths[0].read_bytes()[:-9000])
    paths[1].write_bytes(b"\xff\xfe\x00garbage")
    paths[2].write_text("")
    paths[3].write_text(paths[3].read_text().replace("5", "x", 40))
    cohort = prepare(tmp_path / "x", out=tmp_path / "c", atlas=ATLAS)
    assert cohort.recordings["participant_id"].tolist() == ["05"]
    reasons = cohort.excluded.set_index("participant_id")["reason"]
    assert sorted(reasons.index) == ["01", "02", "03", "04"]
    assert all("4S456Parcels" in reason for reason in reasons)


DAMAGES = {
    "empty": (b"", "is empty: copy or make it again"),
    "a page of a browser": (b"<!DOCTYPE html>\n<html>\n</html>\n", "not a table of numbers below a header of labels"),
    "UTF-16": ("LH_Vis_1\tLH_Vis_2\n1\t2\n".encode("utf-16"), "cannot be read as text in UTF-8"),
    "labels of another atlas": (b"Left_A\tRight_A\n1\t2\n", "has none of the labels that other runs have"),
    "not fetched": (None, r"is a link to a file that is not here \(datalad get"),
}


def _damage(path, content):
    path.unlink()
    if content is None:
        path.symlink_to(".git/annex/objects/MD5E-s1.tsv")
    else:
        path.write_bytes(content)


@pytest.mark.parametrize("atlas", ["4S456Parcels", "Tian"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_the_first_person_s_damaged_file_costs_nobody_else_an_atlas(tmp_path, damage, atlas):
    given = [made(f"0{i}", seed=i) for i in range(1, 4)]
    write_xcpd(given, tmp_path, ATLAS)
    content, reason = DAMAGES[damage]
    _damage(files(tmp_path, f"sub-01*{atlas}*.tsv")[0], content)
    source = opened(tmp_path)
    assert source.notes()[0] == "atlases 4S456Parcels + Tian"
    first, *others = source.items()
    with pytest.raises(DataError, match=reason) as error:
        source.read(first)
    assert atlas in str(error.value)
    for item, expected in zip(others, given[1:], strict=True):
        np.testing.assert_array_equal(source.read(item).series, expected.series)


def test_an_atlas_of_which_no_file_can_be_read_is_said_not_to_be_used(tmp_path):
    write_xcpd([made("01"), made("02", seed=1)], tmp_path, ATLAS)
    for path in files(tmp_path, "*Tian*.tsv"):
        _damage(path, None)
    assert "not used, none of its files can be read: Tian (" in opened(tmp_path).notes()[1]
    for path in files(tmp_path, "*4S456Parcels*.tsv"):
        _damage(path, b"")
    with pytest.raises(DataError, match=r"no time series of XCP-D can be read\. .*is empty"):
        opened(tmp_path)


def test_few_files_of_a_foreign_atlas_are_looked_into(tmp_path, monkeypatch):
    write_xcpd([made(f"0{i}", seed=i) for i in range(1, 7)], tmp_path, ATLAS)
    for path in files(tmp_path, "*Tian*.tsv"):
        _damage(path, b"Left_A\tRight_A\n1\t2\n")
    looked = []
    monkeypatch.setattr(xcpd, "read_header", lambda path: looked.append(path) or read_header(path))
    assert opened(tmp_path).notes()[1].endswith(": Tian")
    assert len(looked) == 3 + 1


@pytest.mark.parametrize("stated", ["0.8", [0.8]])
def test_a_repetition_time_that_r_or_others_wrote_as_text_or_a_list_is_that_number(tmp_path, stated):
    write_xcpd([made()], tmp_path, ATLAS)
    (path,) = files(tmp_path, "*denoised_bold.json")
    write_json(path, {"RepetitionTime": stated})
    assert read(tmp_path)[0].tr == 0.8
    write_json(path, {"RepetitionTime": 800})
    with pytest.raises(
        DataError, match=rf"RepetitionTime of {path.name} is 800, not 0\.3 to 6 s\. Write seconds there"
    ):
        read(tmp_path, tr=0.8)


def test_a_sidecar_that_is_no_json_is_a_reason_and_no_crash(tmp_path):
    write_xcpd([made()], tmp_path, ATLAS)
    (path,) = files(tmp_path, "*denoised_bold.json")
    for text in ("{", "[1]", json.dumps({"RepetitionTime": "two"}), json.dumps({"RepetitionTime": True})):
        path.write_text(text)
        source = opened(tmp_path)
        with pytest.raises(DataError, match=r"JSON|no repetition time"):
            source.read(source.items()[0])


def test_a_folder_without_time_series_says_so(tmp_path):
    write_json(tmp_path / "dataset_description.json", {"GeneratedBy": [{"Name": "xcp_d", "Version": "26.1.1"}]})
    with pytest.raises(DataError, match="no time series of XCP-D"):
        opened(tmp_path)


def test_a_run_of_which_every_frame_was_censored_says_so(tmp_path):
    write_xcpd([made("01"), made("02", seed=1)], tmp_path, ATLAS)
    for path in files(tmp_path, "sub-02*timeseries.tsv"):
        path.write_text(path.read_text().partition("\n")[0] + "\n")
    source = opened(tmp_path)
    with pytest.raises(DataError, match=r"has a header and no frames\. If it was censored, no frame was left"):
        source.read(source.items()[1])


def test_files_of_a_version_before_0_3_are_named_for_what_they_are(tmp_path):
    name = "sub-01_task-rest_space-MNI_atlas-Gordon_desc-timeseries_bold.tsv"
    (tmp_path / "dataset_description.json").write_text('{"GeneratedBy": [{"Name": "xcp_d", "Version": "0.2.0"}]}')
    (tmp_path / name).write_text("1\t2\n")
    with pytest.raises(DataError, match=r"its 1 file \.\.\._desc-timeseries_\.\.\. is of a version before 0\.3"):
        opened(tmp_path)
