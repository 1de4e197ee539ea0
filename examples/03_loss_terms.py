"""The three loss terms for your own views, masks and regulariser weight: a starting point for a rival objective."""

# %% A student and a teacher for any atlas
import copy

import matplotlib.pyplot as plt
import numpy as np
import torch

import semantoks

atlas = semantoks.get_atlas("schaefer100")
size = semantoks.EncoderConfig(width=64, depth=2)
student = semantoks.Branch(semantoks.Encoder(size, atlas.network_index), semantoks.HeadConfig(hidden=64, projection=32))
teacher = copy.deepcopy(student).requires_grad_(False)

# %% Two views of eight people (view-major), and a mask for the student (True = hidden)
crops = torch.randn(16, atlas.n_rois, size.frames)
mask = torch.rand(16, atlas.n_networks, size.patches) < 0.6
batch = semantoks.Batch(
    crops=crops, empty=None, mask=mask, overlap=np.zeros(8), recordings=np.zeros((2, 8), dtype=np.int64)
)

# %% The loss terms
terms = semantoks.step_terms(student, teacher, batch, ttr_weight=0.5)
print(f"L {terms.loss:.3f} = L_CLS {terms.cls.loss:.3f} + 0.5 L_Tok {terms.token:.3f} + 0.5 L_TTR {terms.ttr.loss:.3f}")
terms.loss.backward()

# %% Drawn: the first person's first view, and the patches of it that the student was not shown
figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
left.imshow(crops[0].numpy(), aspect="auto", cmap="RdBu_r", vmin=-3, vmax=3)
left.set(xlabel="frame", ylabel="ROI")
right.imshow(mask[0].numpy(), aspect="auto", cmap="Greys", vmin=0, vmax=1)
right.set(xlabel="patch", yticks=range(atlas.n_networks), yticklabels=atlas.network_names)
figure.savefig("hidden.png")
