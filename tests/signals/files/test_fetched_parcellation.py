"""Schaefer's label image by nilearn: asked for by name, checked against the atlas, refused in a sentence."""

from types import SimpleNamespace

import numpy as np
import pytest
from tiny_fmriprep import labels_of, made, write_fmriprep, write_labels

from semantoks.atlas.atlas import Atlas
from semantoks.atlas.catalog import get_atlas
from semantoks.errors import ConfigError, DataError
from semantoks.signals.files.label_image import fetch_parcellation
from semantoks.signals.reading_config import ReadingConfig
from semantoks.signals.sources.fmriprep import open_fmriprep
from semantoks.signals.sources.source import Request

ATLAS = get_atlas("schaefer100")
LABELS = [f"7Networks_{label}" for label in ATLAS.labels]


@pytest.fixture
def nilearn(monkeypatch, tmp_path):
    """A stand-in for nilearn's fetcher that counts what it is asked for."""
    asked = []

    def fetch(n_rois, *, yeo_networks, resolution_mm, verbose):
        asked.append((n_rois, yeo_networks, resolution_mm))
        if isinstance(fetch.labels, Exception):
            raise fetch.labels
        return SimpleNamespace(maps=str(tmp_path / "labels.nii.gz"), labels=fetch.labels)

    fetch.labels, fetch.asked = ["Background", *LABELS], asked
    monkeypatch.setattr("nilearn.datasets.fetch_atlas_schaefer_2018", fetch)
    return fetch


def test_the_image_of_the_atlas_is_asked_for(nilearn, tmp_path):
    assert fetch_parcellation(ATLAS) == tmp_path / "labels.nii.gz"
    assert nilearn.asked == [(100, 7, 2)]


def test_bytes_without_a_background_are_the_same_labels(nilearn, tmp_path):
    nilearn.labels = [label.encode() for label in LABELS]
    assert fetch_parcellation(ATLAS) == tmp_path / "labels.nii.gz"


def test_the_other_order_of_networks_is_asked_for_by_its_name(nilearn):
    nilearn.labels = [f"17Networks_{label}" for label in get_atlas("schaefer200-17").labels]
    fetch_parcellation(get_atlas("schaefer200-17"))
    assert nilearn.asked == [(200, 17, 2)]


def test_labels_in_another_order_are_refused(nilearn):
    nilearn.labels = LABELS[::-1]
    with pytest.raises(DataError, match="not those of schaefer100"):
        fetch_parcellation(ATLAS)


def test_without_a_network_it_is_said_what_to_do(nilearn):
    nilearn.labels = ConnectionError("no route to host")
    with pytest.raises(ConfigError, match=r"cannot be fetched \(ConnectionError\).*--parcellation IMAGE"):
        fetch_parcellation(ATLAS)


def test_another_atlas_is_not_looked_for(nilearn):
    with pytest.raises(ConfigError, match="not cc200"):
        fetch_parcellation(get_atlas("cc200"))
    assert nilearn.asked == []


def test_fmriprep_reads_with_what_was_fetched_and_says_in_which_space_it_is(nilearn, tmp_path):
    write_labels(tmp_path / "labels.nii.gz", labels_of(5))
    write_fmriprep(tmp_path / "d", [made("01")])
    nowhere = Atlas(name=ATLAS.name, labels=ATLAS.labels, networks=ATLAS.networks)
    source = open_fmriprep(Request(path=tmp_path / "d", atlas=nowhere, reading=ReadingConfig(fetch_parcellation=True)))
    assert "ROIs are off by some mm" in source.notes()[-1]
    recording = source.read(source.items()[0])
    np.testing.assert_array_equal(np.isnan(recording.series).all(axis=0), np.arange(100) >= 5)
