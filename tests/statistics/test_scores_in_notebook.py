"""The answer of a probe in a notebook: its table of scores, and in all else a DataFrame."""

import pickle

import pandas as pd
from simulated_predictions import said

from semantoks.statistics.shown import Scores
from semantoks.statistics.summary import summarise


def cell(text):
    return f"<td style='text-align:left'>{text}</td>"


def test_an_answer_shows_every_method_with_its_score_and_its_difference_from_fc():
    scores, predictions = said(skill=0.5)
    table = summarise(scores, predictions, samples=20, flips=20)
    shown = table._repr_html_()
    assert shown.count("<caption") == 1
    for row in table.to_dict("records"):
        assert f"<th style='text-align:left'>{row['method']}</th>{cell(format(row['mean'], '.3f'))}" in shown
        difference = cell(f"{row['diff']:+.3f}") + cell(f"[{row['diff_low']:+.3f}, {row['diff_high']:+.3f}]")
        assert (difference in shown) == (row["method"] != "fc")
    assert "nan" not in shown


def test_names_are_text_and_other_analyses_are_counted():
    scores, predictions = said(skill=0.5)
    table = summarise(scores, predictions, samples=20, flips=20)
    other = table.assign(analysis="deconfounded", condition="age")
    shown = Scores(pd.concat([table.assign(target="<b>\x1b"), other]))._repr_html_()
    assert "&lt;b&gt;\\x1b: balanced accuracy" in shown
    assert "3 rows of deconfounded" in shown


def test_in_all_else_an_answer_is_a_data_frame():
    scores, predictions = said(skill=0.5)
    table = summarise(scores, predictions, samples=20, flips=20)
    assert isinstance(table, pd.DataFrame)
    assert type(table[["method", "mean"]]) is type(table.query("method == 'fc'")) is pd.DataFrame
    pd.testing.assert_frame_equal(pickle.loads(pickle.dumps(table)), table)
    assert "<td>" in Scores(table[["method", "mean"]])._repr_html_()
