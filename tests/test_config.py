"""Configurations to plain data and back, and every mistake answered by a sentence."""

import json
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

import pytest

from semantoks.config import from_plain, read_toml, to_plain
from semantoks.errors import ConfigError
from semantoks.evaluate.settings import ProbeConfig
from semantoks.studies.settings import StudyConfig


@dataclass(frozen=True, kw_only=True)
class Inner:
    size: int = 3
    kind: Literal["round", "square"] = "round"


@dataclass(frozen=True, kw_only=True)
class Outer:
    name: str
    rate: float = 0.5
    limit: float | None = None
    on: bool = False
    pair: tuple[float, float] = (0.0, 1.0)
    words: tuple[str, ...] = ()
    inner: Inner = field(default_factory=Inner)
    parts: tuple[Inner, ...] = ()


FULL = Outer(
    name="n",
    rate=1.5,
    limit=2.0,
    on=True,
    pair=(3.0, 4.0),
    words=("a", "b", "c"),
    inner=Inner(size=7, kind="square"),
    parts=(Inner(size=1), Inner(size=2)),
)


def test_a_configuration_survives_json():
    assert from_plain(Outer, json.loads(json.dumps(to_plain(FULL)))) == FULL
    assert to_plain(FULL)["parts"] == [{"size": 1, "kind": "round"}, {"size": 2, "kind": "round"}]


def test_missing_keys_take_their_defaults_and_whole_numbers_become_floats():
    config = from_plain(Outer, {"name": "n", "rate": 2, "pair": [1, 2], "limit": None})
    assert config == Outer(name="n", rate=2.0, pair=(1.0, 2.0))
    assert isinstance(config.rate, float)
    assert all(isinstance(x, float) for x in config.pair)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"name": "n", "rat": 1.0}, r"file has the unknown key 'rat'\. Did you mean 'rate'\?"),
        ({"name": "n", "zzz": 1}, "unknown key 'zzz'. Known: name, rate, limit"),
        ({}, "file lacks name"),
        ({"name": 3}, "file: name has to be of type str, not 3"),
        ({"name": "n", "on": 1}, "on has to be of type bool, not 1"),
        ({"name": "n", "rate": True}, "rate has to be of type float, not True"),
        ({"name": "n", "limit": "x"}, "limit has to be of type float, not 'x'"),
        ({"name": "n", "pair": [1.0]}, r"pair has to be a list of 2 values, not \[1.0\]"),
        ({"name": "n", "pair": 1.0}, "pair has to be a list of 2 values, not 1.0"),
        ({"name": "n", "words": "abc"}, "words has to be a list of values, not 'abc'"),
        ({"name": "n", "words": ["a", 1]}, "words has to be of type str, not 1"),
        ({"name": "n", "inner": 4}, "inner has to be a table of settings, not 4"),
        ({"name": "n", "inner": {"size": True}}, "file: inner: size has to be of type int, not True"),
        ({"name": "n", "inner": {"kind": "rond"}}, "one of round, square, not 'rond'. Did you mean 'round'"),
        ({"name": "n", "parts": [{"sice": 1}]}, "file: parts has the unknown key 'sice'"),
    ],
)
def test_a_wrong_key_or_value_is_named_with_its_place(data, words):
    with pytest.raises(ConfigError, match=words):
        from_plain(Outer, data, "file")


def test_toml_is_read_and_its_faults_are_named_with_the_line(tmp_path):
    path = tmp_path / "a.toml"
    path.write_text("name = 'n'\n[inner]\nsize = 4\n")
    assert from_plain(Outer, read_toml(path)) == Outer(name="n", inner=Inner(size=4))
    path.write_text("name = 'n'\nrate == 3\n")
    with pytest.raises(ConfigError, match=r"a\.toml is not valid TOML: .*line 2"):
        read_toml(path)
    path.write_bytes(b"name = '\xff'\n")
    with pytest.raises(ConfigError, match=r"a\.toml is not valid TOML"):
        read_toml(path)
    with pytest.raises(ConfigError, match="there is no file"):
        read_toml(tmp_path / "b.toml")


@dataclass(frozen=True, kw_only=True)
class Round:
    kind: Literal["round"] = "round"
    radius: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Square:
    kind: Literal["square"] = "square"
    side: float = 1.0


@runtime_checkable
class HasKind(Protocol):
    kind: str


@dataclass(frozen=True, kw_only=True)
class Drawing:
    shape: Round | Square | HasKind = field(default_factory=Round)


def test_a_union_of_dataclasses_is_resolved_by_its_kind_and_the_first_is_the_default():
    assert from_plain(Drawing, {"shape": {"kind": "square", "side": 2.0}}) == Drawing(shape=Square(side=2.0))
    assert from_plain(Drawing, {"shape": {"radius": 3.0}}) == Drawing(shape=Round(radius=3.0))
    assert from_plain(Drawing, to_plain(Drawing(shape=Square()))) == Drawing(shape=Square())


def test_a_kind_that_does_not_exist_and_a_setting_of_another_kind_are_refused():
    with pytest.raises(ConfigError, match=r"kind has to be one of round, square, not 'squre'\. Did you mean 'square'"):
        from_plain(Drawing, {"shape": {"kind": "squre"}})
    with pytest.raises(ConfigError, match="unknown key 'radius'"):
        from_plain(Drawing, {"shape": {"kind": "square", "radius": 1.0}})


def test_numbers_that_no_generator_or_machine_takes_are_refused_in_words():
    for seed, words in ((2**32, "up to 4294967295, not 4294967296"), (10**5000, "below 2.63, not one of 16,610 bits")):
        with pytest.raises(ConfigError, match=words):
            ProbeConfig(seed=seed)
        with pytest.raises(ConfigError, match=words):
            StudyConfig(seeds=(0, seed))
    assert ProbeConfig(seed=2**32 - 1).seed == 2**32 - 1
