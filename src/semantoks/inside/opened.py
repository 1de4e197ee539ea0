"""An encoder and the people it is looked at with: opened, checked, and kept apart from those it was trained on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray

from semantoks.counted import plural
from semantoks.errors import DataError
from semantoks.evaluate.probe import probe
from semantoks.evaluate.settings import ProbeConfig
from semantoks.evaluate.study.overlap import overlap
from semantoks.evaluate.study.people import People, people_of, people_with_families
from semantoks.evaluate.study.shown import Baseline, Shown, crop_spans
from semantoks.features.encode import (
    Progress,
    as_encoder_takes,
    embed_crops,
    find_device,
    open_encoder,
    own_readout,
    untrained,
)
from semantoks.inside.settings import InsideConfig
from semantoks.model.card import EncoderCard
from semantoks.model.encoder import Encoder
from semantoks.model.precision import in_precision, precision_notes
from semantoks.reporting.inside.folder import FINDINGS
from semantoks.signals.cohort import Cohort
from semantoks.signals.likeness import find_alike
from semantoks.signals.part import Part
from semantoks.storage.checksums import write_sealed, write_sums_of_tables

LEAST_PEOPLE = 20


@dataclass(frozen=True, kw_only=True)
class Opened:
    """An encoder and the people it is looked at with.

    Attributes
    ----------
    part
        The recordings of the people who are looked at.
    cohort
        These as the encoder takes them: in its band and its atlas.
    notes
        Who was left out, who was seen in pretraining.
    """

    model: Path
    encoder: Encoder
    card: EncoderCard
    part: Cohort
    cohort: Cohort
    people: People
    device: torch.device
    config: InsideConfig
    notes: tuple[str, ...]

    @property
    def shown(self) -> Shown:
        """The frames that the encoder sees, for what is computed from the recordings themselves."""
        spans = crop_spans(self.cohort, self.card.encoder, None)
        return Shown(cohort=self.cohort, people=self.people, spans=spans, n_jobs=self.config.n_jobs)

    def random(self) -> Encoder:
        """Return the encoder with the random weights that its pretraining started from."""
        return untrained(self.encoder, self.card)

    def embed(self, encoder: Encoder, progress: Progress | None = None) -> Float[ndarray, "person feature"]:
        """Embed everybody: the encoder's own readout and windows, averaged over a person's recordings."""
        readout = own_readout(encoder)
        found, _ = embed_crops(
            encoder, self.cohort, readouts=[readout], crops=None, device=self.device, progress=progress
        )
        mean: ndarray = self.people.average(found[readout].mean(axis=1))
        return mean

    def write(self, out: Path, kind: str, answers: list[str], notes: list[str], command: str, **more: Any) -> None:
        """Write what the page says beside its tables: ``findings.json``, and the checksums of both."""
        atlas = self.card.atlas
        about = {
            "kind": kind,
            "model": str(self.model),
            "cohort": str(self.cohort.path),
            "people": len(self.people),
            "recordings": len(self.cohort),
            "networks": list(atlas.network_names),
            "answers": answers,
            "notes": [*self.notes, *notes],
            "command": command,
            **more,
        }
        write_sums_of_tables(out)
        write_sealed(out / FINDINGS, about)


def open_inside(model: str | Path, cohort: Cohort | str | Path, config: InsideConfig) -> Opened:
    """Open an encoder and a cohort; choose whom it is looked at with.

    Raises
    ------
    DataError
        If too few people are left, or the recordings do not fit the encoder.
    WeightsError
        If there is no encoder.
    """
    encoder, card = open_encoder(model)
    device = find_device(config.device)
    encoder = in_precision(encoder, config.precision, device)
    whole = cohort if isinstance(cohort, Cohort) else Cohort(cohort)
    as_encoder_takes(whole, card)
    seen = overlap(card, whole, people_of(whole))
    ids, notes = np.array(people_of(whole).ids), [f"{words.removesuffix('.')}." for words in seen.words()]
    notes += precision_notes(encoder)
    if config.exclude_pretrained:
        if not seen.known:
            raise DataError(
                "--exclude-pretrained: the encoder does not record whom it was pretrained on, so nobody can be left "
                "out."
            )
        ids = ids[~seen.seen]
    if len(ids) > config.most_people:
        notes.append(f"{config.most_people} of {len(ids)} people are looked at, drawn by seed (--most-people).")
        ids = np.sort(np.random.default_rng(config.seed).permutation(ids)[: config.most_people])
    if len(ids) < LEAST_PEOPLE:
        raise DataError(
            f"{plural(len(ids), 'person is', 'people are')} left to look at, and {LEAST_PEOPLE} are needed: give a "
            f"cohort of more{', or leave --exclude-pretrained out' if config.exclude_pretrained else ''}."
        )
    part = Part(whole, people=[str(name) for name in ids])
    taken = as_encoder_takes(part, card)
    alike = find_alike(taken.in_band("passed"))
    people, family = people_with_families(taken, config.family, alike.copies)
    return Opened(
        model=Path(model),
        encoder=encoder,
        card=card,
        part=part,
        cohort=taken,
        people=people,
        device=device,
        config=config,
        notes=(*notes, family, *alike.words(taken.recordings, names=False)),
    )


def probe_inside(
    opened: Opened, targets: Sequence[str], out: Path, methods: Sequence[str], extra: Mapping[str, Baseline]
) -> None:
    """Predict targets from the encoder, some methods and what was found inside, on the same people and splits."""
    config = opened.config
    probe(
        opened.model,
        opened.part,
        targets=targets,
        out=out / "probe",
        config=ProbeConfig(
            methods=tuple(methods),
            analyses=(),
            folds=config.folds,
            repeats=config.repeats,
            family=config.family,
            seed=config.seed,
        ),
        device=config.device,
        precision=config.precision,
        n_jobs=config.n_jobs,
        extra=extra,
    )


def network_pairs(opened: Opened) -> tuple[Int[ndarray, "network network"], int]:
    """Number the pairs of networks, the same both ways, and count them."""
    n = len(opened.card.atlas.network_names)
    table = np.zeros((n, n), dtype=np.int64)
    upper = np.triu_indices(n)
    table[upper] = table.T[upper] = np.arange(len(upper[0]))
    return table, len(upper[0])
