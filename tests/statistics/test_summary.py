"""The summary of an evaluation against its parts, and what must not change it."""

import numpy as np
import pandas as pd
import pytest
from simulated_predictions import said

from semantoks.statistics.intervals import bootstrap, interval
from semantoks.statistics.paired import corrected_t, holm, unit_contributions
from semantoks.statistics.summary import summarise
from semantoks.statistics.tables import SUMMARY
from semantoks.statistics.tested import held_out

FEW = {"samples": 50, "flips": 199}


def both(*parts):
    """Join (scores, predictions) of several targets or analyses."""
    return tuple(pd.concat(tables, ignore_index=True) for tables in zip(*parts, strict=True))


def row(table, method, target="t", analysis="main"):
    chosen = (table["method"] == method) & (table["target"] == target) & (table["analysis"] == analysis)
    (found,) = table[chosen].to_dict("records")
    return found


def test_every_column_is_what_its_part_says():
    scores, predictions = said(skill=0.5)
    scores.loc[scores["split"] == 0, "peeked"] += 0.08
    table = summarise(scores, predictions, **FEW)
    assert tuple(table.columns) == SUMMARY
    assert table["method"].tolist() == ["encoder", "fc", "motion"]
    found = row(table, "encoder")
    each = scores.pivot(index="split", columns="method", values="balanced_accuracy")
    away = each["encoder"] - each["fc"]
    assert found["metric"] == "balanced_accuracy"
    assert found["kind"] == "class"
    assert found["splits"] == 8
    assert found["mean"] == pytest.approx(each["encoder"].mean())
    assert found["sd"] == pytest.approx(each["encoder"].std(ddof=1))
    assert found["diff"] == pytest.approx(away.mean())
    assert found["p_t"] == pytest.approx(corrected_t(away.to_numpy(), 30.0, 10.0)[1])
    assert found["p"] == max(found["p_t"], found["p_flip"])
    assert found["optimism"] == pytest.approx(0.01 + 0.08 / 8)
    assert found["low"] < found["mean"] < found["high"]
    assert found["diff_low"] < found["diff"] < found["diff_high"]
    assert np.isnan(found["p_null"])
    contributions = unit_contributions(held_out(predictions, ["encoder", "fc"]), "balanced_accuracy", 1)
    assert found["diff"] == pytest.approx(contributions[:, 0].sum())


def test_intervals_of_differences_use_the_same_people_for_both_methods():
    """A method that says what FC says differs from it in no sample; FC itself is compared with nothing."""
    scores, predictions = said(kind="value")
    copy = [table[table["method"] == "fc"].assign(method="copy") for table in (scores, predictions)]
    table = summarise(*both((scores, predictions), copy), **FEW)
    found = row(table, "copy")
    assert (found["diff"], found["diff_low"], found["diff_high"]) == (0, 0, 0)
    assert (found["p_t"], found["p_flip"], found["p_holm"]) == (1, 1, 1)
    assert found["verdict"] == "not distinguishable"
    assert (found["low"], found["high"]) == (row(table, "fc")["low"], row(table, "fc")["high"])
    assert table[table["method"] == "fc"][["diff", "diff_low", "diff_high", "p", "p_holm"]].isna().all(axis=None)
    assert row(table, "fc")["verdict"] == ""


def test_a_better_method_is_better_and_a_worse_one_worse_by_either_kind_of_metric():
    good, bad = said(kind="value", skill=30.0, methods=("encoder",), n=80), said(kind="value", skill=0.5, n=80)
    bad = tuple(table[table["method"] != "encoder"] for table in bad)
    poor = tuple(table[table["method"] == "fc"].assign(method="poor") for table in said(kind="value", skill=-2.0, n=80))
    table = summarise(*both(good, bad, poor), **FEW)
    assert [row(table, name)["verdict"] for name in ("encoder", "poor", "motion")] == [
        "yes",
        "no",
        "not distinguishable",
    ]
    # The encoder's values are 30 times too large: right in their order, wrong in their size.
    error = summarise(*both(good, bad, poor), metrics={"value": "mae"}, **FEW)
    assert row(error, "encoder")["metric"] == "mae"
    assert row(error, "encoder")["diff"] > 0
    assert row(error, "encoder")["verdict"] == "no"
    assert np.isnan(row(error, "encoder")["optimism"])


def test_holm_is_over_the_targets_of_one_method_and_analysis():
    parts = [said(target=name, seed=seed, skill=0.3 * seed) for seed, name in enumerate("abc")]
    parts.append(said(target="a", analysis="deconfounded", condition="site"))
    table = summarise(*both(*parts), **FEW)
    for analysis, method in (("main", "encoder"), ("main", "motion"), ("deconfounded", "encoder")):
        rows = table[(table["analysis"] == analysis) & (table["method"] == method)]
        assert rows["p_holm"].to_numpy() == pytest.approx(holm(rows["p"].to_numpy()))
    assert table["analysis"].tolist() == ["main"] * 9 + ["deconfounded"] * 3


def test_the_null_and_other_analyses_are_not_scored_but_the_null_gives_its_p():
    scores, predictions = said()
    null = {
        "analysis": "permutation",
        "condition": "",
        "target": "t",
        "kind": "class",
        "method": "encoder",
        "split": -1,
    }
    curve = scores.assign(analysis="learning_curve", condition="20")
    more = both((scores, predictions), said(analysis="deconfounded", condition="site"))
    table = summarise(pd.concat([more[0], curve, pd.DataFrame([{**null, "p": 0.004}])]), more[1], **FEW)
    assert row(table, "encoder")["p_null"] == 0.004
    assert np.isnan(row(table, "fc")["p_null"])
    assert np.isnan(row(table, "encoder", analysis="deconfounded")["p_null"])
    assert set(table["analysis"]) == {"main", "deconfounded"}


def test_numbers_depend_on_the_seed_alone():
    """Not on the order of the rows, nor on other targets and methods."""
    one, other = said(kind="value"), said(target="a", seed=1)
    first = summarise(*both(one, other), **FEW)
    shuffled = [table.sample(frac=1, random_state=3) for table in both(one, other)]
    pd.testing.assert_frame_equal(summarise(*shuffled, **FEW), first)
    alone = summarise(*one, **FEW)
    columns = [name for name in SUMMARY if name not in ("p_holm", "verdict")]
    same = first[first["target"] == "t"].reset_index(drop=True)
    pd.testing.assert_frame_equal(same[columns], alone[columns])
    fewer = summarise(*(table[table["method"] != "motion"] for table in one), **FEW)
    expected = alone[alone["method"] != "motion"].reset_index(drop=True)
    pd.testing.assert_frame_equal(fewer, expected)
    assert (summarise(*one, **FEW, seed=1)["low"] != alone["low"]).any()


def test_people_who_train_for_each_other_widen_intervals_and_raise_p():
    """The same predictions, once as folds, once as single test sides of people who trained nobody."""
    scores, predictions = said(skill=0.5)
    one = summarise(scores.assign(n_train=1e9), predictions, **FEW)
    folds = summarise(scores, predictions, **FEW)
    for name in ("encoder", "motion"):
        narrow, wide = row(one, name), row(folds, name)
        for low, high in (("low", "high"), ("diff_low", "diff_high")):
            assert wide[high] - wide[low] == pytest.approx(np.sqrt(2) * (narrow[high] - narrow[low]))
        assert wide["p_flip"] > narrow["p_flip"]


def test_an_interval_stays_within_what_the_score_can_be():
    scores, predictions = said(skill=2.5)
    table = summarise(scores, predictions, **FEW)
    assert row(table, "encoder")["high"] == 1.0
    assert row(table, "encoder")["low"] < row(table, "encoder")["mean"] < 1


def test_more_samples_and_flips_are_used():
    tables = said(skill=0.5)
    more = summarise(*tables, samples=60, flips=399)
    assert (more["low"] != summarise(*tables, **FEW)["low"]).any()
    assert row(more, "encoder")["p_flip"] * 400 == pytest.approx(round(row(more, "encoder")["p_flip"] * 400))


def test_with_fewer_than_three_splits_in_common_there_is_no_verdict():
    """However clear the case is: here one is always right and the other always wrong."""
    good = tuple(t[t["method"] == "encoder"] for t in said(skill=20.0, n=80))
    bad = tuple(t[t["method"] == "fc"] for t in said(skill=-20.0, n=80))
    few = tuple(table[table["split"] < 2] for table in bad)
    assert row(summarise(*both(good, bad), **FEW), "encoder")["verdict"] == "yes"
    table = summarise(*both(good, few), metrics={"class": "balanced_accuracy"}, **FEW)
    assert row(table, "encoder")["splits"] == 8
    assert row(table, "encoder")["diff"] == 1
    assert row(table, "encoder")["p_holm"] < 0.05
    assert row(table, "encoder")["verdict"] == "not distinguishable"


def test_without_fc_or_without_predictions_the_rest_is_still_there():
    scores, predictions = said()
    table = summarise(scores[scores["method"] != "fc"], predictions[predictions["method"] != "fc"], **FEW)
    assert (table["verdict"] == "").all()
    assert table[["low", "high"]].notna().all(axis=None)
    assert table[["diff", "p_t", "p_flip"]].isna().all(axis=None)
    bare = summarise(scores, predictions[:0], **FEW)
    assert bare[["mean", "sd"]].notna().all(axis=None)
    assert bare[["low", "p_flip", "p"]].isna().all(axis=None)
    assert row(bare, "encoder")["verdict"] == "not distinguishable"
    assert summarise(scores[:0], predictions, **FEW).empty


def test_the_interval_is_that_of_the_bootstrap_over_splits():
    """With one unit everybody is always drawn once: the interval is the score."""
    scores, predictions = said(groups=np.zeros(40, int))
    found = row(summarise(scores, predictions, **FEW), "encoder")
    assert found["low"] == pytest.approx(found["mean"])
    assert found["high"] == pytest.approx(found["mean"])
    sides = held_out(predictions, ["encoder"])
    assert interval(bootstrap(sides, "balanced_accuracy", np.ones((1, 2))), 1.0)[0] == pytest.approx(
        [found["mean"]] * 2
    )
