"""Arrow rows that cannot be read: what is lost is said, and whole rows are read all the same."""

import numpy as np
import pyarrow as pa
import pytest
from tiny_arrow import ATLAS, F32, opened, raw, read, reason, row, write

from semantoks.atlas.atlas import Atlas
from semantoks.atlas.catalog import get_atlas
from semantoks.errors import DataError
from semantoks.signals.prepare import prepare


def test_an_atlas_without_their_rois_is_refused(tmp_path):
    own = Atlas(name="own", labels=("a", "b"), networks=("A", "B"))
    assert "none of the ROIs of the atlas own" in reason(tmp_path, [row()], own)
    assert "not the same set" in reason(tmp_path, [row()], get_atlas("schaefer200"))


@pytest.mark.parametrize(
    ("tr", "text"), [("0.8", "tr has to be a number of seconds"), (True, "tr has to be"), (800.0, "0.3 to 6")]
)
def test_a_repetition_time_that_is_none_is_refused(tmp_path, tr, text):
    assert text in reason(tmp_path, [row(tr=tr)])


# Rows that are wrong
def test_rows_of_no_space_or_of_other_shapes_are_refused_and_say_what_they_hold(tmp_path):
    assert "bold has 300 columns, and no space of Brainmarks has that many: 400 (schaefer400), 450" in reason(
        tmp_path, [row(series=raw()[:, :300])]
    )
    short = row()
    short["std"] = [short["std"][0][:399]]
    assert "it has bold [30, 400], mean [1, 400], std [1, 399]" in reason(tmp_path, [short])
    ragged = row()
    ragged["bold"][3] = ragged["bold"][3][:-1]
    assert "lists of one length, but has some of 400 values and some of 399 values" in reason(tmp_path, [ragged])
    hole = row()
    hole["bold"][3] = None
    assert "has some of 400 values and missing ones" in reason(tmp_path, [hole])
    assert "bold has to consist of lists of one length, but has some of 0 values" in reason(
        tmp_path, [row() | {"bold": []}]
    )
    assert "consist of lists of one length, but has missing ones" in reason(tmp_path, [row() | {"bold": None}])
    words = row() | {"bold": [["a"] * 400]}
    assert "bold has to consist of real numbers, not string" in reason(
        tmp_path, [words], bold=pa.list_(pa.list_(pa.string()))
    )


def test_a_row_without_id_is_a_reason(tmp_path):
    write(tmp_path / "data.arrow", [row(None), row("02")])
    source = opened(tmp_path)
    with pytest.raises(DataError, match="the participant's id is empty"):
        source.read(source.items()[0])
    assert source.read(source.items()[1]).participant == "02"


def test_offsets_that_lead_out_of_the_file_are_found_before_they_are_followed(tmp_path):
    path = write(tmp_path / "data.arrow", [row() | {"bold": [[0.5] * 1111, [0.5] * 2222]}])
    offsets = np.array([0, 1111, 3333], dtype="<i4")
    wrong = np.array([0, 2**30, 3333], dtype="<i4")
    path.write_bytes(path.read_bytes().replace(offsets.tobytes(), wrong.tobytes()))
    source = opened(tmp_path)
    with pytest.raises(DataError, match=r"bold is damaged \(.*Copy or download it again"):
        source.read(source.items()[0])


# Files that are damaged or not there
@pytest.mark.parametrize("dropped", [1, 7, 8])
def test_of_a_stream_that_was_cut_off_the_whole_rows_are_read_and_the_rest_is_listed(tmp_path, dropped):
    path = write(tmp_path / "x" / "data.arrow", [row(f"0{i}", raw(frames=160, seed=i)) for i in range(3)], batch=1)
    whole = [one.series for one in read(opened(tmp_path / "x"))]
    path.write_bytes(path.read_bytes()[:-dropped])
    source = opened(tmp_path / "x")
    *rows, lost = source.items()
    np.testing.assert_array_equal([source.read(item).series for item in rows], whole)
    assert (lost.key, lost.participant) == ("data.arrow", "data")
    with pytest.raises(DataError, match=r"data\.arrow .* 3 rows before that can be read\."):
        source.read(lost)
    path.write_bytes(path.read_bytes()[: -dropped - 5000])
    cohort = prepare(opened(tmp_path / "x"), out=tmp_path / "c", atlas=ATLAS)
    assert cohort.recordings["participant_id"].tolist() == ["00", "01"]
    assert cohort.excluded["reason"].str.contains("is it damaged.* 2 rows before").tolist() == [True]


def test_a_file_that_is_no_arrow_or_is_not_there_is_listed_and_the_others_are_read(tmp_path):
    write(tmp_path / "a" / "data-00001-of-00004.arrow", [row()])
    (tmp_path / "a" / "data-00002-of-00004.arrow").write_bytes(b"ARROW1 or so")
    (tmp_path / "a" / "data-00003-of-00004.arrow").write_bytes(b"")
    (tmp_path / "a" / "more.arrow").symlink_to(tmp_path / ".git" / "annex" / "more.arrow")
    source = opened(tmp_path / "a")
    lost = [*(f"data-0000{i}-of-00004.arrow" for i in (0, 2, 3)), "more.arrow"]
    assert [item.key for item in source.items()] == ["sub-01", *lost]
    source.read(source.items()[0])
    reasons = ("1 of 4 Arrow files are missing", "damaged", "damaged", "No such file")
    for item, text in zip(source.items()[1:], reasons, strict=True):
        with pytest.raises(DataError, match=text):
            source.read(item)


def test_files_without_the_columns_say_which(tmp_path):
    def lost(given, **types):
        write(tmp_path / "data.arrow", [given], **types)
        source = opened(tmp_path)
        with pytest.raises(DataError) as caught:
            source.read(source.items()[0])
        return str(caught.value)

    bare = row()
    del bare["mean"], bare["sub"]
    assert "has no column mean and no column id of the participant (participant_id, subject_id" in lost(bare)
    assert "participant_id has to be text or whole numbers, not double" in lost(
        row() | {"participant_id": 1.0}, participant_id=pa.float64()
    )
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["bold", "bold"])
    with pa.ipc.new_stream(str(tmp_path / "data.arrow"), table.schema) as writer:
        writer.write_table(table)
    source = opened(tmp_path)
    with pytest.raises(DataError, match="columns of the same name: bold, bold"):
        source.read(source.items()[0])


def test_a_folder_without_arrow_files_says_where_it_looked(tmp_path):
    with pytest.raises(DataError, match=r"has no \.arrow files: looked in it and in the folders in it"):
        opened(tmp_path)


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_a_compressed_file_that_claims_more_than_there_is_memory_is_refused_by_name(tmp_path, codec):
    shape = {"mean": 1, "std": 1, "bold": 30}
    numbers = {name: pa.array([[[0.0] * 400] * frames], F32) for name, frames in shape.items()}
    table = pa.table({"sub": ["01"], "tr": [0.8], **numbers})
    file = tmp_path / "x" / "data.arrow"
    file.parent.mkdir()
    with pa.ipc.new_stream(str(file), table.schema, options=pa.ipc.IpcWriteOptions(compression=codec)) as writer:
        writer.write_table(table)
    assert len(read(opened(tmp_path / "x"))) == 1
    whole, claimed = (
        file.read_bytes(),
        (12_000 * 4).to_bytes(8, "little"),
    )  # of the 30 x 400 numbers, before they were packed
    assert whole.count(claimed) == 1
    for claim in (10**12, 2**62, 1 << 33):
        file.write_bytes(whole.replace(claimed, claim.to_bytes(8, "little")))
        with pytest.raises(DataError, match=r"data\.arrow"):
            read(opened(tmp_path / "x"))
