"""Rows of an Arrow file (stream or file format), memory-mapped and checked before anything is taken from them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Num
from numpy import ndarray

from semantoks.errors import DataError

MAGIC, END_MARK = b"ARROW1", 8
"""First bytes of the file format; number of bytes that a stream ends with to say that nothing is missing."""
FAULTS = (pa.ArrowException, OSError, ValueError, MemoryError)
"""Whatever Arrow raises over a file is the file's fault."""
AGAIN = "Copy or download it again."


def read_columns(path: Path) -> list[tuple[str, Any]]:
    """Read name and type of each column of an Arrow file; DataError if it is none."""
    try:
        with pa.memory_map(str(path)) as held:
            return [(str(column.name), column.type) for column in _reader(held).schema]
    except FAULTS as error:
        raise _damaged(path, error) from error


def read_batches(path: Path) -> Iterator[Any]:
    """Yield the record batches of an Arrow file.

    Raises
    ------
    DataError
        Before the first batch that is damaged, or after the last one if the file was cut off there.
    """
    try:
        with pa.memory_map(str(path)) as held:
            reader = _reader(held)
            if isinstance(reader, pa.ipc.RecordBatchFileReader):
                yield from map(reader.get_batch, range(reader.num_record_batches))
                return
            whole = held.tell()
            for batch in reader:
                whole = held.tell()
                yield batch
            cut_off = held.tell() - whole != END_MARK
    except FAULTS as error:
        raise _damaged(path, error) from error
    if cut_off:
        raise DataError(f"{path} ends without the mark of an Arrow stream's end, so that rows may be missing. {AGAIN}")


def read_row(path: Path, row: int) -> Any:
    """Read row ``row`` (from 0) as a record batch of one row."""
    left = row
    for batch in read_batches(path):
        if left < batch.num_rows:
            return batch.slice(left, 1)
        left -= batch.num_rows
    raise DataError(f"{path} has no row {row}. Has it changed since it was opened?")


def numbers(batch: Any, name: str, where: str) -> Num[ndarray, "..."]:
    """Read the lists of numbers in a column of one row, nested to any depth, as an array; missing ones are NaN.

    Raises
    ------
    DataError
        If lists of one depth differ in length, one is missing or empty, or what is in them is no number.
    """
    array, shape = _checked(batch, name, where), []
    while _is_list(array.type):
        lengths = pc.unique(pc.list_value_length(array)).to_pylist()
        if len(lengths) != 1 or not lengths[0]:
            said = " and ".join("missing ones" if n is None else f"some of {n} values" for n in lengths[:4]) or "none"
            raise DataError(f"{where}: {name} has to hold lists of one length, and holds {said}.")
        shape.append(lengths[0])
        array = array.flatten()
    if not _is_number(array.type):
        raise DataError(f"{where}: {name} has to hold real numbers, not {array.type}.")
    return np.asarray(array.to_numpy(zero_copy_only=False)).reshape(shape)


def plain_values(batch: Any, name: str, where: str) -> list[Any]:
    """Read a column of text, numbers or truth values; None where missing."""
    values: list[Any] = _checked(batch, name, where).to_pylist()
    return values


def texts(batch: Any, name: str, where: str) -> list[str]:
    """Read a column of text or whole numbers as text without the blanks around it; empty where missing."""
    array = _checked(batch, name, where)
    held = array.type.value_type if pa.types.is_dictionary(array.type) else array.type
    if not (pa.types.is_integer(held) or _is_text(held)):
        raise DataError(f"{where}: {name} has to hold text or whole numbers, not {array.type}.")
    return ["" if value is None else str(value).strip() for value in array.to_pylist()]


def is_plain(kind: Any) -> bool:
    """Tell a type of column that a table of people can hold: text, numbers, truth values."""
    held = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(_is_text(held) or _is_number(held) or pa.types.is_boolean(held))


def _reader(held: Any) -> Any:
    magic = held.read(len(MAGIC))
    held.seek(0)
    return pa.ipc.open_file(held) if magic == MAGIC else pa.ipc.open_stream(held)


def _checked(batch: Any, name: str, where: str) -> Any:
    """Take a column whose offsets stay within the file: Arrow itself does not look until it is asked to."""
    array = batch.column(name)
    array = array.storage if isinstance(array, pa.ExtensionArray) else array
    try:
        array.validate(full=True)
    except FAULTS as error:
        raise DataError(f"{where}: {name} is damaged ({error}). {AGAIN}") from error
    return array


def _is_list(kind: Any) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _is_number(kind: Any) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))


def _is_text(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _damaged(path: Path, error: BaseException) -> DataError:
    return DataError(f"{path} cannot be read as Arrow, is it damaged? ({' '.join(str(error).split())}) {AGAIN}")
