"""Whoever knows the commands knows the functions: the same names, options and defaults on both sides."""

import dataclasses
import inspect
import re
import typing

import pytest

import semantoks
from semantoks.cli.completing import options_of
from semantoks.cli.everywhere import FLAGS
from semantoks.cli.main import COMMANDS

OTHER_NAME = {
    **{"target": "targets", "as": "tool"},  # several may be one; a word of the language
    **{"recipe": "config"},  # which load_recipe reads
}
ONLY_HERE = {
    "doctor": {"files", "table"},  # a list of files is a source, too; the table is in what is returned
    "prepare": {"files"},
    "embed": {"files", "out"},  # the table is returned
}
OTHER_DEFAULT = {("probe", "n_jobs")}
"""A session keeps its other cores unless it is told otherwise."""


def settings_of(hint):
    """Yield the settings classes among the kinds that a parameter may be of."""
    kinds = typing.get_args(hint) or (hint,)
    yield from (kind for kind in kinds if dataclasses.is_dataclass(kind))


def names_in(kind):
    """Yield the fields of settings, and theirs as ``outer.inner``."""
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        yield field.name
        for inner in settings_of(hints[field.name]):
            yield from (f"{field.name}.{name}" for name in names_in(inner))


def names_of(function):
    """Return what a call can say: its parameters, and the fields of the settings among them."""
    found = set()
    for name, hint in typing.get_type_hints(function).items():
        found |= {name} | {inside for kind in settings_of(hint) for inside in names_in(kind)}
    return found


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_a_documented_function_of_its_name_with_its_options(name):
    function = getattr(semantoks, name)
    assert inspect.isfunction(function)
    assert (function.__name__, name in semantoks.__all__) == (name, True)
    assert len(inspect.getdoc(function) or "") > 100
    known = names_of(function) | ONLY_HERE.get(name, set())
    options = [re.sub("^--", "", one).replace("-", "_") for one in options_of(name) if one not in {*FLAGS, "--help"}]
    positive = {option for option in options if not re.search(r"(^|\.)no_", option)}
    assert {one for one in positive if not {one, OTHER_NAME.get(one)} & known} == set()


@pytest.mark.parametrize("name", COMMANDS)
def test_what_is_left_out_is_the_same_on_both_sides(name):
    theirs = inspect.signature(COMMANDS[name]).parameters
    ours = inspect.signature(getattr(semantoks, name)).parameters
    for shared in set(theirs) & set(ours) - {"source", "config", "blocks"}:
        if (name, shared) not in OTHER_DEFAULT:
            assert str(ours[shared].default) == str(theirs[shared].default), shared
