"""Help without torch: settings stand in the files of what they set, and importing torch takes seconds.

While a help text is made, modules of torch are hollow: every name in them is an empty class, which is enough to define
what the settings' files define. Nothing is computed; whatever was imported meanwhile is forgotten afterwards.
"""

import sys
from abc import ABCMeta
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

HEAVY = ("torch", "lightning_fabric", "safetensors", "scipy", "sklearn", "nilearn")


class _Empty(ABCMeta):
    """The kind of empty classes: whatever is asked of one is an empty class; called, it gives back what it is given."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _empty(name)

    def __call__(cls, *given: Any, **_: Any) -> Any:
        return given[0] if given else _empty("made")


def _empty(name: str) -> Any:
    return _Empty(name, (), {"__class_getitem__": classmethod(lambda cls, _: cls)})


class _Hollow(ModuleType):
    """A module in which every name is an empty class."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _empty(name)


class _Finder(MetaPathFinder, Loader):
    """Finds such a module for every name of what is heavy."""

    def find_spec(self, fullname: str, *_: Any) -> ModuleSpec | None:
        """Say that it is here."""
        return ModuleSpec(fullname, self, is_package=True) if fullname.split(".")[0] in HEAVY else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Make it."""
        return _Hollow(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Leave it hollow."""


@contextmanager
def without_torch() -> Iterator[None]:
    """Import hollow modules in place of torch and its like, for as long as the context lasts."""
    before, finder = set(sys.modules), _Finder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in sorted(set(sys.modules) - before):
            package, _, inside = name.rpartition(".")
            if name.split(".")[0] in (*HEAVY, "semantoks"):
                if package in before:
                    vars(sys.modules[package]).pop(inside, None)
                del sys.modules[name]
