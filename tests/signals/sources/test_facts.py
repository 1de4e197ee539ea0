import math
from pathlib import Path

import pandas as pd
import pytest

from semantoks.errors import ConfigError, DataError
from semantoks.signals.sources.source import FactTable, Item


def item(participant: str = "a", session: str = "", *, run: str = "", path: str = "k") -> Item:
    return Item(key="k", path=Path(path), row=None, participant=participant, session=session, run=run)


def people(**columns: list[object]) -> pd.DataFrame:
    return pd.DataFrame({"participant_id": ["a", "b"], **columns})


@pytest.mark.parametrize("column", ["tr", "TR", "repetition_time", "RepetitionTime"])
def test_the_repetition_time_comes_from_the_table(column: str) -> None:
    facts = FactTable(people(**{column: [1.5, 3.0]}), None)
    assert (facts.of(item("a")).tr, facts.of(item("b")).tr) == (1.5, 3.0)


def test_the_option_holds_for_those_whom_the_table_says_nothing_about() -> None:
    facts = FactTable(people(tr=[2.0, None]), 2.0)
    assert [facts.of(item(who)).tr for who in ("a", "b", "unknown")] == [2.0, 2.0, 2.0]


def test_option_and_table_that_disagree_are_an_error_that_names_both() -> None:
    facts = FactTable(people(tr=[1.5, 2.0]), 2.0)
    with pytest.raises(DataError, match=r"--tr says 2 s, but the participants table says 1\.5 s for participant a"):
        facts.of(item("a"))
    assert facts.of(item("b")).tr == 2.0


@pytest.mark.parametrize("table", [None, people(age=[1, 2]), people(tr=[None, None])])
def test_without_any_repetition_time_nothing_is_opened(table: pd.DataFrame | None) -> None:
    with pytest.raises(ConfigError, match=r"no repetition time: pass --tr SECONDS or add a `tr` column"):
        FactTable(table, None)


def test_one_without_a_repetition_time_is_refused_alone() -> None:
    facts = FactTable(people(tr=[1.5, None]), None)
    with pytest.raises(DataError, match="no repetition time for k: participant b has no `tr`"):
        facts.of(item("b"))
    with pytest.raises(DataError, match="participant c is in no table"):
        facts.of(item("c"))


@pytest.mark.parametrize("tr", [0.0, 0.29, 6.1, 2000.0, math.nan])
def test_an_option_out_of_range_is_refused(tr: float) -> None:
    with pytest.raises(ConfigError, match=r"between 0\.3 and 6 seconds"):
        FactTable(None, tr)


def test_ids_that_all_differ_from_the_table_s_are_refused_at_once() -> None:
    facts = FactTable(people(tr=[1.5, 1.5]), None)
    facts.require_any_tr([item("a"), item("x")])
    with pytest.raises(ConfigError, match=r"none of the 2 participants \(for example x\) is among the 2 .*example a\)"):
        facts.require_any_tr([item("x"), item("y")])
    FactTable(people(tr=[1.5, 1.5]), 1.5).require_any_tr([item("x")])


def test_a_session_has_facts_of_its_own() -> None:
    table = pd.DataFrame(
        {"participant_id": ["a", "a"], "session_id": ["1", "2"], "tr": [1.0, 2.0], "mean_fd": [0.1, 0.2]}
    )
    facts = FactTable(table, None)
    assert [facts.of(item("a", s)).tr for s in ("1", "2")] == [1.0, 2.0]
    assert [facts.of(item("a", s)).mean_fd for s in ("1", "2")] == [0.1, 0.2]
    with pytest.raises(DataError, match=r"participant a several repetition times: \[1\.0, 2\.0\]"):
        facts.of(item("a"))
    with pytest.raises(DataError, match="participant a, session 3"):
        facts.of(item("a", "3"))


def test_rows_that_agree_say_it_and_rows_that_do_not_say_nothing() -> None:
    table = pd.DataFrame({"participant_id": ["a", "a"], "session_id": ["1", "2"], "mean_fd": [0.1, 0.2], "site": "s"})
    facts = FactTable(table, 2.0).of(item("a"))
    assert facts.site == "s"
    assert math.isnan(facts.mean_fd)


@pytest.mark.parametrize("column", ["site", "SITE_ID", "Site_id"])
def test_the_site_is_text(column: str) -> None:
    facts = FactTable(people(**{column: [3.0, None]}), 2.0)
    assert [facts.of(item(who)).site for who in ("a", "b", "c")] == ["3", "", ""]


@pytest.mark.parametrize("column", ["mean_fd", "func_mean_fd", "framewise_displacement_mean", "Mean_FD"])
def test_motion_is_a_number_or_unknown(column: str) -> None:
    facts = FactTable(people(**{column: [0.25, None]}), 2.0)
    assert facts.of(item("a")).mean_fd == 0.25
    assert math.isnan(facts.of(item("b")).mean_fd)


def test_a_repetition_time_that_is_no_number_refuses_that_recording_alone_with_the_cell() -> None:
    facts = FactTable(people(tr=["2.0", "2s"]), None)
    assert facts.of(item("a")).tr == 2.0
    with pytest.raises(DataError, match=r"gives participant b the repetition time '2s', which is no number: write sec"):
        facts.of(item("b"))


def test_motion_that_is_no_number_is_unknown_and_said() -> None:
    facts = FactTable(people(mean_fd=["bad", "0.2"]), 2.0)
    assert math.isnan(facts.of(item("a")).mean_fd)
    assert facts.of(item("b")).mean_fd == 0.2
    (note,) = facts.not_used([item("a"), item("b")])
    assert note.startswith("mean_fd of the participants table is no number for 1 participant (a: 'bad'), and taken as")


RUNS = pd.DataFrame(
    {"participant_id": ["a", "a", "b"], "run": [1, 2, 1], "tr": [2.0, 1.5, 2.0], "mean_fd": [0.1, 0.9, 0.3]}
)


@pytest.mark.parametrize("spelling", [[1, 2, 1], ["01", "02", "01"], ["run-1", "run-2", "run-1"], [1.0, 2.0, 1.0]])
def test_a_run_has_facts_of_its_own(spelling: list[object]) -> None:
    facts = FactTable(RUNS.assign(run=spelling), None)
    runs = [item("a", run="1"), item("a", run="02"), item("b", run="1")]
    assert [(facts.of(one).tr, facts.of(one).mean_fd) for one in runs] == [(2.0, 0.1), (1.5, 0.9), (2.0, 0.3)]
    assert facts.not_used(runs) == []


def test_the_row_of_a_file_has_its_facts() -> None:
    files = pd.DataFrame({"participant_id": "a", "filename": ["x/a_1.npy", "x\\a_2.npy"], "mean_fd": [0.1, 0.9]})
    facts = FactTable(files, 2.0)
    read = [item("a", path=f"/data/x/a_{number}.npy") for number in (1, 2)]
    assert [facts.of(one).mean_fd for one in read] == [0.1, 0.9]
    assert facts.not_used(read) == []


def test_rows_of_which_nothing_says_whose_they_are_are_said_not_to_be_used() -> None:
    facts = FactTable(RUNS[["participant_id", "run", "mean_fd"]], 2.0)
    three, none = item("a", run="3"), item("a")
    assert math.isnan(facts.of(three).mean_fd)
    assert math.isnan(facts.of(none).mean_fd)
    assert math.isnan(facts.of(item("b", run="2")).mean_fd)
    (note,) = facts.not_used([three, none])
    assert note == (
        "mean_fd of the participants table is not used for 2 recordings: participant a has 0.1 and 0.9 there, and no "
        "`session_id`, `run` or `filename` says which is of k (no session, run 3)"
    )
    with pytest.raises(DataError, match=r"Keep one, or tell its rows apart by .* as the recordings are: .*, run 3\."):
        FactTable(RUNS, None).of(three)
