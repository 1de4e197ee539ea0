"""The group level: one cohort, and one table of embeddings, of all finished parts, which names what is not there."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from semantoks.bids_app.assembly import fill_shard, read_part
from semantoks.bids_app.dataset import WORK, AppConfig, Dataset, folder_name, plan
from semantoks.bids_app.derivative import open_derivative
from semantoks.bids_app.embeddings import Embedding, gather
from semantoks.errors import ConfigError, DataError
from semantoks.features.embed import write_features
from semantoks.signals import layout
from semantoks.signals.cohort import Cohort
from semantoks.signals.description import claim
from semantoks.signals.opening import read_description
from semantoks.signals.prepare import nothing_left
from semantoks.signals.sources import participant_of
from semantoks.signals.writer import Progress, assemble
from semantoks.storage.durable import write_durably

COHORT = "cohort"
EMBEDDINGS = "desc-semantoks_embeddings.parquet"
PARTS_IN_MEMORY = 64


@dataclass(frozen=True, kw_only=True)
class Assembled:
    """The cohort of all finished parts, the table of embeddings (None: there are none), and what is not in them.

    ``missing``: participants without a finished part; ``lacking``: recordings of the cohort without an embedding;
    ``strangers``: parts of participants that the input does not have.
    """

    cohort: Cohort
    embeddings: Path | None
    missing: list[str]
    lacking: list[str]
    strangers: list[str]


def run_group(config: AppConfig, *, embedding: Embedding | None = None, progress: Progress | None = None) -> Assembled:
    """Assemble OUTPUT/cohort from the parts: the same bytes as ``prepare`` makes of the same recordings.

    A cohort that an earlier call assembled is replaced, whole. Without an ``embedding`` those that there are, are
    joined.

    Raises
    ------
    ConfigError
        When a part was made with other settings, or the embeddings with several encoders.
    DataError
        When no part is finished, one is damaged, or no recording could be used.
    """
    dataset = Dataset(config)
    chosen, unknown = dataset.chosen()
    finished = [one for one in chosen if (dataset.part(one) / layout.RECORDINGS).exists()]
    missing = sorted({*chosen, *unknown} - set(finished))
    if not finished:
        raise DataError(
            f"no part of {len(missing)} participants is finished in {config.out / WORK}: run the participant level "
            "first."
        )
    open_derivative(config.source, config.out)
    for one in finished:
        _, _, description = plan(dataset.share_of(one), dataset.part(one), config)
        claim(dataset.part(one), description)
    cohort = _assembled(dataset, finished, progress)
    if not len(cohort):
        raise DataError(f"{nothing_left(cohort)} All of them are in {cohort.path / layout.EXCLUDED}.")
    table, lacking = gather(dataset, finished, cohort, embedding)
    place = config.out / EMBEDDINGS
    if table is not None:
        write_features(table, place)
    known = {folder_name(one) for one in dataset.items_of}
    return Assembled(
        cohort=cohort,
        embeddings=None if table is None else place,
        missing=missing,
        lacking=lacking,
        strangers=sorted(path.name for path in (config.out / WORK).glob("sub-*") if path.name not in known),
    )


def _assembled(dataset: Dataset, participants: Sequence[str], progress: Progress | None) -> Cohort:
    """Build the cohort beside its place, then put it there."""
    config = dataset.config
    place, new, old = (config.out / name for name in (COHORT, f"{WORK}/cohort-new", f"{WORK}/cohort-old"))
    if place.exists():
        _check_cohort(place)
    for left in (new, old):
        shutil.rmtree(left, ignore_errors=True)
    share = dataset.share_of_all(participants)
    jobs, people, description = plan(share, new, config)
    claim(new, description)
    write_durably(new / layout.ATLAS, layout.table_text(config.atlas.to_frame()).encode())
    write_durably(new / layout.PARTICIPANTS, people.encode())
    read = lru_cache(maxsize=PARTS_IN_MEMORY)(read_part)
    done = 0
    for job in jobs:
        fill_shard(job, [read(dataset.part(participant_of(item)))[layout.plain(item.key)] for item in job.items])
        done += len(job.items)
        if progress:
            progress(done, len(share.chosen))
    assemble(new, len(jobs))
    if place.exists():
        os.rename(place, old)
    os.rename(new, place)
    shutil.rmtree(old, ignore_errors=True)
    return Cohort(place)


def _check_cohort(place: Path) -> None:
    """Refuse to replace what is no cohort."""
    try:
        read_description(place)
    except DataError as error:
        raise ConfigError(f"{place} is there and no cohort: move it away. {error}") from error
