"""The summary of an evaluation against its parts, and what must not change it."""

import numpy as np
import pandas as pd
import pytest
from simulated_predictions import said

from semantoks.errors import ConfigError
from semantoks.statistics.intervals import bootstrap, interval, stretched
from semantoks.statistics.paired import corrected_mean, holm, unit_contributions
from semantoks.statistics.summary import summarise
from semantoks.statistics.tables import SUMMARY
from semantoks.statistics.tested import held_out

pytestmark = pytest.mark.slow

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
    by_splits = corrected_mean(away.to_numpy(), 30.0, np.full(8, 10.0))
    assert found["p_t"] == pytest.approx(by_splits.p)
    assert found["p"] == max(found["p_t"], found["p_flip"])
    assert found["optimism"] == pytest.approx(0.01 + 0.08 / 8)
    assert found["low"] < found["mean"] < found["high"]
    assert found["diff_low"] <= by_splits.interval(0.95)[0] < found["diff"] < by_splits.interval(0.95)[1]
    assert np.isnan(found["p_equal"])
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
    assert found["verdict"] == "undecided"
    assert (found["low"], found["high"]) == (row(table, "fc")["low"], row(table, "fc")["high"])
    assert table[table["method"] == "fc"][["diff", "diff_low", "diff_high", "p", "p_holm"]].isna().all(axis=None)
    assert row(table, "fc")["verdict"] == ""


def test_a_verdict_says_on_which_side_of_fc_a_score_is_whatever_the_metric():
    good, bad = said(kind="value", skill=30.0, methods=("encoder",), n=80), said(kind="value", skill=0.5, n=80)
    bad = tuple(table[table["method"] != "encoder"] for table in bad)
    poor = tuple(table[table["method"] == "fc"].assign(method="poor") for table in said(kind="value", skill=-2.0, n=80))
    table = summarise(*both(good, bad, poor), **FEW)
    assert [row(table, name)["verdict"] for name in ("encoder", "poor", "motion")] == [
        "higher",
        "lower",
        "undecided",
    ]
    # The encoder's values are 30 times too large: right in their order, wrong in their size.
    error = summarise(*both(good, bad, poor), metrics={"value": "mae"}, **FEW)
    assert row(error, "encoder")["metric"] == "mae"
    assert row(error, "encoder")["diff"] > 0
    assert row(error, "encoder")["verdict"] == "higher"
    assert np.isnan(row(error, "encoder")["optimism"])


def test_holm_is_over_the_targets_of_one_method_and_analysis():
    parts = [said(target=name, seed=seed, skill=0.3 * seed) for seed, name in enumerate("abc")]
    parts.append(said(target="a", analysis="deconfounded", condition="site"))
    table = summarise(*both(*parts), **FEW)
    for analysis, method in (("main", "encoder"), ("main", "motion"), ("deconfounded", "encoder")):
        rows = table[(table["analysis"] == analysis) & (table["method"] == method)]
        assert rows["p_holm"].to_numpy() == pytest.approx(holm(rows["p"].to_numpy()))
    assert table["analysis"].tolist() == ["main"] * 9 + ["deconfounded"] * 3


def test_the_null_and_other_analyses_are_not_scored_but_the_null_gives_its_score_and_p():
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
    table = summarise(
        pd.concat([more[0], curve, pd.DataFrame([{**null, "p": 0.004, "balanced_accuracy": 0.61}])]), more[1], **FEW
    )
    assert (row(table, "encoder")["p_null"], row(table, "encoder")["null_mean"]) == (0.004, 0.61)
    assert row(table, "encoder")["mean"] != 0.61
    assert np.isnan([row(table, "fc")["p_null"], row(table, "fc")["null_mean"]]).all()
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
    expected = alone[alone["method"] != "motion"].reset_index(drop=True).assign(reached_by="")
    pd.testing.assert_frame_equal(fewer, expected)
    assert (summarise(*one, **FEW, seed=1)["low"] != alone["low"]).any()


def test_people_who_train_for_each_other_widen_intervals_and_raise_p():
    """The same predictions, once as folds, once as single test sides of people who trained nobody."""
    scores, predictions = said(skill=0.5)
    one = summarise(scores.assign(n_train=1e9), predictions, **FEW)
    folds = summarise(scores, predictions, **FEW)
    for name in ("encoder", "motion"):
        narrow, wide = row(one, name), row(folds, name)
        assert wide["high"] - wide["low"] == pytest.approx(np.sqrt(2) * (narrow["high"] - narrow["low"]))
        assert wide["diff_high"] - wide["diff_low"] > narrow["diff_high"] - narrow["diff_low"]
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
    assert row(summarise(*both(good, bad), **FEW), "encoder")["verdict"] == "higher"
    table = summarise(*both(good, few), metrics={"class": "balanced_accuracy"}, **FEW)
    assert row(table, "encoder")["splits"] == 8
    assert row(table, "encoder")["diff"] == 1
    assert row(table, "encoder")["p_holm"] < 0.05
    assert row(table, "encoder")["verdict"] == "undecided"


def test_without_fc_or_without_predictions_the_rest_is_still_there():
    scores, predictions = said()
    table = summarise(scores[scores["method"] != "fc"], predictions[predictions["method"] != "fc"], **FEW)
    assert (table["verdict"] == "").all()
    assert table[["low", "high"]].notna().all(axis=None)
    assert table[["diff", "p_t", "p_flip"]].isna().all(axis=None)
    bare = summarise(scores, predictions[:0], **FEW)
    assert bare[["mean", "sd"]].notna().all(axis=None)
    assert bare[["low", "p_flip", "p"]].isna().all(axis=None)
    assert row(bare, "encoder")["verdict"] == "undecided"
    assert summarise(scores[:0], predictions, **FEW).empty


def test_the_interval_is_that_of_the_bootstrap_over_splits():
    """With one unit everybody is always drawn once: the interval is the score."""
    scores, predictions = said(groups=np.zeros(40, int))
    found = row(summarise(scores, predictions, **FEW), "encoder")
    assert found["low"] == pytest.approx(found["mean"])
    assert found["high"] == pytest.approx(found["mean"])
    sides = held_out(predictions, ["encoder"])
    samples = stretched(bootstrap(sides, "balanced_accuracy", np.ones((1, 2))), np.full(8, 10), 1.0)
    assert interval(samples)[0] == pytest.approx([found["mean"]] * 2)


def test_undecided_is_what_an_interval_or_p_leaves_open_and_what_only_one_of_them_decides():
    """One clear target among many others: its interval excludes zero, its p after Holm does not suffice."""
    tables = [said(kind="value", skill=0.35, seed=3)]
    one = summarise(*tables[0], **FEW)
    assert row(one, "encoder")["verdict"] == "undecided"
    assert row(one, "encoder")["diff_low"] < 0 < row(one, "encoder")["diff_high"]
    better = said(kind="value", skill=30.0, methods=("encoder",)), said(kind="value", skill=0.5, methods=("fc",))
    sure = summarise(*both(*better), **FEW)
    assert row(sure, "encoder")["verdict"] == "higher"
    more = [tuple(t.assign(target=f"u{i}") for t in both(*better)) for i in range(20)]
    many = summarise(*both(*better, *more), **FEW)
    found = row(many, "encoder")
    assert found["diff_low"] > 0
    assert found["p_holm"] > 0.05
    assert found["verdict"] == "undecided"


def test_where_p_is_small_the_interval_excludes_zero_and_the_other_way_round():
    """Both are the more cautious of the same two models."""
    for seed in range(40):
        table = summarise(*said(kind="value", skill=0.6, seed=seed), samples=400, flips=999)
        for found in table[table["method"] != "fc"].to_dict("records"):
            if found["p_t"] > 0.05:
                assert found["diff_low"] <= 0 <= found["diff_high"]
            if found["p"] < 0.03:
                assert found["diff_low"] > 0 or found["diff_high"] < 0


def test_as_good_as_fc_needs_a_bound_and_a_difference_that_is_surely_within_it():
    scores, predictions = said(kind="value", skill=3.0, n=200)
    copy = [table[table["method"] == "fc"].assign(method="copy") for table in (scores, predictions)]
    tables = both((scores, predictions), copy)
    assert summarise(*tables, **FEW)["p_equal"].isna().all()
    wide, narrow = (summarise(*tables, bound=bound, samples=999, flips=99) for bound in (0.5, 1e-6))
    assert row(wide, "encoder")["p_equal"] < 0.05
    assert row(wide, "encoder")["verdict"] == "undecided"
    assert row(narrow, "encoder")["p_equal"] > 0.5
    assert row(narrow, "copy")["p_equal"] == pytest.approx(1 / 1000)
    assert np.isnan(row(wide, "fc")["p_equal"])
    with pytest.raises(ConfigError, match=r"has to be above 0, not -0\.1"):
        summarise(*tables, bound=-0.1, **FEW)


def test_being_as_good_as_fc_is_corrected_over_targets_like_any_other_p():
    parts = [said(kind="value", target=name, seed=seed, n=200, skill=3.0) for seed, name in enumerate("abc")]
    each = [
        row(summarise(*part, bound=0.1, **FEW), "encoder", target=t)["p_equal"]
        for t, part in zip("abc", parts, strict=True)
    ]
    table = summarise(*both(*parts), bound=0.1, **FEW)
    found = [row(table, "encoder", target=name)["p_equal"] for name in "abc"]
    assert found == pytest.approx(holm(np.array(each)))


def test_a_split_counts_by_its_people():
    """One person who is right for the encoder and wrong for FC must not outweigh thirty."""
    scores, predictions = said()
    tiny = scores["split"] == 0
    scores.loc[tiny, "n_test"] = 1.0
    scores.loc[tiny & (scores["method"] == "encoder"), "balanced_accuracy"] = 1.0
    scores.loc[tiny & (scores["method"] == "fc"), "balanced_accuracy"] = 0.0
    found = row(summarise(scores, predictions[:0], **FEW), "encoder")
    each = scores.pivot(index="split", columns="method", values="balanced_accuracy")
    weights = np.array([1.0, *[10.0] * 7])
    assert found["mean"] == pytest.approx(np.average(each["encoder"], weights=weights))
    assert found["diff"] == pytest.approx(np.average(each["encoder"] - each["fc"], weights=weights))


def test_what_reaches_a_score_without_the_brain_is_named():
    parts = [said(methods=("encoder", "fc"), skill=1.5, n=200), said(methods=("motion",), skill=1.5, n=200, seed=0)]
    parts += [said(methods=("random_weights", "site"), skill=0.0, n=200, seed=0)]
    table = summarise(*both(*parts), **FEW)
    assert row(table, "encoder")["reached_by"] == "motion"
    assert row(table, "motion")["reached_by"] == ""
    low = row(table, "encoder")["low"]
    assert row(table, "motion")["mean"] >= low > row(table, "site")["mean"]
    errors = summarise(
        *both(*(said(kind="value", methods=(m,), skill=1.0) for m in ("encoder", "motion", "fc"))),
        metrics={"value": "mae"},
        **FEW,
    )
    assert row(errors, "encoder")["reached_by"] == "motion"


def test_the_second_bar_is_compared_as_the_first_is_and_changes_nothing_beside_it():
    """With tangent FC in FC's place, every number beside it is the one that would stand beside FC."""
    scores, predictions = said(kind="value", skill=0.5, methods=("encoder", "fc", "motion"))
    swapped = [table.assign(method=table["method"].replace({"fc": "fc_tangent"})) for table in (scores, predictions)]
    beside = [name for name in SUMMARY if name.startswith("tangent_")]
    one, other = summarise(scores, predictions, bound=0.1, **FEW), summarise(*swapped, bound=0.1, **FEW)
    assert one[[name for name in beside if name != "tangent_verdict"]].isna().all(axis=None)
    assert (one["tangent_verdict"] == "").all()
    for method in ("encoder", "motion"):
        for name in beside:
            assert row(other, method)[name] == row(one, method)[name.removeprefix("tangent_")]
    both = summarise(*both_bars(scores, predictions, swapped), bound=0.1, **FEW)
    for method in ("encoder", "motion"):
        for name in (name.removeprefix("tangent_") for name in beside):
            assert row(both, method)[name] == row(one, method)[name]
    assert row(both, "fc")["tangent_diff"] == 0
    assert row(both, "fc_tangent")["tangent_verdict"] == ""


def both_bars(scores, predictions, swapped):
    """Add tangent FC, which says what FC says."""
    only = [table[table["method"] == "fc_tangent"] for table in swapped]
    return both((scores, predictions), only)


def test_holm_counts_the_targets_of_each_bar_on_its_own():
    parts = [said(skill=0.5, target=name, seed=seed) for seed, name in enumerate(("a", "b", "c"))]
    swapped = [[t[t["method"] == "fc"].assign(method="fc_tangent") for t in part] for part in parts]
    table = summarise(*both(*parts, *swapped), **FEW)
    own = table[table["method"] == "encoder"]
    np.testing.assert_allclose(own["p_holm"], holm(own["p"].to_numpy()))
    np.testing.assert_allclose(own["tangent_p_holm"], holm(own["tangent_p"].to_numpy()))
