"""Shapes are types: the whole suite runs the package under beartype, and warnings are errors (pyproject)."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # tiny tensors: threads cost more than they give, and xdist has its own

from jaxtyping import install_import_hook

install_import_hook("semantoks", "beartype.beartype")
