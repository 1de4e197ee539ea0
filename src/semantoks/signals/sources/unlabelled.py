"""giga_connectome 0.6 and HALFpipe 1.3: parcel series without labels, ordered as a name says."""

import re
from dataclasses import replace
from functools import partial
from pathlib import Path

from semantoks.atlas.atlas import Atlas
from semantoks.errors import DataError
from semantoks.signals.files.columns import Fitting, find_fitting, from_time_by_roi, match_labels, pick
from semantoks.signals.files.lying_there import lying_there
from semantoks.signals.files.names import BidsFile, parse, scan, schaefer_labels
from semantoks.signals.files.stated import (
    StatedTR,
    agreed,
    generated_by,
    lacking,
    plausible,
    read_json,
    stated_band,
    stated_number,
    stated_tr,
)
from semantoks.signals.files.text_table import read_labelled, read_text_table
from semantoks.signals.recording import Recording
from semantoks.signals.sources.runs import chosen_runs, run_items
from semantoks.signals.sources.source import FactTable, Item, OpenedSource, Request
from semantoks.signals.sources.versions import CHOOSE, one_per_run, the_only
from semantoks.types import RoiIndex

GIGA, HALFPIPE = "giga_connectome", "halfpipe"
GIGA_NAME = re.compile(r"(?P<before>.+)_desc-(?P<strategy>denoise[^_]+)_timeseries\.tsv")
SCRUBBED = "NumberOfVolumesDiscardedByMotionScrubbing"
GIGA_MOTION, HALFPIPE_MOTION = "MeanFramewiseDisplacement", "FDMean"
FREQUENCY, SECONDS = "SamplingFrequency", "RepetitionTime"


def open_giga(request: Request) -> OpenedSource:
    """Open giga_connectome's output, one recording per run.

    Columns have no labels: the name ``seg-Schaefer2018400Parcels7Networks`` says their order, and they are matched to
    the atlas by the labels of that order. Of several segmentations, the one with labels of the atlas is read. The
    repetition time is 1 / ``SamplingFrequency`` of the scan's sidecar, which has no ``seg-``. Frames that
    giga_connectome scrubbed are gone, and nothing says which: such a recording is refused.

    Raises
    ------
    ConfigError
        When there are several denoising strategies or fitting segmentations, or what was asked for does not exist.
    DataError
        When no segmentation names an order of parcels, or none is the atlas's.
    """
    path = request.path
    files = [one for one in map(_parse_giga, scan(path)) if one is not None]
    if not files:
        raise DataError(
            f"{path} has no time series of giga_connectome (..._seg-..._desc-denoise..._timeseries.tsv). "
            f"{lying_there(path)}"
        )
    chosen, left_out = chosen_runs(files, request.reading, path)
    fitting = _fitting([one.entities["seg"] for one in chosen], request)
    chosen = [one for one in chosen if one.entities["seg"] in fitting.positions]
    seg = the_only([one.entities["seg"] for one in chosen], what="segmentations", root=path)
    strategy = the_only([one.entities["desc"] for one in chosen], what="denoising strategies", root=path, remedy=CHOOSE)
    runs = one_per_run(chosen, path)
    notes = [f"columns by position, in the order of {seg}; denoised by {strategy}", *left_out]
    if fitting.refusals:
        notes.append(f"not used: {', '.join(sorted(fitting.refusals))}")
    facts = request.facts(files_say=True)
    return OpenedSource(
        request,
        kind=_kind(path, "giga_connectome", GIGA),
        items=run_items(runs.values()),
        facts=facts,
        read=partial(_read_giga, runs=runs, facts=facts, positions=fitting.positions[seg]),
        notes=notes,
    )


def _read_giga(item: Item, *, runs: dict[str, BidsFile], facts: FactTable, positions: RoiIndex) -> Recording:
    """Read one run; DataError when it cannot be read, lost frames, or its repetition time is unknown."""
    one = runs[item.key]
    seg, strategy = one.entities["seg"], one.entities["desc"]
    sidecar = one.path.with_name(one.path.name.replace(f"_seg-{seg}", "").removesuffix(".tsv") + ".json")
    known = facts.of(item, _giga_tr(sidecar))
    _refuse_scrubbed(item, sidecar, strategy)
    labels, values = read_labelled(item.path)
    parcels = len(schaefer_labels(seg) or ())
    if labels != [str(column) for column in range(parcels)]:
        raise DataError(
            f"{item.path}: {seg} has {parcels} parcels, so a header 0 to {parcels - 1} was expected, but it is "
            f"{labels[0]!r} to {labels[-1]!r} ({len(labels)} columns). Which parcels they are cannot be known."
        )
    mean_fd = known.mean_fd_or(stated_number(sidecar, GIGA_MOTION))
    return known.recording(item, pick(values, positions), mean_fd=mean_fd, source=str(item.path))


def _refuse_scrubbed(item: Item, sidecar: Path, strategy: str) -> None:
    """Refuse series from which frames were removed: what is left is no regular grid, and none can be put back."""
    remedy = "with a strategy that keeps all frames (simple)."
    scrubbed = stated_number(sidecar, SCRUBBED)
    if scrubbed is None and "scrub" in strategy.lower():
        raise DataError(
            f"{item.path} was scrubbed, and no {SCRUBBED} in {sidecar.name} says that all frames were kept. Keep the "
            f"sidecar, or run giga_connectome {remedy}"
        )
    if scrubbed:
        raise DataError(
            f"{item.path} has lost {scrubbed:g} frames to scrubbing, and nothing says which, so they cannot be put "
            f"back. Run giga_connectome {remedy}"
        )


def is_giga(path: Path) -> bool:
    """Recognise giga_connectome's output: it says so, or its time series are named as giga_connectome names them."""
    tools = generated_by(path)
    if tools:
        return _tool(tools[0][0]) == GIGA
    return any(_parse_giga(one) is not None for one in scan(path))


def _parse_giga(one: BidsFile) -> BidsFile | None:
    """Take a name apart, whose strategy may have a point in it (``Scrubbing.5``); None for other files."""
    name = GIGA_NAME.fullmatch(one.path.name)
    bare = None if name is None else parse(one.path.with_name(f"{name['before']}_timeseries.tsv"))
    if name is None or bare is None or "seg" not in bare.entities:
        return None
    return replace(bare, path=one.path, entities={**bare.entities, "desc": name["strategy"]})


def _giga_tr(sidecar: Path) -> StatedTR:
    hertz = stated_number(sidecar, FREQUENCY)
    if not hertz:
        return StatedTR(seconds=None, where=lacking(sidecar, FREQUENCY))
    return plausible(1 / hertz, f"1 / {FREQUENCY} of {sidecar.name}")


def _fitting(segs: list[str], request: Request) -> Fitting:
    """Find the segmentations with parcels of the atlas; DataError without any."""
    atlas, root = request.atlas, request.path

    def positions_of(seg: str) -> RoiIndex:
        labels = schaefer_labels(seg)
        if labels is None:
            raise DataError(f"seg-{seg} names no Schaefer2018<n>Parcels<7 or 17>Networks.")
        found = match_labels(labels, atlas, where=f"{root}, seg-{seg}", reorder=request.reading.reorder)
        if found is None:
            raise DataError(f"seg-{seg} has no parcel of it.")
        return found

    fitting = find_fitting(dict.fromkeys(segs), positions_of)
    if not fitting.positions:
        raise DataError(
            f"{root}: giga_connectome writes columns without labels, and no segmentation's name says that they are in "
            f"the order of {atlas.name}: {' '.join(fitting.refusals.values())} Choose the atlas that it was run with."
        )
    return fitting


def open_halfpipe(request: Request) -> OpenedSource:
    """Open HALFpipe's output, one recording per run, of one of its features and atlases.

    Columns have no labels: they are in the order that the name of HALFpipe's atlas states
    (``Schaefer2018400Parcels7Networks``), else, if they are as many as the ROIs, in the order of the atlas. Parcels of
    low coverage are NaN. The sidecar's ``SamplingFrequency`` is the repetition time in seconds, whatever its name.

    Raises
    ------
    ConfigError
        When there are several features or atlases, or what was asked for does not exist.
    DataError
        When there are no time series.
    """
    path, atlas = request.path, request.atlas
    files = [one for one in scan(path) if _is_halfpipe_series(one)]
    if not files:
        raise DataError(
            f"{path} has no time series of HALFpipe (..._feature-..._atlas-..._timeseries.tsv). {lying_there(path)}"
        )
    chosen, left_out = chosen_runs(files, request.reading, path)
    feature = the_only([one.entities["feature"] for one in chosen], what="features", root=path, remedy=CHOOSE)
    chosen = [one for one in chosen if schaefer_labels(one.entities["atlas"]) == atlas.labels] or chosen
    parcels = the_only([one.entities["atlas"] for one in chosen], what="atlases", root=path)
    order = atlas.name if schaefer_labels(parcels) is None else parcels
    facts = request.facts(files_say=True)
    return OpenedSource(
        request,
        kind=_kind(path, "HALFpipe", HALFPIPE),
        items=run_items(one_per_run(chosen, path).values()),
        facts=facts,
        read=partial(_read_halfpipe, parcels=parcels, facts=facts, atlas=atlas, reorder=request.reading.reorder),
        notes=[
            f"feature {feature}, atlas {parcels}; columns by position, in the order of {order}",
            *left_out,
            "the temporal filter of the feature's setting is not read: pass --already-filtered if it was a band-pass",
        ],
    )


def _read_halfpipe(item: Item, *, parcels: str, facts: FactTable, atlas: Atlas, reorder: bool) -> Recording:
    """Read one run; DataError when it cannot be read or its repetition time is unknown."""
    sidecar = item.path.with_suffix(".json")
    known = facts.of(item, _halfpipe_tr(sidecar))
    table = read_text_table(item.path)
    stated = read_json(sidecar) if sidecar.is_file() else {}
    labels, coverage = schaefer_labels(parcels), stated.get("Coverage")
    counts = {f"the Coverage in {sidecar.name}": coverage if isinstance(coverage, list) else None, parcels: labels}
    for what, listed in counts.items():
        if listed is not None and len(listed) != table.values.shape[1]:
            raise DataError(
                f"{item.path} has {table.values.shape[1]} columns, but {what} has {len(listed)} parcels: which column "
                "is which cannot be known. Run HALFpipe again for this recording."
            )
    return known.recording(
        item,
        from_time_by_roi(table.values, atlas, names=labels, where=str(item.path), reorder=reorder),
        mean_fd=known.mean_fd_or(stated_number(sidecar, HALFPIPE_MOTION)),
        band=stated_band(stated),
        source=str(item.path),
    )


def is_halfpipe(path: Path) -> bool:
    """Recognise HALFpipe's output: it says so, or its time series are named as HALFpipe names them."""
    tools = generated_by(path)
    return bool(tools and _tool(tools[0][0]) == HALFPIPE) or any(_is_halfpipe_series(one) for one in scan(path))


def _is_halfpipe_series(one: BidsFile) -> bool:
    named = one.suffix == "timeseries" and one.extension in (".tsv", ".txt")
    return named and "feature" in one.entities and "atlas" in one.entities


def _halfpipe_tr(sidecar: Path) -> StatedTR:
    seconds = stated_number(sidecar, FREQUENCY)
    plain = stated_tr(sidecar, f"{SECONDS} of {sidecar.name}", SECONDS)
    if seconds is None:
        return plain or StatedTR(seconds=None, where=lacking(sidecar, FREQUENCY))
    where = f"{FREQUENCY} of {sidecar.name}, where HALFpipe writes the repetition time"
    stated = plausible(seconds, where)
    if stated.seconds is None:
        stated = plausible(seconds, f"{where},")
    return stated if plain is None else agreed([stated, plain])


def _tool(name: str) -> str:
    return name.lower().replace("-", "_")


def _kind(root: Path, shown: str, tool: str) -> str:
    """Name the tool with the version that the folder states."""
    version = next((version for name, version in generated_by(root) if _tool(name) == tool), "")
    return f"{shown} {version}".strip()
