"""What an encoder in the box is worth: made from one site's mean correlations, tried at all other sites.

    python -m benchmarks.box cohort/ --site NYU --out box/ [--people 55] [--target sex dx age] [--split leave-site-out]

Takes the mean correlations of some people of one site, as ``benchmarks.make_box`` does, makes an encoder of them, and
probes it on the people of all other sites, beside FC, FC in the tangent space of the training people, and more or fewer
components. Found again: halves of one recording, every frame of each. What is in ``--out`` is not computed again.
"""

import argparse
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from benchmarks.make_box import COLUMNS, SHRINKAGE, components_within
from benchmarks.measure import show
from jaxtyping import Float
from numpy import ndarray

from semantoks import Baseline, Cohort, EncoderCard, ProbeConfig, probe, summarise
from semantoks.evaluate.analyses.reliability import compare, two_parts
from semantoks.evaluate.baselines.connectivity import functional_connectivity
from semantoks.evaluate.study.people import people_of
from semantoks.evaluate.study.shown import Build, Shown
from semantoks.model.card import hashes, software, write_card
from semantoks.model.group import GroupAbout, edges_config, write_group
from semantoks.model.tokenizers.connectivity import ConnectivityConfig, ConnectivityTokens
from semantoks.statistics.tables import PREDICTIONS, SCORES, read_predictions, read_scores
from semantoks.train.closed_form import Recordings, mean_correlation, vectors

NAMES = {"encoder": "the box", "fc": "FC", "fc_tangent": "FC, tangent of the training people", "motion": "motion"}


@dataclass(frozen=True)
class OfOneSite(Recordings):
    """The recordings of some people of one site, drawn with a fixed seed."""

    site: str = ""
    count: int = 55

    @cached_property
    def rows(self) -> list[tuple[int, int]]:
        """(number of the cohort, number of the recording in it)."""
        table = self.cohorts[0].recordings
        there = [row for row in Recordings(self.cohorts, self.min_seconds).rows if table["site"][row[1]] == self.site]
        people = sorted({str(table["participant_id"][index]) for _, index in there})
        if len(people) < self.count:
            raise SystemExit(f"site {self.site!r} has {len(people)} people with a minute of data, not {self.count}.")
        drawn = set(np.random.default_rng(0).choice(people, self.count, replace=False).tolist())
        return [row for row in there if table["participant_id"][row[1]] in drawn]


@dataclass(frozen=True)
class Edges:
    """A baseline: the edges among so many components of a group."""

    group: Float[ndarray, "roi roi"]
    components: int
    shrinkage: float = SHRINKAGE

    @torch.inference_mode()
    def __call__(self, shown: Shown) -> Float[ndarray, "recording edge"]:
        """Return a row per recording."""
        config = ConnectivityConfig(components=self.components, shrinkage=self.shrinkage)
        tokens = ConnectivityTokens([0] * len(self.group), 2, config)
        tokens.set_reference(torch.from_numpy(self.group).float())
        windows = (torch.from_numpy(shown.series(index).T.copy())[None] for index in range(len(shown)))
        return np.concatenate([vectors(tokens.tangent(window)) for window in windows])


def encoder_of_site(recordings: OfOneSite, group: Float[ndarray, "roi roi"], components: int, out: Path) -> Path:
    """Write the encoder; all people of the site count as seen, so that a probe leaves them out."""
    cohort = recordings.cohorts[0]
    folder = out / "encoder"
    folder.mkdir(parents=True, exist_ok=True)
    there = cohort.recordings[cohort.recordings["site"] == recordings.site]
    about = GroupAbout(
        people=recordings.count,
        recordings=len(recordings.rows),
        source=f"site {recordings.site}",
        licence="not to be passed on",
        citation="none",
        command="python -m benchmarks.box",
    )
    write_group(folder, group, about)
    card = EncoderCard(
        encoder=edges_config([0] * len(group), components=components, shrinkage=SHRINKAGE),
        atlas=cohort.atlas.one_network(),
        tr=cohort.tr,
        band=None,
        salt="site",
        participants=hashes("site", there["participant_id"]),
        recordings=hashes("site", there["sha256"]),
        versions=software(),
    )
    write_card(folder, card)
    return folder


def found_again(cohort: Cohort, site: str, builds: dict[str, Build]) -> tuple[dict[str, float], int]:
    """Return how often the other half of a recording is the most similar one, and among how many people."""
    table, people = cohort.recordings, people_of(cohort)
    parts = two_parts(cohort, "halves", set(table.loc[table["site"] != site, "participant_id"]))
    found = {}
    for name, build in builds.items():
        halves = []
        for recording, first, frames in zip(parts.recording, parts.first, parts.frames, strict=True):
            spans = np.stack([np.zeros(len(table), int), table["frames"].to_numpy()], axis=1)
            spans[recording] = np.stack([first, frames], axis=1)
            halves.append(build(Shown(cohort=cohort, people=people, spans=spans))[recording])
        found[name] = compare(np.stack(halves))["identification"]
    return found, parts.recording.shape[1]


def main() -> None:
    """Make it, probe it and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cohort", type=Path)
    parser.add_argument("--site", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--people", type=int, default=55)
    parser.add_argument("--target", nargs="+", default=["sex", "dx", "age"])
    parser.add_argument("--components", nargs="+", type=int, default=[16, 32, 120], help="to compare with the box")
    parser.add_argument("--columns", type=int, default=COLUMNS, help="most columns of the box")
    parser.add_argument("--split", default="person")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--n-jobs", type=int, default=-1)
    given = parser.parse_args()
    cohort = Cohort(given.cohort)
    recordings = OfOneSite([cohort], 60.0, given.site, given.people)
    group = mean_correlation(recordings, lambda: None)
    boxed = min(components_within(given.columns), cohort.atlas.n_rois)
    folder = encoder_of_site(recordings, group, boxed, given.out)
    sizes = {f"edges_{k}": Edges(group, k) for k in given.components if k < cohort.atlas.n_rois}
    out = given.out / given.split
    if not (out / "probe.json").exists():
        repeats = None if given.split == "leave-site-out" else given.repeats
        config = ProbeConfig(
            methods=("fc_tangent", "motion"), analyses=(), exclude_pretrained=True, split=given.split, repeats=repeats
        )
        extra = {
            name: Baseline(words=f"edges among {e.components} components", features=e) for name, e in sizes.items()
        }
        probe(folder, cohort, targets=given.target, out=out, config=config, extra=extra, n_jobs=given.n_jobs)
    table = summarise(read_scores(out / SCORES), read_predictions(out / PREDICTIONS))
    whole = {"tangent, same reference": Edges(group, cohort.atlas.n_rois)}
    again, people = found_again(
        cohort, given.site, {"encoder": Edges(group, boxed), "fc": functional_connectivity, **sizes, **whole}
    )
    rows = []
    for name in ("encoder", *sizes, "fc", "fc_tangent", *whole, "motion"):
        k = boxed if name == "encoder" else sizes[name].components if name in sizes else 0
        label = NAMES.get(name, name.replace("edges_", "edges, k = ")) + (f" (k = {k})" if name == "encoder" else "")
        scores = [table[(table["method"] == name) & (table["target"] == target)] for target in given.target]
        cells = [
            f"{s['mean'].iloc[0]:.3f} [{s['low'].iloc[0]:.3f}, {s['high'].iloc[0]:.3f}]" if len(s) else ""
            for s in scores
        ]
        rows.append([label, str(k * (k + 1) // 2) if k else "", *cells, f"{again[name]:.3f}" if name in again else ""])
    print(
        f"Reference: {given.people} people of {given.site}; scores: people of all other sites, split by {given.split}, "
        f"[95 % interval]; found again among {people}."
    )
    show("The box, elsewhere", ["", "columns", *given.target, "found again"], rows)


if __name__ == "__main__":
    main()
