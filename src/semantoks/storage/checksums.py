"""Checksums beside what is read again: inside JSON and safetensors, and in the list SHA256SUMS of a folder."""

import hashlib
import json
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from semantoks.counted import plural
from semantoks.errors import DataError, SemantoksError
from semantoks.storage.durable import write_durably
from semantoks.storage.text import plain_json, read_json, read_text, regular_size

SEAL = "sha256"
"""Key of the checksum: of the object that it stands in, or of the tensors whose metadata it stands in."""
SUMS = "SHA256SUMS"
"""Name of a folder's list, as ``sha256sum --check`` reads it."""
METADATA = "__metadata__"
QUICK = 100 << 20
"""Bytes that are read without being asked for, to see whether they are intact."""


def sha256(content: bytes | memoryview) -> str:
    """Return the SHA-256 of bytes, in hex."""
    return hashlib.sha256(content).hexdigest()


def sealed(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Return a JSON object with the checksum of its content; how it is laid out does not count."""
    content: dict[str, Any] = json.loads(json.dumps({key: value for key, value in plain.items() if key != SEAL}))
    return content | {SEAL: sha256(_canonical(content))}


def unsealed(plain: Mapping[str, Any], path: Path, *, error: type[SemantoksError] = DataError) -> dict[str, Any]:
    """Return a JSON object without its checksum; one without (of an earlier version) passes.

    Raises
    ------
    error
        When the content does not have this checksum.
    """
    content = {key: value for key, value in plain.items() if key != SEAL}
    if SEAL in plain and plain[SEAL] != sha256(_canonical(content)):
        raise error(
            f"{path} does not match the checksum in it: it was damaged, or changed by hand. Restore it; if the change "
            f'is meant, take its entry "{SEAL}" out.'
        )
    return content


def read_sealed(path: Path, *, error: type[SemantoksError] = DataError) -> dict[str, Any]:
    """Read a JSON object that has its checksum in it (see `read_json` and `unsealed`)."""
    return unsealed(read_json(path, error=error), path, error=error)


def write_sealed(path: Path, plain: Mapping[str, Any]) -> None:
    """Write a JSON object whole, with its checksum in it."""
    write_durably(path, json.dumps(sealed(plain), indent=1).encode())


def seal_tensors(content: bytes) -> tuple[bytes, memoryview]:
    """Put the checksum of a safetensors file into its metadata: the same bytes for the same tensors, in two parts."""
    header, data = _split(memoryview(content))
    header[METADATA] = {**header.get(METADATA, {}), SEAL: _sum_of_tensors(header, data)}
    text = _canonical(header)
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text, data


def read_tensors(path: Path, *, error: type[SemantoksError], remedy: str) -> tuple[bytes, dict[str, str]]:
    """Read a safetensors file whole, and its metadata; one without a checksum (of other software) passes.

    Raises
    ------
    error
        When it cannot be read, or does not have the checksum that it states; ``remedy`` is what to do then.
    """
    try:
        regular_size(path)
        content = path.read_bytes()
        header, data = _split(memoryview(content))
        metadata = dict(header.get(METADATA) or {})
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as cause:
        raise error(f"{path} cannot be read as safetensors: {_reason(cause)}. {remedy}") from cause
    if SEAL in metadata and metadata[SEAL] != _sum_of_tensors(header, data):
        raise error(f"{path} does not match the checksum in it: it was changed or damaged. {remedy}")
    return content, metadata


def stated_sum(path: Path) -> str:
    """Return the checksum that a safetensors file states of itself; empty without one."""
    try:
        regular_size(path)
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = plain_json(file.read(min(length, path.stat().st_size)))
        return str(header.get(METADATA, {}).get(SEAL, ""))
    except (OSError, ValueError, struct.error, AttributeError, RecursionError):
        return ""


def damaged(files: Iterable[Path], remedy: str) -> list[str]:
    """Say which files of tensors do not have their checksums; nothing of files too large for a quick look (``QUICK``).

    A file that goes away meanwhile, as a training's old checkpoints do, is none of these.
    """
    there, found = [path for path in files if path.is_file()], []
    if sum(path.stat().st_size for path in there) > QUICK:
        return []
    for path in there:
        try:
            read_tensors(path, error=DataError, remedy=remedy)
        except DataError as error:
            found += [str(error)] if path.is_file() else []
    return found


def _split(content: memoryview) -> tuple[dict[str, Any], memoryview]:
    """Take header and data of a safetensors file apart; ValueError where it is none."""
    if len(content) < 8:
        raise ValueError("it is cut off")
    (length,) = struct.unpack("<Q", content[:8])
    if length > len(content) - 8:
        raise ValueError("it is cut off, or none")
    header = plain_json(bytes(content[8 : 8 + length]))
    if not isinstance(header, dict):
        raise ValueError("its header is no object")
    return header, content[8 + length :]


def _sum_of_tensors(header: Mapping[str, Any], data: memoryview) -> str:
    metadata = {key: value for key, value in (header.get(METADATA) or {}).items() if key != SEAL}
    digest = hashlib.sha256(_canonical({**header, METADATA: metadata}))
    digest.update(data)
    return digest.hexdigest()


def _canonical(plain: Mapping[str, Any]) -> bytes:
    return json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()


def _reason(cause: BaseException) -> str:
    return "nested too deeply" if isinstance(cause, RecursionError) else " ".join(str(cause).split()) or "damaged"


def write_sums(folder: Path, sums: Mapping[str, str], name: str = SUMS) -> None:
    """Write the list of a folder's checksums, by the names of its files."""
    write_durably(folder / name, "".join(f"{sums[file]}  {file}\n" for file in sorted(sums)).encode())


def write_sums_of_tables(folder: Path, names: Iterable[str] = ()) -> None:
    """Write the list of checksums of the tables in a folder, or of files by name, once all of them are there."""
    files = [folder / name for name in names] or folder.glob("*.tsv")
    write_sums(folder, {path.name: file_sum(path) for path in files})


def read_sums(folder: Path, name: str = SUMS) -> dict[str, str]:
    """Read the list of a folder's checksums; empty without one (of an earlier version).

    Raises
    ------
    DataError
        When it is damaged, or names a file outside the folder.
    """
    path = folder / name
    if not path.is_file():
        return {}
    lines = [line.partition("  ") for line in read_text(path).splitlines()]
    if not all(len(digest) == 64 and file for digest, _, file in lines):
        raise DataError(f"{path} is damaged: it is no list of checksums. Restore it, or delete it to read without.")
    if outside := [file for _, _, file in lines if leads_out(file)]:
        raise DataError(
            f"{path} names {plural(len(outside), 'file')} outside its folder, such as {outside[0][:80]!r}: it was "
            "changed. Restore it, or delete it to read without."
        )
    return {file: digest for digest, _, file in lines}


def leads_out(name: str) -> bool:
    """Say whether a name leads out of its folder, on any system."""
    return any(kind(name).anchor or ".." in kind(name).parts for kind in (PurePosixPath, PureWindowsPath))


def check_sum(path: Path, sums: Mapping[str, str], name: str, remedy: str) -> None:
    """Raise DataError where the file ``path`` does not have the checksum that the list has for ``name``."""
    if name not in sums:
        return
    try:
        regular_size(path)
        found = file_sum(path)
    except OSError as cause:
        raise DataError(f"{path} cannot be read: {cause.strerror or cause}. {remedy}") from cause
    if found != sums[name]:
        raise DataError(
            f"{path} does not match its checksum in {SUMS}: it was changed or damaged. {remedy} If the change is "
            f"meant, take its line out of {SUMS}."
        )


def differing(folder: Path, sums: Mapping[str, str]) -> list[str]:
    """Name the listed files that are lost or do not have their checksums."""
    return [name for name, digest in sums.items() if not (folder / name).is_file() or file_sum(folder / name) != digest]


def file_sum(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
