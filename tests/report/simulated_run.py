"""A run folder as training and probing write it, with numbers that are the same every time."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

ENCODER_CONFIG = {"depth": 4, "width": 192, "mask_std": 0.02, "pooling": "mean"}
LEVELS = {
    "sex": {"encoder": 0.634, "fc+encoder": 0.736, "fc": 0.731, "random_weights": 0.612, "motion": 0.561},
    "age": {"encoder": 0.512, "fc+encoder": 0.76, "fc": 0.748, "random_weights": 0.47, "motion": 0.22},
    "sequence": {"encoder": 0.62, "fc+encoder": 0.624, "fc": 0.18, "random_weights": 0.31, "motion": 0.02},
    "dx": {"encoder": 0.634, "fc+encoder": 0.645, "fc": 0.641, "random_weights": 0.6, "motion": 0.573},
}


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
            "samples_per_s": 210 + 6 * noise[7],
            "data_wait": 0.02 + 0.004 * np.abs(noise[0]),
        }
    )
    for overlap in range(4):
        values = agreement - 0.25 + 0.1 * overlap
        table[f"agreement_overlap_{overlap}"] = np.where(k % (2 + overlap) == 0, np.nan, values)
    return table


def scores_table(splits: int = 10) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    rows = []
    for target, methods in LEVELS.items():
        kind = "class" if target in ("sex", "dx") else "value"
        shared = 0.02 * rng.normal(size=splits)
        for method, level in methods.items():
            main = np.clip(level + shared + 0.012 * rng.normal(size=splits), -1, 1)
            found = {"balanced_accuracy": main, "auroc": main + 0.06}
            if kind == "value":
                found = {"r": main, "r2": main * np.abs(main) - 0.03, "mae": 8.4 * np.sqrt(1.2 - main**2)}
            rows += [
                (target, kind, method, split, 644, 161 - split % 2, metric, values[split])
                for metric, values in found.items()
                for split in range(splits)
            ]
    return pd.DataFrame(rows, columns=["target", "kind", "method", "split", "n_train", "n_test", "metric", "value"])


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
        "environment": {
            "python": "3.11.2",
            "torch": "2.13.0",
            "device": "cpu, 2 cores",
            "platform": "Linux-6.1-x86_64",
        },
        "cost": {"samples": 64 * steps, "flops": 3.21e12 * steps, "seconds": 2.31 * steps, "peak_memory_bytes": 3.4e9},
    }


def write_encoder(folder: Path) -> None:
    header = json.dumps(
        {"__metadata__": {"format": "pt"}, "w": {"dtype": "F32", "shape": [192, 100], "data_offsets": [0, 76800]}}
    )
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header.encode() + bytes(76800))


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
        (run / "probe").mkdir()
        scores_table().to_csv(run / "probe" / "scores.csv", index=False)
        targets = {
            "sex": {"kind": "class", "n": 805, "classes": ["F", "M"]},
            "dx": {"kind": "class", "n": 805, "classes": ["autism", "control"]},
            "age": {"kind": "value", "n": 805, "classes": None},
            "sequence": {"kind": "value", "n": 805, "classes": None},
        }
        words = {
            "encoder": "teacher, cls_avg, mean over 8 crops",
            "fc": "Pearson, 19,900 edges",
            "motion": "mean FD",
        }
        described = {"command": "semantoks probe runs/a cohorts/abide --target sex age dx --out runs/a/probe"}
        described |= {"targets": targets, "methods": words, "notes": ["Splits are by participant, stratified by site."]}
        (run / "probe" / "probe.json").write_text(json.dumps(described))
    return run
