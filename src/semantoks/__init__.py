"""semantoks: resting-state fMRI recordings in, representations of the person out.

The public names are in ``__init__.pyi``, with their modules; each is imported when it is first used.
"""

import inspect
import warnings
from importlib.metadata import version
from typing import Any

import lazy_loader

_public, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
FORMER = {"ObjectiveConfig": "SelfDistillation"}
"""Public names of earlier versions, and what they are called now."""
ALSO = {"write_report": "report", "checkup": "doctor"}
"""Second names of public functions."""


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return version("semantoks")
    if name in FORMER:
        warnings.warn(f"semantoks.{name} is called semantoks.{FORMER[name]} now.", DeprecationWarning, stacklevel=2)
    name = (FORMER | ALSO).get(name, name)
    if name in globals():  # asked for by its second name
        return globals()[name]
    found = _public(name)
    if inspect.isfunction(found):
        from semantoks.config import hinting  # when a function is asked for: `import semantoks` stays quick

        globals()[name] = found = hinting(found, __name__, name)
    return found
