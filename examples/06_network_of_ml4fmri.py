"""A network of another package, ml4fmri, learns beside fine-tuning, on its splits; run examples 01 and 02 first."""

# %% Their networks take [batch, frame, roi] and return the outputs first
from importlib.util import find_spec

import torch

import semantoks


class Theirs(torch.nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, series, good):
        return self.net((series * good[:, None]).mT)[0]


# %% Trained on the same people, in windows of 100 frames; the held-out share of them chooses the epoch
if find_spec("ml4fmri") is None:
    print("ml4fmri is not installed: pip install ml4fmri, and run this again.")
else:
    from ml4fmri.models import meanMLP

    theirs = semantoks.Trainable(
        words="meanMLP of ml4fmri, on the series",
        build=lambda n_rois, outputs, _: Theirs(meanMLP(n_rois, outputs)),
        frames=100,
    )
    summary = semantoks.finetune(
        "run",
        "cohort",
        targets=["sex"],
        out="run/ml4fmri",
        config=semantoks.FinetuneConfig(epochs=2, crops=2, validation_crops=1),
        probe=semantoks.ProbeConfig(folds=3, repeats=1),
        beside=("fc_mlp",),
        extra={"ml4fmri": theirs},
    )
    print(summary[["method", "mean", "low", "high", "diff", "verdict"]].round(2).to_string(index=False))
