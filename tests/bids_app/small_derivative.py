"""A small derivative of XCP-D: five people, two sessions or runs, and what the gates refuse."""

import numpy as np

from semantoks.atlas.catalog import get_atlas
from semantoks.signals.recording import Recording
from semantoks.simulation.derivatives import write_xcpd

ATLAS = get_atlas("schaefer400+tian-s3+buckner7")
PEOPLE = ["01", "02", "03", "04", "005"]


def recording(participant, seed, frames=90, **facts):
    """Noise in the 450 ROIs that XCP-D has, at TR 2 s; one ROI of its own is flat."""
    series = 500 + np.random.default_rng(seed).normal(size=(frames, 457))
    series[:, 450:] = np.nan
    series[:, seed] = 7.0
    return Recording(series=series.astype(np.float32), tr=2.0, participant=participant, source="made", **facts)


def write_derivative(folder):
    """Of 03 one run is too short; of 04 everything is."""
    good, fd = np.ones(90, dtype=bool), np.linspace(0, 0.4, 90)
    good[40:44] = False
    made = [
        recording("01", 1, session="a", good=good, fd=fd),
        recording("01", 2, session="b"),
        recording("02", 3, run="1", fd=fd / 2),
        recording("02", 4, run="2"),
        recording("03", 5, frames=15, run="1"),
        recording("03", 6, run="2"),
        recording("04", 7, frames=12),
        recording("005", 8, frames=120),
    ]
    write_xcpd(made, folder, ATLAS)
    rows = [f"sub-{one}\t{20 + number}\tS{number % 2}" for number, one in enumerate(PEOPLE)]
    (folder / "participants.tsv").write_text("\n".join(["participant_id\tage\tsite", *rows, ""]))
    return folder


def tree(folder):
    """Every file below ``folder`` and its bytes."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}
