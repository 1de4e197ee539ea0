"""Recordings as UK Biobank's bulk files have them."""

import gzip

import numpy as np
from families import reader_of

from semantoks.atlas.catalog import get_atlas
from semantoks.signals.recording import Recording
from semantoks.signals.sources.ukb import open_ukb

ATLAS = get_atlas("schaefer100+tian-s3+buckner7")
CORTEX, TIAN = get_atlas("schaefer100"), get_atlas("tian-s3")
SCHAEFER_FILE, TIAN_FILE = "fMRI.Schaefer7n100p.csv.gz", "fMRI.Tian_Subcortex_S3_3T.csv.gz"


def made(participant="1000012", session="2", seed=0, frames=340, atlas=ATLAS, **facts):
    """A recording of the ROIs that UK Biobank has, the cerebellum missing."""
    series = np.random.default_rng(seed).normal(size=(frames, atlas.n_rois)).cumsum(axis=0)
    series[:, [label.startswith("Cerebellum") for label in atlas.labels]] = np.nan
    facts = {"tr": 0.735, "source": "made"} | facts
    return Recording(series=series.astype(np.float32), participant=participant, session=session, **facts)


opened, read, _ = reader_of(open_ukb, ATLAS)


def rewrite(path, change):
    """Change the text of a compressed table."""
    path.write_bytes(gzip.compress(change(gzip.decompress(path.read_bytes()).decode()).encode()))


def missing(recording, atlas=ATLAS):
    return [label for label, lacks in zip(atlas.labels, np.isnan(recording.series).all(axis=0), strict=True) if lacks]
