"""Pretrain a small encoder on the cohort of 01_prepare.py and hold it against functional connectivity."""

# %% A recipe, and what we change of it
import dataclasses

import semantoks

recipe = dataclasses.replace(semantoks.load_recipe("smoke"), steps=30)
run = semantoks.pretrain(["cohort"], out="run", config=recipe)
print(run["status"], run["cost"])

# %% Features: one row a participant and recording
features = semantoks.embed("cohort", model="run")
print(features.iloc[:, :6])

# %% The honest answer: the same people and splits for every method
config = semantoks.ProbeConfig(folds=3, repeats=1, analyses=("confounds", "reliability"))
summary = semantoks.probe("run", "cohort", targets=["sex", "occupancy"], out="run/probe", config=config)
shown = ["target", "method", "mean", "low", "high", "diff", "p_holm", "verdict"]
print(summary.loc[summary["analysis"] == "main", shown].round(2).to_string(index=False))

# %% A page to open
print(semantoks.write_report("run"))
