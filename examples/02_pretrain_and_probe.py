"""Pretrain a small encoder on the cohort of 01_prepare.py and hold it against functional connectivity."""

# %% A recipe, and what we change of it
import dataclasses

import semantoks

recipe = dataclasses.replace(semantoks.load_recipe("smoke"), steps=30)
run = semantoks.pretrain(["cohort"], out="run", config=recipe)
print(run["status"], run["cost"])

# %% Features: one row a participant and recording
features = semantoks.embed("run", "cohort")
print(features.iloc[:, :6])

# %% The honest answer: the same people and splits for every method
scores = semantoks.probe("run", "cohort", targets=["sex", "occupancy"], out="run/probe", folds=3)
main = scores[scores["metric"].isin(["balanced_accuracy", "r"])]
print(main.pivot_table(index=["target", "metric"], columns="method", values="value").round(2))

# %% A page to open
print(semantoks.write_report("run"))
