"""Pretrain a small encoder on the cohort of 01_prepare.py and compare it with functional connectivity."""

# %% A recipe, with one change
import dataclasses

import matplotlib.pyplot as plt

import semantoks

recipe = dataclasses.replace(semantoks.load_recipe("smoke"), steps=30)
run = semantoks.pretrain(["cohort"], out="run", config=recipe)
print(run["status"], f"after {run['cost']['samples']} samples")

# %% Features: one row per recording
features = semantoks.embed("cohort", model="run")
print(features.iloc[:4, :6])

# %% The comparison: the same people and splits for every method
config = semantoks.ProbeConfig(folds=3, repeats=1, analyses=("reliability",))  # all analyses by default
summary = semantoks.probe("run", "cohort", targets=["sex", "occupancy"], out="run/probe", config=config)
shown = ["target", "method", "mean", "low", "high", "diff", "p_holm", "verdict"]
print(summary.loc[summary["analysis"] == "main", shown].round(2).to_string(index=False))

# %% Drawn: means over splits, and 95 % intervals over people; with 24 people, wide ones
scores = summary[(summary["analysis"] == "main") & (summary["target"] == "sex")].sort_values("mean")
figure, axis = plt.subplots(figsize=(7, 4.5), layout="constrained")
axis.hlines(scores["method"], scores["low"], scores["high"], color="0.7", linewidth=4)
axis.plot(scores["mean"], scores["method"], "o", color="tab:blue")
axis.axvline(0.5, color="0.4", linestyle=":")
axis.set_xlabel("sex, balanced accuracy")
figure.savefig("scores.png")

# %% The report: one HTML page
print(semantoks.report("run"))
