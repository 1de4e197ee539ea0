"""semantoks in the evaluation suite ``fmri_fm_eval``, which finds this module when both are installed."""

from functools import partial

from fmri_fm_eval.models.registry import register_model
from semantoks.features.brainmarks import SPACES, build

for space in SPACES:
    register_model(f"semantoks_{space}")(partial(build, space))
