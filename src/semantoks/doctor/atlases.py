"""Which packaged atlases recordings can be of: by labels, by number of ROIs, and then by what correlates with what."""

import dataclasses
from pathlib import Path

import numpy as np

from semantoks.atlas.atlas import Atlas
from semantoks.atlas.catalog import get_atlas, list_atlases
from semantoks.doctor.orders import evidence, mean_correlations, turned
from semantoks.errors import DataError
from semantoks.signals.clean import missing_rois
from semantoks.signals.opened_source import SourceConfig, find_source
from semantoks.signals.sources import Source
from semantoks.signals.writer import read_recording

JOINED = ("schaefer400+tian-s3", "schaefer400+tian-s3+buckner7")
FEW = 3


def fitting_atlases(source: str | Path | Source, config: SourceConfig) -> list[tuple[Source, Atlas]]:
    """Open a source by every packaged atlas that its first recordings can be read with; the likeliest first.

    Likelier is the one whose rows are time, then the one with more ROIs that have signal and fewer that have none, then
    the one in whose order ROIs of a network, and homotopic ones, correlate more.
    """
    fitting, refusals = [], set[str]()
    for name in (*list_atlases(), *JOINED):
        atlas = get_atlas(name)
        try:
            opened = find_source(source, dataclasses.replace(config, atlas=atlas))
            recordings = [read_recording(opened, item) for item in opened.items()[:FEW]]
        except DataError as error:
            refusals.add(str(error))
            continue
        there = float(np.mean([(~missing_rois(one.series)).sum() for one in recordings]))
        likely = evidence(mean_correlations(one.series for one in recordings), atlas).total
        fitting.append(((turned(one.series for one in recordings), -there, atlas.n_rois, -likely), opened, atlas))
    if not fitting and len(refusals) == 1:  # whatever the atlas
        raise DataError(refusals.pop())
    fitting.sort(key=lambda one: one[0])
    return [(opened, atlas) for _, opened, atlas in fitting]
