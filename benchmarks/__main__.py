"""Run every benchmark, one after the other, each in a process of its own: ``python -m benchmarks``."""

import subprocess
import sys

SCRIPTS = (
    "training_step",
    "beside_plain",
    "tokenizer",
    "attention",
    "prepare",
    "xcpd",
    "cli_start",
    "baselines",
    "penalties",
    "paper_probe",
    "embedding",
    "finetune_step",
    "growth",
)

if __name__ == "__main__":
    for script in SCRIPTS:
        subprocess.run([sys.executable, "-m", f"benchmarks.{script}"], check=True)
