"""Frozen dataclasses to plain data and back; an unknown key or choice, or a wrong type, is refused in one sentence."""

import dataclasses
import difflib
import functools
import inspect
import numbers
import os
import re
import tomllib
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from semantoks.errors import ConfigError

T = TypeVar("T")
DEEPEST = 64
"""Levels of JSON and of settings."""
LARGEST_SEED = 2**32 - 1
"""Of scikit-learn's generators."""
LARGEST = 1 << 20
"""Bytes of a file of settings."""
_SHORT = 80
"""Characters of a value that a message shows."""


def to_plain(config: Any) -> dict[str, Any]:
    """Turn a (nested) configuration dataclass into dicts, lists, numbers, strings and None, ready for JSON."""
    return {f.name: _plain(getattr(config, f.name)) for f in dataclasses.fields(config)}


def merged(plain: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return plain settings with some changed; a table of another ``kind`` takes the place of the whole table."""
    new = dict(plain)
    for name, value in changes.items():
        old = new.get(name)
        deeper = (
            isinstance(old, Mapping) and isinstance(value, Mapping) and value.get("kind") in (None, old.get("kind"))
        )
        new[name] = merged(old, value) if deeper else value  # type: ignore[arg-type]
    return new


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return to_plain(value)
    if isinstance(value, Path):
        return str(value)
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def from_plain(kind: type[T], data: Mapping[str, Any], where: str = "configuration") -> T:
    """Build the dataclass ``kind`` from plain data; missing keys take their defaults.

    A field that may be one of several dataclasses (``A | B``) is the one whose own field ``kind: Literal["..."]`` names
    the data's ``kind``; without a kind it is the first.

    Raises
    ------
    ConfigError
        For an unknown key (with the nearest known one), a value of the wrong type, or a required key that is missing.
        ``where`` names the file or section in the message.
    """
    hints = typing.get_type_hints(kind)
    fields = {f.name: f for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    for key in data:
        if key not in fields:
            hint = did_you_mean(key, fields) or f" Known: {', '.join(fields)}."
            raise ConfigError(f"{where} has the unknown key {key!r}.{hint}")
    required = [
        n for n, f in fields.items() if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    ]
    if lacking := [name for name in required if name not in data]:
        raise ConfigError(f"{where} lacks {', '.join(lacking)}.")
    values = {key: _typed(hints[key], value, f"{where}: {key}") for key, value in data.items()}
    try:
        return kind(**values)
    except ConfigError as error:  # out of range, which the class itself finds
        raise ConfigError(f"{where}: {error}") from error


def _typed(hint: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(hint):
        return from_plain(typing.cast(type[Any], hint), _table(value, where), where)
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return _one_of(args, value, where)
    if origin in (types.UnionType, typing.Union):
        if value is None and type(None) in args:
            return None
        tables = [a for a in args if dataclasses.is_dataclass(a)]
        if len(tables) > 1:
            return _typed(_by_kind(tables, _table(value, where), where), value, where)
        return _typed(tables[0] if tables else next(a for a in args if a is not type(None)), value, where)
    if origin is dict:
        return dict(_table(value, where))
    if origin is tuple:
        if not isinstance(value, list | tuple) or (Ellipsis not in args and len(value) != len(args)):
            count = "" if Ellipsis in args else f"{len(args)} "
            raise ConfigError(f"{where} has to be a list of {count}values, not {value!r}.")
        kinds = args if Ellipsis not in args else (args[0],) * len(value)
        return tuple(_typed(kind, item, where) for kind, item in zip(kinds, value, strict=True))
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise ConfigError(f"{where} has to be of type {hint.__name__}, not {value!r}.")
    return value


def _table(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where} has to be a table of settings, not {value!r}.")
    return value


def _by_kind(tables: list[Any], value: Mapping[str, Any], where: str) -> Any:
    """Return the dataclass whose ``kind: Literal[...]`` is the value's; the first one where the value has no kind."""
    kinds = {name: table for table in tables for name in typing.get_args(typing.get_type_hints(table)["kind"])}
    return kinds[_one_of(tuple(kinds), value.get("kind", next(iter(kinds))), f"{where}: kind")]


def _one_of(names: tuple[Any, ...], value: Any, where: str) -> Any:
    if value not in names:
        hint = did_you_mean(value, map(str, names))
        raise ConfigError(f"{where} has to be one of {', '.join(map(str, names))}, not {value!r}.{hint}")
    return value


def did_you_mean(given: Any, names: Iterable[str]) -> str:
    """Return " Did you mean 'the nearest name'?", upper and lower case alike; empty where none is near."""
    lower = {name.lower(): name for name in names}
    near = difflib.get_close_matches(str(given).lower(), lower, n=1)
    return f" Did you mean {lower[near[0]]!r}?" if near else ""


def check_fields(config: Any) -> None:
    """Check the value of every field of a configuration against its type; for its ``__post_init__``.

    Raises
    ------
    ConfigError
        For a choice that there is not (with the nearest one), and for a number or a switch that is none (or NaN).
    """
    kind: Any = type(config)
    for name, hint in _hints(kind).items():
        check_value(value := getattr(config, name), hint, f"{kind.__name__}: {name}")
        if name in ("seed", "seeds") and (most := max(value, default=0) if name == "seeds" else value) > LARGEST_SEED:
            raise ConfigError(f"{kind.__name__}: {name} may be up to {LARGEST_SEED}, not {most}.")


def check_arguments(function: Callable[..., Any], given: Mapping[str, Any]) -> None:
    """Check a function's arguments, its ``locals()`` at the start, as ``check_fields`` checks a configuration's."""
    for name, hint in _hints(inspect.unwrap(function)).items():
        if name in given:
            check_value(given[name], hint, name)


def hinting(function: Callable[..., Any], module: str, name: str) -> Callable[..., Any]:
    """Return a function that names the nearest option when a call has one that there is not, as Python 3.13 does.

    An option of the settings that the function takes counts, too. It is public as ``module.name``, where pickle and
    documentation find it.
    """
    known = inspect.signature(function).parameters.values()
    names, anything = [one.name for one in known], any(one.kind is one.VAR_KEYWORD for one in known)

    @functools.wraps(function)
    def call(*given: Any, **named: Any) -> Any:
        for other in () if anything else [one for one in named if one not in names]:
            raise TypeError(f"{name}() has no option {other!r}.{_nearest_option(other, function)}")
        return function(*given, **named)

    call.__module__, call.__qualname__ = module, name
    return call


def _nearest_option(given: str, function: Callable[..., Any]) -> str:
    """Say which option of a function, or of the settings that it takes, was meant; else, which it has."""
    own = list(inspect.signature(function).parameters)
    options: dict[str, str] = {}
    for name, hint in typing.get_type_hints(inspect.unwrap(function)).items():
        for kind in typing.get_args(hint) or (hint,):
            if getattr(kind, "__name__", "").endswith("Config"):
                options |= {one.name: f"{name}={kind.__name__}({one.name}=...)" for one in dataclasses.fields(kind)}
    options |= {name: name for name in own}
    near = difflib.get_close_matches(given, options, n=1)
    return f" Did you mean {options[near[0]]}?" if near else f" It has {', '.join(own)}."


def as_list(given: Any) -> Any:
    """Return what may be given alone or as several, as several: a text, a path or a cohort is a list of one."""
    return [given] if isinstance(given, str | os.PathLike) or not hasattr(given, "__iter__") else given


@functools.cache
def _hints(thing: Any) -> dict[str, Any]:
    hints = typing.get_type_hints(thing)
    return {f.name: hints[f.name] for f in dataclasses.fields(thing)} if dataclasses.is_dataclass(thing) else hints


def check_value(value: Any, hint: Any, where: str) -> None:
    """Check one value: choices, numbers, switches, text, configurations, tuples and unions of these; others pass."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        _one_of(args, value, where)
    elif origin in (types.UnionType, typing.Union):
        _check_union(value, args, where)
    elif origin is Sequence and args != (str,):
        table = isinstance(value, Mapping) or type(value).__name__ == "DataFrame"
        if table or isinstance(value, str | bytes) or not hasattr(value, "__iter__"):
            raise ConfigError(f"{where} has to be a list, not {_short(value)}.")
    elif origin is tuple or origin is Sequence:
        if isinstance(value, str | bytes) or not hasattr(value, "__len__"):
            raise ConfigError(f"{where} has to be a list of values, not {_in_short(value)}.")
        fixed = origin is tuple and Ellipsis not in args
        if fixed and len(value) != len(args):
            raise ConfigError(f"{where} has to be a list of {len(args)} values, not {value!r}.")
        for one, kind in zip(value, args if fixed else (args[0],) * len(value), strict=True):
            check_value(one, kind, where)
    elif (
        hint in NUMBERS
        or hint in (Path, str)
        or dataclasses.is_dataclass(hint)
        or getattr(hint, "_is_runtime_protocol", False)
        or (inspect.isclass(hint) and hint.__module__.startswith("semantoks.") and not hasattr(hint, "_is_protocol"))
    ):
        if not _is_one(value, hint):
            wanted = {str: "text", Path: "a path"}.get(hint, f"of type {hint.__name__}")
            raise ConfigError(f"{where} has to be {wanted}, not {_in_short(value)}.")
        if isinstance(value, int) and value.bit_length() > 63:
            raise ConfigError(f"{where} has to be a number below 2^63, not one of {value.bit_length():,} bits.")
        if hint is float and value != value:
            raise ConfigError(f"{where} has to be a number, not NaN.")


def _in_short(value: Any) -> str:
    """Write a value as Python does, or, where that would fill a message, its type."""
    shown = repr(value)
    return shown if len(shown) <= _SHORT and "\n" not in shown else f"a {type(value).__name__}"


def _short(value: Any) -> str:
    """Name a value: text and paths as they are, all else by its type."""
    return repr(str(value)) if isinstance(value, str | os.PathLike) else type(value).__name__


NUMBERS = {bool: (bool,), int: (numbers.Integral,), float: (numbers.Real,)}
"""What counts as a switch or a number: numpy's own do, too."""


def _is_one(value: Any, hint: Any) -> bool:
    if hint is Path:
        return isinstance(value, os.PathLike)
    if hint is str:  # a path or a device does, too
        return isinstance(value, str | os.PathLike) or type(value).__name__ == "device"
    if hint not in NUMBERS:
        return isinstance(value, hint)
    switch = isinstance(value, bool) or type(value).__name__ in ("bool", "bool_")
    return switch if hint is bool else isinstance(value, NUMBERS[hint]) and not switch


def _check_union(value: Any, kinds: tuple[Any, ...], where: str) -> None:
    """Check that the value is of one kind of several; where it is not, the message is about the first."""
    if value is None and type(None) in kinds:
        return
    refused: list[ConfigError] = []
    for kind in kinds:
        if kind is not type(None):
            try:
                check_value(value, kind, where)
            except ConfigError as error:
                refused.append(error)
            else:
                return
    raise refused[0]


def is_deep(plain: Any, levels: int = DEEPEST) -> bool:
    """Tell whether plain data are nested deeper than that, so that not all can walk them."""
    level = [plain]
    for _ in range(levels):
        level = [one for held in level for one in _inside(held)]
        if not level:
            return False
    return True


def _inside(held: Any) -> Iterable[Any]:
    return held.values() if isinstance(held, dict) else held if isinstance(held, list) else ()


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file into plain data; ConfigError names the file, and the line that is not valid TOML."""
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(f"it has more than {LARGEST >> 10} KiB")
        text = path.read_text(encoding="utf-8")
        if any(key.count(".") > DEEPEST for key in re.split(r"[\n,=\[\]{}#]", re.sub(r"[ \t\r]", "", text))):
            raise RecursionError  # of a long a.a.a the parser's time and memory are the square
        plain = tomllib.loads(text)
        if is_deep(plain):
            raise RecursionError
        return plain
    except FileNotFoundError:
        raise ConfigError(f"there is no file {path}.") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error
    except RecursionError as error:
        raise ConfigError(f"{path} is not valid TOML: it is nested too deeply.") from error
    except ValueError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}.") from error
