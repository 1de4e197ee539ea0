"""Modules that can be called: ``semantoks.doctor(...)`` and the room ``semantoks.doctor`` are one thing."""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any


class Called(ModuleType):
    """A module that passes a call on to one function of its package."""

    _function: str

    def __call__(self, *args: Any, **options: Any) -> Any:
        """Call the function."""
        return self._found()(*args, **options)

    @property
    def __wrapped__(self) -> Any:
        """The function, for ``inspect.signature`` and ``help`` in notebooks."""
        return self._found()

    def _found(self) -> Any:
        place, _, name = self._function.partition(":")
        return getattr(import_module(place), name)


def as_function(module: str, function: str) -> None:
    """Let the module be called as ``function``, ``package.module:name``, which is imported when it is called."""
    room = sys.modules[module]
    room.__class__ = Called
    room.__dict__["_function"] = function
