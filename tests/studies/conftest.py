"""Forty tiny people, a recipe that trains in moments, and the command line."""

import pytest

from semantoks.cli.main import run
from semantoks.studies.sides import hold_out
from tiny_people import QUICK_STUDY, RECIPE, make_people, write_cohort


@pytest.fixture(scope="session")
def people(tmp_path_factory):
    """A cohort of forty people with planted answers."""
    return write_cohort(tmp_path_factory.mktemp("studied"), *make_people(40))


@pytest.fixture(scope="session")
def halves(people):
    """Half of them held out."""
    return hold_out(people, 0.5, min_seconds=0.0)


@pytest.fixture(scope="session")
def most(people):
    """Twenty-eight of them to train on."""
    return hold_out(people, 0.3, min_seconds=0.0)


@pytest.fixture(scope="session")
def recipe(tmp_path_factory):
    """A file with a recipe."""
    path = tmp_path_factory.mktemp("recipe") / "tiny.toml"
    path.write_text(RECIPE)
    return path


@pytest.fixture
def command(people, recipe, capsys):
    """Run a study's command on the people; return its exit code and what it wrote."""

    def type_it(name, out, *words):
        code = run([name, str(people.path), "--recipe", str(recipe), "--out", str(out), *QUICK_STUDY, *map(str, words)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return type_it
