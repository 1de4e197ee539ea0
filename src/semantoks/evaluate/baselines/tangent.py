"""Functional connectivity in tangent space: reference and shrinkage come from the training people of each split."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from joblib import Parallel, delayed
from numpy import ndarray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from semantoks.evaluate.study.shown import Run, Shown
from semantoks.statistics.shrinkage import SHRINKAGES, correlations, likelihoods
from semantoks.storage.arrays import OnDisk, empty, kept, scratch
from semantoks.types import Features

LEAST_REST = 20
"""Fewest frames outside of a window that tell how much to shrink it."""
_AT_ONCE = 64
_LEAST = 1e-7

Matrices = Float32[ndarray, "everybody roi roi"]
Votes = Float32[ndarray, "everybody shrinkage"]


@dataclass(frozen=True)
class Tangent:
    """Shrunk correlations in the tangent space of their training people's mean (Varoquaux et al. 2010).

    log(M^-1/2 S M^-1/2), where S = (1 - a) C + a I of a person's correlations C, and M the same of the mean of the
    training people's. One shrinkage a for everybody: an estimate for each recording (Ledoit-Wolf) would depend on its
    length, and so tell scanners apart. It is the one under which training people's other frames are likeliest, which
    asks for no label.

    Attributes
    ----------
    correlations
        One matrix per person: see ``tangent_space``.
    votes
        How likely other frames of each person are under each of ``SHRINKAGES``; 0 for a person who has none.
    group
        The correlations of which training people's mean is the reference; None = these.
    folder
        Where large features are made; None = in memory.
    """

    correlations: Matrices | OnDisk
    votes: Votes
    group: Matrices | OnDisk | None = None
    folder: Path | None = None

    def shrinkage(self, train: Int[ndarray, " train"]) -> float:
        """Choose the shrinkage on the training people; among equals, the strongest."""
        total = self.votes[train].sum(axis=0, dtype=np.float64)
        return SHRINKAGES[len(total) - 1 - int(total[::-1].argmax())]

    def whitening(self, train: Int[ndarray, " train"], shrinkage: float) -> Float[ndarray, "roi roi"]:
        """Return M^-1/2 of the training people, in double precision."""
        group = self.correlations if self.group is None else self.group
        parts = np.array_split(train, max(1, len(train) // _AT_ONCE))
        mean = sum(group[part].sum(axis=0, dtype=np.float64) for part in parts) / len(train)
        values, vectors = np.linalg.eigh((1 - shrinkage) * mean + shrinkage * np.eye(len(mean)))
        root: ndarray = (vectors / np.sqrt(values)) @ vectors.T
        return root

    def matrix(self, train: Int[ndarray, " train"], people: Int[ndarray, " person"]) -> Features:
        """Return upper triangles, off the diagonal times sqrt(2), of ``people`` around the reference of ``train``."""
        shrinkage = self.shrinkage(train)
        with threadpool_limits(1), torch.inference_mode():
            root = self.whitening(train, shrinkage).astype(np.float32)
            row, column = np.triu_indices(len(root))
            scale = np.where(row == column, 1, np.sqrt(2)).astype(np.float32)
            found = scratch((len(people), len(row)), self.folder)
            for begin in range(0, len(people), _AT_ONCE):
                some = self.correlations[people[begin : begin + _AT_ONCE]]
                # NumPy multiplies small matrices twice as fast as torch, which finds their eigenvectors so.
                around = torch.from_numpy((1 - shrinkage) * (root @ some @ root) + shrinkage * (root @ root))
                values, vectors = (one.numpy() for one in torch.linalg.eigh(around))
                logarithm = (vectors * np.log(values.clip(min=_LEAST))[:, None]) @ vectors.transpose(0, 2, 1)
                found[begin : begin + _AT_ONCE] = logarithm.reshape(len(some), -1)[:, row * len(root) + column] * scale
        return found


def tangent_space(shown: Shown) -> Tangent:
    """Return the tangent-space features of everybody, from correlations averaged over each person's recordings.

    A missing ROI goes with no other. For the shrinkage, the first half of a person's first recording is asked for the
    second half of the last one. Memory: 4 bytes x people x ROIs².
    """
    owner, n_rois = shown.people.owner, shown.cohort.atlas.n_rois
    own = [np.flatnonzero(owner == person) for person in range(len(shown.people))]
    matrices = empty((len(own), n_rois, n_rois), shown.folder, f"correlations-{shown.cohort.band}")
    votes = np.empty((len(own), len(SHRINKAGES)), dtype=np.float32)
    with threadpool_limits(1):
        found = Parallel(n_jobs=shown.n_jobs, prefer="threads", return_as="generator")(
            delayed(_of_person)(shown, rows) for rows in own
        )
        for person, (matrix, vote) in enumerate(found):
            matrices[person], votes[person] = matrix, vote
    return Tangent(kept(matrices), votes, folder=shown.folder)


def _of_person(shown: Shown, rows: Int[ndarray, " recording"]) -> tuple[Float[ndarray, "roi roi"], ndarray]:
    series = [shown.series(int(row)) for row in rows]
    mean = np.mean([whole_correlations(one) for one in series], axis=0)
    early, late = series[0], series[-1]
    return mean, likelihoods(early[: len(early) // 2].T, late[len(late) // 2 :].T)


def whole_correlations(series: Run) -> Float32[ndarray, "roi roi"]:
    """Return correlations of all ROIs; one that does not change has 1 with itself and 0 with every other."""
    found, _ = correlations(series.T)
    np.fill_diagonal(found, 1)
    return found


def tangent_of_windows(whole: Tangent, shown: Shown, recording: Int[ndarray, " person"]) -> Tangent:
    """Return the features of one window of each person, around the reference of whole recordings.

    The shrinkage is that of so short a window: the one under which the rest of the recording is likeliest. It keeps
    what is short from looking extreme. Where hardly anybody has a rest, it is that of whole recordings.

    Parameters
    ----------
    shown
        Its spans are the windows, one per recording.
    recording
        The recording of each person's window; -1 = none.
    """
    matrices = np.tile(np.eye(whole.correlations.shape[1], dtype=np.float32), (len(recording), 1, 1))
    votes = np.zeros((len(recording), len(SHRINKAGES)), dtype=np.float32)
    with threadpool_limits(1):
        for person in np.flatnonzero(recording >= 0):
            early, late = shown.series(int(recording[person])), _rest(shown, int(recording[person]))
            matrices[person] = whole_correlations(early)
            if len(late) >= LEAST_REST:
                votes[person] = likelihoods(early.T, late.T)
    return Tangent(matrices, votes if votes.any() else whole.votes, group=whole.correlations, folder=whole.folder)


def _rest(shown: Shown, index: int) -> Run:
    """Return the good frames of a recording outside of its window."""
    assert shown.spans is not None
    series, begin = shown.cohort.series(index), int(shown.cohort.first_frames[index])
    rest = shown.cohort.good[begin : begin + len(series)].copy()
    first, frames = shown.spans[index]
    rest[first : first + frames] = False
    return np.asarray(series[rest], dtype=np.float32)
