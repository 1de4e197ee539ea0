"""Beartype over the package, made cheap: a function's checks are made at its first call, and axes bound if it has any.

Most functions are never called in a worker of the suite, where the checks of all took ten seconds. What jaxtyping adds
to beartype, that axes agree within a call, costs a call without arrays as much as one with them. What a test calls in a
loop is checked in the first calls: a probe would spend more than half of its time on the thousands that follow.
"""

import functools
import inspect
import types
from collections.abc import Callable
from typing import Any, get_args

import jaxtyping
from beartype import BeartypeConf, beartype
from jaxtyping import AbstractArray, install_import_hook

AT_ONCE = jaxtyping.jaxtyped
AS_JAXTYPING = beartype(conf=BeartypeConf(violation_type=TypeError))
"""Its errors are type errors: a value that a file brings along meets the same ``except`` as without the checks."""
EACH_TEST = 50
"""Calls of a function that are checked in each test."""
LEFT: dict[types.CodeType, int] = {}
"""How many more calls of a function this test checks, by its code; `check_anew` at the start of each."""
JUDGES: dict[types.CodeType, Callable[..., Any]] = {}
"""The checks of functions that are defined within others, by their code: each call of the outer defines them anew."""


def has_arrays(hint: Any) -> bool:
    """Say whether a type has axes, or may have them: one that is written as text is not looked into."""
    if isinstance(hint, list):  # the arguments of a callable
        return any(map(has_arrays, hint))
    own = isinstance(hint, str) or (inspect.isclass(hint) and issubclass(hint, AbstractArray))
    return own or any(map(has_arrays, get_args(hint)))


def checks_of(made: Callable[..., Any], typechecker: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a function: by jaxtyping where an argument or the result is an array, else by beartype alone."""
    signature = inspect.signature(made)
    hints = [signature.return_annotation, *(one.annotation for one in signature.parameters.values())]
    if any(map(has_arrays, hints)):
        return AT_ONCE(made, typechecker=typechecker)
    checked: Callable[..., Any] = AS_JAXTYPING(made)
    return checked


def _instance(_made, /, *args, **options):
    return _made(*args, **options)


def judge_of(made: types.FunctionType, typechecker: Callable[..., Any]) -> Callable[..., Any]:
    """Return the checks of a function within another, which take the function itself before its arguments."""
    if made.__code__ not in JUDGES:
        signature = inspect.signature(made)
        first = inspect.Parameter("_made", inspect.Parameter.POSITIONAL_ONLY)
        twin = types.FunctionType(_instance.__code__, made.__globals__, made.__name__)
        twin.__module__, twin.__qualname__ = made.__module__, made.__qualname__
        twin.__signature__ = signature.replace(parameters=[first, *signature.parameters.values()])
        JUDGES[made.__code__] = AT_ONCE(twin, typechecker=typechecker)
    return functools.partial(JUDGES[made.__code__], made)


def at_first_call(made: Any, *, typechecker: Callable[..., Any]) -> Any:
    """Decorate a function so that its checks are made when it is first called."""
    if not inspect.isfunction(made):
        return AT_ONCE(made, typechecker=typechecker)
    make, checked, code = judge_of if "<locals>" in made.__qualname__ else checks_of, None, made.__code__

    @functools.wraps(made)
    def called(*args: Any, **options: Any) -> Any:
        nonlocal checked
        if jaxtyping.config.jaxtyping_disable or not (left := LEFT.get(code, EACH_TEST)):
            return made(*args, **options)
        LEFT[code] = left - 1
        checked = checked or make(made, typechecker)
        return checked(*args, **options)

    return called


def check_anew() -> None:
    """Begin to count calls anew."""
    LEFT.clear()


def check_types(package: str) -> None:
    """Check the arguments and results of all functions of a package that is imported from now on."""
    jaxtyping.jaxtyped = lambda *, typechecker: functools.partial(at_first_call, typechecker=typechecker)
    jaxtyping._decorator.jaxtyped = at_first_call  # what wraps the methods of a class
    install_import_hook(package, "beartype.beartype")
