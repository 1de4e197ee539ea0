"""A cohort on disk, opened for reading: memory-mapped signals beside the tables that say whose they are."""

import copy
import dataclasses
import hashlib
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float16, Float32, Int
from numpy import ndarray

from semantoks.atlas.atlas import Atlas
from semantoks.counted import plural
from semantoks.errors import ConfigError, DataError
from semantoks.notebook import as_html
from semantoks.signals import layout
from semantoks.signals.clean import mask_from_text
from semantoks.signals.cohort_checks import check_recordings, damaged_signals, read_description, without_full_band
from semantoks.storage.checksums import check_sum, differing, read_sums
from semantoks.storage.tables import read_typed_table

RESTORE = "Restore it, or prepare the cohort again."

InBand = Literal["passed", "full"]
"""passed: the series as they were band-passed (or came, or were left); full: those without a band-pass."""


class Cohort:
    """A prepared cohort: read only, cheap to open, one memory map per shard.

    Parameters
    ----------
    path
        The folder that ``prepare`` wrote.
    verify
        Whether what is read is checked against its checksums: tables when they are opened, the signals of all
        recordings before they are first used (``check_signals``).

    Attributes
    ----------
    path : Path
    description : dict
        ``dataset_description.json``.
    atlas : Atlas
        What each column of a recording is.
    tr : float
        Sampling interval of every recording, in seconds.
    recordings : DataFrame
        One row per recording, index 0..n-1: recording_id, participant_id (without ``sub-``), session_id, run, site,
        frames, offset (first frame in its shard), shard (from 1), source_tr (s), mean_fd (mm), good_frames,
        bad_frames (censored ones, 0-based: ``3,17-29``), missing_rois (0-based, comma separated), sha256,
        moments_sha256 (empty in cohorts without moments), full_sha256 (of the series without the band-pass; empty
        where there are none), source_file.
    band : "passed" or "full"
        Which series are read: see ``in_band``.

    Raises
    ------
    DataError
        If this is not a cohort, has another schema, is unfinished, has an atlas table that was changed, or a damaged
        description, shard or table of recordings.
    """

    def __init__(self, path: Path | str, *, verify: bool = True) -> None:
        self.path, self.verified = Path(path), verify
        self._checked: set[str] = set()
        self.band: InBand = "passed"
        self.description: dict[str, Any] = read_description(self.path)
        if not (self.path / layout.RECORDINGS).exists():
            raise DataError(f"the cohort {self.path} is unfinished: run the same prepare command again to finish it.")
        atlas = Atlas.from_tsv(self.path / layout.ATLAS)
        self.atlas: Atlas = dataclasses.replace(atlas, name=self.description["Atlas"])
        if self.atlas.fingerprint != self.description["AtlasFingerprint"]:
            raise DataError(
                f"{self.path / layout.ATLAS} has the fingerprint {self.atlas.fingerprint}, but the signals are of "
                f"{self.description['AtlasFingerprint']} ({self.atlas.name}): the table was changed. Restore it, "
                "or prepare the cohort again."
            )
        file = self.path / layout.RECORDINGS
        self.recordings: pd.DataFrame = layout.typed(layout.read_rows(file, layout.RECORDING_COLUMNS), file)
        frames = [len(self._map(shard)) for shard in range(1, self.description["Shards"] + 1)]
        check_recordings(self.recordings, frames, self.atlas.n_rois, file)
        self.sums = read_sums(self.path)
        for name in (layout.DESCRIPTION, layout.ATLAS, layout.RECORDINGS):
            self._check(name)
        self.tr: float = self._sampling_interval()
        self._shard, self._offset, self._frames = (
            self.recordings[name].to_numpy() for name in ("shard", "offset", "frames")
        )

    def __len__(self) -> int:
        """Count the recordings."""
        return len(self.recordings)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is mapped: a process that gets a cohort, and a copy in another band, map files themselves."""
        return {name: value for name, value in self.__dict__.items() if name != "shards"}

    def __repr__(self) -> str:
        """Say what and how much it is."""
        people = self.recordings["participant_id"].nunique()
        contents = (
            f"{plural(len(self), 'recording')} of {plural(people, 'participant')}, {self.atlas.name}, TR {self.tr:g} s"
        )
        contents += ", full band" if self.band == "full" else ""
        return f"Cohort({str(self.path)!r}: {contents})"

    def _repr_html_(self) -> str:
        frames, table = self.recordings["frames"], self.recordings
        minutes = [f"{one * self.tr / 60:.1f}" for one in (frames.min(), frames.max())] if len(self) else []
        rows = {
            "recordings": f"{len(self)} of {plural(table['participant_id'].nunique(), 'participant')}",
            "excluded": f"{len(self.excluded)} (see .excluded)",
            "atlas": self.atlas.name,
            "repetition time": f"{self.tr:g} s",
            "minutes": " to ".join(minutes),
            "band": "full" if self.band == "full" else self.description["Band"] or "as recorded",
            "about people": ", ".join(map(str, self.participants.columns)),
        }
        return as_html(f"Cohort {self.path}", rows)

    @property
    def has_full_band(self) -> bool:
        """Whether every recording is here without a band-pass, too."""
        return bool((self.recordings["full_sha256"] != "").all())

    def in_band(self, band: InBand, *, otherwise: str = "use the band-passed series") -> "Cohort":
        """Look at the same recordings in another band: ``series`` and ``shards`` are of that one, all else is the same.

        "full" are the series that were not band-passed: the linear trend removed, resampled with care for aliases
        (``clean.full_band``), z-scored. ``otherwise`` says in a refusal what else can be done.

        Raises
        ------
        DataError
            If not every recording has them.
        """
        if band not in get_args(InBand):
            raise ConfigError(f"band has to be one of {', '.join(get_args(InBand))}, not {band!r}.")
        if band == self.band:
            return self
        if band == "full" and not self.has_full_band:
            lacking = int((self.recordings["full_sha256"] == "").sum())
            why = without_full_band(self.description, lacking, len(self), otherwise)
            raise DataError(f"{self.path} does not have the full band: {why}.")
        other = copy.copy(self)
        other.band = band
        other.description = read_description(self.path) | ({"Band": None} if band == "full" else {})
        return other

    @property
    def checksums(self) -> list[str]:
        """The sha256 of each recording's ``series``."""
        return list(self.recordings["full_sha256" if self.band == "full" else "sha256"])

    @cached_property
    def participants(self) -> pd.DataFrame:
        """Phenotypes as given, one row per participant, or per participant and session; ids without ``sub-``."""
        return layout.read_cohort_participants(self.path)

    @cached_property
    def excluded(self) -> pd.DataFrame:
        """What was refused, and why: recording_id, participant_id, session_id, run, source_file, reason."""
        self._check(layout.EXCLUDED)
        return layout.read_rows(self.path / layout.EXCLUDED, layout.EXCLUDED_COLUMNS)

    @cached_property
    def shards(self) -> list[Float16[ndarray, "_ roi"]]:
        """Memory maps of all shards, float16 [frame, roi]; shard k of the table is number k-1 here."""
        numbers = range(1, self.description["Shards"] + 1)
        return [self._map_full(shard) if self.band == "full" else self._map(shard) for shard in numbers]

    @cached_property
    def first_frames(self) -> Int[ndarray, " recording"]:
        """Where each recording begins when all shards are laid end to end, in frames."""
        shard_first = np.cumsum([0] + [len(shard) for shard in self.shards])
        first: ndarray = shard_first[self._shard - 1] + self._offset
        return first

    @cached_property
    def missing(self) -> Bool[ndarray, "recording roi"]:
        """True where a recording has no signal in an ROI (its series is 0 there)."""
        return layout.missing_mask(self.recordings, self.atlas.n_rois)

    @cached_property
    def good(self) -> Bool[ndarray, " frame"]:
        """True where a frame is data, False where it was censored; all frames of all shards end to end."""
        good = np.ones(sum(len(shard) for shard in self.shards), dtype=bool)
        for first, frames, text in zip(self.first_frames, self._frames, self.recordings["bad_frames"], strict=True):
            if text:
                good[first : first + frames] = mask_from_text(text, int(frames))
        return good

    @cached_property
    def quality(self) -> pd.DataFrame:
        """How good each recording is (``quality.measure``), one row per recording; only ids in early cohorts."""
        path = self.path / layout.QUALITY
        if not path.exists():
            return pd.DataFrame({"recording_id": self.recordings["recording_id"]})
        self._check(layout.QUALITY)
        return read_typed_table(path, ["recording_id"], remedy="prepare this cohort again")

    @cached_property
    def moments(self) -> Float32[ndarray, "recording 2 roi"] | None:
        """What z-scoring took away: mean of each ROI's raw series, then sd of the filtered and resampled one.

        In the units of the source, over the whole recording; NaN for a missing ROI. None for a cohort that an earlier
        version prepared.

        Raises
        ------
        DataError
            If a file of moments is lost, damaged, or of other recordings than the table says.
        """
        if (self.recordings["moments_sha256"] == "").all():
            return None
        moments = np.empty((len(self), 2, self.atlas.n_rois), dtype=np.float32)
        for shard, rows in self.recordings.sort_values("offset").groupby("shard"):
            moments[rows.index] = self._moments_of(int(str(shard)), rows)
        return moments

    def series(self, index: int) -> Float16[ndarray, "frame roi"]:
        """Look at recording ``index`` (row of ``recordings``): a z-scored view into the memory map, time x ROI."""
        start, shard = self._offset[index], self.shards[self._shard[index] - 1]
        layout.refuse_shrunk(shard)
        view: Float16[ndarray, "frame roi"] = shard[start : start + self._frames[index]]
        return view

    def check_signals(self) -> None:
        """Compare all signals with their checksums and look for what is not finite, once, before they are used.

        It reads every byte, which takes about as long as copying the shards; not with ``verify=False``.

        Raises
        ------
        DataError
            If recordings are damaged; the first ones are named.
        """
        if not self.verified or self.band in self._checked:
            return
        damaged = [
            index
            for index, expected in enumerate(self.checksums)
            if checksum(series := self.series(index)) != expected or not np.isfinite(series).all()
        ]
        if damaged:
            raise damaged_signals(
                self.path, [str(self.recordings["recording_id"][index]) for index in damaged], len(self)
            )
        self._checked.add(self.band)

    def _check(self, name: str) -> None:
        if self.verified:
            check_sum(self.path / name, self.sums, name, RESTORE)

    def changed_participants(self) -> bool:
        """Say whether participants.tsv is not as prepare wrote it, as after a change of phenotypes by hand."""
        names = (layout.PARTICIPANTS, layout.PARTICIPANTS_JSON)
        return bool({*names} & {*differing(self.path, self.sums)})

    def verify(self) -> list[str]:
        """Check every byte of signal in both bands and of moments by its checksum, and the tables against each other.

        Returns
        -------
        list of str
            One sentence a problem; empty if the cohort is whole.
        """
        problems, tables = [], []
        for shard in range(1, self.description["Shards"] + 1):
            try:
                file = layout.rows_path(self.path, shard)
                rows = layout.read_rows(file, layout.ROW_COLUMNS)
                kept = layout.typed(layout.kept_rows(rows), file)
                tables.append(rows)
                problems += self._problems_of_shard(shard, kept, "sha256")
                if (kept["full_sha256"] != "").any():
                    problems += self._problems_of_shard(shard, kept, "full_sha256")
                if (kept["moments_sha256"] != "").any():
                    self._moments_of(shard, kept)
            except DataError as error:
                problems.append(str(error))
        rows = pd.concat(tables) if tables else pd.DataFrame(columns=layout.ROW_COLUMNS)
        if len(rows) != self.description["Items"]:
            problems.append(
                f"the row tables have {len(rows)} rows, but {self.description['Items']} were to be prepared."
            )
        if not layout.typed(layout.kept_rows(rows), self.path).equals(self.recordings):
            problems.append(f"{layout.RECORDINGS} does not agree with the row tables of the shards.")
        if not layout.excluded_rows(rows).equals(
            layout.read_rows(self.path / layout.EXCLUDED, layout.EXCLUDED_COLUMNS)
        ):
            problems.append(f"{layout.EXCLUDED} does not agree with the row tables of the shards.")
        return [*problems, *(problem for name in self.sums if (problem := self._problem_of(name)))]

    def _problem_of(self, name: str) -> str:
        """Say whether a listed file is lost or changed; participants.tsv may be changed by hand."""
        if name in (layout.PARTICIPANTS, layout.PARTICIPANTS_JSON):
            return ""
        try:
            check_sum(self.path / name, self.sums, name, RESTORE)
        except DataError as error:
            return str(error)
        return ""

    def _problems_of_shard(self, shard: int, rows: pd.DataFrame, column: str) -> list[str]:
        """Name what is wrong with the signals whose checksums are in ``column``."""
        path = (layout.shard_path if column == "sha256" else layout.full_path)(self.path, shard)
        signals = self._map(shard, path)
        if len(signals) != rows["frames"].sum():
            return [f"{path.name} holds {len(signals)} frames, but its row table says {rows['frames'].sum()}."]
        columns = (rows[name] for name in ("recording_id", "offset", "frames", column))
        return [
            f"recording {key} in {path.name} does not match its checksum: its signal was changed or damaged."
            for key, offset, frames, expected in zip(*columns, strict=True)
            if expected and checksum(signals[offset : offset + frames]) != expected
        ]

    def _moments_of(self, shard: int, rows: pd.DataFrame) -> Float32[ndarray, "_ 2 roi"]:
        """Read the moments of a shard, each recording's checked against its checksum in ``rows``."""
        path = layout.moments_path(self.path, shard)
        moments: Float32[ndarray, "_ 2 roi"] = layout.load_array(path, "the moments")
        shape = (len(rows), 2, self.atlas.n_rois)
        if moments.dtype != layout.MOMENTS_DTYPE or moments.shape != shape:
            raise DataError(
                f"{path} holds {moments.dtype} {moments.shape}, but float32 {shape} was expected: it was changed or "
                "damaged. Prepare the cohort again."
            )
        for key, found, expected in zip(rows["recording_id"], moments, rows["moments_sha256"], strict=True):
            if checksum(found) != expected:
                raise DataError(
                    f"recording {key} in {path.name} does not match its checksum: its moments were changed or damaged. "
                    "Prepare the cohort again."
                )
        return moments

    def _map_full(self, shard: int) -> Float16[ndarray, "_ roi"]:
        """Map the series of a shard without the band-pass: as long as those with it; none where it has no recording."""
        passed, path = self._map(shard), layout.full_path(self.path, shard)
        if not len(passed) and not path.exists():
            return passed
        found = self._map(shard, path)
        if len(found) != len(passed):
            raise DataError(
                f"{path} holds {len(found)} frames, but {layout.shard_path(self.path, shard).name} {len(passed)}: it "
                "was changed or damaged. Prepare the cohort again."
            )
        return found

    def _map(self, shard: int, path: Path | None = None) -> Float16[ndarray, "_ roi"]:
        path = path or layout.shard_path(self.path, shard)
        signals: Float16[ndarray, "_ roi"] = layout.load_array(path, "the shard")
        if signals.dtype != layout.DTYPE or signals.ndim != 2 or signals.shape[1] != self.atlas.n_rois:
            raise DataError(
                f"the shard {path} holds {signals.dtype} {signals.shape}, but float16 [frame, {self.atlas.n_rois}] was "
                "expected. Prepare the cohort again."
            )
        return signals

    def _sampling_interval(self) -> float:
        """Take the target TR, or without one the TR that all recordings share."""
        stated = self.description["RepetitionTime"]
        if stated is not None:
            return float(stated)
        found = self.recordings["source_tr"].unique()
        if len(found) == 1:
            return float(found[0])
        raise DataError(
            f"{self.path} was prepared without a target TR, and its recordings have {len(found)} different ones: "
            f"{', '.join(f'{tr:g}' for tr in sorted(found))} s. Prepare it with a target TR."
        )


def checksum(values: Float16[ndarray, "frame roi"] | Float32[ndarray, "2 roi"]) -> str:
    """Hash the bytes of one recording's signals, time-major, or of its moments, as they lie on disk (sha256, hex)."""
    return hashlib.sha256(values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()).hexdigest()
