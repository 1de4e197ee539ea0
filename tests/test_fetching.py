"""ABIDE through nilearn's fetcher, from a local server with made-up people; and folders that are filled already."""

import shlex

import jaxtyping
import pytest

import semantoks
from semantoks import fetching
from semantoks.cli.main import run
from semantoks.errors import ConfigError, DataError
from semantoks.signals.sources.pcp import ABIDE_ID, ABIDE_TR, find_phenotypes
from served_abide import STRATEGY, TABLE, fill, served

SITES = {"NYU": 3, "CMU_a": 2, "MaxMun_a": 2, "Stanford": 1}
AAL = 116


@pytest.fixture
def project(tmp_path, monkeypatch):
    """The project's files at a local address: their folder, whose they are, and what is asked for."""
    root = tmp_path / "project"
    ids = fill(root, SITES, atlas="aal", n_rois=AAL)
    with served(root) as (url, asked):
        monkeypatch.setattr(fetching, "URL", url)
        yield root / "Outputs" / "cpac" / STRATEGY / "rois_aal", ids, asked


@pytest.fixture
def no_type_checks_but_ours():
    """As users have it: the tests' own type checks (conftest.py) would speak first."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def series_asked_for(asked):
    return [path.rsplit("/", 1)[1] for path in asked if path.endswith(".1D")]


def test_everybody_with_a_file_is_fetched_and_prepare_reads_what_was_fetched(project, tmp_path):
    _, ids, asked = project
    told, counted = [], []
    found = semantoks.fetch_abide(
        tmp_path / "abide", atlas="aal", progress=lambda *now: counted.append(now), tell=told.append
    )
    assert (found.people, found.new, found.failed) == (8, 8, {})
    assert found.folder == tmp_path / "abide" / "ABIDE_pcp" / "cpac" / STRATEGY
    assert series_asked_for(asked) == [f"{name}_rois_aal.1D" for name in ids]
    assert counted == [(i, 8) for i in range(1, 9)]
    assert "non-commercial research" in told[0]
    assert "10.1038/mp.2013.78" in told[0]
    cohort = semantoks.prepare(tmp_path / "abide", out=tmp_path / "cohort", atlas="aal")
    assert cohort.recordings["participant_id"].tolist() == sorted(name for name in ids if name[0] in "NC")
    assert cohort.recordings["source_tr"].unique().tolist() == [2.0]
    assert cohort.recordings["mean_fd"].tolist() == pytest.approx([0.1] * 5)
    assert [reason.split(" for ")[0] for reason in cohort.excluded["reason"]] == ["no repetition time"] * 3


def test_sites_without_a_known_repetition_time_are_named_and_no_time_is_made_up(project, tmp_path, capsys):
    assert run(["fetch", "abide", "--atlas", "aal", "--out", str(tmp_path / "abide")]) == 0
    assert "left out unless a table's column tr says it: MAXMUN (2), STANFORD (1)." in capsys.readouterr().out
    assert run(["doctor", str(tmp_path / "abide"), "--atlas", "aal"]) == 4
    assert "no repetition time is known for 3 recordings (MAXMUN, STANFORD)" in capsys.readouterr().out


def test_the_command_says_what_to_type_next_and_that_works_for_each_strategy(project, tmp_path, capsys):
    root = project[0].parents[1]
    (root / "filt_global").mkdir()
    (root / STRATEGY / "rois_aal").rename(root / "filt_global" / "rois_aal")
    out = tmp_path / "a folder"
    options = ["--band-pass", "--global-signal", "--people", "2"]
    assert run(["fetch", "abide", "--atlas", "aal", "--out", str(out), *options]) == 0
    assert f"\nNext: semantoks prepare '{out}' --atlas aal --out cohort/" in capsys.readouterr().out
    (root / "filt_global" / "rois_aal").rename(root / STRATEGY / "rois_aal")
    assert run(["fetch", "abide", "--atlas", "aal", "--out", str(out), "--people", "3"]) == 0
    said = shlex.split(capsys.readouterr().out.partition("Next: ")[2])
    assert said[:3] == ["semantoks", "prepare", str(out / "ABIDE_pcp" / "cpac" / STRATEGY)]
    run(["doctor", said[2], *said[3:5]])
    assert "3 recordings of 3 people" in capsys.readouterr().out


def test_a_person_whose_file_cannot_be_had_does_not_stop_the_rest_and_is_tried_again(project, tmp_path, capsys):
    folder, ids, asked = project
    first, second, third = (folder / f"{name}_rois_aal.1D" for name in ids[:3])
    kept = second.read_text()
    first.unlink()
    second.write_text("<html>come back later</html>\n")
    third.write_text("")
    words = ["fetch", "abide", "--atlas", "aal", "--out", str(tmp_path / "abide")]
    assert run(words) == 4
    said = capsys.readouterr().out
    assert "5 people in " in said
    assert f"Not fetched: 1 person ({ids[0]}), HTTP 404; 2 people ({ids[1]} ...), what the server gave is no" in said
    there = tmp_path / "abide" / "ABIDE_pcp" / "cpac" / STRATEGY
    assert sorted(path.name for path in there.iterdir()) == sorted(f"{name}_rois_aal.1D" for name in ids[3:])
    for path in (first, second, third):
        path.write_text(kept)
    asked.clear()
    assert run(words) == 0
    assert series_asked_for(asked) == [path.name for path in (first, second, third)]
    assert "8 people in " in capsys.readouterr().out


def test_what_is_there_is_not_fetched_again_and_needs_no_network(project, tmp_path, monkeypatch, capsys):
    _, _, asked = project
    semantoks.fetch_abide(tmp_path / "nilearn_data", atlas="aal")
    asked.clear()
    monkeypatch.setattr(fetching, "URL", "http://127.0.0.1:9")
    found = semantoks.fetch_abide(str(tmp_path / "nilearn_data"), atlas="aal")
    assert (found.people, found.new, asked) == (8, 0, [])
    assert run(["fetch", "abide", "--atlas", "aal", "--out", str(tmp_path / "nilearn_data")]) == 0
    assert ", all from before." in capsys.readouterr().out


def test_a_file_that_was_damaged_since_is_fetched_again(project, tmp_path):
    folder, ids, _ = project
    found = semantoks.fetch_abide(tmp_path / "abide", atlas="aal", people=2)
    damaged = found.folder / f"{ids[1]}_rois_aal.1D"
    damaged.write_text(damaged.read_text()[:3000])
    assert semantoks.fetch_abide(tmp_path / "abide", atlas="aal", people=2).failed == {}
    assert damaged.read_bytes() == (folder / damaged.name).read_bytes()


def test_after_a_stop_the_same_call_goes_on(project, tmp_path):
    _, ids, asked = project

    def stop(done, _total):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        semantoks.fetch_abide(tmp_path / "abide", atlas="aal", progress=stop)
    asked.clear()
    assert semantoks.fetch_abide(tmp_path / "abide", atlas="aal").new == 5
    assert series_asked_for(asked) == [f"{name}_rois_aal.1D" for name in ids[3:]]


def test_a_server_that_is_silent_is_not_asked_for_everybody(project, tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "PATIENCE", 2)
    semantoks.fetch_abide(tmp_path / "abide", atlas="aal", people=1)
    monkeypatch.setattr(fetching, "URL", "http://127.0.0.1:9")
    with pytest.raises(DataError, match=r"has not answered for 2 people in a row \(no connection\); 1 person is in "):
        semantoks.fetch_abide(tmp_path / "abide", atlas="aal")
    with pytest.raises(DataError, match=r"table of phenotypes cannot be fetched .* the same command goes on"):
        semantoks.fetch_abide(tmp_path / "other", atlas="aal")


@pytest.mark.parametrize("damage", ["<html>sorry</html>\n", "", ",SITE_ID\n1,NYU\n"])
def test_a_damaged_table_is_named_and_fetched_again_once_it_is_deleted(project, tmp_path, damage):
    semantoks.fetch_abide(tmp_path / "abide", atlas="aal", people=1)
    table = tmp_path / "abide" / "ABIDE_pcp" / TABLE
    table.write_text(damage)
    with pytest.raises(DataError, match=r"Delete it, and the same command fetches it again|names nobody") as refused:
        semantoks.fetch_abide(tmp_path / "abide", atlas="aal", people=1)
    assert str(table.parent) in str(refused.value)
    table.unlink()
    assert semantoks.fetch_abide(tmp_path / "abide", atlas="aal", people=1).people == 1


def test_people_whom_a_rater_did_not_pass_are_left_out_on_demand(project, tmp_path):
    table = project[0].parents[3] / TABLE
    lines = table.read_text().splitlines()
    lines[3] = lines[3].replace("OK", "fail", 1)
    table.write_text("\n".join(lines) + "\n")
    assert semantoks.fetch_abide(tmp_path / "a", atlas="aal", quality_checked=True).people == 7
    assert semantoks.fetch_abide(tmp_path / "b", atlas="aal").people == 8


def test_wrong_options_are_refused_before_anything_is_asked_for(project, tmp_path, no_type_checks_but_ours):
    (tmp_path / "file").write_text("")
    for options in ({"atlas": "ez"}, {"pipeline": "css"}, {"people": 0}, {"out": tmp_path / "file"}):
        with pytest.raises(ConfigError):
            semantoks.fetch_abide(**{"out": tmp_path / "o", **options})
    assert project[2] == []
    assert not (tmp_path / "o").exists()


def test_nobody_at_all_is_an_error_with_the_reason(project, tmp_path):
    with pytest.raises(DataError, match=r"gave the series of nobody: 8 people \(NYU_0050001 \.\.\.\), HTTP 404"):
        semantoks.fetch_abide(tmp_path / "abide", atlas="ho")


def test_the_table_is_found_from_nilearns_folder_down_to_the_series(project, tmp_path):
    found = semantoks.fetch_abide(tmp_path / "abide", atlas="aal", people=1)
    table = (tmp_path / "abide" / "ABIDE_pcp" / TABLE).resolve()
    for folder in (tmp_path / "abide", tmp_path / "abide" / "ABIDE_pcp", found.folder.parent, found.folder):
        assert find_phenotypes(folder) == table
    assert ABIDE_ID.fullmatch("MaxMun_a_0051318")["site"].upper() not in ABIDE_TR
