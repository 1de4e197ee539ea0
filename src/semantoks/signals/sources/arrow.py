"""Rows of Hugging Face datasets as in the Brainmarks suite: z-scored series, what undoes the z-score, and the TR."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Num
from numpy import ndarray

from semantoks.atlas.atlas import Atlas
from semantoks.atlas.catalog import brainmarks_spaces
from semantoks.counted import plural
from semantoks.errors import DataError
from semantoks.signals.files.columns import match_labels, pick
from semantoks.signals.files.intact import readable
from semantoks.signals.files.names import BidsFile
from semantoks.signals.files.stated import StatedTR
from semantoks.signals.phenotypes import find_column, tidy_participants, without_prefix
from semantoks.signals.recording import Recording
from semantoks.signals.sources.runs import chosen_runs, numbered, run_labels
from semantoks.signals.sources.source import FactTable, Item, OpenedSource, Request, row_item
from semantoks.storage.apart import read_apart
from semantoks.types import RoiIndex, Series

SERIES, MEAN, STD, TR = "bold", "mean", "std", "tr"
ENTITIES = {
    "sub": ("participant_id", "subject_id", "subject", "sub", "sub_id"),
    "ses": ("session_id", "session", "ses", "visit"),
    "task": ("task", "task_id"),
    "acq": ("acq",),
    "dir": ("dir",),
    "run": ("run_id", "run"),
}
"""What a row says about whose it is, and what its column may be called, in any case."""
UNWANTED = frozenset({SERIES, MEAN, STD, TR, "path", "start", "end", "n_frames"})
ID, SPLIT = "participant_id", "split"
CACHED = "cache-"
SHARD = re.compile(r"(.*)-(\d{5})-of-(\d{5})\.arrow")

MAGIC, END_MARK = b"ARROW1", 8
"""First bytes of the file format; number of bytes that end a stream to say that nothing is missing."""
FAULTS = (pa.ArrowException, OSError, ValueError, MemoryError)
"""Whatever Arrow raises over a file is the file's fault."""
AGAIN = "Copy or download it again."
Numbers = Num[ndarray, "..."]


@dataclass(frozen=True, kw_only=True)
class _Row:
    """A row: whose it is (``sub`` is empty where missing), and what else it says except its series."""

    one: BidsFile
    facts: Mapping[str, Any]


def open_arrow(request: Request) -> OpenedSource:
    """Open a folder of Arrow files, or one folder of them per split; one recording per row.

    A row has ``bold`` [frame, D], z-scored, ``mean`` and ``std`` [1, D] that undo this, ``tr`` in seconds, and the
    participant's id (``sub``, ``subject`` or ``participant_id``). D tells the space: 400 columns are ``schaefer400`` in
    17-network order, 450 have the Tian S3 ROIs before them, 457 are the published atlas. A participant, session and
    run that is repeated is numbered. Other columns, and the split, make a participants table if none is given.

    A file that is damaged, cut off or missing is an item of its own, whose reading says what is lost.

    Raises
    ------
    DataError
        When there is no Arrow file.
    ConfigError
        When what was asked for does not exist.
    """
    path = request.path
    files, caches = _arrow_files(path)
    if not files:
        raise DataError(f"{path} has no .arrow files: looked in it and in the folders in it.")
    lost = _missing_shards(files)
    rows: list[_Row] = []
    for file in files:
        found, reason = _scanned(file, file.parent.name if file.parent != path else "")
        rows += found
        if reason:
            lost[file] = reason
    splits = Counter(row.one.path.parent.parent.name for row in rows)
    own, varying = _people(rows, path)
    table = own if request.participants is None else request.participants
    facts = FactTable(table, request.tr, files_say=True)
    items, notes = _list_items(rows, request)
    if len(splits) > 1:
        notes.append(f"all splits are read: {', '.join(f'{split} ({count} rows)' for split, count in splits.items())}")
    if varying:
        notes.append(f"not in the participants table, varying within a participant: {', '.join(varying)}")
    if caches:
        count = plural(caches, f"file {CACHED}*.arrow", f"files {CACHED}*.arrow")
        notes.append(f"{count} left out: intermediate results of the datasets library")
    return OpenedSource(
        request,
        kind="Arrow rows of Brainmarks",
        items=[*items, *(_lost_item(file, path) for file in lost)],
        facts=facts,
        read=_Reader(atlas=request.atlas, facts=facts, lost=lost).read,
        notes=notes,
        table=table,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Reader:
    """Reads rows in the order of the atlas; ``lost`` has a reason for each file of which rows are lost."""

    atlas: Atlas
    facts: FactTable
    lost: Mapping[Path, str]
    positions: dict[int, RoiIndex] = field(default_factory=dict)

    def read(self, item: Item) -> Recording:
        """Read one row; DataError if it is damaged, of another space than the atlas, or of unknown repetition time."""
        if item.row is None:
            raise DataError(self.lost[item.path])
        where = f"{item.path} row {item.row}"
        stated, bold, mean, std = read_apart(item.path, _read_row, item.path, item.row, where)
        known = self.facts.of(item, stated)
        return known.recording(item, self._series(bold, mean, std, where), source=where)

    def _series(self, bold: Numbers, mean: Numbers, std: Numbers, where: str) -> Series:
        """Undo the z-score of a row and bring it into the atlas's order."""
        if bold.ndim != 2 or {mean.size, std.size} != {bold.shape[1]}:
            shapes = ", ".join(f"{n} {list(a.shape)}" for n, a in ((SERIES, bold), (MEAN, mean), (STD, std)))
            raise DataError(f"{where} has to have bold [frame, D], mean [1, D] and std [1, D]; it has {shapes}.")
        if bold.shape[1] not in self.positions:
            self.positions[bold.shape[1]] = self._match(bold.shape[1], where)
        with np.errstate(over="ignore", invalid="ignore"):  # beyond float32 becomes infinite, which cleaning refuses
            whole = bold.astype(np.float64) * std.ravel() + mean.ravel()
            return pick(whole, self.positions[bold.shape[1]])

    def _match(self, width: int, where: str) -> RoiIndex:
        """Find the column of each ROI of the atlas among ``width``, which tells the space."""
        spaces = brainmarks_spaces()
        labels = next((labels for labels in spaces.values() if len(labels) == width), None)
        if labels is None:
            known = ", ".join(f"{len(labels)} ({space})" for space, labels in spaces.items())
            raise DataError(f"{where}: bold has {width} columns, and no space of Brainmarks has that many: {known}.")
        positions = match_labels(labels, self.atlas, where=where, reorder=True)
        if positions is None:
            raise DataError(
                f"{where}: its {width} columns are none of the ROIs of the atlas {self.atlas.name}. Choose an atlas "
                "with those of Schaefer 400."
            )
        return positions


def is_arrow(path: Path) -> bool:
    """Recognise a folder whose first Arrow file has ``bold``, ``mean`` and ``std``, or cannot be read."""
    files = _arrow_files(path)[0] if path.is_dir() else []
    try:
        return bool(files) and {SERIES, MEAN, STD} <= {
            name for name, _ in read_apart(files[0], _read_columns, files[0])
        }
    except DataError:
        return True


def _arrow_files(path: Path) -> tuple[list[Path], int]:
    """List the Arrow files in a folder and in the folders in it that are no participant's; count the caches.

    A link to a file that is not here counts, so that reading it says so.
    """
    folders = [path, *sorted(f for f in path.iterdir() if f.is_dir() and not f.name.startswith((".", "sub-")))]
    files = [file for folder in folders for file in sorted(folder.glob("*.arrow")) if not file.is_dir()]
    kept = [file for file in files if not file.name.startswith((CACHED, "."))]
    return kept, len(files) - len(kept)


def _missing_shards(files: list[Path]) -> dict[Path, str]:
    """Find the files that are missing although the names of others count them: ``data-00000-of-00002.arrow``."""
    there: dict[tuple[Path, str, str], set[int]] = defaultdict(set)
    for file in files:
        if (found := SHARD.fullmatch(file.name)) is not None:
            there[file.parent, found[1], found[3]].add(int(found[2]))
    lost = {}
    for (folder, stem, total), shards in there.items():
        if (absent := int(total) - len(shards)) > 0:
            first = next(number for number in range(int(total)) if number not in shards)
            path = folder / f"{stem}-{first:05d}-of-{total}.arrow"
            lost[path] = f"{absent} of {int(total)} Arrow files are missing, the first is {path}. Download them."
    return lost


def _scanned(file: Path, split: str) -> tuple[list[_Row], str]:
    """Scan a file in a process of its own with limits; a file that ends it is lost."""
    try:
        found: tuple[list[_Row], str] = read_apart(file, _scan, file, split)
    except DataError as error:
        return [], str(error)
    return found


def _scan(file: Path, split: str) -> tuple[list[_Row], str]:
    """Read what the rows of a file say except their series; and what is lost of the file, empty if nothing is."""
    rows: list[_Row] = []
    where = str(file)
    try:
        names, rest = _columns(file)
        for batch in _read_batches(file):
            who = [_texts(batch, name, where) for name in names.values()]
            others = [_plain_values(batch, name, where) for name in rest]
            for index in range(batch.num_rows):
                labels = {entity: without_prefix(entity, ids[index]) for entity, ids in zip(names, who, strict=True)}
                cells = {name: values[index] for name, values in zip(rest, others, strict=True)}
                # A row is named like a file in its file.
                one = BidsFile(path=file / str(len(rows)), entities=labels)
                rows.append(_Row(one=one, facts={SPLIT: split, **cells}))
    except DataError as error:
        return rows, f"{error} {len(rows)} rows before that can be read." if rows else str(error)
    return rows, ""


def _columns(file: Path) -> tuple[dict[str, str], list[str]]:
    """Name the column of each entity, and the other columns that fit into a table of people."""
    columns = _read_columns(file)
    names = [name for name, _ in columns]
    if len(set(names)) < len(names):
        raise DataError(f"{file} has columns of the same name: {', '.join(names)}.")
    found = {entity: find_column(pd.DataFrame(columns=names), known) for entity, known in ENTITIES.items()}
    lacking = [name for name in (SERIES, MEAN, STD, TR) if name not in names]
    lacking += [] if found["sub"] else [f"id of the participant ({', '.join(ENTITIES['sub'])})"]
    if lacking:
        raise DataError(f"{file} has no column {' and no column '.join(lacking)}. It has {', '.join(names)}.")
    used = {entity: name for entity, name in found.items() if name is not None}
    rest = {*names} - {*used.values()} - UNWANTED
    return used, [name for name, column_type in columns if name in rest and _is_plain(column_type)]


def _list_items(rows: Sequence[_Row], request: Request) -> tuple[list[Item], list[str]]:
    """Make an item of each row that was asked for; and say what was not."""
    kept, notes = chosen_runs([row.one for row in rows], request.reading, request.path) if rows else ([], [])
    names = [
        (one.entities["sub"], one.entities.get("ses", ""), run) for one, run in zip(kept, run_labels(kept), strict=True)
    ]
    items = [
        row_item(one.path.parent, int(one.path.name), participant=name[0], session=name[1], run=run)
        for one, name, run in zip(kept, names, numbered(names, joint="."), strict=True)
    ]
    return items, notes


def _lost_item(file: Path, path: Path) -> Item:
    key = file.relative_to(path).as_posix()
    return Item(key=key, path=file, row=None, participant=key.removesuffix(file.suffix), session="", run="")


def _people(rows: list[_Row], path: Path) -> tuple[pd.DataFrame | None, list[str]]:
    """Make a table of what is the same in all rows of each participant; and name the columns that are not."""
    table = pd.DataFrame([{ID: row.one.entities["sub"], **row.facts} for row in rows if row.one.entities["sub"]])
    if table.empty:
        return None, []
    differing = table.groupby(ID).nunique(dropna=False).gt(1).any()
    varying = [str(name) for name in differing[differing].index]
    useless = {*varying, SPLIT} if table[SPLIT].nunique() == 1 else {*varying}
    people = table.drop(columns=list(useless)).drop_duplicates(ignore_index=True)
    return (tidy_participants(people, where=str(path)) if people.shape[1] > 1 else None), varying


def _stated_tr(row: Any, where: str) -> StatedTR:
    (seconds,) = _plain_values(row, TR, where)
    if seconds is None:
        return StatedTR(seconds=None, where=f"{where} has no tr")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise DataError(f"{where}: tr has to be a number of seconds, not {seconds!r}.")
    return StatedTR(seconds=round(float(seconds), 6), where=where)  # float32 is not exact beyond the microsecond


def _damage(path: Path) -> Any:
    """Blame the file for whatever Arrow raises."""
    return readable(f"{path} cannot be read as Arrow, is it damaged?", remedy=AGAIN, faults=FAULTS)


def _read_columns(path: Path) -> list[tuple[str, Any]]:
    """Read name and type of each column of an Arrow file; DataError if it is none."""
    with _damage(path), pa.memory_map(str(path)) as mapped:
        return [(str(column.name), column.type) for column in _reader(mapped).schema]


def _read_batches(path: Path) -> Iterator[Any]:
    """Yield the record batches of an Arrow file.

    Raises
    ------
    DataError
        Before the first batch that is damaged, or after the last one if the file was cut off there.
    """
    with _damage(path), pa.memory_map(str(path)) as mapped:
        reader = _reader(mapped)
        if isinstance(reader, pa.ipc.RecordBatchFileReader):
            yield from map(reader.get_batch, range(reader.num_record_batches))
            return
        whole = mapped.tell()
        for batch in reader:
            whole = mapped.tell()
            yield batch
        cut_off = mapped.tell() - whole != END_MARK
    if cut_off:
        raise DataError(f"{path} ends without the mark of an Arrow stream's end, so rows may be missing. {AGAIN}")


def _read_row(path: Path, row: int, where: str) -> tuple[StatedTR, Numbers, Numbers, Numbers]:
    """Read the repetition time, the series, mean and standard deviation of row ``row`` (from 0)."""
    left = row
    for batch in _read_batches(path):
        if left < batch.num_rows:
            one = batch.slice(left, 1)
            bold, mean, std = (_numbers(one, name, where) for name in (SERIES, MEAN, STD))
            return _stated_tr(one, where), bold, mean, std
        left -= batch.num_rows
    raise DataError(f"{path} has no row {row}. Has it changed since it was opened?")


def _reader(mapped: Any) -> Any:
    magic = mapped.read(len(MAGIC))
    mapped.seek(0)
    return pa.ipc.open_file(mapped) if magic == MAGIC else pa.ipc.open_stream(mapped)


def _numbers(batch: Any, name: str, where: str) -> Numbers:
    """Read the lists of numbers in a column of one row, nested to any depth, as an array; missing ones are NaN.

    Raises
    ------
    DataError
        If lists of one depth differ in length, one is missing or empty, or a value is no number.
    """
    array, shape = _checked(batch, name, where), []
    while pa.types.is_list(array.type) or pa.types.is_large_list(array.type) or pa.types.is_fixed_size_list(array.type):
        lengths = pc.unique(pc.list_value_length(array)).to_pylist()
        if len(lengths) != 1 or not lengths[0]:
            found = " and ".join("missing ones" if n is None else f"some of {n} values" for n in lengths[:4]) or "none"
            raise DataError(f"{where}: {name} has to consist of lists of one length, but has {found}.")
        shape.append(lengths[0])
        array = array.flatten()
    if not _is_number(array.type):
        raise DataError(f"{where}: {name} has to consist of real numbers, not {array.type}.")
    return np.asarray(array.to_numpy(zero_copy_only=False)).reshape(shape)


def _plain_values(batch: Any, name: str, where: str) -> list[Any]:
    """Read a column of text, numbers or truth values; None where missing."""
    values: list[Any] = _checked(batch, name, where).to_pylist()
    return values


def _texts(batch: Any, name: str, where: str) -> list[str]:
    """Read a column of text or whole numbers as text without the blanks around it; empty where missing."""
    array = _checked(batch, name, where)
    column_type = _value_type(array.type)
    if not (pa.types.is_integer(column_type) or _is_text(column_type)):
        raise DataError(f"{where}: {name} has to be text or whole numbers, not {array.type}.")
    return ["" if value is None else str(value).strip() for value in array.to_pylist()]


def _checked(batch: Any, name: str, where: str) -> Any:
    """Take a column whose offsets stay within the file: Arrow itself does not look until it is asked to."""
    array = batch.column(name)
    array = array.storage if isinstance(array, pa.ExtensionArray) else array
    with readable(f"{where}: {name} is damaged", remedy=AGAIN, faults=FAULTS):
        array.validate(full=True)
    return array


def _value_type(column_type: Any) -> Any:
    return column_type.value_type if pa.types.is_dictionary(column_type) else column_type


def _is_plain(column_type: Any) -> bool:
    """Tell a type of column that fits into a table of people: text, numbers, truth values."""
    column_type = _value_type(column_type)
    return bool(_is_text(column_type) or _is_number(column_type) or pa.types.is_boolean(column_type))


def _is_number(column_type: Any) -> bool:
    return bool(pa.types.is_floating(column_type) or pa.types.is_integer(column_type))


def _is_text(column_type: Any) -> bool:
    return bool(pa.types.is_string(column_type) or pa.types.is_large_string(column_type))
