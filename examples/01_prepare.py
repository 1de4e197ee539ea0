"""From recordings to a cohort: simulated recordings here, but a folder of your own arrays works the same way."""

# %% Recordings: a folder of arrays and a participants table
from pathlib import Path

import matplotlib.pyplot as plt

import semantoks

recordings = semantoks.simulate(
    semantoks.SimulationConfig(participants=24, sessions=2, atlas="schaefer100", minutes=5.0), out=Path("recordings")
)

# %% Clean them: band-pass at their own TR, interpolate to 2 s, z-score
cohort = semantoks.prepare(recordings, out="cohort", atlas="schaefer100")
print(
    len(cohort),
    "recordings of",
    cohort.recordings["participant_id"].nunique(),
    "people;",
    len(cohort.excluded),
    "excluded",
)

# %% Look inside the cohort: plain arrays, time x ROI
series = cohort.series(0)
print(
    series.shape, series.dtype, "TR", cohort.tr, "s;", cohort.atlas.n_networks, "networks:", cohort.atlas.network_names
)

# %% One recording: a row per ROI, those of one network together
figure, axis = plt.subplots(figsize=(7, 3.5), layout="constrained")
axis.imshow(series[:, cohort.atlas.network_index.argsort(kind="stable")].T, aspect="auto", cmap="gray", vmin=-2, vmax=2)
axis.set(xlabel="frame of 2 s", ylabel="ROI, by network", yticks=[])
figure.savefig("recording.png")
