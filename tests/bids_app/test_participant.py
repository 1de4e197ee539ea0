"""The participant level: each has a part of its own, which a killed call leaves to the next, and nobody is mixed up."""

import numpy as np
import pytest
from small_derivative import ATLAS, PEOPLE, tree

from semantoks.bids_app.dataset import folder_name
from semantoks.bids_app.participant import PreparedParticipant, run_participants
from semantoks.errors import ConfigError
from semantoks.signals.cohort import Cohort
from semantoks.signals.prepare import prepare
from semantoks.signals.reading_config import ReadingConfig

pytestmark = pytest.mark.slow


def test_a_part_is_what_prepare_makes_of_one_participant(told, xcpd, tmp_path):
    out = told().out
    parts, unknown = run_participants(told("sub-02", "04", "99"))
    assert parts == [
        PreparedParticipant(participant="02", path=out / "work" / "sub-02", kept=2, excluded=0),
        PreparedParticipant(participant="04", path=out / "work" / "sub-04", kept=0, excluded=1),
    ]
    assert unknown == ["99"]
    direct = prepare(xcpd, out=tmp_path / "one", reading=ReadingConfig(participant_label=("02",)))
    part = Cohort(parts[0].path)
    assert tree(part.path / "shards") == tree(direct.path / "shards")
    assert part.recordings[["run", "frames"]].to_numpy().tolist() == [["1", 90], ["2", 90]]
    assert part.recordings["mean_fd"].tolist() == pytest.approx([0.1, np.nan], abs=1e-6, nan_ok=True)
    assert part.participants["participant_id"].tolist() == ["02"]
    assert part.participants["age"].astype(int).tolist() == [21]
    assert Cohort(parts[1].path).excluded["participant_id"].tolist() == ["04"]


def test_parts_do_not_depend_on_how_the_people_are_shared_out(told, tmp_path):
    run_participants(told(), n_jobs=2)
    for one in reversed(PEOPLE):
        run_participants(told(one, out=tmp_path / "apart"))
    assert tree(told().out) == tree(tmp_path / "apart")


def test_the_same_call_again_finishes_what_was_killed_and_leaves_the_rest(told):
    run_participants(told())
    before, work = tree(told().out), told().out / "work"
    (work / "sub-01" / "recordings.tsv").unlink()
    (work / "sub-01" / "shards" / "000001.tsv").unlink()
    (work / "sub-01" / "shards" / ".tmp-semantoks-1-a").write_bytes(b"half")
    untouched = (work / "sub-02" / "recordings.tsv").stat().st_mtime_ns
    steps = []
    run_participants(told(), progress=lambda done, total: steps.append((done, total)))
    assert tree(told().out) == before
    assert (work / "sub-02" / "recordings.tsv").stat().st_mtime_ns == untouched
    assert steps == [(number, 5) for number in range(1, 6)]


def test_a_call_with_other_settings_touches_nothing(told):
    run_participants(told("01"))
    before = tree(told().out)
    with pytest.raises(
        ConfigError, match=r"sub-01 already contains a cohort made differently: Items is 2 there, 1 now"
    ):
        run_participants(told(reading=ReadingConfig(participant_label=("01",), session_label=("a",))))
    assert tree(told().out) == before


def test_nobody_to_work_on_and_no_processes_are_refused_with_the_choice(told):
    with pytest.raises(ConfigError, match=r"no sub-98 or sub-99; it has sub-005, sub-01, sub-02, sub-03, sub-04\.$"):
        run_participants(told("98", "sub-99"))
    with pytest.raises(ConfigError, match="n_jobs must be a number of processes"):
        run_participants(told(), n_jobs=0)
    assert not told().out.exists()


@pytest.mark.parametrize(
    ("label", "name"),
    [("01", "sub-01"), ("a/b", "sub-a%2Fb"), ("..", "sub-.."), ("x y", "sub-x%20y"), ("a%2Fb", "sub-a%252Fb")],
)
def test_a_folder_can_be_named_by_any_label_and_no_two_are_the_same(label, name):
    assert folder_name(label) == name


def test_ids_that_no_file_can_be_named_by_have_parts_all_the_same(told, tmp_path):
    series = np.random.default_rng(0).normal(size=(60, ATLAS.n_rois)).astype(np.float32)
    folder = tmp_path / "arrays"
    folder.mkdir()
    rows = ["path\tparticipant_id\ttr"]
    for number, one in enumerate(["a/b", "../c"]):
        np.save(folder / f"{number}.npy", series + number)
        rows.append(f"arrays/{number}.npy\t{one}\t2")
    (tmp_path / "files.tsv").write_text("\n".join([*rows, ""]))
    parts, _ = run_participants(told(source=tmp_path / "files.tsv"))
    assert [part.path.name for part in parts] == ["sub-..%2Fc", "sub-a%2Fb"]
    assert [Cohort(part.path).recordings["participant_id"].tolist() for part in parts] == [["../c"], ["a/b"]]
