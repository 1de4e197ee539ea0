"""Container, recipe and citation say what the package says."""

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CONDA = {"torch": "pytorch", "matplotlib": "matplotlib-base"}
"""Packages that are called otherwise on conda-forge."""


def recipe():
    text = (ROOT / "packaging" / "conda" / "meta.yaml").read_text()
    return yaml.safe_load(re.sub(r"\{\{ (\w+) \}\}", r"\1", re.sub(r"\{%.*%\}", "", text)))


def test_the_conda_recipe_asks_for_what_the_package_asks_for_and_gives_its_programs():
    asked = [re.fullmatch(r"([\w-]+)(>=.*)", one).groups() for one in PROJECT["dependencies"]]
    wanted = {f"{CONDA.get(name, name)} {least}" for name, least in asked} | {f"python {PROJECT['requires-python']}"}
    assert set(recipe()["requirements"]["run"]) == wanted
    assert {one.split(" = ")[0]: one.split(" = ")[1] for one in recipe()["build"]["entry_points"]} == PROJECT["scripts"]
    assert recipe()["about"]["license"] == PROJECT["license"]
    assert all((ROOT / file).exists() for file in recipe()["about"]["license_file"])


def test_one_version_stands_everywhere():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    text = (ROOT / "packaging" / "conda" / "meta.yaml").read_text()
    assert PROJECT["version"] == version("semantoks") == cited["version"] == re.search(r'version = "(.*)"', text)[1]
    assert " AND ".join(cited["license"]) == PROJECT["license"]


def test_the_program_of_the_package_is_the_one_that_pipx_runs():
    assert PROJECT["name"] in PROJECT["scripts"]
    assert (ROOT / "src" / "semantoks" / "py.typed").exists()


def test_both_containers_install_the_same_and_run_the_bids_app():
    docker, apptainer = ((ROOT / "packaging" / name).read_text() for name in ("Dockerfile", "apptainer.def"))
    assert 'ENTRYPOINT ["semantoks-bids"]' in docker
    assert 'exec semantoks-bids "$@"' in apptainer
    base = re.findall(r"^FROM (\S+)", docker, re.M)
    assert set(base) == {re.search(r"^From: (\S+)", apptainer, re.M)[1]}
    for text in (docker, apptainer):
        assert text.count("pip install --no-cache-dir --constraint") == 2
        assert "--index-url https://download.pytorch.org/whl/cpu torch" in text
        assert {
            name
            for name in re.findall(r"export (\w+)=|^ENV (\w+)|^    ([A-Z_]+)=", text, re.M)
            for name in name
            if name
        } == {*("PYTHONDONTWRITEBYTECODE", "MPLCONFIGDIR", "XDG_CACHE_HOME")}
    steps = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", docker, flags=re.M)).strip().splitlines()
    known = {"FROM", "WORKDIR", "COPY", "RUN", "LABEL", "ENV", "ENTRYPOINT"}
    assert {line.split()[0] for line in steps if line} <= known
