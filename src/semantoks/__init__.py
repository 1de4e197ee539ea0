"""semantoks: resting-state fMRI recordings in, representations of the person out.

The public names are in ``__init__.pyi``, with their modules; each is imported when it is first used.
"""

import warnings
from importlib import import_module
from importlib.metadata import version
from typing import Any

import lazy_loader

_public, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
FORMER = {"ObjectiveConfig": "SelfDistillation"}
"""Public names of earlier versions, and what they are called now."""
COMMANDS = {
    **{name: name for name in ("bench", "demo", "doctor", "info", "report")},
    **{"convert": "model.convert:convert_checkpoint", "export": "model.export:export_encoder"},
    "push": "evaluate.publish:publish",
}
"""What is called here as on the command line, beside the public names: rooms that can be called, and functions."""


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return version("semantoks")
    if name in COMMANDS:
        place, _, function = COMMANDS[name].partition(":")
        found = import_module(f"semantoks.{place}")
        return getattr(found, function) if function else found
    if name in FORMER:
        warnings.warn(f"semantoks.{name} is called semantoks.{FORMER[name]} now.", DeprecationWarning, stacklevel=2)
    return _public(FORMER.get(name, name))
