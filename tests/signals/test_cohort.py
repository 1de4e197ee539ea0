import json
import pickle
import re
import shutil

import numpy as np
import pandas as pd
import pytest
from scripted import ROIS, TOY, ScriptedSource, noise, scripted

from semantoks.errors import DataError
from semantoks.signals.clean import CleaningConfig, band_pass, clean
from semantoks.signals.cohort import Cohort, checksum
from semantoks.signals.prepare import prepare


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    out = tmp_path_factory.mktemp("cohort") / "cohort"
    holes = noise(98)
    holes[:, [1, 4]] = np.nan
    prepare(scripted(40, q_holes=holes, r_short=noise(99, 5)), out=out, atlas=TOY)
    return out


@pytest.fixture
def cohort_folder(made, tmp_path):
    return shutil.copytree(made, tmp_path / "cohort")


def edit_description(folder, **changes):
    file = folder / "dataset_description.json"
    told = json.loads(file.read_text()) | changes
    file.write_text(json.dumps({key: value for key, value in told.items() if value != "gone"}))


def test_a_cohort_gives_back_what_cleaning_made_as_views_into_the_memory_map(made):
    cohort = Cohort(made)
    assert len(cohort) == 41
    for index in (0, 31, 32, 39):
        expected = clean(noise(index, 40 + index % 7), 2.0, CleaningConfig()).series
        np.testing.assert_array_equal(cohort.series(index), expected.astype(np.float16))
        shard = cohort.shards[cohort.recordings["shard"][index] - 1]
        assert isinstance(shard, np.memmap)
        assert np.shares_memory(cohort.series(index), shard)
    assert [len(shard) for shard in cohort.shards] == cohort.recordings.groupby("shard")["frames"].sum().tolist()


def test_a_process_that_gets_a_cohort_gets_no_signals_and_maps_them_itself(made):
    cohort = Cohort(made)
    cohort.check_signals()
    again = pickle.loads(pickle.dumps(cohort))
    assert "shards" in vars(cohort)
    assert "shards" not in vars(again)
    assert isinstance(again.shards[0], np.memmap)
    np.testing.assert_array_equal(again.series(31), cohort.series(31))


def test_the_tables_have_their_types_and_empty_cells_are_empty_in_memory_and_na_on_disk(made):
    cohort = Cohort(made)
    row = cohort.recordings.iloc[40]
    assert (row["recording_id"], row["participant_id"], row["session_id"], row["site"]) == ("q_holes", "q", "", "")
    assert (row["frames"], row["good_frames"], row["source_tr"], row["mean_fd"]) == (60, 60, 2.0, 0.25)
    assert (row["shard"], row["missing_rois"]) == (2, "1,4")
    assert cohort.recordings["offset"].dtype == np.int64
    assert (made / "recordings.tsv").read_text().splitlines()[1].split("\t")[2:5] == ["n/a"] * 3
    assert cohort.excluded.columns.tolist() == [
        *("recording_id", "participant_id", "session_id", "run", "source_file", "reason")
    ]
    assert cohort.excluded["reason"].tolist() == [
        "too short: 5 frames of 2 s, but at least 20 (20 frames of 2 s) are needed."
    ]


def test_missing_rois_are_marked_and_zero(made):
    cohort = Cohort(made)
    assert cohort.missing.shape == (41, ROIS)
    assert np.argwhere(cohort.missing).tolist() == [[40, 1], [40, 4]]
    np.testing.assert_array_equal(cohort.series(40)[:, [1, 4]], 0)


def test_moments_come_back_by_recording_nan_where_missing(made):
    moments = Cohort(made).moments
    assert moments.shape == (41, 2, ROIS)
    assert np.argwhere(np.isnan(moments)).tolist() == [[40, 0, 1], [40, 0, 4], [40, 1, 1], [40, 1, 4]]
    for index in (0, 31, 32, 39):
        raw = noise(index, 40 + index % 7).astype(float)
        np.testing.assert_allclose(moments[index, 0], raw.mean(axis=0), rtol=1e-6)
        spread = band_pass(raw, 2.0, CleaningConfig().band).std(axis=0)
        np.testing.assert_allclose(moments[index, 1], spread, rtol=1e-5)


def test_moments_follow_a_table_that_was_sorted_otherwise(cohort_folder):
    whole = Cohort(cohort_folder).moments
    file = cohort_folder / "recordings.tsv"
    pd.read_csv(file, sep="\t", dtype=str, keep_default_na=False)[::-1].to_csv(file, sep="\t", index=False)
    (cohort_folder / "SHA256SUMS").unlink()
    np.testing.assert_array_equal(Cohort(cohort_folder).moments, whole[::-1])


def test_a_cohort_from_before_there_were_moments_opens_verifies_and_has_none(cohort_folder):
    for table in ["recordings.tsv", "shards/000001.tsv", "shards/000002.tsv"]:
        rows = pd.read_csv(cohort_folder / table, sep="\t", dtype=str, keep_default_na=False)
        rows.drop(columns="moments_sha256").to_csv(cohort_folder / table, sep="\t", index=False)
    for file in [*cohort_folder.glob("shards/*.moments.npy"), cohort_folder / "SHA256SUMS"]:
        file.unlink()
    cohort = Cohort(cohort_folder)
    assert cohort.moments is None
    assert cohort.verify() == []
    assert len(cohort.series(40)) == 60


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda found: found[:-1], r"000002\.moments\.npy holds float32 \(8, 2, 6\), but float32 \(9, 2, 6\)"),
        (lambda found: found.astype(float), "holds float64"),
        (lambda found: found[::-1], "recording p032 in 000002.moments.npy does not match its checksum"),
        (lambda found: found + np.float32(1e-3), "does not match its checksum"),
        (None, "cannot be opened"),
    ],
)
def test_moments_that_are_lost_damaged_or_of_others_are_refused_and_verify_says_so(cohort_folder, damage, message):
    file = cohort_folder / "shards" / "000002.moments.npy"
    found = np.load(file)
    file.unlink()
    if damage:
        np.save(file, damage(found))
    cohort = Cohort(cohort_folder)
    with pytest.raises(DataError, match=message):
        _ = cohort.moments
    (problem,) = cohort.verify()
    assert re.search(message, problem)


def test_atlas_sampling_interval_and_participants_come_back(made):
    cohort = Cohort(str(made))
    assert cohort.atlas == TOY
    assert cohort.tr == 2.0
    assert cohort.participants["participant_id"].tolist() == [*(f"p{i:03d}" for i in range(40)), "q", "r"]
    assert "41 recordings of 41 participants, toy, TR 2 s" in repr(cohort)


def test_without_a_target_the_shared_interval_counts_and_several_are_an_error(tmp_path):
    native = CleaningConfig(target_tr=None)
    alike = ScriptedSource(tmp_path, {"a": (1.5, noise(1)), "b": (1.5, noise(2))})
    assert prepare(alike, out=tmp_path / "alike", atlas=TOY, cleaning=native).tr == 1.5
    mixed = ScriptedSource(tmp_path, {"a": (1.5, noise(1)), "b": (3.0, noise(2))})
    with pytest.raises(DataError, match=r"2 different ones: 1\.5, 3 s.*target TR"):
        prepare(mixed, out=tmp_path / "mixed", atlas=TOY, cleaning=native)


def test_a_whole_cohort_verifies_without_a_problem(made):
    assert Cohort(made).verify() == []


def test_verify_names_the_recording_whose_signal_changed(cohort_folder):
    cohort = Cohort(cohort_folder)
    file = cohort_folder / "shards" / "000002.npy"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    assert [problem.split(" does")[0] for problem in cohort.verify()] == ["recording q_holes in 000002.npy"]


def test_verify_finds_a_shard_that_lacks_frames_or_is_gone(cohort_folder):
    cohort = Cohort(cohort_folder)
    first, second = (cohort_folder / "shards" / f"00000{k}.npy" for k in (1, 2))
    np.save(second, np.load(second)[:-1])
    first.unlink()
    lost, shorter = cohort.verify()
    assert "000001.npy cannot be opened" in lost
    assert "holds" in shorter
    assert "its row table says" in shorter


@pytest.mark.parametrize("table", ["recordings.tsv", "excluded.tsv"])
def test_verify_finds_a_table_that_disagrees_with_the_row_tables(cohort_folder, table):
    file = cohort_folder / table
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:-1]))
    assert (
        Cohort(cohort_folder, verify=False).verify()[0] == f"{table} does not agree with the row tables of the shards."
    )


def test_verify_finds_a_lost_row_table(cohort_folder):
    (cohort_folder / "shards" / "000002.tsv").unlink()
    problems = Cohort(cohort_folder).verify()
    assert "000002.tsv cannot be read" in problems[0]
    assert "the row tables have 32 rows, but 42 were to be prepared." in problems


def test_a_shard_of_another_shape_is_refused_by_name(cohort_folder):
    np.save(cohort_folder / "shards" / "000001.npy", np.zeros((10, ROIS), dtype=np.float32))
    with pytest.raises(DataError, match=r"000001\.npy holds float32 \(10, 6\), but float16 \[frame, 6\]"):
        Cohort(cohort_folder).series(0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"SchemaVersion": 0}, "prepare it again"),
        ({"SchemaVersion": 2}, "newer semantoks"),
        ({"SchemaVersion": "gone"}, "no SchemaVersion"),
        ({"Shards": "gone"}, "lacks Shards"),
        ({"Band": "gone", "GeneratedBy": "gone"}, "lacks Band, GeneratedBy"),
        ({"Shards": "2"}, "Shards has to be a whole number from 1, and is '2'"),
        ({"Shards": 0}, "Shards has to be a whole number from 1, and is 0"),
        ({"Shards": True}, "Shards has to be a whole number from 1, and is True"),
        ({"Shards": 5}, r"000003\.npy cannot be opened"),
        ({"RepetitionTime": "abc"}, r"RepetitionTime has to be a number from 0\.3 to 6 \(s\) or null, and is 'abc'"),
        ({"RepetitionTime": 2000}, "RepetitionTime has to be"),
        ({"Band": 3}, r"Band has to be two numbers \(Hz\) or null, and is 3"),
        ({"Band": [0.01]}, "Band has to be two numbers"),
        ({"GeneratedBy": []}, "GeneratedBy has to be a list of tools"),
        ({"GeneratedBy": {"Name": "x"}}, "GeneratedBy has to be a list of tools"),
        ({"Atlas": 5}, "Atlas has to be text, and is 5"),
        ({"AtlasFingerprint": None}, "AtlasFingerprint has to be text, and is None"),
        ({"MaxMeanFD": [0.5]}, r"MaxMeanFD has to be a number from 0 or null, and is \[0.5\]"),
        ({"BridgeSeconds": "3"}, "BridgeSeconds has to be a number from 0 or null, and is '3'"),
        ({"MinFrames": float("inf")}, "MinFrames has to be a number from 0 or null, and is inf"),
        ({"AtlasFingerprint": "0" * 16}, "table was changed"),
    ],
)
def test_a_description_that_does_not_fit_is_refused(cohort_folder, changes, message):
    edit_description(cohort_folder, **changes)
    with pytest.raises(DataError, match=message):
        Cohort(cohort_folder)


def test_a_changed_atlas_table_is_refused(cohort_folder):
    file = cohort_folder / "atlas.tsv"
    file.write_text(file.read_text().replace("Three", "Four"))
    with pytest.raises(DataError, match="the table was changed"):
        Cohort(cohort_folder)


def test_an_unfinished_cohort_says_how_to_finish_it(cohort_folder):
    (cohort_folder / "recordings.tsv").unlink()
    with pytest.raises(DataError, match="run the same prepare command again"):
        Cohort(cohort_folder)


@pytest.mark.parametrize("content", [None, "no json", "[]"])
def test_a_folder_that_is_no_cohort_is_refused(tmp_path, content):
    if content is not None:
        (tmp_path / "dataset_description.json").write_text(content)
    with pytest.raises(DataError, match=r"not a cohort|cannot be read|has to contain a JSON object"):
        Cohort(tmp_path)


def test_a_recordings_table_without_a_column_is_refused(cohort_folder):
    file = cohort_folder / "recordings.tsv"
    pd.read_csv(file, sep="\t").drop(columns="offset").to_csv(file, sep="\t", index=False)
    with pytest.raises(DataError, match="lacks the column offset"):
        Cohort(cohort_folder)


def edit_recordings(folder, row, column, value):
    file = folder / "recordings.tsv"
    table = pd.read_csv(file, sep="\t", dtype=str, keep_default_na=False)
    table.loc[row, column] = value
    table.to_csv(file, sep="\t", index=False)


@pytest.mark.parametrize(
    ("row", "column", "value", "message"),
    [
        (0, "frames", "abc", "a cell is not a number.*'abc'"),
        (0, "frames", "9" * 20, "a cell is not a number"),
        (0, "mean_fd", "abc", "a cell is not a number.*'abc'"),
        (3, "recording_id", "n/a", r"recording_id has to be there, but recording 4 \(\) has 'nothing'"),
        (0, "participant_id", "n/a", r"participant_id has to be there, but recording 1 \(p000\) has 'nothing'"),
        (0, "shard", "0", "shard has to be 1 to 2, but recording 1 .* has '0'"),
        (40, "shard", "3", r"shard has to be 1 to 2, but recording 41 \(q_holes\) has '3'"),
        (5, "frames", "0", r"frames has to be 1 or more, but recording 6 \(p005\) has '0'"),
        (0, "offset", "-1", "offset has to be 0 or more, but recording 1 .* has '-1'"),
        (40, "frames", "61", r"frames has to end within the shard, but recording 41 \(q_holes\) has '61'"),
        (0, "offset", "9223372036854775807", "frames has to end within the shard, but recording 1 "),
        (40, "missing_rois", "1,6", r"missing_rois has to hold numbers from 0 to 5, but recording 41 .* has '1,6'"),
        (0, "missing_rois", "x", "missing_rois has to hold numbers from 0 to 5, but recording 1 .* has 'x'"),
        (0, "missing_rois", "1,,2", "has '1,,2'"),
    ],
)
def test_a_recording_that_cannot_lie_where_its_row_says_is_refused(cohort_folder, row, column, value, message):
    edit_recordings(cohort_folder, row, column, value)
    with pytest.raises(DataError, match=r"recordings\.tsv.*" + message):
        Cohort(cohort_folder)


def test_frames_that_no_memory_holds_are_refused_before_the_bad_ones_among_them_are_marked(cohort_folder):
    edit_recordings(cohort_folder, 0, "bad_frames", "1")
    edit_recordings(cohort_folder, 0, "frames", "9" * 15)
    with pytest.raises(DataError, match=r"recordings\.tsv.*frames has to end within the shard"):
        Cohort(cohort_folder)


def test_a_shard_that_lacks_frames_is_refused_at_once(cohort_folder):
    file = cohort_folder / "shards" / "000002.npy"
    np.save(file, np.load(file)[:-1])
    with pytest.raises(DataError, match=r"end within the shard, but recording 41 \(q_holes\) has '60'"):
        Cohort(cohort_folder)


def test_a_row_table_with_a_cell_that_is_no_number_is_a_problem_and_no_crash(cohort_folder):
    file = cohort_folder / "shards" / "000002.tsv"
    file.write_text(file.read_text().replace("\t60\t", "\tsixty\t", 1))
    assert "000002.tsv was changed or damaged, a cell is not a number" in Cohort(cohort_folder).verify()[0]


def flip(path, place=-7):
    content = bytearray(path.read_bytes())
    content[place] ^= 0x40
    path.write_bytes(content)


@pytest.mark.parametrize(
    "name",
    [
        *("atlas.tsv", "quality.tsv", "excluded.tsv", "recordings.tsv", "shards/000002.tsv"),
        *("shards/000001.quality.tsv", "shards/000002.fd.npy", "shards/000001.spectra.npy"),
        *("shards/000001.npy", "shards/000002.moments.npy"),
    ],
)
def test_a_flipped_bit_in_any_file_of_a_cohort_is_found_by_verify(cohort_folder, name):
    flip(cohort_folder / name)
    try:
        problems = Cohort(cohort_folder, verify=False).verify()
    except DataError as error:
        problems = [str(error)]
    assert any(name.rpartition("/")[2] in problem for problem in problems)


@pytest.mark.parametrize("name", ["recordings.tsv", "atlas.tsv", "dataset_description.json"])
def test_a_table_that_was_changed_is_refused_when_the_cohort_is_opened_and_both_remedies_work(cohort_folder, name):
    (cohort_folder / name).write_bytes((cohort_folder / name).read_bytes() + b"\n")
    with pytest.raises(DataError, match=f"{name} does not match its checksum in SHA256SUMS.* take its line out"):
        Cohort(cohort_folder)
    assert len(Cohort(cohort_folder, verify=False)) == 41
    sums = cohort_folder / "SHA256SUMS"
    sums.write_text("".join(line for line in sums.read_text().splitlines(keepends=True) if name not in line))
    assert len(Cohort(cohort_folder)) == 41


def test_quality_and_exclusions_are_checked_when_they_are_read(cohort_folder):
    for name in ("quality.tsv", "excluded.tsv"):
        flip(cohort_folder / name, 40)
    cohort = Cohort(cohort_folder)
    for name in ("quality", "excluded"):
        with pytest.raises(DataError, match=rf"{name}\.tsv does not match its checksum"):
            getattr(cohort, name)


def test_phenotypes_may_be_changed_by_hand_and_that_is_said_and_no_problem(cohort_folder):
    assert not Cohort(cohort_folder).changed_participants()
    file = cohort_folder / "participants.tsv"
    file.write_text(file.read_text() + "999\n")
    cohort = Cohort(cohort_folder)
    assert cohort.changed_participants()
    assert cohort.verify() == []


@pytest.mark.parametrize("value", [np.float16(9), np.float16(np.nan), np.float16(np.inf)])
def test_damaged_signals_are_refused_by_recording_before_they_are_used(cohort_folder, value):
    file = cohort_folder / "shards" / "000001.npy"
    shard = np.load(file)
    shard[50, 2] = value
    np.save(file, shard)
    cohort = Cohort(cohort_folder)
    name = cohort.recordings["recording_id"][1]
    with pytest.raises(DataError, match=f"1 of 41 recordings in .* do not match .*: {name}. .* --verify"):
        cohort.check_signals()
    assert any(name in problem for problem in cohort.verify())
    Cohort(cohort_folder, verify=False).check_signals()


def test_signals_that_are_not_finite_are_refused_even_with_the_right_checksum(cohort_folder):
    file = cohort_folder / "shards" / "000001.npy"
    shard = np.load(file)
    first = Cohort(cohort_folder).recordings.iloc[0]
    shard[3, 2] = np.nan
    np.save(file, shard)
    for table in ("recordings.tsv", "shards/000001.tsv"):
        path = cohort_folder / table
        path.write_text(path.read_text().replace(first["sha256"], checksum(shard[: first["frames"]])))
    (cohort_folder / "SHA256SUMS").unlink()
    cohort = Cohort(cohort_folder)
    assert cohort.verify() == []
    with pytest.raises(DataError, match=rf"or are not finite: {first['recording_id']}\."):
        cohort.check_signals()


def test_a_cohort_of_an_earlier_version_without_a_list_of_checksums_reads_as_before(cohort_folder):
    (cohort_folder / "SHA256SUMS").unlink()
    cohort = Cohort(cohort_folder)
    cohort.check_signals()
    assert cohort.verify() == []
    assert not cohort.changed_participants()
