import json
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from simulated_run import scores_table, write_run

from semantoks.errors import DataError
from semantoks.report import write_report

VOID = {"meta", "link", "br", "use", "path"}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    run = write_run(tmp_path_factory.mktemp("runs") / "a", steps=120, total=120, probe=True)
    return write_report(run).read_text(encoding="utf-8")


def plain(page: str) -> str:
    """The words of a page without markup, spaces made single."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


class Structure(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.headings: list[int] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.tags.append((tag, named))
        self.ids += [value for key, value in attrs if key == "id" and value]
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.ids += [value for key, value in attrs if key == "id" and value]

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


def structure(page: str) -> Structure:
    parser = Structure()
    parser.feed(page)
    return parser


def test_the_numbers_shown_are_those_of_the_scores_file(page: str) -> None:
    table = scores_table()
    for (_, method, metric), values in table.groupby(["target", "method", "metric"])["value"]:
        if metric != "mae":
            shown = f"{values.mean():.3f}\u00a0±\u00a0{values.std():.3f}".replace("-", "−")
            assert shown in page, (method, metric)
    years = table[(table.target == "age") & (table.method == "fc") & (table.metric == "mae")]["value"]
    assert f"{years.mean():.2f}\u00a0±\u00a0{years.std():.2f}" in page


def test_each_target_gets_its_reading_against_fc(page: str) -> None:
    rows = re.findall(r'<tr><th scope="row">(\w+)<br>.*?<span class="badge [^"]*">([^<]*)</span>', page)
    assert dict(rows) == {"sex": "no", "age": "no", "sequence": "yes", "dx": "not distinguishable"}
    wide = (
        scores_table()
        .query("target == 'sequence' and metric == 'r'")
        .pivot(index="split", columns="method", values="value")
    )
    gap = wide["encoder"] - wide["fc"]
    sentence = f"Yes, the encoder is above functional connectivity: mean difference in correlation r +{gap.mean():.3f}"
    assert sentence in page
    assert "no significance test" in page


def test_nothing_is_bold_in_the_scores_while_two_methods_lie_within_the_spread(page: str) -> None:
    assert "<strong>" not in page[page.index('id="result"') : page.index('id="training"')]


def test_a_method_that_beats_all_others_is_bold(make_run: Callable[..., Path]) -> None:
    run = make_run(steps=2)
    table = scores_table()
    table[table.method != "fc+encoder"].to_csv(run / "probe" / "scores.csv", index=False)
    page = write_report(run).read_text(encoding="utf-8")
    mean = table.query("target == 'sequence' and metric == 'r' and method == 'encoder'")["value"].mean()
    assert page.count(f"<strong>{mean:.3f}") == 2


def test_the_bar_is_named_with_and_without_a_probe(page: str, make_run: Callable[..., Path]) -> None:
    bar = "what functional connectivity (FC), the same encoder with random weights, and motion reach on the same splits"
    assert bar in page
    without = write_report(make_run(steps=3, total=15, probe=False)).read_text(encoding="utf-8")
    assert bar in without
    assert "This run has no probe yet" in without
    assert "stopped" in without
    assert "3 of 15" in without


def test_missing_baselines_are_called_missing(make_run: Callable[..., Path]) -> None:
    run = make_run(steps=2)
    table = scores_table()
    table[table.method.isin(["encoder", "motion"])].to_csv(run / "probe" / "scores.csv", index=False)
    words = plain(write_report(run).read_text(encoding="utf-8"))
    assert "cannot be said" in words
    assert "Missing here: functional connectivity (FC), the same encoder with random weights." in words


def test_what_the_run_is_stands_on_the_page(page: str) -> None:
    words = plain(page)
    for fact in ("805", "857", "cc200", "9f2c41d07b3a6e58", "depth 4 · width 192 · 19,200 stored values", "120 of 120"):
        assert fact in words
    assert "5 min · 7,680 samples · 3.85 × 10¹⁴ FLOP · 3.17 GiB at peak" in words
    assert "semantoks pretrain cohorts/abide --recipe small --out runs/a --views.policy apart" in words
    assert "ttr_share 0.05" in words
    assert "scale 0.8, 1.2" in words
    assert "torch 2.13.0" in words
    assert "Step 42. The effective rank fell below 5 of 128" in words


def test_markup_in_any_name_is_escaped(make_run: Callable[..., Path]) -> None:
    run, attack = make_run(steps=2), "<script>alert(1)</script>"
    about = json.loads((run / "run.json").read_text())
    about["cohorts"][0] |= {"path": f"cohorts/{attack}", "atlas": attack}
    about["config"][attack] = {attack: attack}
    about["command"] = about["status"] = about["version"] = attack
    about["environment"] = {attack: [attack]}
    (run / "run.json").write_text(json.dumps(about))
    (run / "warnings.jsonl").write_text(json.dumps({"step": attack, "message": attack}) + "\n")
    table = scores_table()
    table.assign(target=table.target + attack, method=table.method + attack, metric=table.metric + attack).to_csv(
        run / "probe" / "scores.csv", index=False
    )
    (run / "probe" / "probe.json").write_text(
        json.dumps({"command": attack, "methods": {attack: attack}, "notes": [attack]})
    )
    page = write_report(run).read_text(encoding="utf-8")
    assert "<script" not in page
    assert "cohorts/&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_the_page_needs_no_network_and_no_script(page: str) -> None:
    assert not re.search(r"https?:|//[a-z]|@import|<script|<link|<img|<iframe", page)
    targets = [v for _, attrs in structure(page).tags for k, v in attrs.items() if k in ("src", "href", "xlink:href")]
    assert targets
    assert all(target is not None and target.startswith("#") for target in targets)


def test_the_page_is_well_formed_and_readable_without_eyes(page: str) -> None:
    found = structure(page)
    assert found.open == []
    assert len(found.ids) == len(set(found.ids))
    assert found.headings[0] == 1
    assert found.headings.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(found.headings, found.headings[1:], strict=False))
    assert ("html", {"lang": "en"}) in found.tags
    links = [attrs["href"] for tag, attrs in found.tags if tag == "a"]
    assert all(link is not None and link[1:] in found.ids for link in links)
    assert page.count("<table") == page.count("<caption>") > 5
    assert all(attrs.get("scope") in ("row", "col") for tag, attrs in found.tags if tag == "th")
    images = [attrs for _, attrs in found.tags if attrs.get("role") == "img"]
    assert len(images) == page.count("<svg") == 4 + 15
    assert all(attrs["aria-label"] for attrs in images)


def test_light_dark_phone_and_print_are_provided_for(page: str) -> None:
    for rule in ("screen and (prefers-color-scheme: dark)", "max-width: 34rem", "@media print", "width=device-width"):
        assert rule in page
    light, dark = re.findall(r":root \{(.*?)\}", page, flags=re.S)
    names = [set(re.findall(r"--[\w-]+", block)) for block in (light, dark)]
    assert names[0] == names[1]
    assert set(re.findall(r"var\((--[\w-]+)\)", page)) <= names[0]


def test_a_run_that_only_has_its_first_file_degrades_to_sentences(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    words = plain(write_report(tmp_path).read_text(encoding="utf-8"))
    for sentence in (
        "This run has no probe yet",
        "No step is logged yet.",
        "Nothing is logged that could show a collapse.",
        "No schedule is logged.",
        "No speed is logged.",
        "The command is not recorded.",
        "The cohorts are not recorded.",
        "The environment is not recorded.",
        "The configuration is not recorded.",
    ):
        assert sentence in words


def test_what_was_left_out_while_reading_is_said(make_run: Callable[..., Path]) -> None:
    run = make_run(steps=4, probe=False)
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"step": 5, "loss": -1.')
    assert "The last line of metrics.jsonl is cut short" in write_report(run).read_text(encoding="utf-8")


def test_the_report_goes_where_it_is_told_and_is_the_same_every_time(
    make_run: Callable[..., Path], tmp_path: Path
) -> None:
    run = make_run(steps=4, probe=False)
    out = write_report(run, tmp_path / "new" / "page.html")
    assert out == tmp_path / "new" / "page.html"
    assert [path.name for path in out.parent.iterdir()] == ["page.html"]
    assert write_report(run) == run / "report.html"
    assert (run / "report.html").read_bytes() == out.read_bytes()
    with pytest.raises(DataError, match=r"is a folder\. Try .*report\.html"):
        write_report(run, tmp_path)


def test_scores_over_fewer_splits_than_the_others_are_marked(make_run: Callable[..., Path]) -> None:
    run = make_run(steps=2)
    table = scores_table()
    table[~((table.method == "motion") & (pd.to_numeric(table.split) > 3))].to_csv(
        run / "probe/scores.csv", index=False
    )
    assert "(4 of 10 splits)" in write_report(run).read_text(encoding="utf-8")


def test_the_report_imports_no_torch() -> None:
    code = "import sys, semantoks.report; sys.exit('torch' in sys.modules or 'matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_notes_that_are_no_list_are_shown_as_one(make_run: Callable[..., Path]) -> None:
    run = make_run()
    probe = json.loads((run / "probe" / "probe.json").read_text())
    (run / "probe" / "probe.json").write_text(json.dumps(probe | {"notes": "one sentence alone"}))
    assert "one sentence alone" in write_report(run).read_text()
