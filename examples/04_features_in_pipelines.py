"""The frozen encoder in a scikit-learn pipeline, beside nilearn's connectivity; run examples 01 and 02 first."""

# %% Time series as any masker returns them: a list of arrays [frame, roi]
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from nilearn.connectome import ConnectivityMeasure
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import StandardScaler

import semantoks

table = pd.read_csv("recordings/participants.tsv", sep="\t")
table = table[table["session_id"] == 1]  # one recording per person, so that nobody is in two folds
paths = [next(Path("recordings").glob(f"**/{name}*_ses-1*.npy")) for name in table["participant_id"]]
series = [np.load(path) for path in paths]

# %% Two feature sets and both together, on the same folds
embedder = semantoks.SemantoksEmbedder("run", tr=float(table["tr"].iloc[0]))
fc = ConnectivityMeasure(kind="correlation", vectorize=True, discard_diagonal=True, standardize=False)
found = {}
for name, features in (("encoder", embedder), ("FC", fc), ("both", make_union(embedder, fc))):
    pipeline = make_pipeline(features, StandardScaler(), RidgeCV(np.logspace(-2, 6, 9)))
    found[name] = cross_val_score(pipeline, series, table["occupancy"], cv=3)
    print(f"{name:<8} R2 {found[name].mean():.3f}")

# %% Drawn: every fold a point
figure, axis = plt.subplots(figsize=(6, 2.5), layout="constrained")
for name, scores in found.items():
    axis.plot(scores, [name] * len(scores), "o", color="tab:blue", alpha=0.6)
axis.axvline(0, color="0.4", linestyle=":")
axis.set(xlabel="R² of occupancy in people who were not fitted", ylim=(-0.5, len(found) - 0.5))
figure.savefig("pipelines.png")
