"""A folder of arrays, one recording per file: .tsv .csv .txt .1D .npy .npz .mat."""

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import starmap
from pathlib import Path, PurePosixPath

import pandas as pd

from semantoks.errors import ConfigError, DataError
from semantoks.signals.files.id_folders import of_folders
from semantoks.signals.files.id_names import of_names
from semantoks.signals.files.intact import refuse_unfetched
from semantoks.signals.files.left_over import left_over_in
from semantoks.signals.files.lying_there import counted_aside, lying_there, set_aside
from semantoks.signals.files.names import SHOWN_SUFFIXES, BidsFile, Identity, array_suffix, bare_name, identify, walk
from semantoks.signals.files.series_file import read_series
from semantoks.signals.files.several import recordings_in
from semantoks.signals.files.sidecars import any_states_tr, band_beside, stated_beside
from semantoks.signals.phenotypes import FILE_COLUMNS, RUN_COLUMNS, find_column
from semantoks.signals.recording import Recording
from semantoks.signals.sources.cells import apart
from semantoks.signals.sources.runs import chosen_runs, run_items
from semantoks.signals.sources.source import FactTable, Item, OpenedSource, Request
from semantoks.signals.sources.versions import ATLASES, one_per_run, version_words
from semantoks.storage.tables import plain


def open_folder(request: Request) -> OpenedSource:
    """Open the files of a folder and all folders in it, linked ones too, as recordings, in the order of their paths.

    Participants come from a ``filename`` or ``file`` column of the table, else from the file names. Files that are
    known by name to be no recordings (confounds, events, connectivity matrices, lists of ids ...) are left out and
    counted, as is a prepared cohort inside. Files that the table names and the folder lacks are listed, too: reading
    one says so. JSON sidecars state repetition times and filters, by BIDS's rules of inheritance.

    Raises
    ------
    DataError
        If there is no recording, or two files cannot be told apart by participant.
    ConfigError
        If no repetition time can be known.
    """
    found = [file for file in sorted(starmap(Path, walk(request.path))) if _is_array(file)]
    aside = ", ".join(counted_aside(file.name for file in found))
    files = [file for file in found if not set_aside(file.name)]
    wanted = request.reading.participant_label if any(map(recordings_in, files)) else ()
    inner = replace(request, reading=replace(request.reading, participant_label=())) if wanted else request
    listed, more = _list_items(files, inner, aside)
    items, notes = apart(listed)
    if wanted:  # whose cells are is known only now
        items, left_out = _of_participants(items, wanted, request.path)
        notes += left_out
    some = [items[i].path for i in {0, len(items) // 2, len(items) - 1}]
    notes += left_over_in(some, request.path, request.atlas, reorder=request.reading.reorder)
    facts = request.facts(files_say=any_states_tr((item.path for item in items), request.path))
    return OpenedSource(
        request,
        kind="folder of arrays",
        items=items,
        facts=facts,
        read=partial(_read, request=request, facts=facts),
        notes=[*notes, *([f"left out, no recordings by their names: {aside}"] if aside else []), *more],
    )


def _read(item: Item, *, request: Request, facts: FactTable) -> Recording:
    """Read one file; DataError if it is not a recording in this atlas or its repetition time is unknown."""
    refuse_unfetched(item.path)
    if item.key.startswith("../") or not item.path.is_file():
        raise DataError(f"the participants table names the file {item.key}, which is not in {request.path}.")
    known = facts.of(item, stated_beside(item.path, request.path))
    variable = "" if item.row is None else list(recordings_in(item.path))[item.row]
    series = read_series(item.path, request.atlas, reorder=request.reading.reorder, variable=variable)
    return known.recording(item, series, band=band_beside(item.path, request.path), source=plain(str(item.path)))


def _of_participants(items: list[Item], wanted: Sequence[str], root: Path) -> tuple[list[Item], list[str]]:
    labels = {label.removeprefix("sub-") for label in wanted}
    kept = [item for item in items if item.participant in labels]
    if not kept:
        there = ", ".join(list(dict.fromkeys(item.participant for item in items))[:5])
        raise ConfigError(f"{root} has no sub-{' or sub-'.join(sorted(labels))}; it has {there}.")
    gone = len(items) - len(kept)
    return kept, [f"left out, other participants: {gone} recording{'' if gone == 1 else 's'}"] if gone else []


def _list_items(found: list[Path], request: Request, aside: str) -> tuple[list[Item], list[str]]:
    """Make the items of the files that were asked for, and say what was recognised and left out."""
    path = request.path
    files = {plain(file.relative_to(path).as_posix()): file for file in found}
    if not files:
        there = f"It has {aside}." if aside else lying_there(path)
        raise DataError(f"{path} has no recordings: looked in all its folders for {SHOWN_SUFFIXES}. {there}")
    listed = _listed(request.participants, files, path)
    names = {key: PurePosixPath(key) for key in files}
    unlisted = [key for key in files if key not in listed]
    of_people = of_folders(unlisted)
    of_heads = {} if of_people else of_names(unlisted)
    whose = {key: identify(name.name, name.parts[:-1]) for key, name in names.items()}
    whose |= of_people | of_heads | listed
    _refuse_lookalikes({key: whose[key] for key in files if key not in listed})
    key_of = {files.get(key, path / key): key for key in whose}
    named = [BidsFile(path=files.get(key, path / key), entities=one.labels) for key, one in whose.items()]
    chosen, notes = chosen_runs(named, request.reading, path, words_of=_words)
    items = run_items(one_per_run(chosen, path, words_of=_words).values())
    if of_people:
        example = next(iter(of_people.values())).participant
        notes.insert(0, f"files are called alike: their folders are the participants, for example {plain(example)}")
    if of_heads:
        key, one = next(iter(of_heads.items()))
        notes.insert(
            0, f"several files per person: names begin with the participant, {plain(one.participant)} in {key}"
        )
    return [replace(item, key=key_of[item.path]) for item in items], notes


def _words(one: BidsFile) -> list[str]:
    """List what a name says of its version, the atlas among it."""
    atlases = [f"{name}-{one.entities[name]}" for name in ATLASES if name in one.entities]
    return [*version_words(one), *atlases]


def _is_array(file: Path) -> bool:
    if not array_suffix(file.name) or file.name.startswith("."):
        return False
    if file.parent.name == "shards" and (file.parent.parent / "dataset_description.json").exists():
        return False
    return file.is_file() or (file.is_symlink() and not file.exists())


def _listed(participants: pd.DataFrame | None, files: dict[str, Path], root: Path) -> dict[str, Identity]:
    """Identity by file, from the table; a bare file name means the one file of that name.

    A name that leads out of the folder begins with ``../`` here, however the table spells it, and is never read.
    """
    column = None if participants is None else find_column(participants, FILE_COLUMNS)
    if participants is None or column is None:
        return {}
    by_name = defaultdict(list)
    for key in files:
        by_name[PurePosixPath(key).name].append(key)
    run_column = find_column(participants, RUN_COLUMNS)
    listed: dict[str, Identity] = {}
    for row in participants[participants[column].notna()].to_dict("records"):
        name = PurePosixPath(os.path.relpath(root / str(row[column]).replace("\\", "/"), root)).as_posix()
        alike = [name] if name in files else by_name.get(name, [name])
        if len(alike) > 1 or alike[0] in listed:
            raise DataError(
                f"the participants table's file {name} means {len(alike)} files or comes twice. Give its path."
            )
        run = "" if run_column is None or pd.isna(row[run_column]) else str(row[run_column])
        named = identify(PurePosixPath(name).name, PurePosixPath(name).parts[:-1])
        listed[alike[0]] = replace(
            named,
            participant=str(row["participant_id"]),
            session=str(row.get("session_id", "")) or named.session,
            run=run or named.run,
        )
    return listed


def _refuse_lookalikes(whose: dict[str, Identity]) -> None:
    """Refuse a recording kept in two formats, and files of different people with the same name."""
    seen: dict[str, str] = {}
    for key, identity in whose.items():
        same = bare_name(key if identity.named else PurePosixPath(key).name)
        if same in seen:
            names = "give them different labels `sub-`, `ses-` or `run-`" if identity.named else "name them by `sub-`"
            raise DataError(
                f"{seen[same]} and {key} cannot be told apart by name. If they are one recording, keep one; else "
                f"{names}, or give a participants table with a `filename` column."
            )
        seen[same] = key
