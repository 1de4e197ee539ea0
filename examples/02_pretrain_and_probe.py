"""Pretrain a small encoder on the cohort of 01_prepare.py and compare it with functional connectivity."""

# %% A recipe, with one change
import dataclasses

import semantoks

recipe = dataclasses.replace(semantoks.load_recipe("smoke"), steps=30)
run = semantoks.pretrain(["cohort"], out="run", config=recipe)
print(run["status"], run["cost"])

# %% Features: one row per recording
features = semantoks.embed("cohort", model="run")
print(features.iloc[:, :6])

# %% The comparison: the same people and splits for every method
config = semantoks.ProbeConfig(folds=3, repeats=1, analyses=("reliability",))  # all analyses by default
summary = semantoks.probe("run", "cohort", targets=["sex", "occupancy"], out="run/probe", config=config)
shown = ["target", "method", "mean", "low", "high", "diff", "p_holm", "verdict"]
print(summary.loc[summary["analysis"] == "main", shown].round(2).to_string(index=False))

# %% The report: one HTML page
print(semantoks.write_report("run"))
