"""From recordings of any kind to a table of features in one call: cleaned as the encoder requires, then embedded."""

import contextlib
import io
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from einops import rearrange
from jaxtyping import Float
from numpy import ndarray

from semantoks.config import check_arguments
from semantoks.counted import plural
from semantoks.errors import ConfigError, DataError
from semantoks.features.block_config import BlockConfig
from semantoks.features.blocks import Blocks, frames_needed
from semantoks.features.encode import (
    Progress,
    Readout,
    as_encoder_takes,
    embed_crops,
    find_device,
    open_encoder,
    own_readout,
)
from semantoks.features.events import LEFT_OUT, TIMES, TYPE, find_blocks, reasons_words
from semantoks.features.out_of_box import Recordings, fitting_box
from semantoks.model.card import EncoderCard, band_words, cleaning_for
from semantoks.model.encoder import Encoder, EncoderConfig
from semantoks.model.precision import in_precision
from semantoks.progress import shown_if
from semantoks.signals import layout
from semantoks.signals.cohort import Cohort
from semantoks.signals.files.left_over import without_remedy
from semantoks.signals.opened_source import SourceConfig, find_source
from semantoks.signals.prepare import check_jobs, nothing_left, store
from semantoks.signals.quality import missing_networks
from semantoks.signals.reading_config import EVERYTHING, ReadingConfig
from semantoks.signals.recording import Recording
from semantoks.signals.sources.memory import MemorySource
from semantoks.storage.durable import scratch_folder, write_durably
from semantoks.storage.tables import write_table
from semantoks.types import Precision

INDEX = ["participant_id", "session_id", "run"]
BLOCK = "block"
WHOLE = BlockConfig()
"""No blocks, but whole recordings."""


def embed(
    recordings: Recordings,
    *,
    model: str | Path | Encoder | None = None,
    readout: Readout | None = None,
    crops: int | None = None,
    keep_crops: bool = False,
    device: str = "auto",
    precision: Precision = "32-true",
    tr: float | None = None,
    already_filtered: bool = False,
    participants: Path | str | pd.DataFrame | None = None,
    reading: ReadingConfig = EVERYTHING,
    blocks: BlockConfig = WHOLE,
    n_jobs: int = 1,
    keep_cohort: str | Path | None = None,
    verbose: bool = False,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Embed recordings with an encoder's teacher (METHOD 9), cleaned as its card requires.

    Parameters
    ----------
    recordings
        A path that ``prepare`` reads, a prepared cohort (a path or a Cohort), a Source, or a list of Recording whose
        series follow the encoder's atlas.
    model
        A run, an encoder folder, a name in the box (``schaefer400``), an id on the Hugging Face hub, or a loaded
        Encoder. None = the encoder in the box whose ROIs the recordings have by label.
    readout, crops, keep_crops
        cls_avg = [mean over all tokens, CLS], the published one; cls; avg; network = one mean per network. Evenly
        spaced windows per recording; one row per window instead of their mean. None = the encoder's own: cls_avg of 8
        windows; in closed form, avg of the whole recording.
    device
        auto (a CUDA GPU where there is one), cpu, cuda, cuda:1, mps.
    verbose
        Show a bar while it embeds, in a terminal or a notebook; ``progress`` is called instead, if given.
    precision
        32-true; bf16-mixed: products in bfloat16, for speed on a GPU or a CPU that gains by it; auto: the faster one.
    tr, participants, reading
        As in ``prepare``: repetition time in seconds if the source does not state it (never guessed); a table; which
        recordings are read.
    already_filtered
        The recordings are already band-passed; do not filter them again.
    blocks
        Embed the blocks of a task instead, each with every other position hidden: ``BlockConfig(events=...)``.
    n_jobs
        Worker processes that read and clean; -1 uses all cores.
    keep_cohort
        Folder in which the cleaned recordings are kept, as a cohort; without one they are deleted.

    Returns
    -------
    DataFrame
        Indexed by participant_id, session_id, run (and block, with the columns ``onset``, ``duration`` in seconds and
        ``trial_type``; and crop). Columns: ``frames`` (at the encoder's TR),
        ``hidden_share`` (share of tokens without data, 0..1), ``hidden_networks`` (names of the missing networks),
        ``short`` (True: empty patches were hidden), ``crop_spread`` (see there; large = unstable), and the features,
        float32. ``attrs["notes"]`` lists what was done; ``attrs["excluded"]`` what was refused, and why;
        ``attrs["left_out"]`` the same of blocks; ``attrs["encoder"]`` is the name of the encoder in the box, where one
        was taken.

    Warns
    -----
    UserWarning
        If recordings were excluded, with the first reasons, or blocks left out.

    Raises
    ------
    ConfigError, DataError, WeightsError
        For settings, recordings or weights that cannot be used; DataError if no recording can be used.
    """
    check_arguments(embed, locals())
    check_jobs(n_jobs)
    where = find_device(device)
    if crops is not None and crops < 1:
        raise ConfigError(f"crops must be at least 1, not {crops}.")
    known = SourceConfig(tr=tr, participants=participants, reading=reading)
    recordings = _as_cohort(recordings)
    boxed = fitting_box(recordings, known) if model is None else ""
    encoder, card = open_encoder(boxed if model is None else model)
    encoder = in_precision(encoder, precision, where)
    readout = readout or own_readout(encoder)
    cleaning, gates = cleaning_for(card, already_filtered=already_filtered)
    cleaning = replace(cleaning, full_band=card.full_band or keep_cohort is not None)
    config = replace(known, atlas=card.atlas, cleaning=cleaning, gates=gates)
    source_lines: list[str] = []
    with _opened(recordings, card, config, n_jobs, keep_cohort, source_lines.append) as cohort:
        if not len(cohort):
            raise DataError(nothing_left(cohort))
        notes = [*encoder_notes(card, boxed, encoder), *recording_notes(cohort, card, source_lines)]
        left_out = list[dict[Any, Any]]()
        if blocks.events is not None:
            cohort, task_notes, left_out = _as_blocks(cohort, encoder, blocks)
            notes, crops = [*notes, *task_notes], crops or cohort.windows(encoder)
        with shown_if(verbose, "embed", "windows", progress) as shown:
            found, hidden = embed_crops(encoder, cohort, readouts=[readout], crops=crops, device=where, progress=shown)
        about = _about(cohort, encoder, found[readout], hidden)
        excluded = cohort.excluded.copy()
    table = _table(about, found[readout], readout, keep_crops)
    table.attrs = {"notes": notes, "excluded": excluded.to_dict("records"), "left_out": left_out}
    if boxed:
        table.attrs["encoder"] = boxed
    if len(excluded):
        reasons = "; ".join(f"{key}: {why}" for key, why in excluded[["recording_id", "reason"]].head(3).to_numpy())
        warnings.warn(f"{plural(len(excluded), 'recording was', 'recordings were')} excluded. {reasons}", stacklevel=2)
    if left_out:
        warnings.warn(f"left out: {reasons_words(left_out)}.", stacklevel=2)
    return table


@contextlib.contextmanager
def _opened(
    recordings: Recordings,
    card: EncoderCard,
    config: SourceConfig,
    n_jobs: int,
    keep: str | Path | None,
    tell: Callable[[str], None],
) -> Iterator[Cohort]:
    """Open a cohort that fits the encoder, or make one of the recordings, which goes away again unless it is kept."""
    if isinstance(recordings, Cohort):
        if config.reading.selects:
            raise ConfigError(
                f"a cohort is embedded whole: leave {', '.join(config.reading.selects)} out, or prepare a cohort of "
                "those alone."
            )
        yield as_encoder_takes(recordings, card)
        return
    if isinstance(recordings, Sequence) and not isinstance(recordings, str):
        if not all(isinstance(one, Recording) for one in recordings):
            raise ConfigError("a list to embed has to hold Recording: recordings_from_arrays makes them of arrays.")
        recordings = MemorySource(recordings, atlas=card.atlas)
    source = find_source(recordings, config)
    with contextlib.nullcontext(keep) if keep is not None else scratch_folder() as out:
        store(source, Path(out), config, n_jobs=n_jobs, tell=tell)
        cohort = Cohort(out)
        yield as_encoder_takes(cohort, card) if len(cohort) else cohort


def _as_blocks(cohort: Cohort, encoder: Encoder, config: BlockConfig) -> tuple[Blocks, list[str], list[dict[Any, Any]]]:
    """See a cohort as the blocks of a task, with what to say of them, and what was left out."""
    found = find_blocks(cohort, config, least_frames=frames_needed(encoder))
    lines = [f"{'blocks' if not place else '':<11}{line}" for place, line in enumerate(found.notes)]
    return Blocks(cohort, found.blocks), lines, found.left_out.to_dict("records")


def _as_cohort(recordings: Any) -> Recordings:
    """Open a cohort that was given by its path; ConfigError for an array."""
    if isinstance(recordings, str | Path) and (Path(recordings) / layout.RECORDINGS).exists():
        return Cohort(recordings)
    array = recordings[0] if isinstance(recordings, Sequence) and len(recordings) else recordings
    if hasattr(array, "__array__"):
        raise ConfigError(
            f"embed takes recordings whose repetition time and people are known, not an array ({list(array.shape)}"
            "): make them with recordings_from_arrays(arrays, tr=...), or use SemantoksEmbedder(model, tr=...)."
        )
    found: Recordings = recordings
    return found


def _about(
    cohort: Cohort, encoder: Encoder, features: Float[ndarray, "recording crop feature"], hidden: ndarray
) -> pd.DataFrame:
    """Say whose each recording is and how far its features can be trusted."""
    table, names = cohort.recordings, np.array(cohort.atlas.network_names)
    missing = missing_networks(cohort.missing, cohort.atlas.network_index)
    return pd.DataFrame(
        {
            **{name: table[name] for name in INDEX},
            **_of_blocks(cohort),
            "frames": table["frames"],
            "hidden_share": hidden,
            "hidden_networks": [",".join(names[row]) for row in missing],
            "short": _short(cohort, encoder.config),
            "crop_spread": crop_spread(features),
        }
    )


def _of_blocks(cohort: Cohort) -> dict[str, pd.Series]:
    """Say which block of its recording each row is; nothing of whole recordings."""
    if not isinstance(cohort, Blocks):
        return {}
    number = cohort.blocks.groupby("recording").cumcount()
    return {BLOCK: number, **{name: cohort.blocks[name] for name in (*TIMES, TYPE)}}


def _short(cohort: Cohort, size: EncoderConfig) -> "pd.Series[bool]":
    """Say which recordings leave a patch of the encoder's window empty."""
    return cohort.recordings["frames"] <= (0 if size.any_length else size.frames - size.patch)


def crop_spread(features: Float[ndarray, "recording crop feature"]) -> Float[ndarray, " recording"]:
    """Root mean square distance of a recording's crops from their mean, over the mean's length; NaN for one crop."""
    if features.shape[1] < 2:
        return np.full(len(features), np.nan)
    values = features.astype(np.float64)
    mean = values.mean(axis=1)
    distance = np.square(values - mean[:, None]).sum(axis=2).mean(axis=1)
    spread: Float[ndarray, " recording"] = np.sqrt(distance) / np.linalg.norm(mean, axis=1)
    return spread


def _table(
    about: pd.DataFrame, features: Float[ndarray, "recording crop feature"], readout: Readout, keep_crops: bool
) -> pd.DataFrame:
    crops, index, values = features.shape[1], [*INDEX, *([BLOCK] if BLOCK in about else [])], features.mean(axis=1)
    if keep_crops:
        about = about.loc[about.index.repeat(crops)].assign(crop=np.tile(np.arange(crops), len(features)))
        index, values = [*index, "crop"], rearrange(features, "r c f -> (r c) f")
    names = [f"{readout}_{i:04d}" for i in range(values.shape[1])]
    features_too = pd.DataFrame(values, columns=names, dtype=np.float32)
    return pd.concat([about.reset_index(drop=True), features_too], axis=1).set_index(index)


def write_features(table: pd.DataFrame, out: Path) -> Path | None:
    """Write what `embed` returned as parquet, and what was excluded, if anything, as tables beside it.

    Returns the place of that of recordings (``<name>.excluded.tsv``), None when nothing was excluded; that of blocks is
    ``<name>.left_out.tsv``.
    """
    plain = table.copy(deep=False)
    plain.attrs = {name: value for name, value in table.attrs.items() if name == "encoder"}
    buffer = io.BytesIO()
    plain.to_parquet(buffer)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_durably(out, buffer.getvalue())
    _write_beside(left_out_of(out), pd.DataFrame(table.attrs.get("left_out", []), columns=LEFT_OUT))
    excluded = pd.DataFrame(table.attrs.get("excluded", []), columns=layout.EXCLUDED_COLUMNS)
    return _write_beside(out.with_suffix(".excluded.tsv"), excluded)


def left_out_of(out: Path) -> Path:
    """Name the table of the blocks that are not in the table ``out``."""
    return out.with_suffix(".left_out.tsv")


def _write_beside(place: Path, rows: pd.DataFrame) -> Path | None:
    if rows.empty:
        place.unlink(missing_ok=True)
        return None
    write_table(place, rows)
    return place


def encoder_notes(card: EncoderCard, boxed: str = "", encoder: Encoder | None = None) -> list[str]:
    """List what the encoder requires; ``boxed`` is its name, where it was taken out of the box unasked."""
    lower = encoder is not None and encoder.lower is not None
    frames = "any number of frames" if card.encoder.any_length else f"{card.encoder.frames} frames"
    atlas = card.atlas
    return [
        f"encoder    {atlas.name}: {atlas.n_rois} ROIs in {plural(atlas.n_networks, 'network')}",
        *([f"           {boxed}, the one in the box that fits; --model takes another"] if boxed else []),
        f"expects    {frames} of {card.tr:g} s, {band_words(card)}, {card.normalisation}",
        *(["           computed in bf16-mixed: not the digits of float32"] if lower else []),
        *[f"           {line}" for line in card.origin],
    ]


def recording_notes(cohort: Cohort, card: EncoderCard, source_lines: Sequence[str] = ()) -> list[str]:
    """List what the recordings were (``source_lines``), what was done to them, and what of them is hidden."""
    about, table = cohort.description, cohort.recordings
    people, trs = table["participant_id"].nunique(), np.sort(table["source_tr"].unique())
    shown = ", ".join(f"{tr:g}" for tr in trs[:6]) + (f" and {len(trs) - 6} others" if len(trs) > 6 else "")
    changed = np.abs(trs - cohort.tr).max() > 1e-3
    band = about["Band"]
    filtered = f"band-passed to {band[0]:g} to {band[1]:g} Hz" if band else "not band-passed"
    filtered = "not band-passed, the linear trend removed" if cohort.band == "full" else filtered
    source_lines = [without_remedy(line) for line in source_lines] or [str(about.get("SourceKind", "not known"))]
    lines = [
        f"source     {source_lines[0]}",
        *[f"           {line}" for line in source_lines[1:]],
        f"used       {plural(len(table), 'recording')} of {plural(people, 'person')}; {len(cohort.excluded)} "
        f"{'was' if len(cohort.excluded) == 1 else 'were'} excluded",
        f"TR         {shown} s" + (f", brought to {cohort.tr:g} s by cubic interpolation" if changed else ""),
        f"cleaned    {filtered}{' (were filtered before)' if about.get('AlreadyFiltered') else ''}, z-scored per ROI",
        *_coverage(cohort),
    ]
    if short := int(_short(cohort, card.encoder).sum()):
        window = f"the encoder's window of {card.encoder.frames * cohort.tr:g} s"
        them = plural(short, "recording does", "recordings do")
        lines.append(f"short      {them} not fill {window}: empty patches are hidden (column short)")
    return lines


def _coverage(cohort: Cohort) -> list[str]:
    """Say which networks are hidden, in how many recordings, and how many ROIs are there."""
    index, names = cohort.atlas.network_index, cohort.atlas.network_names
    absent = missing_networks(cohort.missing, index)
    there = np.sort((~cohort.missing).sum(axis=1))
    least = f"{there[0]}" if there[0] == there[-1] else f"{there[0]} to {there[-1]}"
    lines = [f"ROIs       {least} of {cohort.atlas.n_rois} are there"]
    for network, name in enumerate(names):
        if count := int(absent[:, network].sum()):
            size = int((index == network).sum())
            where = f"missing in {count} of {plural(len(absent), 'recording')}"
            lines.append(f"hidden     network {name} ({plural(size, 'ROI')}): {where}")
    return lines
