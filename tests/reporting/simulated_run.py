"""A run folder as training and probing write it, with numbers that are the same every time."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from simulated_probe import NETWORKS, write_probe

from semantoks.config import to_plain
from semantoks.objective.self_distillation import CURVES as OF_THE_OBJECTIVE
from semantoks.train.monitor import CURVES as OF_THE_TRAINER

ENCODER_CONFIG = {"depth": 4, "width": 192, "mask_std": 0.02, "pooling": "mean"}


def metrics_table(steps: int, total: int) -> pd.DataFrame:
    rng = np.random.default_rng(11)
    k = np.arange(steps)
    done, noise = k / total, rng.normal(size=(8, steps))
    ttr = np.where(done < 0.05, 0.25 * (1 + np.cos(np.pi * done / 0.05)), 0.0)
    masked = (rng.random(steps) < 0.5).astype(float)
    rank = 128 * (0.12 + 0.5 * (1 - np.exp(-6 * done))) + 1.5 * noise[0]
    rate = 1.9 * (0.3 + 0.6 * (1 - np.exp(-8 * done))) + 0.03 * noise[1]
    agreement = 0.9 - 0.35 * np.exp(-4 * done) + 0.02 * noise[2]
    cls, tok = -agreement - rate, -0.95 + 0.6 * np.exp(-5 * done) + 0.03 * noise[3]
    table = pd.DataFrame(
        {
            "step": k,
            "epoch": (k * 64 // 805),
            "loss": cls + 0.5 * tok * masked + ttr * (cls + 0.4),
            "loss_cls": cls,
            "loss_tok": np.where(masked > 0, tok, 0.0),
            "loss_ttr": cls + 0.4,
            "ttr_weight": ttr,
            "agreement": agreement,
            "agreement_ttr": agreement - 0.15,
            "coding_rate": rate,
            "coding_rate_max": 1.903,
            "effective_rank": rank,
            "projection_dim": 128,
            "feature_sd": 0.4 + 0.5 * (1 - np.exp(-3 * done)) + 0.01 * noise[4],
            "teacher_student_cosine": 0.99 - 0.25 * np.exp(-3 * done) + 0.005 * noise[5],
            "momentum": 1 - 0.005 * (1 + np.cos(np.pi * done)),
            "lr": 3.5e-4 * np.minimum(done / 0.03, 0.5 * (1 + np.cos(np.pi * np.maximum(0, done - 0.03) / 0.97))),
            "weight_decay": 0.3 - 0.125 * (1 + np.cos(np.pi * done)),
            "grad_norm": np.exp(0.5 * noise[6] + 0.4 - done),
            "masked": masked,
            "token_similarity_within": np.where(masked, 0.6, np.nan),
            "token_similarity_across": np.where(masked, 0.3, np.nan),
            "samples_per_s": 210 + 6 * noise[7],
            "data_wait": 0.02 + 0.004 * np.abs(noise[0]),
        }
    )
    for overlap in range(4):
        values = agreement - 0.25 + 0.1 * overlap
        table[f"agreement_overlap_{overlap}"] = np.where(k % (2 + overlap) == 0, np.nan, values)
    return table


def about(steps: int, total: int) -> dict[str, Any]:
    return {
        "schema": 1,
        "version": "0.1.0",
        "command": "semantoks pretrain cohorts/abide --recipe small --out runs/a --views.policy apart",
        "status": "finished" if steps == total else "stopped",
        "config": {
            "seed": 0,
            "batch": 64,
            "precision": "bf16",
            "encoder": ENCODER_CONFIG,
            "views": {"policy": "apart", "frames": 100, "drop_rois": 0.1, "drop_frames": 0.3, "scale": [0.8, 1.2]},
            "masks": {"chance": 0.5, "share": [0.65, 0.85], "kind": "slice"},
            "objective": {"eps": 0.05, "token_weight": 0.5, "ttr_weight": 0.5, "ttr_share": 0.05},
            "optim": {"lr": 0.00035, "warmup_share": 0.03, "decay": [0.05, 0.3], "clip": 1.0, "no_decay_group": False},
        },
        "cohorts": [
            {
                "path": "cohorts/abide",
                "recordings": 857,
                "participants": 805,
                "atlas": "cc200",
                "fingerprint": "9f2c41d07b3a6e58",
            }
        ],
        "steps_total": total,
        "curves": [to_plain(panel) for panel in (*OF_THE_TRAINER, *OF_THE_OBJECTIVE)],
        "environment": {
            "python": "3.11.2",
            "torch": "2.13.0",
            "device": "cpu, 2 cores",
            "platform": "Linux-6.1-x86_64",
        },
        "cost": {"samples": 64 * steps, "flops": 3.21e12 * steps, "seconds": 2.31 * steps, "peak_memory_bytes": 3.4e9},
    }


def write_encoder(folder: Path) -> None:
    """Write weights and card of an encoder whose last two ROIs have no known place."""
    header = json.dumps(
        {"__metadata__": {"format": "pt"}, "w": {"dtype": "F32", "shape": [192, 100], "data_offsets": [0, 76800]}}
    )
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header.encode() + bytes(76800))
    rng = np.random.default_rng(0)
    places = (rng.normal(size=(70, 3)) * [32, 40, 25] + [0, -15, 12]).round(1).tolist()
    atlas = {"name": "cc200", "networks": [NETWORKS[i % 7] for i in range(70)], "centroids": places}
    atlas["centroids"][-2:] = [[None] * 3] * 2
    (folder / "config.json").write_text(json.dumps({"schema": 1, "atlas": atlas}))


def write_run(run: Path, *, steps: int, total: int, probe: bool) -> Path:
    run.mkdir(parents=True)
    (run / "run.json").write_text(json.dumps(about(steps, total)))
    rows = metrics_table(steps, total).to_dict("records")
    clean = [{k: None if isinstance(v, float) and math.isnan(v) else v for k, v in row.items()} for row in rows]
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in clean))
    warning = {"step": 42, "message": "The effective rank fell below 5 of 128: the learning rate may be too high."}
    (run / "warnings.jsonl").write_text(json.dumps(warning) + "\n")
    write_encoder(run / "encoder")
    if probe:
        write_probe(run / "probe")
    return run
