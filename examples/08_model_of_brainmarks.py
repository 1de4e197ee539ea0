"""A model of the Brainmarks suite as a baseline of the probe; run examples 01 and 02 first."""

# %% Their models take samples {bold, mean, std, tr} of the atlas that they name, and return embeddings
import os
from importlib.util import find_spec

import torch

import semantoks


def embeddings(shown):
    from brainmarks.models.registry import create_model

    transform, net = create_model(os.environ["BRAINMARKS_MODEL"])
    rows = []
    for index in range(len(shown)):
        bold = torch.from_numpy(shown.series(index))  # z-scored: mean 0, standard deviation 1
        sample = {"bold": bold, "mean": torch.zeros(1, bold.shape[1]), "std": torch.ones(1, bold.shape[1])}
        sample |= {"tr": torch.tensor(shown.cohort.tr)}
        batch = {name: value[None] for name, value in (transform(sample) if transform else sample).items()}
        with torch.inference_mode():
            cls, _, patches = net(batch)
        rows.append((patches if cls is None else cls).mean(dim=(0, 1)))
    return torch.stack(rows).numpy()


# %% The suite and a model of it, such as connectome_schaefer400, brainlm_vitmae_111m or brain_jepa_vitb_ep300
if find_spec("brainmarks.models.registry") is None or "BRAINMARKS_MODEL" not in os.environ:
    print("Brainmarks is not here: pip install brainmarks, and set BRAINMARKS_MODEL to one of its models.")
else:
    name = os.environ["BRAINMARKS_MODEL"]
    summary = semantoks.probe(
        "run",
        "cohort",
        targets=["sex"],
        out="run/brainmarks",
        config=semantoks.ProbeConfig(folds=3, repeats=1, analyses=()),
        extra={"brainmarks": semantoks.Baseline(words=f"{name} of Brainmarks", features=embeddings)},
    )
    print(summary[["method", "mean", "low", "high", "diff", "verdict"]].round(2).to_string(index=False))
