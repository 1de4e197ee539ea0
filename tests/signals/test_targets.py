import shlex

import numpy as np
import pandas as pd
import pytest

from semantoks.errors import DataError
from semantoks.signals.targets import of_recorded_sessions, target, without_codes


def people(**columns: list[object]) -> pd.DataFrame:
    n = len(next(iter(columns.values())))
    return pd.DataFrame({"participant_id": [f"{i:02d}" for i in range(n)], **columns})


@pytest.mark.parametrize(
    ("values", "kind", "classes"),
    [
        (["M", "F", "F"], "class", ("F", "M")),
        ([True, False, True], "class", ("False", "True")),
        ([2, 1, 2], "class", ("1", "2")),
        ([2.0, 1.0, np.nan, 2.0], "class", ("1", "2")),
        ([1, 2, 3, 3], "value", None),
        ([0.5, 1.0, 1.0], "value", None),
    ],
)
def test_the_kind_of_a_target_follows_from_its_values(
    values: list[object], kind: str, classes: tuple[str, ...] | None
) -> None:
    got = target(people(t=values), "t")
    assert (got.kind, got.classes) == (kind, classes)
    assert got.missing == sum(value != value for value in values)


def test_a_target_is_indexed_by_participant_and_leaves_the_missing_out() -> None:
    got = target(people(age=[1.5, np.nan, 3.0]), "age")
    assert got.values.to_dict() == {"00": 1.5, "02": 3.0}
    assert got.missing == 1


def test_the_kind_can_be_chosen() -> None:
    scores = people(t=[10, 2, 2, 9])
    assert target(scores, "t", "class").classes == ("2", "9", "10")
    assert target(scores, "t", "class").values.tolist() == ["10", "2", "2", "9"]
    assert target(people(t=[1, 2, 2]), "t", "value").values.tolist() == [1.0, 2.0, 2.0]


def test_rows_of_a_participant_that_agree_count_once() -> None:
    rows = pd.DataFrame({"participant_id": ["a", "a", "b"], "session_id": ["1", "2", "1"], "t": ["x", None, "y"]})
    assert target(rows, "t").values.to_dict() == {"a": "x", "b": "y"}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["x", "x", "x"], "3 participants have it, all with the same value"),
        ([None, None, None], "t cannot be predicted: no participant has a value of it"),
        (["x", "y", "z"], "Is it a name or an id"),
    ],
)
def test_what_cannot_be_predicted_is_refused(values: list[object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        target(people(t=values), "t")


def test_numbers_that_differ_between_sessions_are_averaged_and_it_is_said() -> None:
    rows = pd.DataFrame({"participant_id": ["a", "a", "b"], "session_id": ["1", "2", "1"], "age": [20, 21, 30]})
    got = target(rows, "age")
    assert got.values.to_dict() == {"a": 20.5, "b": 30.0}
    assert got.notes == ("age differs between the rows of 1 of 2 participants: their mean is taken",)


def test_only_sessions_with_a_recording_count() -> None:
    rows = pd.DataFrame({"participant_id": [*"aabbc"], "session_id": [*"12121"], "age": [20, 30, 40, 50, 60]})
    recorded = pd.DataFrame({"participant_id": ["a", "b", "b", "c"], "session_id": ["2", "1", "2", "9"]})
    assert of_recorded_sessions(rows, recorded)["age"].tolist() == [30, 40, 50, 60]


def test_a_class_that_varies_within_a_participant_is_refused_with_an_example() -> None:
    rows = pd.DataFrame({"participant_id": ["a", "a", "b"], "session_id": ["1", "2", "1"], "dx": ["p", "q", "q"]})
    with pytest.raises(DataError, match="dx varies within 1 participant, for example a: p, q"):
        target(rows, "dx")


def test_text_as_a_value_is_refused_with_an_example() -> None:
    with pytest.raises(DataError, match="1 participant has something else, for example 'old'"):
        target(people(t=["1", "2", "old"]), "t", "value")


@pytest.mark.parametrize(
    ("name", "values", "classes"),
    [
        ("sex", [0, 1, 2] * 4, ("0", "1", "2")),
        ("DX_GROUP", [1, 2, 3, 11] * 3, ("1", "2", "3", "11")),
        ("site", list(range(1, 8)) * 3, tuple("1234567")),
        ("severity", [0, 1, 2, 3] * 3, tuple("0123")),
        ("severity", [0, 1, 2, 3] * 3 + [np.nan], tuple("0123")),
    ],
)
def test_codes_are_classes_which_is_said_with_the_ways_out(name: str, values: list[float], classes: tuple) -> None:
    got = target(people(**{name: values}), name)
    assert (got.kind, got.classes) == ("class", classes)
    (note,) = got.notes
    assert note.startswith(f"{name}: {', '.join(classes[:5])}")
    assert f"--as-value {name}" in note
    assert "--missing CODE" in note
    assert target(people(**{name: values}), name, "value").kind == "value"


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("age", [20, 21, 22] * 4),
        ("score", [0, 1, 2, 3, 4, 5] * 4),
        ("group_fd", [0.5, 1.0, 2.0] * 4),
        ("dx_duration", list(range(12)) * 2),
        ("change", [-1, 0, 1] * 4),
        ("site", list(range(20))),
    ],
)
def test_amounts_are_values(name: str, values: list[float]) -> None:
    assert target(people(**{name: values}), name).kind == "value"


def test_a_number_that_may_be_a_code_is_named_with_the_options() -> None:
    got = target(people(age=[18, 25, 35, 40, 60, 99, 99]), "age")
    assert got.kind == "value"
    assert got.notes == (
        "age has 99 (2 x): if that stands for a missing value, give --missing; if it is a class, --as-class",
    )
    assert target(people(iq=[-1, -3, *range(80, 100)]), "iq").notes[0].startswith("iq has -3 (1 x), -1 (1 x), 99 (1 x)")
    assert target(people(z=[-1, -0.5, 0.2, 1.5, -2, -3]), "z").notes == ()


def test_words_among_numbers_are_refused_with_options_that_help() -> None:
    values = [str(i) for i in range(30)] + ["too old", "refused"]
    with pytest.raises(DataError, match="2 of 32 participants words: refused, too old") as error:
        target(people(age=values), "age")
    codes = shlex.split(str(error.value).split("--missing ")[1].split(",")[0])
    assert target(without_codes(people(age=values), codes), "age").kind == "value"


def test_codes_that_are_named_are_missing_as_text_and_as_numbers() -> None:
    table = without_codes(people(age=[1.0, -5.0, 3.0], sex=["M", "F", "x"]), ["-5", "x"])
    assert table["age"].isna().tolist() == [False, True, False]
    assert table["sex"].isna().tolist() == [False, False, True]


@pytest.mark.parametrize(
    ("name", "hint"), [("agee", "Did you mean age"), ("AGE", "Did you mean age"), ("iq", "age, sex")]
)
def test_an_unknown_target_is_answered_with_the_nearest_names(name: str, hint: str) -> None:
    with pytest.raises(DataError, match=hint):
        target(people(age=[1, 2], sex=["M", "F"]), name)


def test_the_id_is_no_target() -> None:
    with pytest.raises(DataError, match="no target 'participant_id'"):
        target(people(age=[1, 2]), "participant_id")


@pytest.mark.parametrize("values", [[1e300, -2e300, 5.0], [1e-300, 2e-300, 3e-300], [1e200, 1.5, 2.5]])
def test_values_whose_square_is_no_number_are_refused_in_words(values):
    table = pd.DataFrame({"participant_id": ["1", "2", "3"], "score": values})
    with pytest.raises(
        DataError, match=r"score has values from .* no variance can be computed: give it in another unit"
    ):
        target(table, "score")
    assert target(table.assign(score=[1e90, -1e90, 5.0]), "score").kind == "value"
