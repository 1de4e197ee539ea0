import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from simulated_probe import SMALL, Size, write_probe

from semantoks.errors import ConfigError
from semantoks.reporting.comparison import distinct
from semantoks.reporting.content import Cell, Section, Table
from semantoks.reporting.page import report
from semantoks.reporting.run.folder import read_run
from semantoks.reporting.tables import write_tables
from semantoks.reporting.wording import score


@pytest.fixture
def probes(tmp_path: Path) -> list[Path]:
    return [write_probe(tmp_path / name / "probe", SMALL) for name in ("a", "b")]


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A probe with its page and the tables beside it; nobody may change it."""
    probe = write_probe(tmp_path_factory.mktemp("reported") / "a" / "probe", SMALL)
    report(probe)
    return probe


def test_several_probes_stand_beside_each_other_on_one_page(probes: list[Path]) -> None:
    page = report(probes)
    assert page == probes[0].resolve().parent / "comparison.html"
    text = page.read_text(encoding="utf-8")
    assert "2 runs compared" in text
    for target in ("sex", "age"):
        found = read_run(probes[0]).probe
        assert found is not None
        one = found.compared(target)["encoder"]
        assert f"a/probe: {one.verdict} ({score(one.diff, one.metric, sign=True)}" in text
        alt = re.search(rf'aria-label="(Dot plot, {target}: [^"]*)"', text)
        assert alt is not None
        assert "a/probe: " in alt[1]
        assert "b/probe: " in alt[1]
        assert "FC: " in alt[1]
    assert "not scored on the same splits" not in text


def test_probes_of_other_people_are_not_ranked(probes: list[Path], tmp_path: Path) -> None:
    other = write_probe(tmp_path / "c" / "probe", Size(people=60, folds=2, methods=("encoder", "fc"), targets=("sex",)))
    text = report([probes[0], other]).read_text(encoding="utf-8")
    assert "These runs were not scored on the same splits and people:" in text
    assert "not comparable" in text


def test_a_run_without_scores_is_named_and_the_others_are_compared(probes: list[Path], tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "run.json").write_text(json.dumps({"command": "<script>"}))
    text = report([*probes, tmp_path / "new"]).read_text(encoding="utf-8")
    assert "Not compared, because they have no scores that can be read: new." in text
    assert "<script" not in text
    nothing = report([tmp_path / "new", tmp_path / "new"], tmp_path / "page.html").read_text(encoding="utf-8")
    assert "None of these folders has scores" in nothing


def test_names_that_are_the_same_are_told_apart() -> None:
    folders = [Path("/x/a/probe"), Path("/x/b/probe"), Path("/x/c"), Path("/x/b/probe")]
    assert distinct(["probe", "probe", "c", "probe"], folders) == ["a/probe", "b/probe", "c", "b/probe (2)"]


def test_a_cohort_among_runs_is_refused(probes: list[Path], whole_cohort: Path) -> None:
    with pytest.raises(ConfigError, match=r"is a cohort: only runs and probes can be compared\. Give it alone"):
        report([probes[0], whole_cohort])
    with pytest.raises(ConfigError, match="--show-ids names the recordings of a cohort"):
        report(probes[0], show_ids=True)
    with pytest.raises(ConfigError, match="got none"):
        report([])


def test_a_table_beside_a_page_is_in_visible_characters(tmp_path: Path) -> None:
    table = Table(label="t", caption="c", columns=["name"], rows=[[Cell("half \ud800 \x1b[2J")]])
    folder = write_tables(tmp_path / "page.html", [Section(key="s", title="S", short="s", blocks=[table])])
    assert r"half \ud800 \x1b[2J" in (folder / "s_t.tsv").read_text(encoding="utf-8")


def test_the_tables_of_a_page_lie_beside_it_as_tsv(reported: Path) -> None:
    folder = reported / "report_tables"
    index = pd.read_csv(folder / "index.tsv", sep="\t")
    assert sorted([*index["file"], "index.tsv"]) == sorted(path.name for path in folder.iterdir())
    found = read_run(reported).probe
    assert found is not None
    table = pd.read_csv(folder / "targets_age_all_scores_of_age.tsv", sep="\t", index_col="Method")
    assert table.loc["encoder", "correlation r"] == round(found.compared("age")["encoder"].mean, 3)
    assert table.loc["encoder", "minus FC"] == round(found.compared("age")["encoder"].diff, 3)


def test_tables_of_an_earlier_page_go_and_other_files_stay(reported: Path, tmp_path: Path) -> None:
    probe = shutil.copytree(reported, tmp_path / "a")
    folder = probe / "report_tables"
    (folder / "mine.tsv").write_text("mine")
    (folder / "index.tsv").write_text("file\tsection\tcaption\nold.tsv\t\t\n../out.tsv\t\t\n")
    (folder / "old.tsv").write_text("old")
    (folder.parent / "out.tsv").write_text("not of this folder")
    report(probe)
    assert not (folder / "old.tsv").exists()
    assert (folder / "mine.tsv").read_text() == "mine"
    assert (folder.parent / "out.tsv").exists()
