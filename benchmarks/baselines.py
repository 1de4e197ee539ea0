"""Seconds of every baseline, beside the linear algebra that it cannot do without.

    python -m benchmarks.baselines [--people 800] [--frames 180] [--atlas cc200 schaefer400+tian-s3+buckner7]

Noise that a few latent series share, one recording a person, on one thread. "once" is what a probe computes once,
"a fold" what it fits and transforms in every split (training people = four fifths). The floors are timed on the same
data: correlation is a product [roi, frame] x [frame, roi] a person in single precision; partial correlation the same
in double precision and an inverse; tangent space once a correlation and eigenvectors of half of the frames' (for the
shrinkage), a fold eigenvectors of one [roi, roi] matrix a person, all in single precision; spectra one real FFT a
series; a fold of principal components two products [roi, roi] x [roi, 50] a person.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.linalg
import torch
from benchmarks.measure import machine, show
from threadpoolctl import threadpool_limits

from semantoks.atlas.catalog import get_atlas
from semantoks.evaluate.baselines.components import COMPONENTS, principal_components
from semantoks.evaluate.baselines.connectivity import functional_connectivity, partial_correlation
from semantoks.evaluate.baselines.recorded import motion, roi_moments
from semantoks.evaluate.baselines.spectra import network_spectra
from semantoks.evaluate.baselines.tangent import tangent_space
from semantoks.evaluate.study.people import people_of
from semantoks.evaluate.study.shown import Shown
from semantoks.signals.clean import CleaningConfig
from semantoks.signals.prepare import prepare
from semantoks.signals.recording import Recording
from semantoks.signals.sources import Item

ATLASES = ("cc200", "schaefer400+tian-s3+buckner7")
LATENT, TR = 30, 2.0


@dataclass(frozen=True)
class Noise:
    """A source of recordings that are drawn when they are read."""

    people: int
    frames: int
    rois: int
    path: Path = Path("noise")
    kind: str = "noise"

    def items(self) -> list[Item]:
        """One recording a person."""
        names = [f"{number:05d}" for number in range(self.people)]
        return [Item(key=k, path=self.path / k, row=None, participant=k, session="", run="") for k in names]

    def read(self, item: Item) -> Recording:
        """Mix the latent series of one person, and add as much noise."""
        shared, rng = np.random.default_rng(0), np.random.default_rng([1, int(item.key)])
        mixing = shared.standard_normal((LATENT, self.rois)) + 0.5 * rng.standard_normal((LATENT, self.rois))
        series = rng.standard_normal((self.frames, LATENT)) @ mixing / LATENT**0.5
        series += rng.standard_normal(series.shape)
        return Recording(series=series, tr=TR, participant=item.participant, mean_fd=0.1, source=item.key)

    def participants(self) -> pd.DataFrame | None:
        """Nothing is known of them."""
        return None


def seconds(call: Callable[[], object]) -> float:
    """Return the seconds of one call."""
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def measure(name: str, people: int, frames: int, folder: Path) -> None:
    """Print the table of one atlas."""
    atlas = get_atlas(name)
    raw = CleaningConfig(band=None, target_tr=None)
    cohort = prepare(Noise(people, frames, atlas.n_rois), out=folder / name, atlas=atlas, cleaning=raw)
    shown = Shown(cohort=cohort, people=people_of(cohort))
    everybody = np.arange(people)
    train = everybody[everybody % 5 > 0]
    tangent, pca = tangent_space(shown), principal_components(shown)
    series = [cohort.series(i).astype(np.float32) for i in range(people)]
    double = tangent.correlations[:30].astype(np.float64)
    vectors = pca.components(train).astype(np.float32)
    correlation = seconds(lambda: [s.T @ s for s in series])
    doubled = seconds(lambda: [s.T @ s for s in (s.astype(np.float64) for s in series)])
    inverse = seconds(lambda: [scipy.linalg.inv(c) for c in double]) * people / len(double)
    logarithms = seconds(lambda: [torch.linalg.eigh(torch.from_numpy(c)) for c in tangent.correlations])
    calls = {
        "fc": (lambda: functional_connectivity(shown), correlation),
        "fc_partial": (lambda: partial_correlation(shown), doubled + inverse),
        "fc_tangent, once": (lambda: tangent_space(shown), correlation + logarithms),
        "fc_tangent, a fold": (lambda: tangent.matrix(train, everybody), logarithms),
        "roi": (lambda: roi_moments(shown), None),
        "spectra": (lambda: network_spectra(shown), seconds(lambda: [np.fft.rfft(s, axis=0) for s in series])),
        "pca, once": (lambda: principal_components(shown), 2 * correlation),
        "pca, a fold": (
            lambda: pca.matrix(train, everybody),
            seconds(lambda: [(a @ vectors, b @ vectors) for a, b in zip(pca.instant, pca.lagged, strict=True)]),
        ),
        "motion": (lambda: motion(shown), None),
    }
    rows = []
    for what, (call, floor) in calls.items():
        took = seconds(call)
        beside = ["", ""] if floor is None else [f"{floor:.2f}", f"{took / floor:.1f}"]
        rows.append([what, f"{took:.2f}", *beside])
    print(f"Shrinkage {tangent.shrinkage(train):g} in tangent space; {COMPONENTS} components.")
    title = f"{people} recordings, {frames} frames, {atlas.n_rois} ROIs. {machine(torch.device('cpu'))}"
    show(title, ["baseline", "s", "floor s", "/ floor"], rows)


def main() -> None:
    """Print a table for each atlas."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=800)
    parser.add_argument("--frames", type=int, default=180)
    parser.add_argument("--atlas", nargs="+", default=list(ATLASES))
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(1):
        for name in chosen.atlas:
            measure(name, chosen.people, chosen.frames, Path(folder))


if __name__ == "__main__":
    main()
