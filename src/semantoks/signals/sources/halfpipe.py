"""HALFpipe 1.3: the parcel time series of a feature and atlas, without header, by position."""

import math
from pathlib import Path

import pandas as pd

from semantoks.atlas.atlas import Atlas
from semantoks.errors import DataError
from semantoks.signals.files.columns import from_time_by_roi
from semantoks.signals.files.names import BidsFile, chosen_runs, scan, schaefer_labels
from semantoks.signals.files.stated import (
    StatedTR,
    agreed,
    generated_by,
    plausible,
    read_json,
    stated_band,
    stated_number,
)
from semantoks.signals.files.text_table import read_text_table
from semantoks.signals.reading_config import EVERYTHING, ReadingConfig
from semantoks.signals.recording import Recording
from semantoks.signals.sources.runs import by_run, of_one_variant, run_items, the_only
from semantoks.signals.sources.source import FactTable, Item

FREQUENCY, SECONDS, MEAN_FD = "SamplingFrequency", "RepetitionTime", "FDMean"


class HalfpipeSource:
    """One recording a run, of one feature and one atlas of HALFpipe's.

    Columns have no labels: they are those of the order that the name of HALFpipe's atlas tells
    (``Schaefer2018400Parcels7Networks``), else, as many as the ROIs, in the order of the atlas. Parcels of low coverage
    are NaN. The sidecar's ``SamplingFrequency`` holds the repetition time in seconds, whatever its name.

    Raises
    ------
    ConfigError
        When there are several features or atlases, or what is asked for is not there.
    DataError
        When there are no time series.
    """

    def __init__(
        self,
        path: Path,
        *,
        atlas: Atlas,
        tr: float | None,
        participants: pd.DataFrame | None,
        reading: ReadingConfig = EVERYTHING,
    ) -> None:
        self.path = path
        self._atlas, self._table, self._reorder = atlas, participants, reading.reorder
        self._facts = FactTable(participants, tr, files_say=True)
        version = next((version for name, version in generated_by(path) if _is_tool(name)), "")
        self.kind = f"HALFpipe {version}".strip()
        files = [one for one in scan(path) if _is_series(one)]
        if not files:
            raise DataError(f"{path} has no time series of HALFpipe (..._feature-..._atlas-..._timeseries.tsv).")
        chosen = chosen_runs(files, reading, path)
        self._feature, chosen = of_one_variant(
            chosen, lambda one: one.entities["feature"], variant=reading.variant, what="features", root=path
        )
        chosen = [one for one in chosen if schaefer_labels(one.entities["atlas"]) == atlas.labels] or chosen
        alone = "Give a folder that holds one of them alone."
        self._parcels = the_only([one.entities["atlas"] for one in chosen], what="atlases", root=path, remedy=alone)
        self._labels = schaefer_labels(self._parcels)
        self._runs = {key: one for key, (one,) in by_run(chosen, path).items()}

    def items(self) -> list[Item]:
        """One item a run."""
        return run_items(list(self._runs.values()))

    def participants(self) -> pd.DataFrame | None:
        """The participants table that was given."""
        return self._table

    def notes(self) -> list[str]:
        """Say by what the columns are known, and what the files do not tell."""
        order = self._atlas.name if self._labels is None else self._parcels
        return [
            f"feature {self._feature}, atlas {self._parcels}; columns by position, in the order of {order}",
            "the temporal filter of the feature's setting is not read: pass --already-filtered if it was a band-pass",
        ]

    def read(self, item: Item) -> Recording:
        """Read one run; DataError when it cannot be read or its repetition time is unknown."""
        sidecar = item.path.with_suffix(".json")
        facts = self._facts.of(item, _stated_tr(sidecar))
        table = read_text_table(item.path)
        said = read_json(sidecar) if sidecar.is_file() else {}
        coverage = said.get("Coverage")
        counts = {f"the Coverage in {sidecar.name}": coverage if isinstance(coverage, list) else None}
        for what, parcels in {**counts, self._parcels: self._labels}.items():
            if parcels is not None and len(parcels) != table.values.shape[1]:
                raise DataError(
                    f"{item.path} has {table.values.shape[1]} columns, but {what} {len(parcels)} parcels: which column "
                    "is which cannot be known. Run HALFpipe again for this recording."
                )
        mean_fd = stated_number(sidecar, MEAN_FD) if math.isnan(facts.mean_fd) else facts.mean_fd
        return facts.recording(
            item,
            from_time_by_roi(
                table.values, self._atlas, names=self._labels, where=str(item.path), reorder=self._reorder
            ),
            mean_fd=math.nan if mean_fd is None else mean_fd,
            band=stated_band(said),
            source=str(item.path),
        )


def is_halfpipe(path: Path) -> bool:
    """Tell a folder that HALFpipe wrote: it says so, or its time series are called as it calls them."""
    tools = generated_by(path)
    return bool(tools and _is_tool(tools[0][0])) or any(_is_series(one) for one in scan(path))


def _is_tool(name: str) -> bool:
    return name.lower() == "halfpipe"


def _is_series(one: BidsFile) -> bool:
    named = one.suffix == "timeseries" and one.extension in (".tsv", ".txt")
    return named and "feature" in one.entities and "atlas" in one.entities


def _stated_tr(sidecar: Path) -> StatedTR:
    seconds = stated_number(sidecar, FREQUENCY)
    if seconds is None:
        return StatedTR(seconds=None, where=f"no {FREQUENCY} in {sidecar.name}")
    stated = plausible(seconds, f"{FREQUENCY} of {sidecar.name}, where HALFpipe writes the repetition time")
    plain = stated_number(sidecar, SECONDS)
    return stated if plain is None else agreed([stated, StatedTR(seconds=plain, where=f"{SECONDS} of {sidecar.name}")])
