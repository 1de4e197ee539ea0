"""The suite's own type checks: they are made at the first call, and refuse what beartype and jaxtyping would."""

import sys
from collections.abc import Callable

import jaxtyping
import numpy as np
import pytest

import typed

VECTOR = jaxtyping.Float[np.ndarray, " n"]
CODE = """
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from jaxtyping import Float
from numpy import ndarray


def both(a: Float[ndarray, "n"], b: Float[ndarray, "n"]) -> Float[ndarray, "n"]:
    return a + b


def plain(a: int) -> str:
    return str(a) if a else a


def over(outer: int) -> Callable[[int], int]:
    def inner(a: int) -> int:
        return outer + a

    return inner


def each(n: int) -> Iterator[int]:
    yield from range(n)


@dataclass
class Held:
    a: int

    def add(self, b: Float[ndarray, "n"]) -> Float[ndarray, "n"]:
        return self.a + b
"""


@pytest.fixture
def room(tmp_path, monkeypatch):
    """A module under the checks."""
    (tmp_path / "checked_room.py").write_text(CODE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    typed.check_types("checked_room")
    yield __import__("checked_room")
    del sys.modules["checked_room"]


def test_what_fits_its_types_goes_through(room):
    assert room.both(np.ones(2), np.ones(2)).tolist() == [2, 2]
    assert (room.plain(1), list(room.each(2)), room.Held(1).add(np.ones(1)).tolist()) == ("1", [0, 1], [2])
    assert [room.over(outer)(1) for outer in (1, 2, 3)] == [2, 3, 4]  # each of a code checked once is itself


@pytest.mark.parametrize(
    "call",
    [
        lambda room: room.both(np.ones(2), np.ones(3)),
        lambda room: room.both(np.ones(2), [1.0, 1.0]),
        lambda room: room.plain("1"),
        lambda room: room.plain(0),
        lambda room: room.over(1)("1"),
        lambda room: (room.over(1)(1), room.over(2)("1")),
        lambda room: list(room.each("1")),
        lambda room: room.Held("1"),
        lambda room: room.Held(1).add(np.ones((1, 1))),
    ],
)
def test_what_does_not_is_refused_by_the_checks(room, call):
    with pytest.raises(TypeError, match=r"Type-check error|violates type hint"):
        call(room)


def test_users_have_no_checks_and_neither_has_a_test_that_asks_for_none(room, untyped):
    assert (room.plain(0), room.Held("1").a) == (0, "1")
    assert room.both(np.ones(1), 1).tolist() == [2]


@pytest.mark.parametrize(
    ("hint", "has"),
    [
        (int, False),
        ("Cohort", True),
        (VECTOR, True),
        (dict[str, tuple[VECTOR, int] | None], True),
        (Callable[[VECTOR], int], True),
        (Callable[..., dict[str, int]], False),
    ],
)
def test_arrays_are_found_wherever_they_stand_in_a_type(hint, has):
    assert typed.has_arrays(hint) is has


def test_each_test_checks_the_first_calls_of_a_function(room):
    calls = [lambda: room.plain("1"), lambda: room.over(1)("1")]
    for call in calls:
        for _ in range(typed.EACH_TEST):
            with pytest.raises(TypeError):
                call()
    assert calls[0]() == "1"
    typed.check_anew()
    with pytest.raises(TypeError):
        calls[0]()
