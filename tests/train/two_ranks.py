"""Train on two CPU ranks: ``python two_ranks.py COHORT OUT STEPS STOP_AT DEVICES``.

DEVICES is 2 (fabric starts the second rank itself), or 0: what torchrun or srun started.
"""

import os
import signal
import sys

from tiny_run import tiny_config

from semantoks.train.run import pretrain

# everybody has one recording of exactly one window, so that views hold no chance and two ranks see what one sees
PLAIN = {
    "batch_size": 8,
    "views": {
        "masks": {"probability": 0.0},
        "corruption": {"drop_rois": [0, 0], "drop_frames": [0, 0], "scale": [1, 1], "noise": 0},
    },
    "optim": {"lr": 0.05},
}


def main() -> None:
    """Train; with STOP_AT, ask the first rank alone to stop there."""
    cohort, out, (steps, stop_at, devices) = sys.argv[1], sys.argv[2], map(int, sys.argv[3:])

    def on_row(row):
        if row["step"] == stop_at:
            os.kill(os.getpid(), signal.SIGTERM)

    config = tiny_config(**PLAIN, steps=steps)
    options = {"log_every": 1, "on_row": on_row, "checkpoint_every": 2}
    pretrain([cohort], out=out, config=config, device="cpu", devices=devices or None, **options)


if __name__ == "__main__":
    main()
