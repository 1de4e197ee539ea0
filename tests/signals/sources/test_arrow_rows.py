"""Arrow rows of the Brainmarks suite: undone z-scores in the atlas's order, and whose they are."""

import pickle

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from tiny_arrow import ATLAS, SPACES, opened, raw, read, row, write

from semantoks.atlas.catalog import get_atlas
from semantoks.errors import ConfigError, DataError
from semantoks.signals.prepare import prepare
from semantoks.signals.recording import Recording
from semantoks.signals.sources.arrow import is_arrow
from semantoks.signals.sources.memory import MemorySource


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("file_format", [False, True])
def test_the_z_score_is_undone_and_the_columns_stand_in_the_atlass_order(tmp_path, space, file_format):
    given = {f"0{seed}": raw(space, 20 + seed, seed) for seed in range(3)}
    write(tmp_path / "data.arrow", [row(sub, one) for sub, one in given.items()], batch=2, file_format=file_format)
    for one in read(opened(tmp_path)):
        column = {label: index for index, label in enumerate(SPACES[space])}
        for index, label in enumerate(ATLAS.labels):
            expected = given[one.participant][:, column[label]] if label in column else np.nan
            np.testing.assert_allclose(one.series[:, index], np.broadcast_to(expected, len(one.series)), rtol=3e-6)
        assert one.tr == 0.8
        assert one.tr_from == f"{tmp_path}/data.arrow row {int(one.participant)}"


@pytest.mark.parametrize(
    ("kind", "tolerance"),
    [
        (pa.list_(pa.list_(pa.float16())), 2e-4),
        (pa.list_(pa.list_(pa.float64(), 400)), 1e-6),
        (pa.large_list(pa.large_list(pa.float32())), 1e-6),
        (pa.list_(pa.list_(pa.float32(), 400), 30), 1e-6),
    ],
)
def test_lists_of_every_kind_are_read(tmp_path, kind, tolerance):
    flat = pa.list_(pa.float32())
    given = row(sub=7, session="ses-2", run=1)
    given |= {name: given[name][0] for name in ("mean", "std")}
    given["bold"] = [list(roi) for roi in np.asarray(given["bold"], kind.value_type.value_type.to_pandas_dtype())]
    write(tmp_path / "data.arrow", [given], bold=kind, mean=flat, std=flat, tr=pa.float32())
    (one,) = read(opened(tmp_path, get_atlas("schaefer400-17")))
    np.testing.assert_allclose(one.series, raw(), rtol=tolerance)
    assert (one.participant, one.session, one.run, one.tr) == ("7", "2", "1", 0.8)


def test_a_cohort_of_rows_is_that_of_the_recordings_themselves(tmp_path):
    rng = np.random.default_rng(0)
    series = {sub: rng.normal(size=(160, 450)).cumsum(axis=0) for sub in ("01", "02")}
    write(
        tmp_path / "rows" / "data.arrow",
        [row(sub, one) for sub, one in series.items()],
        bold=pa.list_(pa.list_(pa.float64())),
    )
    place = ATLAS.match(SPACES["schaefer400_tians3"])
    given = [
        Recording(series=np.where(place >= 0, one[:, place], np.nan), tr=0.8, participant=sub, source="made")
        for sub, one in series.items()
    ]
    direct = prepare(MemorySource(given, atlas=ATLAS), out=tmp_path / "direct", atlas=ATLAS)
    again = prepare(opened(tmp_path / "rows"), out=tmp_path / "again", atlas=ATLAS)
    for index in range(2):
        np.testing.assert_allclose(direct.series(index), again.series(index), atol=2**-9)  # an ulp of float16 at 2 to 4
    assert again.missing[:, 450:].all()


# Splits, and what else a row says
def test_splits_are_read_and_what_rows_say_of_people_becomes_their_table(tmp_path):
    write(tmp_path / "train" / "data-00000-of-00002.arrow", [row("01", age=20, sex="F", note="a")])
    write(tmp_path / "train" / "data-00001-of-00002.arrow", [row("02", age=30, sex="M", note="a")])
    write(tmp_path / "test" / "data-00000-of-00001.arrow", [row("03", age=40, sex="F", note=n, ses=n) for n in "ab"])
    write(tmp_path / "test" / "cache-1f.arrow", [row("04")])
    source = opened(tmp_path)
    assert [item.key for item in source.items()] == ["sub-03_ses-a", "sub-03_ses-b", "sub-01", "sub-02"]
    assert source.participants().to_dict("list") == {
        "participant_id": ["03", "01", "02"],
        "split": ["test", "train", "train"],
        "age": [40, 20, 30],
        "sex": ["F", "F", "M"],
    }
    assert source.notes() == [
        "all splits are read: test (2 rows), train (2 rows)",
        "not in the participants table, varying within a participant: note",
        "1 file cache-*.arrow left out: intermediate results of the datasets library",
    ]


def test_a_table_that_is_given_counts_instead(tmp_path):
    write(tmp_path / "data.arrow", [row("01", age=20), row("02", age=21)])
    table = pd.DataFrame({"participant_id": ["01", "02"], "site": ["A", "B"], "mean_fd": [0.1, 0.2]})
    source = opened(tmp_path, table=table)
    assert source.participants() is table
    assert [(one.site, one.mean_fd) for one in read(source)] == [("A", 0.1), ("B", 0.2)]


def test_rows_that_say_nothing_of_people_make_no_table(tmp_path):
    write(tmp_path / "data.arrow", [row("01", path="a", start=0, end=30)])
    source = opened(tmp_path)
    assert source.participants() is None
    assert source.notes() == []


@pytest.mark.parametrize("name", ["sub", "subject", "participant_id", "Subject_ID"])
def test_every_name_of_the_id_is_known_and_it_stays_text(tmp_path, name):
    given = row("sub-0050642")
    given[name] = given.pop("sub")
    write(tmp_path / "data.arrow", [given])
    assert [one.participant for one in read(opened(tmp_path))] == ["0050642"]


def test_rows_that_come_again_are_numbered_and_runs_told_apart_by_what_differs(tmp_path):
    rows = [row(run=1, dir="LR"), row(run=1, dir="RL"), row(run=1, dir="RL"), row("02", run=None, dir="LR")]
    write(tmp_path / "data.arrow", rows)
    assert [item.run for item in opened(tmp_path).items()] == ["LR1", "RL1.1", "RL1.2", "LR"]


def test_participants_sessions_and_tasks_are_chosen(tmp_path):
    write(tmp_path / "data.arrow", [row(sub, task=task) for sub in ("01", "02") for task in ("rest", "nback")])
    assert [item.key for item in opened(tmp_path).items()] == ["sub-01", "sub-02"]
    assert [item.row for item in opened(tmp_path, task_label=("nback",)).items()] == [1, 3]
    assert [item.participant for item in opened(tmp_path, participant_label=("sub-02",)).items()] == ["02"]
    with pytest.raises(ConfigError, match="has no sub-09; it has 01, 02"):
        opened(tmp_path, participant_label=("09",))


# The atlas
def test_both_orders_of_networks_get_their_own_columns(tmp_path):
    write(tmp_path / "data.arrow", [row()])
    (seven,), (seventeen,) = (read(opened(tmp_path, get_atlas(name))) for name in ("schaefer400", "schaefer400-17"))
    np.testing.assert_allclose(seventeen.series, raw(), rtol=3e-6)  # theirs is the 17-network order as it stands
    a, b = get_atlas("schaefer400").centroids, get_atlas("schaefer400-17").centroids
    place = [np.flatnonzero((b == centre).all(axis=1))[0] for centre in a]
    np.testing.assert_array_equal(seven.series, seventeen.series[:, place])


# The repetition time
def test_a_row_without_repetition_time_takes_the_option_or_says_so(tmp_path):
    write(tmp_path / "data.arrow", [row(tr=None), row("02")], tr=pa.float64())
    source = opened(tmp_path)
    with pytest.raises(DataError, match=r"no repetition time for sub-01: .*data\.arrow row 0 has no tr; .*pass --tr"):
        source.read(source.items()[0])
    assert {one.tr_from for one in read(opened(tmp_path, tr=0.8))} == {"--tr", f"{tmp_path}/data.arrow row 1"}
    source = opened(tmp_path, tr=2.0)
    with pytest.raises(DataError, match=r"--tr says 2 s, but .*data\.arrow row 1 says 0\.8 s"):
        source.read(source.items()[1])


def test_missing_values_and_rois_of_no_variance_are_missing(tmp_path):
    given = row()
    given["bold"][3][7] = None
    given["std"][0][8], given["bold"] = 0.0, [[*one[:8], float("nan"), *one[9:]] for one in given["bold"]]
    write(tmp_path / "data.arrow", [given])
    (one,) = read(opened(tmp_path, get_atlas("schaefer400-17")))
    assert np.argwhere(np.isnan(one.series[:, :8])).tolist() == [[3, 7]]
    assert np.isnan(one.series[:, 8]).all()


def test_folders_of_arrow_rows_are_told_by_their_columns(tmp_path):
    write(tmp_path / "rows" / "train" / "data.arrow", [row()])
    write(tmp_path / "text" / "data.arrow", [{"text": "a"}])
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "data.arrow").write_bytes(b"x")
    (tmp_path / "arrays" / "sub-01").mkdir(parents=True)
    write(tmp_path / "arrays" / "sub-01" / "data.arrow", [row()])
    told = {name: is_arrow(tmp_path / name) for name in ("rows", "text", "broken", "arrays")}
    assert told == {"rows": True, "text": False, "broken": True, "arrays": False}
    assert not is_arrow(tmp_path / "rows" / "train" / "data.arrow")


def test_a_source_can_be_pickled_and_reads_the_same(tmp_path):
    write(tmp_path / "data.arrow", [row()])
    source = opened(tmp_path)
    np.testing.assert_array_equal(read(pickle.loads(pickle.dumps(source)))[0].series, read(source)[0].series)
