"""giga_connectome 0.6: parcel time series without labels, whose names say which Schaefer atlas they are in order of."""

import math
import re
from dataclasses import replace
from pathlib import Path

import pandas as pd

from semantoks.atlas.atlas import Atlas
from semantoks.errors import DataError
from semantoks.signals.files.columns import match_labels, pick
from semantoks.signals.files.names import BidsFile, chosen_runs, parse, scan, schaefer_labels
from semantoks.signals.files.stated import StatedTR, generated_by, plausible, stated_number
from semantoks.signals.files.text_table import read_labelled
from semantoks.signals.reading_config import EVERYTHING, ReadingConfig
from semantoks.signals.recording import Recording
from semantoks.signals.sources.runs import by_run, of_one_variant, run_items, the_only
from semantoks.signals.sources.source import FactTable, Item
from semantoks.types import RoiIndex

NAME = re.compile(r"(?P<before>.+)_desc-(?P<strategy>denoise[^_]+)_timeseries\.tsv")
SCRUBBED = "NumberOfVolumesDiscardedByMotionScrubbing"
MEAN_FD = "MeanFramewiseDisplacement"
FREQUENCY = "SamplingFrequency"


class GigaSource:
    """One recording a run. Columns have no labels: the name ``seg-Schaefer2018400Parcels7Networks`` says their order.

    They are given the labels of that order, and matched to the atlas by those. Of several segmentations, the one with
    labels of the atlas is read. The repetition time is 1 / ``SamplingFrequency`` of the scan's sidecar, which has no
    ``seg-``. Frames that giga_connectome scrubbed are gone, and nothing says which: such a recording is refused.

    Raises
    ------
    ConfigError
        When there are several denoising strategies or fitting segmentations, or what is asked for is not there.
    DataError
        When no segmentation names an order of parcels, or none is the atlas's.
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
        self._table = participants
        self._facts = FactTable(participants, tr, files_say=True)
        version = next((version for name, version in generated_by(path) if _is_tool(name)), "")
        self.kind = f"giga_connectome {version}".strip()
        files = [one for one in map(_parsed, scan(path)) if one is not None]
        if not files:
            raise DataError(
                f"{path} has no time series of giga_connectome (..._seg-..._desc-denoise..._timeseries.tsv)."
            )
        chosen = chosen_runs(files, reading, path)
        fitting = _fitting([one.entities["seg"] for one in chosen], atlas, path, reorder=reading.reorder)
        chosen, self._unused = (
            [one for one in chosen if one.entities["seg"] in fitting],
            sorted({one.entities["seg"] for one in chosen} - set(fitting)),
        )
        alone = "Give a folder that holds one of them alone."
        self._seg = the_only([one.entities["seg"] for one in chosen], what="segmentations", root=path, remedy=alone)
        self._strategy, chosen = of_one_variant(
            chosen, lambda one: one.entities["desc"], variant=reading.variant, what="denoising strategies", root=path
        )
        self._positions = fitting[self._seg]
        self._n_columns = len(schaefer_labels(self._seg) or ())
        self._runs = {key: one for key, (one,) in by_run(chosen, path).items()}

    def items(self) -> list[Item]:
        """One item a run."""
        return run_items(list(self._runs.values()))

    def participants(self) -> pd.DataFrame | None:
        """The participants table that was given."""
        return self._table

    def notes(self) -> list[str]:
        """Say by what the columns are known, how they were denoised, and what is left out."""
        found = [f"columns by position, in the order of {self._seg}; denoised by {self._strategy}"]
        if self._unused:
            found.append(f"not used: {', '.join(self._unused)}")
        return found

    def read(self, item: Item) -> Recording:
        """Read one run; DataError when it cannot be read, lost frames, or its repetition time is unknown."""
        sidecar = _sidecar(self._runs[item.key])
        facts = self._facts.of(item, _stated_tr(sidecar))
        self._refuse_scrubbed(item, sidecar)
        labels, values = read_labelled(item.path)
        if labels != [str(column) for column in range(self._n_columns)]:
            raise DataError(
                f"{item.path}: {self._seg} has {self._n_columns} parcels, and a header 0 to {self._n_columns - 1} was "
                f"expected, but it is {labels[0]!r} to {labels[-1]!r} ({len(labels)} columns). Which parcels they are "
                "cannot be known."
            )
        mean_fd = stated_number(sidecar, MEAN_FD) if math.isnan(facts.mean_fd) else facts.mean_fd
        return facts.recording(
            item, pick(values, self._positions), mean_fd=math.nan if mean_fd is None else mean_fd, source=str(item.path)
        )

    def _refuse_scrubbed(self, item: Item, sidecar: Path) -> None:
        """Refuse series from which frames were taken out: what is left is no regular grid, and none can be put back."""
        scrubbed = stated_number(sidecar, SCRUBBED)
        if scrubbed is None and "scrub" in self._strategy.lower():
            raise DataError(
                f"{item.path} was scrubbed, and no {SCRUBBED} in {sidecar.name} says that no frame was taken out. Keep "
                "the sidecar, or run giga_connectome with a strategy that keeps all frames (simple)."
            )
        if scrubbed:
            raise DataError(
                f"{item.path} has lost {scrubbed:g} frames to scrubbing, and nothing says which, so they cannot be "
                "put back onto the scan. Run giga_connectome with a strategy that keeps all frames (simple)."
            )


def is_giga(path: Path) -> bool:
    """Tell a folder that giga_connectome wrote: it says so, or its time series are called as it calls them."""
    tools = generated_by(path)
    if tools:
        return _is_tool(tools[0][0])
    return any(_parsed(one) is not None for one in scan(path))


def _is_tool(name: str) -> bool:
    return name.lower().replace("-", "_") == "giga_connectome"


def _parsed(one: BidsFile) -> BidsFile | None:
    """Take a time series' name apart, in whose strategy a point may stand (``Scrubbing.5``); None for other files."""
    name = NAME.fullmatch(one.path.name)
    bare = None if name is None else parse(one.path.with_name(f"{name['before']}_timeseries.tsv"))
    if name is None or bare is None or "seg" not in bare.entities:
        return None
    return replace(bare, path=one.path, entities={**bare.entities, "desc": name["strategy"]})


def _sidecar(one: BidsFile) -> Path:
    """The sidecar of the scan: the same name without ``seg-``."""
    return one.path.with_name(one.path.name.replace(f"_seg-{one.entities['seg']}", "").removesuffix(".tsv") + ".json")


def _stated_tr(sidecar: Path) -> StatedTR:
    hertz = stated_number(sidecar, FREQUENCY)
    if not hertz:
        return StatedTR(seconds=None, where=f"no {FREQUENCY} in {sidecar.name}")
    return plausible(1 / hertz, f"1 / {FREQUENCY} of {sidecar.name}")


def _fitting(segs: list[str], atlas: Atlas, root: Path, *, reorder: bool) -> dict[str, RoiIndex]:
    """Give the segmentations with parcels of the atlas, each with the column of every ROI; DataError without any."""
    fitting, refusals = {}, []
    for seg in dict.fromkeys(segs):
        labels = schaefer_labels(seg)
        if labels is None:
            refusals.append(f"seg-{seg} names no Schaefer2018<n>Parcels<7 or 17>Networks.")
            continue
        try:
            positions = match_labels(labels, atlas, where=f"{root}, seg-{seg}", reorder=reorder)
        except DataError as error:
            refusals.append(str(error))
            continue
        if positions is None:
            refusals.append(f"seg-{seg} has no parcel of it.")
        else:
            fitting[seg] = positions
    if not fitting:
        raise DataError(
            f"{root}: giga_connectome writes columns without labels, and no segmentation's name says that they are in "
            f"the order of {atlas.name}: {' '.join(refusals)} Choose the atlas that it was run with."
        )
    return fitting
