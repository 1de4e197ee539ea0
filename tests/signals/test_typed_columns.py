"""From cells to values: missing codes by convention, and numbers however they are written."""

import numpy as np
import pandas as pd
import pytest

from semantoks.signals.typed_columns import missing_codes, typed_column


def typed(cells, name="x", **options):
    return typed_column(pd.Series(cells, name=name), **options)


@pytest.mark.parametrize(
    ("values", "codes"),
    [
        ([30.4, 42.1, 20.0, -9999, -9999], {-9999: 2}),
        ([30.4, 42.1, 20.0, 999], {999: 1}),
        ([104, 99, -9999], {-9999: 1}),
        ([1, 2, 1, 2, -9], {-9: 1}),
        ([0, 3, 20, 11, 99, 99], {99: 2}),
        ([0, 3, 20, 11, 88, 99], {88: 1, 99: 1}),
        ([0, 1, 2, 777, 888, 999], {777: 1, 888: 1, 999: 1}),
        ([0.1, -2.5, 3.0, -99], {-99: 1}),
        ([0.1, -250.0, 300.0, -9999], {-9999: 1}),
        ([55, 100, 7, -9, -9], {-9: 2}),
        ([1.5e6, 2.0e6, -999], {-999: 1}),
        ([-9999, -9999], {-9999: 2}),
        ([6, 18, 30, 99], {99: 1}),
    ],
)
def test_codes_that_no_other_value_comes_near_are_found_and_counted(values, codes):
    assert missing_codes(np.array(values, float)) == codes


@pytest.mark.parametrize(
    "values",
    [
        [18, 40, 60, 99],  # somebody may be 99 years old
        [60, 99],
        [200, 400, 900, 999],  # milliseconds
        [-100, 0, 100, -99],  # handedness
        [-20, -3, 4, -9],
        [3, 5, 10, -9],  # the change of one person
        [1000, 20000, 9999],
        [999],
        [1, 2, 3],
    ],
)
def test_numbers_that_may_be_values_stay(values):
    assert missing_codes(np.array(values, float)) == {}


def test_a_label_may_be_99():
    assert typed(["1", "2", "1", "99", "99"], "SITE_ID").unknown == {}
    assert typed(["1", "2", "1", "99", "99"], "dx").unknown == {"99": 2}


@pytest.mark.parametrize("word", ["unknown", "Missing", "#N/A", ".", "NULL", "-", "not available"])
def test_words_for_unknown_are_missing_among_numbers_and_among_words(word):
    for cells in (["1.5", word, "3"], ["M", word, "F"]):
        found = typed(cells)
        assert found.values.isna().tolist() == [False, True, False]
        assert found.unknown == {word: 1}
    assert typed(["1.5", word, "3"]).values.dtype == float


def test_codes_among_words_are_missing_and_among_padded_numbers_are_not():
    assert typed(["M", "F", "-9999", "999"]).unknown == {"-9999": 1, "999": 1}
    assert typed(["001", "002", "999"]).unknown == {}


def test_a_code_that_a_description_explains_is_a_value():
    assert typed(["1", "2", "99"], declared={"99"}).values.tolist() == [1, 2, 99]
    assert typed(["M", "unknown"], declared={"unknown"}).values.tolist() == ["M", "unknown"]


def test_decimal_commas_are_read_and_thousands_are_not_guessed():
    assert typed(["46,7", "30", "-1,25"]).values.tolist() == [46.7, 30, -1.25]
    assert typed(["1,234", "2,500"], semicolons=True).values.tolist() == [1.234, 2.5]
    assert typed(["0,735", "1,500"]).values.tolist() == [0.735, 1.5]
    assert typed(["0,123", "-0,456"]).values.tolist() == [0.123, -0.456]
    found = typed(["1,234", "2,500"])
    assert found.values.tolist() == ["1,234", "2,500"]
    assert found.notes == [
        "x stays text: the comma of 1,234 may be a decimal one or one of thousands. Write the numbers without it."
    ]
    assert typed(["1.234,5", "2,5"]).values.tolist() == ["1.234,5", "2,5"]


@pytest.mark.parametrize(
    ("cells", "years", "note"),
    [
        (["20", "35.5", ">89"], [20, 35.5, 89], "age: 1 such as >89 as its bound"),
        (["20", "89+", "90 or older"], [20, 89, 90], "age: 2 such as 89+ as its bound"),
        (["25-30", "31-35"], [27.5, 33], "age: 2 such as 25-30 as its middle"),
        (["025Y", "007Y"], [25, 7], "age: 2 such as 025Y as years"),
        (["25y", "25.5 years", "18M"], [25, 25.5, 1.5], "age: 3 such as 25y as years"),
        (["25,5y", "30"], [25.5, 30], "age: 1 such as 25.5y as years"),
    ],
)
def test_ages_are_numbers_however_they_are_written_which_is_said(cells, years, note):
    found = typed(cells, "age")
    assert found.values.tolist() == years
    assert found.notes == [note]


def test_unknown_ages_do_not_keep_the_others_from_being_numbers():
    found = typed(["20", "unknown", ">89", None], "age_at_scan")
    np.testing.assert_array_equal(found.values.astype(float), [20, np.nan, 89, np.nan])
    assert found.unknown == {"unknown": 1}


@pytest.mark.parametrize("cells", [["2010-05", "2011-06"], ["1-2", "a"], ["twenty", "21"], ["30-25", "20"]])
def test_what_is_no_number_stays_text(cells):
    assert typed(cells, "visit").values.tolist() == cells
    assert typed(["30-25", "20"], "age").values.tolist() == ["30-25", "20"]


def test_codes_in_columns_of_numbers_in_memory_are_missing_too():
    found = typed([1.5, -9999.0, 3.0])
    assert found.values.isna().tolist() == [False, True, False]
    assert typed(pd.Series(["a", "b"], dtype="category")).values.tolist() == ["a", "b"]
    assert typed([True, False]).values.dtype == bool
