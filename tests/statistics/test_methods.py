"""The table of methods: every row that an evaluation computes is in it, and nothing else is."""

from dataclasses import FrozenInstanceError

import pytest

from semantoks.statistics.methods import (
    BAR,
    CENTRAL,
    METHODS,
    NUISANCES,
    PLAIN,
    PROBED,
    MethodInfo,
    in_order,
    method_look,
    method_name,
)


def test_every_method_has_a_name_and_words_of_its_own():
    assert all(len(info.words) > len(info.name) > 1 for info in METHODS.values())
    for each in ("name", "words"):
        assert len({getattr(info, each) for info in METHODS.values()}) == len(METHODS)


def test_the_table_says_which_methods_are_central_the_bar_costly_or_tuned():
    assert CENTRAL == ("encoder", "fc+encoder", "tangent+encoder", "random_weights", "fc", "fc_tangent")
    assert BAR == ("random_weights", "fc", "fc_tangent", "motion")
    assert NUISANCES == ("random_weights", "motion", "scan", "motion+scan", "site")
    assert [name for name, info in METHODS.items() if info.costly] == [
        "tangent+encoder",
        "fc_tangent",
        "fc_tangent_full",
    ]
    assert set(METHODS) - set(PROBED) == {
        "finetuned",
        "finetuned_random",
        "fc_mlp",
        "fc_transformer",
        "dynamic_graph",
    }


def test_no_two_methods_with_a_look_of_their_own_look_alike():
    looks = [info.look for info in METHODS.values() if info.look != PLAIN]
    assert len(set(looks)) == len(looks) == 8
    assert method_look("fc").marker == "s"
    assert method_look("mine") == method_look("roi") == PLAIN


def test_a_method_that_is_not_listed_goes_by_its_own_name_before_what_is_fine_tuned():
    assert method_name("mine") == "mine"
    assert in_order(["finetuned", "mine", "motion", "encoder", "mine"]) == ["encoder", "motion", "mine", "finetuned"]


def test_nobody_changes_the_table():
    with pytest.raises(TypeError):
        METHODS["fc"] = MethodInfo(name="x", words="y")  # type: ignore[index]
    with pytest.raises(FrozenInstanceError):
        METHODS["fc"].name = "x"  # type: ignore[misc]
