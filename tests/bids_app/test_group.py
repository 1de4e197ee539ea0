"""The group level: the cohort that prepare makes in one go, whoever made the parts, and nobody lost on the way."""

import shutil

import numpy as np
import pytest
from small_derivative import ATLAS, PEOPLE, recording, tree

from semantoks.bids_app.group import run_group
from semantoks.bids_app.participant import run_participants
from semantoks.errors import ConfigError, DataError
from semantoks.signals import writer
from semantoks.signals.prepare import prepare
from semantoks.signals.quality import GateConfig
from semantoks.signals.reading_config import ReadingConfig
from semantoks.simulation.derivatives import write_xcpd

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("shard", [32, 3])
def test_the_assembled_cohort_is_the_prepared_one_byte_for_byte(told, xcpd, tmp_path, monkeypatch, shard):
    monkeypatch.setattr(writer, "SHARD_RECORDINGS", shard)
    for participants in (["04", "02"], ["005"], ["sub-01"], ["03"]):
        run_participants(told(*participants))
    made = run_group(told())
    assert tree(made.cohort.path) == tree(prepare(xcpd, out=tmp_path / "prepared").path)
    assert len(made.cohort.shards) == -(-8 // shard)
    assert (len(made.cohort), len(made.cohort.excluded)) == (6, 2)
    assert made.cohort.verify() == []
    assert (made.missing, made.lacking, made.strangers, made.embeddings) == ([], [], [], None)


def test_who_has_no_finished_part_is_named_and_the_cohort_is_of_the_others(told, xcpd, tmp_path):
    run_participants(told("01", "02", "04"))
    (told().out / "work" / "sub-02" / "recordings.tsv").unlink()
    made = run_group(told())
    assert made.missing == ["005", "02", "03"]
    direct = prepare(xcpd, out=tmp_path / "prepared", reading=ReadingConfig(participant_label=("01", "04")))
    assert tree(made.cohort.path) == tree(direct.path)
    run_participants(told("02", "03", "005"))
    again = run_group(told())
    assert again.missing == []
    assert again.cohort.recordings["participant_id"].unique().tolist() == ["005", "01", "02", "03"]
    assert again.cohort.excluded["participant_id"].tolist() == ["03", "04"]


def test_a_cohort_of_some_is_made_of_parts_of_all(told):
    run_participants(told())
    made = run_group(told("02", "sub-005", "nobody"))
    assert made.cohort.recordings["participant_id"].tolist() == ["005", "02", "02"]
    assert made.missing == ["nobody"]


@pytest.mark.parametrize(
    ("same", "kept", "excluded"),
    [({"gates": GateConfig(max_fd=0.15)}, 5, 3), ({"reading": ReadingConfig(session_label=("ses-b",))}, 1, 0)],
)
def test_sessions_and_gates_are_those_of_both_levels(told, xcpd, tmp_path, same, kept, excluded):
    run_participants(told(**same))
    made = run_group(told(**same))
    assert tree(made.cohort.path) == tree(prepare(xcpd, out=tmp_path / "prepared", **same).path)
    assert (len(made.cohort), len(made.cohort.excluded)) == (kept, excluded)
    with pytest.raises(
        ConfigError, match=r"already contains a cohort made differently: .*MaxMeanFD is .* there, 0\.3 now"
    ):
        run_group(told(**(same | {"gates": GateConfig(max_fd=0.3)})))


def test_a_part_of_nobody_in_the_input_is_left_out_and_named(told):
    run_participants(told("01"))
    (told().out / "work" / "sub-who").mkdir()
    made = run_group(told())
    assert made.strangers == ["sub-who"]
    assert made.cohort.recordings["participant_id"].tolist() == ["01", "01"]


def test_a_part_that_was_damaged_is_named_and_nothing_is_replaced(told):
    run_participants(told("01", "02"))
    before = tree(run_group(told("01", "02")).cohort.path)
    shard = told().out / "work" / "sub-02" / "shards" / "000001.npy"
    held = np.load(shard)
    held[3, 3] += 1
    np.save(shard, held)
    with pytest.raises(DataError, match=r"work/sub-02 is damaged: .*run the participant level again"):
        run_group(told())
    assert tree(told().out / "cohort") == before


def test_without_parts_and_without_anything_to_keep_it_says_so(told):
    with pytest.raises(DataError, match=r"no part of 5 participants is finished in .*run the participant level"):
        run_group(told())
    assert not told().out.exists()
    run_participants(told("04"))
    with pytest.raises(DataError, match=r"the only recording could not be used.*too short.*cohort/excluded\.tsv"):
        run_group(told("04"))


def test_what_is_no_cohort_is_not_replaced(told):
    run_participants(told("01"))
    mine = told().out / "cohort" / "mine.txt"
    mine.parent.mkdir()
    mine.write_text("precious")
    with pytest.raises(ConfigError, match="cohort exists but is not a cohort: move it away"):
        run_group(told())
    assert mine.read_text() == "precious"


def test_ids_of_any_letters_come_through(tmp_path, told):
    odd = ["1e3", "X2", "A+B", "0", "00"]
    write_xcpd([recording(one, seed, frames=60) for seed, one in enumerate(odd)], tmp_path / "xcp_d", ATLAS)
    for one in odd:
        run_participants(told(one, source=tmp_path / "xcp_d"))
    made = run_group(told(source=tmp_path / "xcp_d"))
    assert sorted(made.cohort.recordings["participant_id"]) == sorted(odd)
    assert tree(made.cohort.path) == tree(prepare(tmp_path / "xcp_d", out=tmp_path / "prepared").path)


def test_new_people_leave_the_parts_of_the_others_as_they_are(told, xcpd, tmp_path):
    source = shutil.copytree(xcpd, tmp_path / "xcp_d")
    later = shutil.move(source / "sub-02", tmp_path / "later")
    run_participants(told(source=source))
    before = tree(told().out / "work")
    shutil.move(later, source / "sub-02")
    assert run_group(told(source=source)).missing == ["02"]
    run_participants(told("02", source=source))
    assert run_group(told(source=source)).cohort.recordings["participant_id"].nunique() == 4
    assert before.items() <= tree(told().out / "work").items()


def test_the_people_here_are_those_of_the_input(told, xcpd):
    run_participants(told())
    table = run_group(told()).cohort.participants
    assert table["participant_id"].tolist() == PEOPLE
    assert table["age"].astype(int).tolist() == [20, 21, 22, 23, 24]
