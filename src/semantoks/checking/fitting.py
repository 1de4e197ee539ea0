"""Which packaged atlas the columns of a source are, where nobody says: by labels, by number, by what correlates."""

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from semantoks.atlas.atlas import Atlas
from semantoks.atlas.catalog import get_atlas, list_atlases
from semantoks.checking.evidence import evidence, mean_correlations, trusted, turned
from semantoks.errors import DataError
from semantoks.signals.clean import missing_rois
from semantoks.signals.opened_source import SourceConfig, find_source
from semantoks.signals.recording import Recording
from semantoks.signals.sources import Source, usual_atlas
from semantoks.signals.writer import read_recording

JOINED = ("schaefer400+tian-s3", "schaefer400+tian-s3+buckner7")
FEW, TRIED = 3, 10
"""Recordings that are compared with each atlas, and how many are tried until as many could be read."""
SAME_NUMBER = re.compile(r"has (\d+ Schaefer parcels \([^)]*\)), the recording has \1")
"""Refusals of labels that are as many as the atlas's, and others: of another version."""


class NoAtlasError(DataError):
    """No packaged atlas fits. The message says why as far as one is near; ``example`` is what the smallest one says."""

    def __init__(self, refusals: Sequence[str]) -> None:
        near = next(filter(SAME_NUMBER.search, refusals), None)
        super().__init__(near or "no packaged atlas has these labels or this number of ROIs")
        self.example = "" if near else refusals[0]


def fitting_atlases(source: str | Path | Source, config: SourceConfig) -> list[tuple[Source, Atlas]]:
    """Open a source with the atlas that is given or usual, else by every packaged atlas that fits, the likeliest first.

    Fitting is an atlas that some of the first recordings can be read with. Likelier is the one whose rows are time,
    then the one with more ROIs that have signal and fewer that have none, then the one in whose order ROIs of a
    network, and homotopic ones, correlate more.

    Raises
    ------
    NoAtlasError
        If no packaged atlas fits.
    DataError
        If nothing can be recognised, or the recordings cannot be read, whatever the atlas.
    """
    if config.atlas is not None or (isinstance(source, str | Path) and usual_atlas(Path(source))):
        named = config.with_atlas(source)
        return [(find_source(source, named), named.known_atlas)]
    fitting, refusals = [], dict[str, int]()
    for name in (*list_atlases(), *JOINED):
        atlas = get_atlas(name)
        try:
            opened = find_source(source, dataclasses.replace(config, atlas=atlas))
            recordings = _first(opened, atlas)
        except DataError as error:
            refusals[str(error)] = atlas.n_rois
            continue
        series = [one for one in map(trusted, recordings) if one is not None]
        there = float(np.mean([(~missing_rois(one.series)).sum() for one in recordings]))
        likely = evidence(mean_correlations(series), atlas).total if series else 0.0
        fitting.append(((turned(series), -there, atlas.n_rois, -likely), opened, atlas))
    if not fitting and len(refusals) == 1:  # whatever the atlas
        raise DataError(next(iter(refusals)))
    if not fitting:
        raise NoAtlasError(sorted(refusals, key=refusals.__getitem__))
    fitting.sort(key=lambda one: one[0])
    return [(opened, atlas) for _, opened, atlas in fitting]


def _first(source: Source, atlas: Atlas) -> list[Recording]:
    """Read the first few recordings that can be read; DataError, that of the first one, where none of them can."""
    found: list[Recording] = []
    refusal = DataError(f"{source.path} has no recordings.")
    for number, item in enumerate(source.items()[:TRIED]):
        try:
            one = read_recording(source, item)
            if one.series.shape[1] != atlas.n_rois:
                raise DataError(f"{one.source} has {one.series.shape[1]} ROIs, the atlas {atlas.name} {atlas.n_rois}.")
            found.append(one)
        except DataError as error:
            refusal = error if number == 0 else refusal
        if len(found) == FEW:
            break
    if not found:
        raise refusal
    return found
