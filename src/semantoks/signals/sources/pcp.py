"""C-PAC's series of ROIs: ``<FILE_ID>_rois_<atlas>.1D`` of the Preprocessed Connectomes Project, and C-PAC 1.8's."""

import re
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from semantoks.atlas.atlas import Atlas
from semantoks.atlas.catalog import list_atlases
from semantoks.counted import plural
from semantoks.errors import DataError
from semantoks.signals.files.columns import from_time_by_roi
from semantoks.signals.files.left_over import left_over_in
from semantoks.signals.files.names import BidsFile, schaefer_order, walk
from semantoks.signals.files.sidecars import any_states_tr, band_beside, stated_beside
from semantoks.signals.files.stated import StatedTR
from semantoks.signals.files.text_table import read_text_table
from semantoks.signals.phenotypes import read_participants
from semantoks.signals.recording import Recording
from semantoks.signals.sources.runs import chosen_runs, run_items
from semantoks.signals.sources.source import FactTable, Item, OpenedSource, Request, spelled_as
from semantoks.signals.sources.versions import CHOOSE, one_per_run, the_only, version_words

PCP_NAME = re.compile(r"(?P<sub>.+)_rois_(?P<atlas>[A-Za-z0-9]+)\.(?:1D|txt)", re.IGNORECASE)
CPAC_NAME = re.compile(r"(?!.*_feature-)(sub-[^.]+_atlas-[^.]+)_timeseries\.(?:1D|txt)", re.IGNORECASE)
"""With ``feature-`` it is HALFpipe's."""
FORK_FOLDER = re.compile(r"cpac|ccs|css|dparsf|niak|(?:no)?filt_(?:no)?global|pipeline[_-].+|cpac[_-].+")
FORK_ENTITIES = ("reg", "desc")
ABIDE_FOLDER = "ABIDE_pcp"
"""Where nilearn puts ABIDE in its folder of data."""
PHENOTYPES = "Phenotypic_V1_0b*.csv"
FILTERED = (0.01, 0.1)
"""Band in Hz of the strategies ``filt_...`` of the Preprocessed Connectomes Project."""

ABIDE_ID = re.compile(r"(?P<site>[A-Za-z]+(?:_\d)?)(?:_[a-z])?_005[01]\d{3}")
"""A FILE_ID of ABIDE I: ``CMU_a_0050642`` is of the site CMU."""
ABIDE_TR = {
    **{"CALTECH": 2.0, "CMU": 2.0, "KKI": 2.5, "LEUVEN_1": 1.667, "NYU": 2.0, "OHSU": 2.5, "OLIN": 1.5, "PITT": 1.5},
    **{"SBL": 2.2, "SDSU": 2.0},
    **{"TRINITY": 2.0, "UCLA_1": 3.0, "UCLA_2": 3.0, "UM_1": 2.0, "UM_2": 2.0, "USM": 2.0, "YALE": 2.0},
}
"""Repetition time in seconds of the published protocols of ABIDE I, by SITE_ID (Di Martino et al. 2014)."""


def open_pcp(request: Request) -> OpenedSource:
    """Open series of ROIs, one recording per file, of one atlas and one way of processing; several must be chosen from.

    The atlas with the name of ours is read, else the only one; its columns are found by label where the header has
    labels, else by their number. The files do not state their repetition time: for recordings of ABIDE I, known by
    their FILE_ID, the protocol of the site does, and ``--tr`` is for the others. ABIDE's table of phenotypes is found
    in the folder, in nilearn's folder below it, or two above it.

    Raises
    ------
    ConfigError
        When a folder has several ways of processing, atlases or spaces, or a recording twice, or what was asked for
        does not exist.
    DataError
        When there is no such file, or the table of phenotypes cannot be read.
    """
    path, reading = request.path, request.reading
    files, left_out = chosen_runs(_scan(path), reading, path, words_of=_words)
    if not files:
        raise DataError(f"{path} has no series of C-PAC: looked for ..._rois_<atlas>.1D and ..._timeseries.1D.")
    abide = any(_abide_site(one) for one in files)
    phenotypes = find_phenotypes(path) if request.participants is None else None
    table = request.participants if phenotypes is None else read_participants(phenotypes)
    beside = any_states_tr((one.path for one in files), path)
    facts = FactTable(table, request.tr, files_say=abide or beside)
    chosen = _of_one_atlas(files, request.atlas, path)
    name = chosen[0].entities["atlas"]
    others = Counter(one.entities["atlas"] for one in files if one.entities["atlas"] != name)
    fork = the_only(map(_fork, chosen), what=f"ways of processing of the atlas {name}", root=path, remedy=CHOOSE)
    notes = [f"atlas {name}" + (f", processing {fork}" if fork else ""), *left_out]
    if phenotypes is not None:
        notes.append(f"participants from {phenotypes}")
    if others:
        listed = ", ".join(f"{name} ({plural(count, 'file')})" for name, count in sorted(others.items()))
        notes.append(f"other atlases left out: {listed}")
    items = run_items(one_per_run(chosen, path, words_of=_words).values())
    notes += left_over_in([item.path for item in items[:1]], path, request.atlas, reorder=reading.reorder)
    table = spelled_as(items, table, facts)
    lacking = [item for item in items if facts.lacks_tr(item) and _stated_tr(_parsed(item)).seconds is None]
    if abide and lacking:
        notes.append(_lacking_words(lacking, request.tr))
    spared = facts.without_option() if abide and lacking and request.tr is not None else facts
    return OpenedSource(
        request,
        kind="ABIDE, Preprocessed Connectomes Project" if abide else "C-PAC",
        items=items,
        facts=facts,
        read=partial(_read, facts=facts, spared=spared, atlas=request.atlas, reorder=reading.reorder),
        notes=notes,
        table=table,
    )


def _read(item: Item, *, facts: FactTable, spared: FactTable, atlas: Atlas, reorder: bool) -> Recording:
    """Read one file; DataError when it is not of this atlas or its repetition time is unknown.

    ``spared`` are the facts of a recording whose repetition time is known: if ``--tr`` is for others, it is not for it.
    """
    one = _parsed(item)
    stated = _stated_tr(one)
    known = (facts if stated.seconds is None and facts.lacks_tr(item) else spared).of(item, stated)
    table = read_text_table(item.path)
    filtered = any(word.startswith("filt_") for word in _fork(one).split())
    return known.recording(
        item,
        from_time_by_roi(table.values, atlas, names=table.column_names, where=str(item.path), reorder=reorder),
        site=known.site or _abide_site(one),
        band=FILTERED if filtered else band_beside(item.path, item.path.parent),
        source=str(item.path),
    )


def _parsed(item: Item) -> BidsFile:
    one = _parse(item.path)
    assert one is not None  # it became an item because it could be parsed
    return one


def _lacking_words(lacking: list[Item], tr: float | None) -> str:
    """Say which recordings neither a protocol nor the table gives a repetition time, and what becomes of them."""
    sites = sorted({_abide_site(_parsed(item)) or "no site of ABIDE I" for item in lacking})
    whose = f"{len(lacking)} recording{'' if len(lacking) == 1 else 's'} ({', '.join(sites)})"
    if tr is not None:
        return f"--tr {tr:g} s is for {whose}; the others keep that of their site's protocol or the table"
    return f"no repetition time is known for {whose}: left out, unless --tr gives it, or a column `tr` of the table"


def is_pcp(path: Path) -> bool:
    """Recognise a folder with series of ROIs named as C-PAC or the Preprocessed Connectomes Project name them."""
    return next(_scan(path), None) is not None


def find_phenotypes(path: Path) -> Path | None:
    """Find ABIDE's table of phenotypes where a download leaves it: in a folder, in nilearn's below or the two above."""
    whole = path.resolve()
    folders = (whole, whole / ABIDE_FOLDER, *whole.parents[:2])
    return next((table for folder in folders for table in sorted(folder.glob(PHENOTYPES))), None)


def site_without_tr(file_id: str) -> str:
    """Name the site of a FILE_ID of ABIDE I if its repetition time is not known; empty where it is."""
    found = ABIDE_ID.fullmatch(file_id)
    site = "no site of ABIDE I" if found is None else found["site"].upper()
    return "" if site in ABIDE_TR else site


def _scan(root: Path) -> Iterator[BidsFile]:
    for folder, name in walk(root):
        if (found := _parse(Path(folder, name))) is not None:
            yield found


def _parse(path: Path) -> BidsFile | None:
    """Take a name apart; the values of C-PAC's entities may have hyphens (``desc-Mean-1``), which BIDS forbids."""
    if found := PCP_NAME.fullmatch(path.name):
        entities = {"sub": found["sub"].removeprefix("sub-"), "atlas": found["atlas"]}
    elif found := CPAC_NAME.fullmatch(path.name):
        entities = dict(word.split("-", 1) for word in found[1].split("_") if "-" in word)
    else:
        return None
    return BidsFile(path=path, entities=entities, suffix="timeseries", extension=path.suffix)


def _of_one_atlas(files: list[BidsFile], atlas: Atlas, root: Path) -> list[BidsFile]:
    """Keep the files of the atlas with the name of ours, else of the only one there is."""
    plain_name = re.sub(r":.*| \(.*", "", atlas.name).lower()
    named = [one for one in files if plain_name in _our_names(one.entities["atlas"])] or files
    name = the_only(
        (one.entities["atlas"] for one in named),
        what=f"atlases, none of them called {plain_name}",
        root=root,
        remedy="Choose the atlas that is called as one of them, or give your own table such a name.",
    )
    packaged = set(list_atlases())
    ours = sorted(_our_names(name) & packaged)
    if ours and plain_name in packaged - set(ours) and "schaefer" not in name.lower():
        raise DataError(f"{root} has series of the atlas {name}, not of {atlas.name}: choose --atlas {ours[0]}.")
    order = "17" if "-17" in plain_name else "7"
    other = schaefer_order(name)[1]
    if "schaefer" in plain_name and other not in ("", order):
        raise DataError(
            f"{root}: the atlas {name} has Schaefer's parcels in the order of {other} networks, {atlas.name} has them "
            f"in that of {order}. Choose the atlas with that order."
        )
    return named


def _our_names(name: str) -> set[str]:
    """Give what an atlas of C-PAC's may be called here: by its own name, or as a Schaefer atlas."""
    parcels, order = schaefer_order(name)
    return {name.lower(), f"schaefer{parcels}{'-17' if order == '17' else ''}" if parcels and order else name.lower()}


def _fork(one: BidsFile) -> str:
    """Say how a file was processed: the folders of pipeline and strategy, and C-PAC's fork (``desc-Mean-1``)."""
    folders = [part for part in one.path.absolute().parts[:-1] if FORK_FOLDER.fullmatch(part)]
    return " ".join([*folders, *(f"{name}-{one.entities[name]}" for name in FORK_ENTITIES if name in one.entities)])


def _words(one: BidsFile) -> list[str]:
    """List the words by which a file is chosen: how it was processed, and the rest of its name."""
    return list(dict.fromkeys([*_fork(one).split(), *version_words(one)]))


def _abide_site(one: BidsFile) -> str:
    """Name the site of a recording of ABIDE I as its SITE_ID does; empty for any other."""
    found = ABIDE_ID.fullmatch(one.entities["sub"]) if PCP_NAME.fullmatch(one.path.name) else None
    return "" if found is None else found["site"].upper()


def _stated_tr(one: BidsFile) -> StatedTR:
    """Give the repetition time of a sidecar, else of the site's protocol for ABIDE I; or say why there is none."""
    if (beside := stated_beside(one.path, one.path.parent)).seconds is not None:
        return beside
    site = _abide_site(one)
    if site in ABIDE_TR:
        return StatedTR(seconds=ABIDE_TR[site], where=f"the ABIDE I protocol of site {site}")
    reason = f"the table of ABIDE I protocols has no site {site}" if site else "C-PAC's files of ROIs do not state it"
    return StatedTR(seconds=None, where=reason)
