"""The public face: what it names exists, and naming it costs nothing."""

import subprocess
import sys
from importlib.metadata import version

import pytest

import semantoks

HEAVY = ("torch", "lightning_fabric", "scipy", "sklearn", "matplotlib", "nilearn", "pandas")


def imported_by(code):
    """Which of the heavy packages a fresh interpreter has imported after ``code``."""
    ask = f"import sys\n{code}\nsys.stderr.write(' '.join(n for n in {HEAVY} if n in sys.modules))"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    return done.stderr.split()


def test_what_dir_shows_are_the_public_names():
    assert sorted(dir(semantoks)) == sorted(semantoks.__all__)
    assert {"Encoder", "embed", "prepare", "pretrain", "probe", "step_terms"} <= set(semantoks.__all__)


@pytest.mark.parametrize("name", semantoks.__all__)
def test_a_public_name_is_there_and_is_called_so(name):
    assert getattr(semantoks, name).__name__ == name
    assert getattr(semantoks, name).__name__ == name, "a room of this name hides it as soon as it is imported"


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="attribute pretrian"):
        _ = semantoks.pretrian


def test_the_package_runs_as_a_module_as_torchrun_starts_it():
    done = subprocess.run([sys.executable, "-m", "semantoks", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("semantoks 0.")


def test_a_second_name_is_the_same_function():
    assert semantoks.write_report is semantoks.report
    assert semantoks.checkup is semantoks.doctor


def test_the_version_is_the_packages():
    assert semantoks.__version__ == version("semantoks")


def test_a_former_name_still_works_and_says_what_it_is_called_now():
    with pytest.warns(DeprecationWarning, match=r"ObjectiveConfig is called semantoks\.SelfDistillation now"):
        kind = semantoks.ObjectiveConfig
    assert kind is semantoks.SelfDistillation
    assert kind(token_weight=0.1).token_weight == 0.1
    assert "ObjectiveConfig" not in dir(semantoks)


def test_importing_the_package_imports_nothing_heavy():
    assert imported_by("import semantoks") == []


@pytest.mark.parametrize("words", [[], ["--help"], ["--version"], ["prepare", "--help"], ["probe", "--help"]])
def test_help_imports_nothing_heavy(words):
    assert imported_by(f"from semantoks.cli.main import run\nassert run({words}) == 0") == []
