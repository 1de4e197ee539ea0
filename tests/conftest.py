"""Shapes are types: the whole suite runs the package under beartype, and warnings are errors (pyproject)."""

from jaxtyping import install_import_hook

install_import_hook("semantoks", "beartype.beartype")
