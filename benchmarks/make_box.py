"""Make an encoder in the box: a group's mean correlations, with licence, citation and checksum beside them.

    python -m benchmarks.make_box schaefer400 stages_schaefer400_sub19.h5
    python -m benchmarks.make_box mist122 rpn.h5

The file has ``bold`` [scan, roi, frame], ``length``, ``scan_id`` and ``roi_name``, and ``tr`` where not all scans have
that of the table below. Correlations are averaged over a person's scans, then over people; nothing else is kept. The
folder goes to ``src/semantoks/encoders`` or ``--out``, and a table says what is in it. All ROIs are in one network:
components of the whole tell people apart better than as many of the networks (docs/results.md).
"""

import argparse
import math
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from benchmarks.measure import show

from semantoks import CleaningConfig, Cohort, EncoderCard, GateConfig, get_atlas, prepare, recordings_from_arrays
from semantoks.model.card import software, write_card
from semantoks.model.group import GroupAbout, edges_config, write_group
from semantoks.signals.sources.memory import MemorySource
from semantoks.train.closed_form import Recordings, mean_correlation

COLUMNS = 1536
"""Most columns of an embedding."""
SHRINKAGE = 0.3
ENCODERS = Path(__file__).parents[1] / "src" / "semantoks" / "encoders"


@dataclass(frozen=True)
class Origin:
    """Where recordings are from; ``tr`` in seconds where the file does not state it, ``band`` in Hz as they came."""

    study: str
    licence: str
    citation: str
    band: tuple[float, float]
    tr: float | None = None


ORIGINS = {
    "schaefer400": Origin(
        study="STAGES: people with a first episode of psychosis, one or two visits",
        licence="Apache-2.0",
        citation="Pope et al. 2025, Biol Psychiatry Glob Open Sci, doi 10.1016/j.bpsgos.2025.100589",
        band=(0.008, 0.08),
        tr=2.0,
    ),
    "mist122": Origin(
        study="RPN-signature: healthy adults at three centres",
        licence="BSD-3-Clause",
        citation="Spisak et al. 2020, Nat Commun 11:187; atlas: Urchs et al. 2019, MNI Open Res 1:3",
        band=(0.008, 0.08),
    ),
}


def numbered(names: Sequence[str]) -> list[str]:
    """Number names that come again as pandas does: ``PRC_d``, ``PRC_d.1``."""
    seen: Counter[str] = Counter()
    found = []
    for name in names:
        found.append(f"{name}.{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return found


def prepared(file: Path, atlas: str, tr: float | None, out: Path) -> Cohort:
    """Prepare the recordings as they came, at 2 s, not filtered again."""
    with h5py.File(file) as content:
        bold, lengths = content["bold"][:], content["length"][:]
        scans, rois = ([name.decode() for name in content[key][:]] for key in ("scan_id", "roi_name"))
        trs = content["tr"][:].tolist() if tr is None else [tr] * len(scans)
    people, _, visits = zip(*(scan.partition("_ses-") for scan in scans), strict=True)
    recordings = recordings_from_arrays(
        [series[:, :length].T.astype(np.float32) for series, length in zip(bold, lengths, strict=True)],
        tr=trs,
        participants=people,
        sessions=visits,
        labels=numbered(rois),
        atlas=atlas,
    )
    source = MemorySource(recordings, atlas=atlas)
    cleaning = CleaningConfig(already_filtered=True)
    return prepare(source, out=out, atlas=atlas, cleaning=cleaning, gates=GateConfig(max_fd=None))


def components_within(columns: int) -> int:
    """Return how many components have at most so many edges."""
    return (math.isqrt(8 * columns + 1) - 1) // 2


def make(name: str, file: Path, out: Path, columns: int = COLUMNS) -> list[list[str]]:
    """Write the folder, and return rows that say what is in it."""
    origin, atlas = ORIGINS[name], get_atlas(f"{name}:one")
    with tempfile.TemporaryDirectory() as scratch:
        cohort = prepared(file, name, origin.tr, Path(scratch) / "cohort")
        recordings = Recordings([cohort], min_seconds=60.0)
        people = len(set(recordings.people.tolist()))
        group = mean_correlation(recordings, lambda: None)
    about = GroupAbout(
        people=people,
        recordings=len(recordings.rows),
        source=origin.study,
        licence=origin.licence,
        citation=origin.citation,
        command=f"python -m benchmarks.make_box {name} {file.name}",
    )
    low, high = origin.band
    size = edges_config([0] * atlas.n_rois, components=components_within(columns), shrinkage=SHRINKAGE)
    card = EncoderCard(
        encoder=size,
        atlas=atlas,
        tr=2.0,
        band=None,
        origin=(
            f"edges among components of the mean correlations of {people} people, relative to them; nothing of one "
            "person, no labels, nothing learned; a reference, not a norm",
            f"{about.recordings} recordings, {low:g} to {high:g} Hz, of {origin.study}",
            f"{origin.licence}; cite {origin.citation}",
        ),
        versions=software(),
    )
    out.mkdir(parents=True, exist_ok=True)
    known = write_group(out, group, about)
    write_card(out, card)
    return [
        ["people", str(people)],
        ["recordings", str(about.recordings)],
        ["ROIs", str(atlas.n_rois)],
        ["columns", str(size.width)],
        ["largest file, bytes", str(max(path.stat().st_size for path in out.iterdir()))],
        ["sha256", known.sha256],
    ]


def main() -> None:
    """Make one and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=ORIGINS)
    parser.add_argument("file", type=Path)
    parser.add_argument("--out", type=Path, help="folder of the encoder; the box if not given")
    parser.add_argument("--columns", type=int, default=COLUMNS, help="most columns of an embedding")
    given = parser.parse_args()
    out = given.out or ENCODERS / given.name
    show(f"{given.name} in {out}", ["", "value"], make(given.name, given.file, out, given.columns))


if __name__ == "__main__":
    main()
