"""semantoks in the evaluation suite ``brainmarks``, which finds this module when both are installed."""

from functools import partial

from brainmarks.models.registry import register_model
from semantoks.features.brainmarks import SPACES, build

for space in SPACES:
    register_model(f"semantoks_{space}")(partial(build, space))
