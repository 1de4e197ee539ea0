"""UK Biobank's bulk files: whose they are, put together, or refused with what to do."""

import pickle
import shutil

import numpy as np
import pandas as pd
import pytest
from tiny_ukb import ATLAS, SCHAEFER_FILE, TIAN, TIAN_FILE, made, opened, read, rewrite

from semantoks.atlas.catalog import get_atlas
from semantoks.errors import ConfigError, DataError
from semantoks.signals.prepare import prepare
from semantoks.signals.sources.memory import MemorySource
from semantoks.signals.sources.ukb import is_ukb
from semantoks.simulation.ukb import write_ukb

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("zipped", [False, True])
def test_what_is_written_is_read_again_a_session_an_instance(tmp_path, zipped):
    given = [made("1000012"), made("1000012", "3", seed=1), made("0000007", seed=2), made("2", run="1", seed=3)]
    write_ukb(given, tmp_path, ATLAS, zipped=zipped)
    source = opened(tmp_path)
    assert [item.key for item in source.items()] == [
        *("sub-0000007_ses-2", "sub-1000012_ses-2", "sub-1000012_ses-3", "sub-2_ses-2_run-1")
    ]
    source = pickle.loads(pickle.dumps(source))
    for item, expected in zip(source.items(), [given[2], given[0], given[1], given[3]], strict=True):
        found = source.read(item)
        np.testing.assert_array_equal(found.series, expected.series)
        assert (found.participant, found.session, found.run) == (expected.participant, expected.session, expected.run)
        assert (found.tr, found.tr_from, found.band) == (0.735, "the UK Biobank protocol", None)
    assert source.notes()[0] == (
        "files fMRI.Schaefer7n100p + fMRI.Tian_Subcortex_S3_3T; a session is UK Biobank's instance (visit)"
    )
    assert is_ukb(tmp_path)


def test_the_round_trip_to_a_cohort_equals_the_direct_cohort_to_the_bit(tmp_path):
    given = [made(), made("1000020", seed=1)]
    write_ukb(given, tmp_path / "bulk", ATLAS)
    direct = prepare(MemorySource(given, atlas=ATLAS), out=tmp_path / "direct", atlas=ATLAS)
    again = prepare(opened(tmp_path / "bulk"), out=tmp_path / "again", atlas=ATLAS, n_jobs=2)
    for index in range(2):
        np.testing.assert_array_equal(direct.series(index), again.series(index))
    pd.testing.assert_series_equal(direct.recordings["missing_rois"], again.recordings["missing_rois"])


# Names and folders
def test_listing_and_recognising_open_no_file(tmp_path):
    write_ukb([made()], tmp_path, ATLAS)
    write_ukb([made("1000013")], tmp_path, ATLAS, zipped=True)
    for path in [path for path in tmp_path.rglob("*") if path.is_file()]:
        path.unlink()
        path.symlink_to("/nowhere")
    assert is_ukb(tmp_path)
    source = opened(tmp_path)
    for item in source.items():
        with pytest.raises(DataError, match="cannot be read"):
            source.read(item)


def test_linked_folders_are_read_as_if_they_were_there(tmp_path):
    write_ukb([made(), made("1000020", seed=1)], tmp_path / "else", ATLAS)
    (tmp_path / "bulk").mkdir()
    for folder in (tmp_path / "else").iterdir():
        (tmp_path / "bulk" / folder.name).symlink_to(folder)
    assert is_ukb(tmp_path / "bulk")
    there, linked = (opened(tmp_path / name) for name in ("else", "bulk"))
    assert [item.key for item in linked.items()] == [item.key for item in there.items()]
    for one, other in zip(there.items(), linked.items(), strict=True):
        np.testing.assert_array_equal(there.read(one).series, linked.read(other).series)


def test_one_folder_a_participant_and_instance_is_read_too_at_any_depth(tmp_path):
    write_ukb([made()], tmp_path / "bulk", ATLAS)
    together = tmp_path / "batch" / "10" / "1000012_2_0"
    together.mkdir(parents=True)
    for path in (tmp_path / "bulk").rglob("*.gz"):
        shutil.move(path, together / path.name)
    for root in (tmp_path, together):
        (found,) = read(root)
        assert (found.participant, found.session) == ("1000012", "2")
        np.testing.assert_array_equal(found.series, made().series)


def test_the_name_of_the_file_and_not_the_field_says_what_it_is(tmp_path):
    write_ukb([made()], tmp_path, ATLAS)
    (tmp_path / "1000012_31018_2_0").rename(tmp_path / "spare")
    (tmp_path / "1000012_31019_2_0").rename(tmp_path / "1000012_31014_2_0")
    (tmp_path / "spare").rename(tmp_path / "1000012_31019_2_0")
    np.testing.assert_array_equal(read(tmp_path)[0].series, made().series)


def test_files_whose_folder_does_not_say_whose_they_are_are_counted_and_alone_refused(tmp_path):
    write_ukb([made()], tmp_path, ATLAS)
    (tmp_path / "somebody").mkdir()
    shutil.copy(next(tmp_path.rglob(TIAN_FILE)), tmp_path / "somebody")
    assert opened(tmp_path).notes()[-1].startswith("1 file left out, in no folder called")
    with pytest.raises(DataError, match=r"whose they are.*1 file is in a folder with another name"):
        opened(tmp_path / "somebody")


def test_folders_of_other_tools_are_not_taken(tmp_path):
    (tmp_path / "sub-01" / "func").mkdir(parents=True)
    (tmp_path / "sub-01" / "func" / "sub-01_task-rest_timeseries.csv").touch()
    (tmp_path / "1000012_20227_2_0.zip").touch()
    (tmp_path / "fMRI.csv").touch()
    assert not is_ukb(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("label_name", "name"), r"has to begin with label_name,timepoint_0"),
        (lambda text: text.replace("timepoint_7,", ""), r"timepoints are not all there in order"),
        (lambda text: text[:-40], r"does not end with a line break"),
        (lambda text: text.partition("\n")[0] + "\n", r"has a header and no frames"),
        (lambda text: "", r"has to begin with label_name"),
        (lambda text: text.replace(",", ",x", 400), r"has to begin|not a table of numbers"),
        (lambda text: text + text.partition("\n")[2], r"each ROI has to occur once"),
    ],
)
def test_a_damaged_table_is_refused_with_its_name(tmp_path, change, message):
    write_ukb([made()], tmp_path, ATLAS)
    rewrite(next(tmp_path.rglob(SCHAEFER_FILE)), change)
    with pytest.raises(DataError, match=message):
        read(tmp_path)


def test_files_of_different_scans_are_not_put_together(tmp_path):
    write_ukb([made()], tmp_path, ATLAS)
    write_ukb([made(frames=300, atlas=TIAN)], tmp_path, TIAN)
    with pytest.raises(DataError, match="they have 300 and 340 frames"):
        read(tmp_path)


@pytest.mark.parametrize("damage", [lambda held: held[:-20], lambda held: b"\x1f\x8b garbage", lambda held: b""])
@pytest.mark.parametrize("zipped", [False, True])
def test_one_damaged_file_is_listed_and_the_others_are_prepared(tmp_path, damage, zipped):
    write_ukb([made(), made("1000013", seed=1)], tmp_path / "bulk", ATLAS, zipped=zipped)
    name = "1000012_31018_2_0.zip" if zipped else f"1000012_31018_2_0/{SCHAEFER_FILE}"
    path = tmp_path / "bulk" / name
    path.write_bytes(damage(path.read_bytes()))
    cohort = prepare(opened(tmp_path / "bulk"), out=tmp_path / "c", atlas=ATLAS)
    assert cohort.recordings["participant_id"].tolist() == ["1000013"]
    assert "1000012_31018_2_0" in cohort.excluded["reason"].item()


# Repetition time, choice, table
def test_the_protocol_says_the_repetition_time_and_a_contradiction_is_refused(tmp_path):
    write_ukb([made()], tmp_path, ATLAS)
    with pytest.raises(DataError, match=r"--tr says 0\.8 s, but the UK Biobank protocol says 0\.735 s"):
        read(tmp_path, tr=0.8)
    with pytest.raises(DataError, match=r"the participants table says 2 s, but the UK Biobank protocol says 0\.735 s"):
        read(tmp_path, table=pd.DataFrame({"participant_id": ["1000012"], "tr": [2.0]}))
    assert read(tmp_path, tr=0.735)[0].tr == 0.735


def test_participants_and_visits_are_chosen(tmp_path):
    write_ukb([made(), made(session="3", seed=1), made("1000013", seed=2)], tmp_path, ATLAS)
    assert [one.session for one in read(tmp_path, participant_label=("1000012",))] == ["2", "3"]
    assert [one.participant for one in read(tmp_path, session_label=("ses-3",))] == ["1000012"]
    with pytest.raises(ConfigError, match="has no ses-4; it has 2, 3"):
        opened(tmp_path, session_label=("4",))


def test_the_table_of_participants_is_found_by_eid(tmp_path):
    write_ukb([made()], tmp_path, ATLAS)
    table = pd.DataFrame({"participant_id": ["1000012"], "site": ["11025"], "p24441_i2": [0.1]})
    (found,) = read(tmp_path, table=table)
    assert found.site == "11025"
    assert np.isnan(found.mean_fd)


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"participant": "A1"}, "are numbers, not A1 2 0"),
        ({"tr": 2.0}, "is 0.735 s a frame, not 2 s"),
        ({"good": np.arange(340) > 3}, "cannot have censored frames"),
    ],
)
def test_what_the_files_have_no_place_for_is_not_written(tmp_path, facts, message):
    with pytest.raises(ConfigError, match=message):
        write_ukb([made(**facts)], tmp_path, ATLAS)
    with pytest.raises(ConfigError, match="no ROIs of the atlas cc200"):
        write_ukb([], tmp_path, get_atlas("cc200"))
