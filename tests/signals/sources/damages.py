"""Small folders and files of every kind that is read, for the tests that damage them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import scipy.io
import tiny_cifti
import tiny_fmriprep

from semantoks.atlas.atlas import Atlas
from semantoks.atlas.catalog import brainmarks_spaces, get_atlas
from semantoks.signals.reading_config import ReadingConfig
from semantoks.signals.recording import Recording
from semantoks.signals.sources.arrow import open_arrow
from semantoks.signals.sources.cifti import open_cifti
from semantoks.signals.sources.conn import open_conn
from semantoks.signals.sources.dpabi import open_dpabi
from semantoks.signals.sources.fmriprep import open_fmriprep
from semantoks.signals.sources.folder import open_folder
from semantoks.signals.sources.hdf5 import open_array_hdf5, open_reference_hdf5
from semantoks.signals.sources.listed import open_listed
from semantoks.signals.sources.pcp import open_pcp
from semantoks.signals.sources.source import OpenedSource, Request
from semantoks.signals.sources.ukb import open_ukb
from semantoks.signals.sources.unlabelled import open_giga, open_halfpipe
from semantoks.signals.sources.xcpd import open_xcpd
from semantoks.simulation.derivatives import write_json, write_ptseries, write_table
from semantoks.simulation.ukb import write_ukb

FIVE = Atlas(name="five", labels=("Vis_L", "Vis_R", "Mot_L", "Mot_R", "Default"), networks=("a", "a", "b", "b", "c"))
CORTEX = get_atlas("schaefer100")


@dataclass(frozen=True, kw_only=True)
class Family:
    """A family of sources: what opens one, how a small one is written into a folder, and with what it is opened."""

    source: Callable[[Request], OpenedSource]
    write: Callable[[Path], None]
    atlas: Atlas = FIVE
    tr: float | None = None
    file: str = ""
    parcellation: str = ""
    text: tuple[str, ...] = ()
    """Ends of the names of text files of which whole lines may be cut off unseen."""
    slow: int = 1
    """How many times fewer examples are tried."""

    def opened(self, folder: Path):
        chosen = {"reading": ReadingConfig(parcellation=folder / self.parcellation)} if self.parcellation else {}
        return self.source(Request(path=folder / self.file, atlas=self.atlas, tr=self.tr, **chosen))


def series(seed=0, frames=9, rois=5):
    return (np.random.default_rng(seed).normal(size=(frames, rois)).cumsum(axis=0) * 7 + 100).astype(np.float32)


def recording(atlas, seed=0, tr=2.0, participant="01"):
    return Recording(series=series(seed, rois=atlas.n_rois), tr=tr, participant=participant, source="made")


def write_xcpd(folder):
    stem = folder / "sub-01" / "func" / "sub-01_task-rest_space-MNI"
    write_table(Path(f"{stem}_atlas-five_stat-mean_timeseries.tsv"), FIVE.labels, series())
    write_table(stem.with_name("sub-01_task-rest_outliers.tsv"), ["framewise_displacement"], np.eye(9)[:, 3:4])
    write_table(stem.with_name("sub-01_task-rest_motion.tsv"), ["trans_x", "framewise_displacement"], series(1, rois=2))
    filters = {"Bandpass filter": {"Low-pass cutoff (Hz)": 0.08, "High-pass cutoff (Hz)": 0.01}}
    write_json(Path(f"{stem}_desc-denoised_bold.json"), {"RepetitionTime": 2.0, "SoftwareFilters": filters})
    write_json(folder / "dataset_description.json", {"GeneratedBy": [{"Name": "xcp_d", "Version": "26.1.1"}]})


def write_folder(folder):
    np.save(folder / "sub-1.npy", series(1))
    np.savez_compressed(folder / "sub-2.npz", bold=series(2))
    write_table(folder / "sub-3.tsv", FIVE.labels, series(3))
    np.savetxt(folder / "sub-4.csv", series(4), delimiter=",", fmt="%.9g")
    np.savetxt(folder / "sub-5.1D", series(5), delimiter="\t", fmt="%.9g", header="1\t#2\t#3\t#4\t#5", comments="#")
    np.savetxt(folder / "sub-6.txt", series(6), fmt="%.9g")


def write_list(folder):
    np.save(folder / "a.npy", series(1))
    np.savetxt(folder / "b.csv", series(2), delimiter=",", fmt="%.9g")
    rows = ["path\tparticipant_id\trun\ttr\tsite\tmean_fd", "a.npy\t01\t1\t2\tx\t0.1", "b.csv\t02\t\t0.8\tn/a\tn/a"]
    (folder / "files.tsv").write_text("\n".join(rows) + "\n")


def write_array_hdf5(folder):
    with h5py.File(folder / "data.h5", "w") as file:
        file["bold"] = np.stack([series(1).T, series(2).T])
        file["participant_id"] = ["01", "02"]
        file["length"] = [9, 7]
        file["roi_name"] = list(FIVE.labels)


def write_reference_hdf5(folder):
    with h5py.File(folder / "data.h5", "w") as file:
        file["timeseries/five"] = np.stack([series(1).T, series(2).T])
        file["long_subject_id"] = np.array([b"01", b"02"])
        file["labels/age"] = [20.0, 30.0]


def write_arrow(folder):
    width = len(brainmarks_spaces()["schaefer400"])
    lists = pa.list_(pa.list_(pa.float32()))
    columns = {"sub": ["01", "02", "03"], "tr": [2.0] * 3, "age": [20, 30, None]}
    columns |= {"bold": pa.array([series(i, 4, width).tolist() for i in range(3)], type=lists)}
    columns |= {name: pa.array([series(9, 1, width).tolist()] * 3, type=lists) for name in ("mean", "std")}
    table = pa.table(columns)
    with pa.ipc.new_stream(str(folder / "data.arrow"), table.schema) as writer:
        writer.write_table(table, max_chunksize=1)


def write_giga(folder):
    name = "sub-01_task-rest_seg-Schaefer2018100Parcels7Networks_desc-denoiseSimple_timeseries.tsv"
    write_table(folder / "sub-01" / "func" / name, list(map(str, range(100))), series(rois=100))
    write_json(
        folder / "sub-01" / "func" / "sub-01_task-rest_desc-denoiseSimple_timeseries.json", {"SamplingFrequency": 0.5}
    )
    write_json(folder / "dataset_description.json", {"GeneratedBy": [{"Name": "giga_connectome", "Version": "0.6.0"}]})


def write_halfpipe(folder):
    stem = folder / "sub-01_task-rest_feature-one_atlas-five_timeseries.tsv"
    np.savetxt(stem, series(), delimiter="\t", fmt="%.10f")
    write_json(stem.with_suffix(".json"), {"SamplingFrequency": 2.0, "Coverage": [1.0] * 5})


def write_pcp(folder):
    np.savetxt(
        folder / "CMU_a_0050642_rois_five.1D",
        series(),
        delimiter="\t",
        fmt="%.9g",
        header="1\t#2\t#3\t#4\t#5",
        comments="#",
    )


def write_dpabi(folder):
    np.savetxt(folder / "ROISignals_Sub001.txt", series(), fmt="%.9g")


def write_dpabi_mat(folder):
    scipy.io.savemat(folder / "ROISignals_Sub001.mat", {"ROISignals": series()}, do_compression=True)


def write_conn(folder):
    texts, columns = np.empty((1, 8), dtype=object), np.empty((1, 8), dtype=object)
    for i, name in enumerate(("Grey Matter", "White Matter", "CSF", *FIVE.labels)):
        texts[0, i], columns[0, i] = name, series(i, rois=1).astype(float)
    scipy.io.savemat(folder / "ROI_Subject001_Condition000.mat", {"data": columns, "names": texts})


def write_fmriprep(folder):
    tiny_fmriprep.write_fmriprep(folder, [tiny_fmriprep.made(frames=40)])
    tiny_fmriprep.write_labels(folder / "labels.nii.gz", tiny_fmriprep.labels_of(5))


def write_dense(folder):
    values = series(frames=9, rois=len(tiny_cifti.KEYS))
    tiny_cifti.write_dtseries(folder / "sub-01_task-rest_bold.dtseries.nii", values, 0.72, tiny_cifti.places())
    tiny_cifti.write_dlabel(folder / "five.dlabel.nii", tiny_cifti.KEYS, tiny_cifti.NAMES, tiny_cifti.places())


FAMILIES = {
    "xcpd": Family(source=open_xcpd, write=write_xcpd),
    "folder": Family(source=open_folder, write=write_folder, tr=2.0, text=(".tsv", ".csv", ".1D", ".txt")),
    "listed": Family(source=open_listed, write=write_list, file="files.tsv", text=(".csv",)),
    "array HDF5": Family(source=open_array_hdf5, write=write_array_hdf5, tr=2.0, file="data.h5"),
    "reference HDF5": Family(source=open_reference_hdf5, write=write_reference_hdf5, tr=2.0, file="data.h5"),
    "arrow": Family(source=open_arrow, write=write_arrow, atlas=get_atlas("schaefer400")),
    "giga": Family(source=open_giga, write=write_giga, atlas=CORTEX, text=(".tsv",), slow=2),
    "halfpipe": Family(source=open_halfpipe, write=write_halfpipe, text=(".tsv",)),
    "pcp": Family(source=open_pcp, write=write_pcp, text=(".1D",)),
    "dpabi": Family(source=open_dpabi, write=write_dpabi, tr=2.0, text=(".txt",)),
    "dpabi mat": Family(source=open_dpabi, write=write_dpabi_mat, tr=2.0, slow=6),
    "conn": Family(source=open_conn, write=write_conn, tr=2.0, slow=6),
    "fmriprep": Family(
        source=open_fmriprep,
        write=write_fmriprep,
        atlas=tiny_fmriprep.ATLAS,
        parcellation="labels.nii.gz",
        slow=4,
    ),
    "dense": Family(source=open_cifti, write=write_dense, atlas=tiny_cifti.ATLAS, parcellation="five.dlabel.nii"),
    "ptseries": Family(source=open_cifti, write=lambda folder: write_ptseries([recording(FIVE)], folder, FIVE)),
    "ukb": Family(
        source=open_ukb,
        write=lambda folder: write_ukb([recording(CORTEX, tr=0.735, participant="1000012")], folder, CORTEX),
        atlas=CORTEX,
        slow=6,
    ),
}
