"""Nothing out of a file moves a cursor, turns a line round, begins a line of its own, or fills a message."""

import logging

import pytest

from semantoks.cli.everywhere import Visible, say
from semantoks.errors import DataError
from semantoks.notebook import as_html
from semantoks.visible import message, one_line, visible

POISON = "a\x1b[31mb\x9bc\x07\u202ed\u2066\u200b\ufeff\ud800\re"
SPELT = r"a\x1b[31mb\x9bc\x07\u202ed\u2066\u200b\ufeff\ud800\re"


def test_control_characters_and_marks_of_direction_are_spelt_and_other_text_stays():
    assert visible(POISON) == SPELT
    assert visible("Zoë 名前 שלום\n\tx") == "Zoë 名前 שלום\n\tx"
    assert one_line("a\nPROBLEM\tb") == r"a\nPROBLEM\tb"
    assert message(SPELT) == SPELT


def test_an_error_is_one_line_that_data_cannot_fill():
    said = str(DataError(f"x.tsv: no number: {POISON}\nPROBLEM " + "9" * 9000 + " Correct it." + " y" * 9000))
    assert SPELT in said
    assert "\n" not in said
    assert len(said) <= 3000
    assert "Correct it." in said


def test_what_is_printed_and_logged_is_visible(capsys):
    say("found", POISON)
    assert capsys.readouterr().out == f"found {SPELT}\n"
    record = logging.LogRecord("semantoks", logging.INFO, "", 1, "read %s", (POISON,), None)
    assert Visible().format(record) == f"read {SPELT}"


@pytest.mark.parametrize("place", ["title", "name", "value"])
def test_a_notebook_shows_names_as_text(place):
    given = {"title": "t", "name": "n", "value": "v"} | {place: f"<script>{POISON}"}
    shown = as_html(given["title"], {given["name"]: given["value"]})
    assert "<script" not in shown
    assert f"&lt;script&gt;{SPELT}" in shown
