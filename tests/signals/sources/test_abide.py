"""ABIDE's Preprocessed Connectomes Project: its table of phenotypes and the protocols of its sites."""

import os
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tiny_pcp import ATLAS, made, opened, read

from semantoks.errors import ConfigError, DataError, UnknownTRError
from semantoks.signals.opened_source import introduce
from semantoks.signals.phenotypes import read_participants
from semantoks.signals.prepare import prepare
from semantoks.signals.sources.memory import MemorySource
from semantoks.signals.sources.pcp import ABIDE_TR, is_pcp
from semantoks.simulation.abide import TABLE, write_abide

pytestmark = pytest.mark.slow


def test_what_is_written_is_read_again_with_the_table_of_phenotypes(tmp_path):
    given = [
        made("CMU_a_0050642", site="CMU", mean_fd=0.39, frames=236),
        made("NYU_0050952", seed=1, site="NYU", frames=176),
        made("UCLA_1_0051201", seed=2, site="UCLA_1", mean_fd=0.07, tr=3.0, frames=120),
    ]
    people = pd.DataFrame({"participant_id": [one.participant for one in given], "SEX": [1, 2, 1], "DX_GROUP": 2})
    write_abide(given, tmp_path, ATLAS, participants=people)
    source = pickle.loads(pickle.dumps(opened(tmp_path)))
    assert source.kind == "ABIDE, Preprocessed Connectomes Project"
    assert source.notes() == [
        *("atlas cc200, processing cpac nofilt_noglobal", f"participants from {(tmp_path / TABLE).resolve()}")
    ]
    for item, expected in zip(source.items(), given, strict=True):
        found = source.read(item)
        np.testing.assert_array_equal(found.series, expected.series)
        assert (found.participant, found.site, found.tr) == (expected.participant, expected.site, expected.tr)
        assert found.tr_from == f"the ABIDE I protocol of site {expected.site}"
        np.testing.assert_equal(found.mean_fd, expected.mean_fd)
    table = source.participants()
    assert list(table.columns) == ["participant_id", "SITE_ID", "func_mean_fd", "SEX", "DX_GROUP"]
    assert table["SEX"].tolist() == [1, 2, 1]  # its codes are nowhere explained, so they stay as they are
    assert is_pcp(tmp_path)


def test_the_round_trip_to_a_cohort_equals_the_direct_cohort_to_the_bit(tmp_path):
    given = [made(), made("UCLA_1_0051201", seed=2, tr=3.0)]
    write_abide(given, tmp_path / "pcp", ATLAS)
    direct = prepare(MemorySource(given, atlas=ATLAS), out=tmp_path / "direct", atlas=ATLAS)
    again = prepare(opened(tmp_path / "pcp"), out=tmp_path / "again", atlas=ATLAS)
    for index in range(2):
        np.testing.assert_array_equal(direct.series(index), again.series(index))


# Repetition times
def test_without_a_table_the_file_id_names_the_site_and_its_protocol(tmp_path):
    write_abide([made("Leuven_1_0050682", tr=1.667)], tmp_path, ATLAS)
    (tmp_path / TABLE).unlink()
    (found,) = read(tmp_path)
    assert (found.tr, found.site, found.tr_from) == (1.667, "LEUVEN_1", "the ABIDE I protocol of site LEUVEN_1")


def test_a_contradiction_to_the_protocol_is_refused(tmp_path):
    write_abide([made("NYU_0050952")], tmp_path, ATLAS)
    with pytest.raises(DataError, match=r"--tr says 3 s, but the ABIDE I protocol of site NYU says 2 s"):
        read(tmp_path, tr=3.0)


def test_a_site_that_is_not_in_the_table_of_protocols_needs_to_be_told(tmp_path):
    write_abide([made("Stanford_0051160", tr=2.0)], tmp_path, ATLAS)
    with pytest.raises(DataError, match=r"the table of ABIDE I protocols has no site STANFORD.*pass --tr"):
        read(tmp_path)
    assert (read(tmp_path, tr=2.0)[0].tr_from, read(tmp_path, tr=2.0)[0].site) == ("--tr", "STANFORD")


def test_the_option_is_for_the_sites_without_a_protocol_alone_and_it_is_said(tmp_path):
    write_abide([made("NYU_0050952"), made("MaxMun_a_0051318", tr=3.0), made("Stanford_0051160")], tmp_path, ATLAS)
    assert opened(tmp_path).notes()[-1] == (
        "no repetition time is known for 2 recordings (MAXMUN, STANFORD): left out, unless --tr gives it, or a column "
        "`tr` of the table"
    )
    source = opened(tmp_path, tr=3.0)
    assert source.notes()[-1] == (
        "--tr 3 s is for 2 recordings (MAXMUN, STANFORD); the others keep that of their site's protocol or the table"
    )
    assert {one.participant: one.tr for one in map(source.read, source.items())} == {
        "NYU_0050952": 2.0,
        "MaxMun_a_0051318": 3.0,
        "Stanford_0051160": 3.0,
    }


def test_the_option_leaves_the_table_s_repetition_times_alone_where_others_have_none(tmp_path):
    write_abide([made("MaxMun_a_0051318", tr=3.0), made("Stanford_0051160"), made("NYU_0050952")], tmp_path, ATLAS)
    table = pd.DataFrame({"participant_id": ["51318"], "tr": [3.0]})
    source = opened(tmp_path, tr=2.0, table=table)
    assert source.notes()[-1].startswith("--tr 2 s is for 1 recording (STANFORD)")
    assert sorted((one.site, one.tr) for one in map(source.read, source.items())) == [
        ("MAXMUN", 3.0),
        ("NYU", 2.0),
        ("STANFORD", 2.0),
    ]
    with pytest.raises(DataError, match="--tr says 2 s, but the participants table says 3 s"):
        read(tmp_path, tr=2.0, table=pd.DataFrame({"participant_id": ["51318", "51160"], "tr": [3.0, 2.0]}))


@pytest.mark.parametrize("participant", ["NYU_0010042", "NYU_a", "0050952", "sub-NYU", "New_York_0050952x"])
def test_protocols_are_only_for_ids_of_abide(tmp_path, participant):
    np.savetxt(tmp_path / f"{participant}_rois_cc200.1D", made().series)
    with pytest.raises(UnknownTRError, match="no repetition time"):
        opened(tmp_path)
    (found,) = read(tmp_path, tr=2.5)
    assert (found.tr, found.site, found.participant) == (2.5, "", participant.removeprefix("sub-"))
    assert opened(tmp_path, tr=2.5).kind == "C-PAC"


@pytest.mark.real
def test_the_protocols_are_those_of_the_recordings_beside_which_they_were_published():
    folder = os.environ.get("SEMANTOKS_REAL_DATA")
    if folder is None:
        pytest.skip("SEMANTOKS_REAL_DATA is not set")
    table = pd.read_csv(Path(folder, "abide", "participants.tsv"), sep="\t")
    assert table.groupby("site")["tr"].unique().map(list).to_dict() == {site: [tr] for site, tr in ABIDE_TR.items()}


# The table of phenotypes
def test_the_table_is_found_two_folders_above_where_the_download_leaves_it(tmp_path):
    write_abide([made(mean_fd=0.2)], tmp_path, ATLAS)
    source = opened(tmp_path / "cpac" / "nofilt_noglobal")
    assert source.read(source.items()[0]).mean_fd == 0.2
    assert len(source.participants()) == 1


def test_a_table_that_is_given_goes_before_it_and_ids_stay_text(tmp_path):
    write_abide([made("0050642", mean_fd=0.2)], tmp_path, ATLAS)
    given = pd.DataFrame({"participant_id": ["0050642"], "tr": [1.5], "site": ["here"]})
    (found,) = read(tmp_path, table=given)
    assert (found.tr, found.tr_from, found.site) == (1.5, "the participants table", "here")
    assert np.isnan(found.mean_fd)
    assert opened(tmp_path, table=given).participants() is given


def test_rows_of_the_table_without_a_file_are_no_recordings(tmp_path):
    write_abide([made()], tmp_path, ATLAS)
    with (tmp_path / TABLE).open("a") as file:
        file.write("1,no_filename,PITT,\n2,no_filename,PITT,\n")
    assert opened(tmp_path).participants()["participant_id"].tolist() == ["CMU_a_0050642"]


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"session": "a"}, "without session and run"),
        ({"band": (0.01, 0.08)}, "a band other than"),
        ({"good": np.arange(140) > 3}, "censored frames"),
    ],
)
def test_what_the_files_have_no_place_for_is_not_written(tmp_path, facts, message):
    with pytest.raises(ConfigError, match=message):
        write_abide([made(**facts)], tmp_path, ATLAS)
    with pytest.raises(ConfigError, match="one recording per participant"):
        write_abide([made(), made()], tmp_path, ATLAS)


def test_a_table_by_sub_id_is_paired_with_the_file_ids_and_its_codes_are_missing(tmp_path):
    write_abide([made("CMU_a_0050642"), made("NYU_0050952", seed=1)], tmp_path, ATLAS)
    (tmp_path / "by_sub_id.csv").write_text("SUB_ID,SITE_ID,FIQ\n50642,CMU,-9999\n50952,NYU,104\n50953,NYU,-9999\n")
    source = opened(tmp_path, table=read_participants(tmp_path / "by_sub_id.csv"))
    table = source.participants().set_index("participant_id")
    assert list(table.index) == ["CMU_a_0050642", "NYU_0050952", "50953"]
    np.testing.assert_array_equal(table["FIQ"], [np.nan, 104, np.nan])
    assert introduce(source, source.items())[2:] == [
        "2 of 3 participants of the table are spelled otherwise by the recordings (50642 for CMU_a_0050642, 50952 for "
        "NYU_0050952): paired, because each fits a single one",
        "taken as missing: FIQ (2 x -9999)",
        "1 of 3 participants of the table has no recording (for example 50953).",
    ]


def test_what_abides_table_does_not_know_is_missing_and_other_codes_stay(tmp_path):
    write_abide([made("CMU_a_0050642", mean_fd=0.1), made("NYU_0050952", mean_fd=0.2)], tmp_path, ATLAS)
    lines = (tmp_path / TABLE).read_text().splitlines()
    told = [
        f"{line},{cells}" for line, cells in zip(lines, ("FIQ,DX_GROUP,HAND", "-9999,1,-9999", "104,2,R"), strict=True)
    ]
    (tmp_path / TABLE).write_text("\n".join(told) + "\n")
    table = opened(tmp_path).participants().set_index("participant_id")
    assert np.isnan(table.loc["CMU_a_0050642", "FIQ"])
    assert table.loc["NYU_0050952", "FIQ"] == 104
    assert table["HAND"].isna().tolist() == [True, False]
    assert table["DX_GROUP"].tolist() == [1, 2]
    assert table["func_mean_fd"].tolist() == [0.1, 0.2]
