"""What makes an encoder learn people? Trains the trials of docs/results.md on a cohort and prints a row for each.

    python benchmarks/trials.py COHORT --out trials/ --target sex age dx [--only published-1500 ...]

A trial whose encoder already lies in ``--out`` is only evaluated. Columns: identification (see ``identification``), the
probe's AUROC or r for each target (mean over five folds), effective rank and agreement without overlap at the end.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from semantoks.config import from_plain
from semantoks.evaluate.probe import probe
from semantoks.evaluate.settings import ProbeConfig
from semantoks.features.encode import open_encoder, read_out
from semantoks.model.encoder import Encoder, random_encoder
from semantoks.signals.cohort import Cohort
from semantoks.statistics.tables import read_scores
from semantoks.train.recipe import PretrainConfig
from semantoks.train.run import pretrain
from semantoks.views.crops import Frames

WINDOW = 100


def trial(width: int, depth: int, steps: int, lr: float, momentum: float, policy: str) -> PretrainConfig:
    """One setting; ``lr`` is the peak at batch 64."""
    return from_plain(
        PretrainConfig,
        {
            "batch_size": 64,
            "steps": steps,
            "encoder": {"width": width, "depth": depth},
            "views": {"policy": policy},
            "optim": {"lr": lr * 4},
            "objective": {"head": {"hidden": 256, "projection": 128}, "teacher_momentum": momentum},
        },
    )


TRIALS = {
    "published-300-low": trial(128, 2, 300, 1.75e-4, 0.99, "published"),
    "apart-300-low": trial(128, 2, 300, 1.75e-4, 0.99, "apart"),
    "published-300": trial(128, 2, 300, 1.4e-3, 0.99, "published"),
    "apart-300": trial(128, 2, 300, 1.4e-3, 0.99, "apart"),
    "published-1500": trial(64, 1, 1500, 1.4e-3, 0.95, "published"),
    "apart-1500": trial(64, 1, 1500, 1.4e-3, 0.95, "apart"),
    "toy": replace(trial(16, 1, 2, 1.4e-3, 0.95, "published"), batch_size=8),  # to see the script run
}


def identification(first: np.ndarray, second: np.ndarray) -> float:
    """Return how often a person's nearest neighbour in the other half is the same person, mean of both directions.

    ``first``, ``second`` [person, feature]; features are standardised over both halves and compared by cosine.
    """
    both = np.concatenate([first, second])
    scaled = [(half - both.mean(axis=0)) / (both.std(axis=0) + 1e-9) for half in (first, second)]
    a, b = (half / np.linalg.norm(half, axis=1, keepdims=True) for half in scaled)
    alike, who = a @ b.T, np.arange(len(a))
    return float(((alike.argmax(axis=1) == who).mean() + (alike.argmax(axis=0) == who).mean()) / 2)


def halves(cohort: Cohort) -> list[np.ndarray]:
    """Return the first and the last WINDOW frames [recording, roi, frame] of all recordings long enough for both."""
    table = cohort.recordings
    lengths = table["frames"].to_numpy()
    long = lengths >= 2 * WINDOW
    frames = Frames(cohort.shards)
    first = cohort.first_frames[long]
    full = np.full(int(long.sum()), WINDOW)
    cpu = torch.device("cpu")
    return [frames.gather(begin, full, WINDOW, cpu).numpy() for begin in (first, first + lengths[long] - WINDOW)]


@torch.inference_mode()
def encode(encoder: Encoder, windows: np.ndarray) -> np.ndarray:
    """Return cls_avg of every window, in small batches."""
    parts = [read_out(encoder(torch.from_numpy(w)), "cls_avg") for w in np.array_split(windows, len(windows) // 64 + 1)]
    return torch.cat(parts).numpy()


def connectivity(windows: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Return Fisher-z correlations [window, pair] of the chosen pairs of ROIs."""
    upper = np.triu_indices(windows.shape[1], 1)
    rows = [np.corrcoef(w + 1e-6 * np.random.default_rng(0).normal(size=w.shape))[upper][pairs] for w in windows]
    return np.arctanh(np.clip(rows, -0.999, 0.999))


def row(name: str, identified: float, scores: dict[str, float], rest: str = "") -> None:
    """Print one line of the table."""
    print(
        f"| {name} | {identified:.3f} | " + " | ".join(f"{v:.3f}" for v in scores.values()) + f" | {rest} |", flush=True
    )


def main() -> None:
    """Train what is missing, evaluate everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cohort", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--target", nargs="+", default=["sex", "age", "dx"])
    parser.add_argument("--only", nargs="+", choices=TRIALS, default=[t for t in TRIALS if t != "toy"])
    given = parser.parse_args()
    cohort, targets = Cohort(given.cohort), given.target
    windows = halves(cohort)
    network = cohort.atlas.network_index
    upper = np.triu_indices(cohort.atlas.n_rois, 1)
    within = network[upper[0]] == network[upper[1]]
    print(f"| features | identified of {len(windows[0])} | " + " | ".join(targets) + " | effective rank, agreement |")
    print("|---" * (len(targets) + 3) + "|")
    shown = False
    for name in given.only:
        run = given.out / name
        if not (run / "encoder" / "config.json").exists():
            pretrain([cohort], out=run, config=TRIALS[name], resume=run.exists(), command=f"trial {name}")
        config = ProbeConfig(repeats=1, methods=("random_weights", "motion"), analyses=())
        probe(run, cohort, targets=targets, out=run / "probe", config=config)
        scores = read_scores(run / "probe" / "scores.csv")
        ranked = scores.reindex(columns=["r", "auroc"]).bfill(axis=1)["r"]
        table = ranked.groupby([scores["method"], scores["target"]]).mean()
        if not shown:
            every = np.ones(len(within), dtype=bool)
            row("FC", identification(*(connectivity(w, every) for w in windows)), dict(table["fc"][targets]))
            row("FC, edges within networks", identification(*(connectivity(w, within) for w in windows)), {})
            row("motion", float("nan"), dict(table["motion"][targets]))
            shown = True
        encoder, card = open_encoder(run)
        last = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()][-50:]
        apart = [r["agreement_overlap_0"] for r in last if r["agreement_overlap_0"] is not None]
        rest = f"{np.mean([r['effective_rank'] for r in last]):.0f}, {np.mean(apart) if apart else np.nan:.2f}"
        row(name, identification(*(encode(encoder, w) for w in windows)), dict(table["encoder"][targets]), rest)
        start = random_encoder(card.encoder, card.atlas.network_index, card.seed).eval()
        found = identification(*(encode(start, w) for w in windows))
        row("its random weights", found, dict(table["random_weights"][targets]))


if __name__ == "__main__":
    main()
