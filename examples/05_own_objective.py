"""An objective of your own, outside the package: from one view, tell how much every ROI varies in the other."""

# %% The objective: a head on the encoder's tokens, and a loss
import dataclasses

import matplotlib.pyplot as plt
import pandas as pd
import torch

import semantoks
from semantoks.objective.learner import Alone, build_student
from semantoks.objective.objective import Objective, StepLoss


class OneNumberPerROI(torch.nn.Linear):
    def forward(self, tokens):
        return super().forward(tokens.cls)


@dataclasses.dataclass(frozen=True, kw_only=True)
class VarianceOfOtherView(Objective):
    kind: str = "variance-of-other-view"

    def learner(self, encoder, network_index, seed):
        return Alone(
            build_student(encoder, network_index, seed, lambda built: OneNumberPerROI(encoder.width, built.n_rois))
        )

    def loss(self, learner, trained, batch, rates):
        other = batch.crops.std(dim=2).roll(len(batch.crops) // 2, dims=0)  # the first half are first views
        loss = torch.nn.functional.mse_loss(trained(batch.student_crops, batch.hidden).head, other)
        return StepLoss(loss=loss, scalars={"loss": loss.detach()}, numbers={"rows": len(other) // 2})

    def find_collapse(self, row):
        return None  # its target is data: there is nothing to collapse to


# %% Train by it as by any other: checkpoints, resuming, the report and the encoder's folder come with the trainer
recipe = dataclasses.replace(semantoks.load_recipe("smoke"), steps=5, objective=VarianceOfOtherView())
print(semantoks.pretrain(["cohort"], out="own", config=recipe)["status"])
print(semantoks.embed("cohort", model="own").shape)

# %% Drawn: what metrics.jsonl says of every step
rows = pd.read_json("own/metrics.jsonl", lines=True)
figure, axis = plt.subplots(figsize=(6, 2.5), layout="constrained")
axis.plot(rows["step"], rows["loss"], marker="o")
axis.set(xlabel="step", ylabel="loss")
figure.savefig("loss.png")
