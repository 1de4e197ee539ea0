"""Traps of real files that no test of a single source shows: the same number, name or tone, meant otherwise."""

import numpy as np
import pytest

from semantoks.atlas.catalog import get_atlas
from semantoks.errors import DataError
from semantoks.signals.prepare import prepare
from semantoks.signals.recording import Recording
from semantoks.signals.sources import open_source
from semantoks.signals.sources.memory import MemorySource
from semantoks.simulation.derivatives import write_json, write_table

ATLAS = get_atlas("schaefer100")


def series(seed=0, frames=120, rois=100):
    return (500 + np.random.default_rng(seed).normal(size=(frames, rois)).cumsum(axis=0)).astype(np.float32)


def read(path, atlas=ATLAS, tr=None):
    source = open_source(path, atlas=atlas, tr=tr, participants=None)
    (item,) = source.items()
    return source.read(item)


# Trap 1 and 2: what a field called SamplingFrequency holds is another thing in each tool.
@pytest.mark.parametrize(
    ("name", "sidecar", "tr"),
    [
        ("feature-a_atlas-Schaefer2018100Parcels7Networks_timeseries", "{}", 0.8),
        ("seg-Schaefer2018100Parcels7Networks_desc-denoiseSimple_timeseries", "desc-denoiseSimple_timeseries", 1.25),
        ("space-MNI_atlas-Schaefer_stat-mean_timeseries", "{}", None),
    ],
    ids=["HALFpipe", "giga_connectome", "XCP-D"],
)
def test_a_sampling_frequency_of_08_is_what_its_tool_means_by_it(tmp_path, name, sidecar, tr):
    path = tmp_path / f"sub-01_task-rest_{name}.tsv"
    if "feature" in name:
        np.savetxt(path, series(), delimiter="\t", fmt="%.10f")
    else:
        write_table(path, list(map(str, range(100))) if "seg-" in name else ATLAS.labels, series())
    write_json(tmp_path / f"sub-01_task-rest_{sidecar.format(name)}.json", {"SamplingFrequency": 0.8})
    if tr is None:
        with pytest.raises(DataError, match="no repetition time for sub-01_task-rest: the sidecar of XCP-D"):
            read(tmp_path)
        return
    found = read(tmp_path)
    assert found.tr == tr
    assert "SamplingFrequency of sub-01_task-rest" in found.tr_from


# Trap 5: before September 2019, what is LH_Cont_OFC_1 now was LH_Cont_PFCl_1, and the eight after it one number on.
def test_labels_that_both_versions_have_for_different_parcels_are_never_matched(tmp_path):
    atlas = get_atlas("schaefer400")
    first = atlas.labels.index("LH_Cont_OFC_1")
    old = [f"LH_Cont_PFCl_{number}" for number in range(1, 10)]
    assert list(atlas.labels[first + 1 : first + 9]) == old[:8]
    labels = [*atlas.labels[:first], *old, *atlas.labels[first + 9 :]]
    write_table(tmp_path / "sub-01.tsv", labels, series(rois=400))
    with pytest.raises(DataError, match=r"sub-01\.tsv.*'LH_Cont_PFCl_9'.*label version"):
        read(tmp_path, atlas, tr=2.0)


# Trap 10: nilearn filters as if t_r were 2.5 where nobody tells it otherwise.
@pytest.mark.parametrize("tr", [0.5, 0.735, 0.8])
def test_a_filter_works_at_the_repetition_time_of_each_recording(tmp_path, tr):
    seconds = np.arange(1200)[:, None] * tr
    inside, outside = 0.05, 0.05 * 2.5 / tr  # as many frames a cycle as 0.05 Hz has at 2.5 s
    rng = np.random.default_rng(0)
    phases = rng.uniform(0, 2 * np.pi, size=(2, 1, 100))
    slow, fast = (np.sin(2 * np.pi * hz * seconds + phase) for hz, phase in zip((inside, outside), phases, strict=True))
    made = [
        Recording(series=1000 + tones, tr=tr, participant=name, source=name)
        for name, tones in (("slow", slow), ("both", slow + fast))
    ]
    cohort = prepare(MemorySource(made, atlas=ATLAS), out=tmp_path / "c", atlas=ATLAS)
    alone, both = (cohort.series(row)[60:-60].astype(np.float64) for row in range(2))
    assert all(np.corrcoef(alone[:, roi], both[:, roi])[0, 1] > 0.98 for roi in (0, 50, 99))
