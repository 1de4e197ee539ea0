"""Single networks: the encoder with all other networks hidden, beside FC within the network."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy import ndarray

from semantoks.atlas.atlas import Atlas
from semantoks.counted import plural
from semantoks.evaluate.models.predictors import Fixed, Linear
from semantoks.evaluate.study.crossval import cross_validate_all
from semantoks.evaluate.study.people import People
from semantoks.evaluate.study.tasks import Method, Plan
from semantoks.evaluate.study.work import Results, Work
from semantoks.features.encode import Readout, embed_crops
from semantoks.model.encoder import Encoder
from semantoks.signals.cohort import Cohort
from semantoks.signals.quality import missing_networks
from semantoks.statistics.methods import FC

MOST_NETWORKS = 40
"""Each network takes one embedding of the cohort, too many for an atlas with one network per ROI."""


@dataclass(frozen=True, kw_only=True)
class Embedding:
    """How people are embedded: the encoders by method name, the recordings, and how they are read out."""

    encoders: Mapping[str, Encoder]
    cohort: Cohort
    people: People
    readout: Readout
    crops: int | None
    device: torch.device

    def of_network(self, method: str, number: int) -> Float[ndarray, "person feature"]:
        """Show an encoder one network of every crop; the others are replaced by its mask vector, as in pretraining."""
        features, _ = embed_crops(
            self.encoders[method],
            self.cohort,
            readouts=[self.readout],
            crops=self.crops,
            device=self.device,
            shown=[number],
        )
        found: Float[ndarray, "person feature"] = self.people.average(features[self.readout].mean(axis=1))
        return found


def network_scores(
    embedding: Embedding,
    plans: Sequence[Plan],
    fc: Float[ndarray, "person edge"],
    *,
    seed: int,
    work: Work = Work(),  # noqa: B008
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Results, list[str]]:
    """Score every plan from one network at a time (analysis ``network``; the condition is the network's name).

    Parameters
    ----------
    plans
        With the splits to use; the first repeat is enough.
    fc
        Functional connectivity, edges in the order of ``numpy.triu_indices``. The method ``fc`` uses the edges within
        the network; a network of one ROI has none, and gets no such row.
    progress
        Called with the number of networks done and the total.

    Returns
    -------
    Results
        Scores without predictions; empty for an atlas with one network, or more than forty.
    list of str
        Notes for the reader.
    """
    cohort = embedding.cohort
    names = cohort.atlas.network_names
    if not 1 < len(names) <= MOST_NETWORKS:
        return Results(), [
            f"Single networks are not scored: the atlas has {len(names)}; 2 to {MOST_NETWORKS} are possible."
        ]
    found = Results()
    inside = edges_within(cohort.atlas)
    missing = missing_networks(cohort.missing, cohort.atlas.network_index)
    for number, name in enumerate(names):
        if missing[:, number].all():
            continue
        methods: dict[str, Method] = {
            method: Linear(Fixed(embedding.of_network(method, number))) for method in embedding.encoders
        }
        if (edges := inside == number).any():
            methods[FC] = Linear(Fixed(fc[:, edges]))
        alone = [(dataclasses.replace(plan, analysis="network", condition=name), methods) for plan in plans]
        found.add(cross_validate_all(alone, seed=seed, keep=False, work=work))
        if progress:
            progress(number + 1, len(names))
    return found, _notes(names, missing)


def _notes(names: Sequence[str], missing: Bool[ndarray, "recording network"]) -> list[str]:
    """Say which networks nobody has, and how many recordings lack others."""
    nobody = np.asarray(missing.all(axis=0))
    absent = " and ".join(name for name, lacking in zip(names, nobody, strict=True) if lacking)
    notes = [f"Single networks: no recording has {absent}, so there is no score."] if absent else []
    if lacking := int(missing[:, ~nobody].any(axis=1).sum()):
        lack = plural(lacking, "recording lacks", "recordings lack")
        notes.append(f"Single networks: {lack} at least one; the encoder sees nothing when shown only that one.")
    return notes


def edges_within(atlas: Atlas) -> ndarray:
    """Return the number of the network that both ROIs of an edge belong to; -1 for an edge between networks."""
    one, other = (atlas.network_index[rois] for rois in np.triu_indices(atlas.n_rois, 1))
    within: ndarray = np.where(one == other, one, -1)
    return within
