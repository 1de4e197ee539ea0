"""The doctor is silent on what is sound, and says of what is broken what it is, by which evidence, and what to do."""

import h5py
import numpy as np
import pandas as pd
import pytest
from geometric import recordings, write

from semantoks.atlas.catalog import get_atlas, seven_network_labels
from semantoks.checking.checkup import checkup
from semantoks.checking.orders import other_orders
from semantoks.cli.main import run
from semantoks.errors import DataError
from semantoks.signals.clean import band_pass
from semantoks.signals.reading_config import ReadingConfig
from semantoks.signals.recording import Recording
from semantoks.signals.sources.memory import MemorySource
from semantoks.simulation.cohort import SimulationConfig, simulate

pytestmark = pytest.mark.slow

ATLAS = get_atlas("schaefer100+tian-s1")
CORTEX = get_atlas("schaefer200")


@pytest.fixture(scope="module")
def series():
    """Six people, columns in the order of the atlas."""
    return recordings(ATLAS)


def reordered(series, columns):
    return [values[:, columns] for values in series]


def evidence_of(found):
    return [problem.evidence for problem in found.problems]


def test_sound_recordings_raise_no_alarm_with_and_without_labels(tmp_path, series):
    for folder, labels in (("plain", None), ("labelled", ATLAS.labels)):
        found = checkup(write(tmp_path / folder, series, labels), atlas=ATLAS, tr=2.0)
        assert found.problems == []
        assert found.facts[0] == "source     folder of arrays: 6 recordings of 6 people, 6 of them looked into"
        assert found.facts[1] == "           no participants table: nothing is known of them but their recordings"
        assert found.facts[2] == "atlas      schaefer100+tian-s1: 116 of 116 ROIs have signal, 8 networks"
        assert any(
            fact.startswith("order      as schaefer100+tian-s1 has it: within networks +0.2") for fact in found.facts
        )
        assert found.table["missing_rois"].tolist() == [0] * 6


@pytest.mark.parametrize("order", other_orders(ATLAS), ids=lambda order: order.name)
def test_every_other_order_is_recognised_with_its_evidence_and_remedy(tmp_path, series, order):
    found = checkup(write(tmp_path / "raw", reordered(series, order.columns)), atlas=ATLAS, tr=2.0)
    (problem,) = found.problems
    assert problem.evidence.startswith(f"the columns look like {order.name}: correlations are within networks +")
    assert "and within networks +" in problem.evidence
    assert problem.remedy == order.remedy


def test_the_orders_of_a_joined_atlas_are_those_that_are_met():
    assert [order.name for order in other_orders(ATLAS)] == [
        "17-network order",
        "left and right swapped",
        "subcortex before cortex",
        "subcortex before cortex, which is in 17-network order",
        "its own order, reordered as if it were in 17-network order",
        "left and right in turn",
        "the left side before the right",
        "network by network",
        "the alphabet's order of the labels",
        "the atlas's order, one column too early",
        "the atlas's order, one column too late",
        "the atlas's order from back to front",
    ]
    assert [order.name for order in other_orders(get_atlas("schaefer200-17"))][:3] == [
        "7-network order",
        "left and right swapped",
        "its own order, reordered as if it were in 7-network order",
    ]
    assert [order.name for order in other_orders(get_atlas("4s456"))][2] == "subcortex before cortex"
    atlas = get_atlas("schaefer100")
    place = [atlas.labels.index(label) for label in seven_network_labels(100)]
    assert other_orders(atlas)[0].columns.tolist() == place


def test_columns_in_no_known_order_are_said_to_be_so(tmp_path, series):
    shuffled = np.random.default_rng(1).permutation(ATLAS.n_rois)
    found = checkup(write(tmp_path / "raw", reordered(series, shuffled)), atlas=ATLAS, tr=2.0)
    assert evidence_of(found)[0].startswith(
        "the columns are in no known order of schaefer100+tian-s1: correlations are"
    )


def test_time_taken_for_rois_is_transposed(tmp_path):
    # 150 ROIs x 116 frames, read with an atlas of 116 ROIs
    other = recordings(get_atlas("schaefer200"), frames=116)
    found = checkup(write(tmp_path / "raw", [values[:, :150].T for values in other]), atlas=ATLAS, tr=2.0)
    assert evidence_of(found)[0].startswith("rows and columns look transposed")


def test_as_many_frames_as_another_atlas_has_rois_do_not_mislead(tmp_path):
    values = recordings(get_atlas("schaefer100"), frames=200)
    found = checkup(write(tmp_path / "raw", values), tr=2.0)
    assert (found.atlas, found.problems) == ("schaefer100", [])
    wrong = checkup(tmp_path / "raw", atlas="schaefer200", tr=2.0)
    assert evidence_of(wrong)[0].startswith("rows and columns look transposed")


def test_what_is_not_there_or_no_source_is_said_once(tmp_path):
    with pytest.raises(DataError, match=r"there is no .*gone"):
        checkup(tmp_path / "gone", tr=2.0)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="is an empty folder"):
        checkup(tmp_path / "empty", tr=2.0)


def test_hdf5_with_swapped_axes_says_which_are_which(tmp_path, series):
    with h5py.File(tmp_path / "all.h5", "w") as file:
        file["bold"] = np.stack(series)  # [n, frame, roi]
        file["participant_id"] = [f"p{i}" for i in range(6)]
    with pytest.raises(DataError, match=r"bold is \[6, 150, 116\].*\[n, roi, frame\].*swap"):
        checkup(tmp_path / "all.h5", atlas=ATLAS, tr=2.0)


@pytest.mark.slow
def test_the_atlas_is_found_by_labels_and_by_what_correlates(tmp_path):
    for name in ("schaefer100", "schaefer100-17"):
        atlas = get_atlas(name)
        for labels in (None, atlas.labels):
            folder = tmp_path / f"{name} {labels is None}"
            found = checkup(write(folder, recordings(atlas)), tr=2.0)
            assert (found.atlas, found.problems) == (name, [])


def test_an_atlas_that_nobody_has_is_asked_for(tmp_path):
    found = checkup(write(tmp_path / "raw", [np.random.default_rng(0).normal(size=(90, 37))]), tr=2.0)
    assert evidence_of(found) == ["no packaged atlas has these labels or this number of ROIs"]
    assert "give --atlas FILE.tsv" in found.problems[0].remedy


def test_an_unknown_repetition_time_is_a_problem_and_all_else_is_looked_at(tmp_path, series):
    found = checkup(write(tmp_path / "raw", series), atlas=ATLAS)
    assert evidence_of(found)[0].startswith("no repetition time: pass --tr SECONDS")
    assert any(fact.startswith("order      as") for fact in found.facts)
    assert not any(fact.startswith(("TR", "length", "spectrum")) for fact in found.facts)
    assert found.table["tr"].isna().all()


def test_recordings_that_cannot_be_used_are_counted_with_their_reason(tmp_path, series):
    folder = write(tmp_path / "raw", series)
    (folder / "sub-03_task-rest_timeseries.npy").write_bytes(b"cut")
    found = checkup(folder, atlas=ATLAS, tr=2.0)
    assert evidence_of(found)[0].startswith("1 of 6 recordings cannot be used: (1 x) ")
    assert "sub-03" in evidence_of(found)[0]


def test_filters_lengths_and_missing_networks_are_facts_and_no_alarm(tmp_path, series):
    changed = [band_pass(values.astype(np.float64), 2.0, (0.01, 0.08)) for values in series]
    changed[0] = changed[0][:60]
    for values in changed[2:]:
        values[:, 100:] = 0
    found = checkup(write(tmp_path / "raw", changed), atlas=ATLAS, tr=2.0)
    assert found.problems == []
    facts = "\n".join(found.facts)
    assert "hidden     network Subcortical: missing in 4 of 6; its tokens are hidden" in facts
    assert "length     2.0 to 5.0 minutes, median 5.0" in facts
    assert "short      1 of 6 has less than 240 s: little to train on" in facts
    assert "filter     6 of 6 were already low-passed: pass --already-filtered to avoid filtering twice" in facts


def test_only_some_recordings_are_looked_into_and_all_on_request(tmp_path, series):
    folder = write(tmp_path / "raw", series)
    assert len(checkup(folder, atlas=ATLAS, tr=2.0, most=2).table) == 2
    assert checkup(folder, atlas=ATLAS, tr=2.0, most=2).table["participant_id"].tolist() == ["00", "05"]
    assert len(checkup(folder, atlas=ATLAS, tr=2.0, most=0).table) == 6


def test_simulated_cohorts_are_sound(tmp_path):
    folder = simulate(SimulationConfig(participants=4, sessions=1, atlas="schaefer100"), out=tmp_path / "sim")
    found = checkup(folder)
    assert (found.atlas, found.problems) == ("schaefer100", [])
    assert checkup(folder, atlas="schaefer100:one").problems == []


def test_the_command_prints_facts_problems_and_what_comes_next(tmp_path, series, capsys):
    folder = write(tmp_path / "raw", series)
    words = ["doctor", str(folder), "--atlas", ATLAS.name, "--tr", "2", "--table", str(tmp_path / "qc.tsv")]
    assert run(words) == 0
    said = capsys.readouterr().out
    assert f"Nothing wrong.\nNext: semantoks prepare {folder} --atlas schaefer100+tian-s1 --out cohort/" in said
    assert (tmp_path / "qc.tsv").read_text().splitlines()[1].split("\t")[:4] == ["00", "n/a", "n/a", "150"]
    assert run([*words[:4], "--tr", "2", "--model", "m"]) == 2
    assert "give only one" in capsys.readouterr().err
    swapped = write(tmp_path / "swapped", reordered(series, other_orders(ATLAS)[1].columns))
    assert run(["doctor", str(swapped), "--atlas", ATLAS.name, "--tr", "2"]) == 3
    said = capsys.readouterr().out
    assert "PROBLEM    the columns look like left and right swapped" in said
    assert "       ->  put the columns of the left hemisphere first" in said


@pytest.mark.real
def test_real_recordings_are_sound(real_data):
    for path, tr in (("abide/abide_cc200.h5", None), ("stages/stages_schaefer400_sub19.h5", 2.0)):
        found = checkup(real_data / path, tr=tr, most=12)
        assert found.problems == []
        assert any(fact.startswith("order      as") for fact in found.facts)


def as_memory(series, good=None):
    made = [
        Recording(series=one, tr=2.0, participant=f"{i}", good=good, source=f"memory {i}")
        for i, one in enumerate(series)
    ]
    return MemorySource(made, atlas=ATLAS)


def said_of(found, *whats):
    return [fact for fact in found.facts if fact.startswith(whats)]


@pytest.mark.parametrize("where", ["at the start", "at both ends"])
def test_censored_frames_change_nothing_that_the_doctor_says(series, where):
    good = np.ones(150, dtype=bool)
    good[:4] = False
    if where == "at both ends":
        good[-3:] = False
    blown = [one.copy() for one in series]
    for one in blown:
        one[~good] *= np.array([500, -300, 900, 200, 400, 100, 600])[: (~good).sum(), None]
    found, without = (
        checkup(as_memory(blown, good), atlas=ATLAS),
        checkup(as_memory([one[good] for one in series]), atlas=ATLAS),
    )
    assert found.problems == without.problems == []
    kinds = ("atlas", "spectrum", "order", "filter", "hidden")
    assert said_of(found, *kinds) == said_of(without, *kinds)
    assert said_of(found, "censored") == [
        f"censored   {(~good).mean():.1%} of the frames; {good.sum() / 30:.1f} to "
        f"{good.sum() / 30:.1f} minutes are good"
    ]
    assert found.table["good_frames"].tolist() == [good.sum()] * 6
    assert said_of(checkup(as_memory(blown), atlas=ATLAS), "order") != said_of(found, "order")


def test_minutes_that_are_censored_do_not_count_as_data(series):
    good = np.arange(150) >= 40
    found = checkup(as_memory(series, good), atlas=ATLAS)
    assert said_of(found, "short") == ["short      6 of 6 have less than 240 s of good data: little to train on"]


REORDERABLE = [order for order in other_orders(ATLAS) if "--atlas FILE.tsv" in order.remedy]


@pytest.mark.parametrize("order", REORDERABLE, ids=lambda order: order.name)
def test_a_table_of_the_atlas_in_the_order_of_the_columns_is_a_remedy(tmp_path, series, order):
    folder = write(tmp_path / "raw", reordered(series, order.columns))
    ATLAS.select([ATLAS.labels[roi] for roi in order.columns]).to_tsv(tmp_path / "own.tsv")
    assert checkup(folder, atlas=tmp_path / "own.tsv", tr=2.0).problems == []


@pytest.mark.parametrize(("atlas", "twin"), [("schaefer100", "schaefer100-17"), ("schaefer100-17", "schaefer100")])
def test_columns_in_the_other_order_of_networks_are_sound_with_the_atlas_that_is_named(tmp_path, atlas, twin):
    values = recordings(get_atlas(twin))
    folder = write(tmp_path / "raw", values)
    (problem,) = checkup(folder, atlas=atlas, tr=2.0).problems
    assert problem.remedy.startswith(f"choose --atlas {twin};")
    assert checkup(folder, atlas=twin, tr=2.0).problems == []


def test_labels_of_the_other_order_on_columns_that_are_in_the_atlas_s_order_are_found_out(tmp_path):
    values, atlas = recordings(get_atlas("schaefer100")), get_atlas("schaefer100")
    labelled = write(tmp_path / "labelled", values, get_atlas("schaefer100-17").labels)
    found = checkup(labelled, atlas=atlas, tr=2.0, reading=ReadingConfig(reorder=True))
    assert evidence_of(found)[0].startswith(
        "the columns look like its own order, reordered as if it were in 17-network"
    )
    assert "take them out" in found.problems[0].remedy
    assert checkup(write(tmp_path / "bare", values), atlas=atlas, tr=2.0).problems == []


def test_columns_that_are_partly_shuffled_are_in_no_known_order(tmp_path):
    atlas = get_atlas("schaefer200")
    rng = np.random.default_rng(0)
    moved = rng.choice(200, 80, replace=False)
    columns = np.arange(200)
    columns[np.sort(moved)] = moved
    found = checkup(write(tmp_path / "raw", reordered(recordings(atlas), columns)), atlas=atlas, tr=2.0)
    assert evidence_of(found)[0].startswith("the columns are in no known order of schaefer200: correlations are within")
    assert "well sorted, these recordings would reach within networks +0." in evidence_of(found)[0]


def test_the_atlas_of_recordings_in_memory_is_found_too():
    made = [Recording(series=one, tr=2.0, participant=str(i), source="") for i, one in enumerate(recordings(CORTEX, 2))]
    found = checkup(MemorySource(made, atlas=CORTEX))
    assert (found.atlas, found.problems) == ("schaefer200", [])


def test_labels_of_another_version_are_named_and_a_table_with_them_is_the_remedy(tmp_path):
    labels = [label.replace("_Cont_PFCl_", "_Cont_PFClx_") for label in CORTEX.labels]
    folder = write(tmp_path / "raw", recordings(CORTEX, people=1), labels)  # it is read anew for every atlas
    (problem,) = checkup(folder, tr=2.0).problems
    assert "atlas schaefer200 has 200 Schaefer parcels (7 networks), the recording has 200" in problem.evidence
    assert "label version (changed in September 2019)" in problem.evidence
    assert "give --atlas FILE.tsv" in problem.remedy
    table = pd.DataFrame({"label": labels, "network": CORTEX.networks})
    table.to_csv(tmp_path / "own.tsv", sep="\t", index=False)
    assert checkup(folder, atlas=str(tmp_path / "own.tsv"), tr=2.0).problems == []


def test_a_damaged_first_file_hides_no_atlas(tmp_path):
    folder = write(tmp_path / "raw", recordings(CORTEX, people=4))
    (folder / "sub-00_task-rest_timeseries.npy").write_bytes(b"cut")
    found = checkup(folder, tr=2.0)
    assert found.atlas == "schaefer200"
    assert [problem.partial for problem in found.problems] == [True]


def test_noise_has_no_order_that_could_be_checked(tmp_path):
    draw = np.random.default_rng(0)
    for person in range(3):
        np.save(tmp_path / f"sub-{person}_timeseries.npy", draw.normal(size=(220, 100)))
    found = checkup(tmp_path, atlas="schaefer100", tr=2.0)
    said = "cannot be checked: no columns go together more than others"
    assert f"{'order':<10} {said}" in found.facts
    assert not found.problems
