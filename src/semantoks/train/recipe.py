"""Recipes: named settings of a pretraining, packaged as TOML, or a TOML file of the user's own."""

from importlib import resources
from pathlib import Path

from semantoks.config import from_plain, read_toml
from semantoks.errors import ConfigError
from semantoks.train.loop import PretrainConfig


def list_recipes() -> list[str]:
    """Return the names of the packaged recipes for pretraining."""
    names = (Path(r.name).stem for r in resources.files("semantoks.recipes").iterdir() if r.name.endswith(".toml"))
    return sorted(name for name in names if name != "finetune")


def load_recipe(name: str | Path) -> PretrainConfig:
    """Read a packaged recipe by its name, or a TOML file; keys that are not given keep the published defaults."""
    if str(name) in list_recipes():
        with resources.as_file(resources.files("semantoks.recipes") / f"{name}.toml") as path:
            return from_plain(PretrainConfig, read_toml(path), f"recipe {name}")
    path = Path(name)
    if path.suffix != ".toml":
        raise ConfigError(f"there is no recipe {str(name)!r}: use {', '.join(list_recipes())}, or a FILE.toml.")
    return from_plain(PretrainConfig, read_toml(path), str(path))
