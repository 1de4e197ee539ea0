"""BrainPFN predicts from labelled people in its context, on the probe's splits; run examples 01 and 02 first."""

# %% A baseline that needs labels predicts by itself: it gets the training people, and says what the test people have
import os
from importlib.util import find_spec

import numpy as np

import semantoks
from semantoks.evaluate.study.tasks import Predicted


class InContext:
    def __init__(self, shown):
        fc = np.array([np.corrcoef(shown.series(index).T) for index in range(len(shown))])
        self.fc = np.nan_to_num(shown.people.average(fc))  # a missing ROI correlates with nothing

    def predict(self, task, before):
        from brainpfn import BrainPFN

        net = BrainPFN(variant=os.environ["BRAINPFN_WEIGHTS"], device="cpu").fit(self.fc[task.train], task.labels)
        test = net.predict(self.fc[task.test])[:, None].astype(float)
        inner = np.full((len(task.train), 1), np.mean(task.labels))  # only stacking reads it
        return Predicted(classes=None, test=test, inner=inner, candidates=test[None])


# %% Its weights are for values, and for the 400 ROIs of Schaefer's atlas in the 7-network order
if find_spec("brainpfn") is None or "BRAINPFN_WEIGHTS" not in os.environ:
    print(
        "BrainPFN is not here: pip install brainpfn, set BRAINPFN_WEIGHTS to 4.7M (downloads 52 MB) or to a .pt file."
    )
else:
    summary = semantoks.probe(
        "run",
        "cohort",
        targets=["occupancy"],
        out="run/brainpfn",
        config=semantoks.ProbeConfig(folds=3, repeats=1, analyses=()),
        extra={"brainpfn": semantoks.Baseline(words="BrainPFN on FC, in context", features=InContext)},
    )
    print(summary[["method", "mean", "low", "high", "diff", "verdict"]].round(2).to_string(index=False))
