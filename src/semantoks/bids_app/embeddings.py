"""The embedding of each recording, as a table and a sidecar beside each other under names of BIDS."""

import hashlib
import json
import warnings
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from semantoks.bids_app.dataset import Dataset
from semantoks.bids_app.derivative import bids_uri, sidecars
from semantoks.bids_app.settings import EmbeddingConfig
from semantoks.errors import ConfigError, DataError
from semantoks.features.embed import INDEX, embed
from semantoks.features.encode import CROPS, find_device, own_readout
from semantoks.model.card import EncoderCard
from semantoks.model.encoder import Encoder
from semantoks.model.hub import find_encoder, load_encoder
from semantoks.model.tensors import weights_file
from semantoks.signals.cohort import Cohort
from semantoks.signals.files.stated import read_json
from semantoks.storage.durable import write_durably
from semantoks.storage.tables import plain, read_typed_table, table_text

SAME = ("WeightsSha256", "Readout", "Crops")
"""What has to be the same in all embeddings of a derivative."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Embedding:
    """An encoder that was loaded, the sha256 of its file of weights, and how it is used."""

    config: EmbeddingConfig
    encoder: Encoder
    card: EncoderCard
    sha256: str

    @property
    def identity(self) -> dict[str, Any]:
        """What sidecars say of it, under the names of ``SAME``."""
        return dict(zip(SAME, (self.sha256, self.config.readout, self.config.crops), strict=True))


def open_embedding(model: str, config: EmbeddingConfig) -> Embedding:
    """Load the encoder of a run, a folder or the hub, as ``embed`` does."""
    find_device(config.device)
    folder = find_encoder(model)
    encoder, card = load_encoder(folder)
    config = replace(
        config,
        readout=config.readout or own_readout(encoder),
        crops=config.crops or (None if encoder.any_length else CROPS),
    )
    digest = hashlib.sha256(weights_file(folder).read_bytes()).hexdigest()
    return Embedding(config=config, encoder=encoder, card=card, sha256=digest)


def places(dataset: Dataset, participants: Iterable[str]) -> dict[str, Path]:
    """Say where the sidecars of these participants' recordings are: recording_id -> path."""
    return {
        key: dataset.config.out / path
        for participant in participants
        for key, path in sidecars(participant, dataset.items_of[participant]).items()
    }


def write_embeddings(embedding: Embedding, dataset: Dataset, participant: str) -> None:
    """Embed the recordings of a finished part, unless all of them are embedded so already.

    Each gets a table of one row, what ``embed`` gives, and then a sidecar that says what it was made with; a table
    without a sidecar does not count.
    """
    cohort, found = Cohort(dataset.part(participant)), places(dataset, [participant])
    if not len(cohort):
        return
    rows = cohort.recordings.merge(cohort.quality[["recording_id", "tr_from"]], on="recording_id", validate="1:1")
    if all(_is_done(embedding, found[row["recording_id"]], row) for row in rows.to_dict("records")):
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the part's excluded.tsv says what was excluded
        table = embed(
            cohort,
            model=embedding.encoder,
            readout=embedding.config.readout,
            crops=embedding.config.crops,
            device=embedding.config.device,
        )
    path_of = {plain(item.key): item.path for item in dataset.items_of[participant]}
    for number, row in enumerate(rows.to_dict("records")):
        place, one = found[row["recording_id"]], table.iloc[[number]]
        text = table_text(one.reset_index()).encode()
        sidecar = _sidecar(embedding, cohort, row, one.iloc[0].to_dict()) | {
            "Sources": [bids_uri(path_of[row["recording_id"]], dataset.config.source)],
            "TableSha256": hashlib.sha256(text).hexdigest(),
        }
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        write_durably(place.with_suffix(".tsv"), text)
        write_durably(place, json.dumps(sidecar, indent=2).encode(), b"\n")


def _sidecar(
    embedding: Embedding, cohort: Cohort, row: dict[Hashable, Any], one: dict[Hashable, Any]
) -> dict[str, Any]:
    """Say what a recording is and how it was embedded; ``row`` is of recordings.tsv, ``one`` what ``embed`` gives."""
    missing = [int(roi) for roi in row["missing_rois"].split(",") if roi]
    return {
        "Description": "Features of a frozen encoder, one row; cleaned signals are in the cohort of semantoks.",
        "Model": embedding.config.model,
        **embedding.identity,
        "SemantoksVersion": version("semantoks"),
        "RecordingId": row["recording_id"],
        "SignalSha256": row["sha256"],
        "RepetitionTime": cohort.tr,
        "SourceRepetitionTime": row["source_tr"],
        "SourceRepetitionTimeFrom": row["tr_from"],
        "Frames": row["frames"],
        "GoodFrames": row["good_frames"],
        "HiddenNetworks": [name for name in one["hidden_networks"].split(",") if name],
        "HiddenShare": one["hidden_share"],
        "MissingROIs": [cohort.atlas.labels[roi] for roi in missing],
    }


def _is_done(embedding: Embedding, place: Path, row: dict[Hashable, Any]) -> bool:
    sidecar = read_sidecar(place)
    return sidecar is not None and {**embedding.identity, "SignalSha256": row["sha256"]}.items() <= sidecar.items()


def read_sidecar(place: Path) -> dict[str, Any] | None:
    """Read a sidecar; None where there is none, or the table beside it is not the one that it was written with."""
    try:
        sidecar = read_json(place)
        whole = hashlib.sha256(place.with_suffix(".tsv").read_bytes()).hexdigest() == sidecar.get("TableSha256")
    except (DataError, OSError):
        return None
    return sidecar if whole else None


def gather(
    dataset: Dataset, participants: Sequence[str], cohort: Cohort, embedding: Embedding | None
) -> tuple[pd.DataFrame | None, list[str]]:
    """Join the embeddings of the recordings of a cohort of these participants, in its order; and name what has none.

    Without an ``embedding`` to compare with, there may be none at all, which gives (None, []).

    Raises
    ------
    ConfigError
        When they were not all made with the same weights and in the same way, or not as ``embedding`` says.
    """
    found = places(dataset, participants)
    tables, lacking, first = [], [], None if embedding is None else embedding.identity
    for key, digest in cohort.recordings[["recording_id", "sha256"]].to_numpy():
        sidecar = read_sidecar(found[key])
        if sidecar is None or sidecar.get("SignalSha256") != digest:
            lacking.append(key)
            continue
        this = {name: sidecar.get(name) for name in SAME}
        first = this if first is None else first
        if this != first:
            raise ConfigError(
                f"{found[key]} was made with {this}, but {first} is expected: embed it again, with the same --model, "
                "--readout and --crops at both levels."
            )
        tables.append(_read_table(found[key].with_suffix(".tsv"), str(sidecar["Readout"])))
    if not tables:
        return None, lacking if embedding is not None else []
    return pd.concat(tables).set_index(INDEX), lacking


def _read_table(path: Path, readout: str) -> pd.DataFrame:
    """Read a table as ``embed`` gave it, its types included."""
    texts = [*INDEX, "hidden_networks"]
    whole = read_typed_table(path, texts)
    features = [name for name in whole.columns if name.startswith(f"{readout}_")]
    return whole.fillna(dict.fromkeys(texts, "")).astype(dict.fromkeys(features, np.float32))
