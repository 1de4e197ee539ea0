import html
import json
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from simulated_probe import SIGNAL, SMALL, write_probe

from semantoks.errors import DataError
from semantoks.reporting.page import report
from semantoks.reporting.run.folder import read_run
from semantoks.reporting.wording import interval, p_value, score

pytestmark = pytest.mark.slow

VOID = {"meta", "link", "br", "use", "path"}


@pytest.fixture(scope="module")
def page(whole_page: Path) -> str:
    return whole_page.read_text(encoding="utf-8")


def plain(page: str) -> str:
    """The words of a page without markup and style, spaces made single."""
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", re.sub(r"(?s)<style>.*?</style>", "", page))))


class Structure(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.headings: list[int] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
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


def test_the_numbers_shown_are_those_of_the_summary(page: str, whole_run: Path) -> None:
    probe = read_run(whole_run).probe
    assert probe is not None
    words = plain(page).replace("\u00a0", " ")
    for target in SIGNAL:
        for found in probe.compared(target).values():
            shown = [score(found.mean, "r"), interval(found.low, found.high, "r")]
            if found.verdict:
                shown += [score(found.diff, "r", sign=True), interval(found.diff_low, found.diff_high, "r", sign=True)]
                shown.append(p_value(found.p_holm).replace("\u00a0", " "))
            assert all(part in words for part in shown), (target, shown)


def test_the_sections_follow_the_reader_s_questions(page: str) -> None:
    found = re.findall(r'<h2 id="(\w+)">([^<]*)</h2>', page)
    assert [key for key, _ in found] == [
        "answer",
        "targets",
        "confounds",
        "learning",
        "seconds",
        "reliability",
        "networks",
        "optimism",
        "checks",
        "training",
        "methods",
        "provenance",
    ]
    assert found[0][1] == "Does it beat functional connectivity?"
    assert re.findall(r'<li><a href="#(\w+)">', page) == [key for key, _ in found]


def test_what_was_left_out_and_checked_is_shown(page: str) -> None:
    words = plain(page)
    for said in (
        "no label for sex 12",
        "fewer than 100 frames 3",
        "0 people (0 groups) on both sides of any of 6 splits",
        "Splits are by participant, stratified by site.",
        "FC Pearson, 19,900 edges",
    ):
        assert said in words


def test_what_the_run_is_stands_on_the_page(page: str) -> None:
    words = plain(page)
    for fact in ("805", "857", "cc200", "9f2c41d07b3a6e58", "depth 4 · width 192 · 19,200 stored values", "80 of 80"):
        assert fact in words
    assert "3 min · 5,120 samples · 2.57 × 10¹⁴ FLOP · 3.17 GiB at peak" in words
    assert "semantoks pretrain cohorts/abide --recipe small --out runs/a --views.policy apart" in words
    assert "semantoks probe runs/a cohorts/abide --target sex site age sequence" in words
    assert "ttr_share 0.05" in words
    assert "torch 2.13.0" in words
    assert "repeats 2" in words
    assert "1 warning at step 42: The effective rank fell below 5 of 128" in words


def test_the_bar_is_named_with_and_without_a_probe(page: str, make_run: Callable[..., Path]) -> None:
    bar = (
        "what functional connectivity (FC), the same in tangent space, the same encoder with random weights, and "
        "motion reach on the same splits"
    )
    assert bar in page
    without = report(make_run(steps=3, total=15, probe=False)).read_text(encoding="utf-8")
    assert bar in without
    assert "This run has no probe yet" in without
    assert "stopped" in without
    assert "3 of 15" in without


def test_old_scores_ask_for_another_probe(make_run: Callable[..., Path]) -> None:
    run = make_run()
    (run / "probe" / "scores.csv").write_text("target,kind,method,split,n_train,n_test,metric,value\n")
    words = plain(report(run).read_text(encoding="utf-8"))
    assert "The scores cannot be shown, so there is no answer:" in words
    assert "lacks the columns analysis, condition: run the probe again." in words


def test_a_probe_s_folder_alone_has_a_page(tmp_path: Path) -> None:
    page = report(write_probe(tmp_path / "mine", SMALL)).read_text(encoding="utf-8")
    words = plain(page)
    assert "The probe “mine”" in words
    assert "Of 2 targets, the encoder" in words
    assert "This folder has only a probe" in words
    assert "numpy 2.4.0" in words
    assert structure(page).open == []


def test_fine_tuning_has_a_section_of_its_own(small_run: Path) -> None:
    run = small_run
    write_probe(run / "finetune", SMALL)
    for name in ("scores.csv", "predictions.parquet"):
        path = run / "finetune" / name
        read, write = (pd.read_csv, "to_csv") if name.endswith("csv") else (pd.read_parquet, "to_parquet")
        table = read(path)
        getattr(table.replace({"method": {"encoder": "finetuned"}}), write)(path, index=False)
    page = report(run).read_text(encoding="utf-8")
    assert "Of 2 targets, the fine-tuned encoder" in plain(page)
    assert page.index('id="targets"') < page.index('id="finetune"') < page.index('id="training"')
    ids = structure(page).ids
    assert len(ids) == len(set(ids))


def test_markup_in_any_name_is_escaped(small_run: Path) -> None:
    run, attack = small_run, "<script>alert(1)</script>"
    about = json.loads((run / "run.json").read_text())
    about["cohorts"][0] |= {"path": f"cohorts/{attack}", "atlas": attack}
    about["config"][attack] = {attack: attack}
    about["command"] = about["status"] = about["version"] = attack
    about["environment"] = {attack: [attack]}
    (run / "run.json").write_text(json.dumps(about))
    (run / "warnings.jsonl").write_text(json.dumps({"step": attack, "message": attack}) + "\n")
    probe = run / "probe"
    for name in ("target", "method", "condition", "truth_name"):
        for path in (probe / "scores.csv", probe / "predictions.parquet"):
            table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, keep_default_na=False)
            if name in table:
                kept = table[name].isin(["encoder", "fc", ""])
                table[name] = table[name].astype(str).where(kept, table[name].astype(str) + attack)
            table.to_parquet(path) if path.suffix == ".parquet" else table.to_csv(path, index=False)
    told = {"command": attack, "methods": {attack: attack}, "notes": [attack, {attack: attack}], "checks": attack}
    told |= {"excluded": [[attack, attack], attack], "targets": {attack: attack}, "settings": {attack: attack}}
    (probe / "probe.json").write_text(json.dumps(told))
    page = report(run).read_text(encoding="utf-8")
    assert "<script" not in page
    assert "cohorts/&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert f"sex{attack}".replace("<", "&lt;").replace(">", "&gt;") in page
    assert structure(page).open == []


def test_the_page_needs_no_network_and_no_script(page: str) -> None:
    assert not re.search(r"https?:|//[a-z]|@import|<script|<link|<img|<image|<iframe", page)
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
    assert {"main", "header", "nav", "footer"} <= {tag for tag, _ in found.tags}
    links = [attrs["href"] for tag, attrs in found.tags if tag == "a"]
    assert links[0] == "#answer"
    assert all(link is not None and link[1:] in found.ids for link in links)
    assert page.count("<table") == page.count("<caption>") > 20
    assert all(attrs.get("scope") in ("row", "col") for tag, attrs in found.tags if tag == "th")
    regions = [attrs for _, attrs in found.tags if attrs.get("role") == "region"]
    assert all(attrs["tabindex"] == "0" and attrs["aria-label"] for attrs in regions)
    images = [attrs for _, attrs in found.tags if attrs.get("role") == "img"]
    assert len(images) == page.count("<svg") > 40
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
    words = plain(report(tmp_path).read_text(encoding="utf-8"))
    for sentence in (
        "This run has no probe yet",
        "No step is logged yet.",
        "Nothing is logged that could show a collapse.",
        "No schedule is logged.",
        "No speed is logged.",
        "Nothing is recorded about exclusions and checks.",
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
    assert "The last line of metrics.jsonl is cut short" in report(run).read_text(encoding="utf-8")


def test_a_probe_of_its_main_scores_alone_is_shown(small_run: Path) -> None:
    run, probe = small_run, small_run / "probe"
    table = pd.read_csv(probe / "scores.csv", keep_default_na=False)
    table[table["analysis"] == "main"].drop(columns=["peeked", "p"]).to_csv(probe / "scores.csv", index=False)
    (probe / "probe.json").unlink()
    words = plain(report(run).read_text(encoding="utf-8"))
    assert (
        "No results of: confounds, labels, seconds, reliability and networks. They are analyses of semantoks probe"
        in words
    )
    assert "Which networks carry it?" not in words
    assert "There is no probe.json, so its contents are missing here." in words


def test_the_report_goes_where_it_is_told_and_is_the_same_every_time(small_run: Path, tmp_path: Path) -> None:
    out = report(small_run, tmp_path / "new" / "page.html")
    assert out == tmp_path / "new" / "page.html"
    assert sorted(path.name for path in out.parent.iterdir()) == ["page.html", "page_tables"]
    assert report(small_run) == small_run / "report.html"
    assert (small_run / "report.html").read_bytes() == out.read_bytes()
    with pytest.raises(DataError, match=r"is a folder\. Try .*report\.html"):
        report(small_run, tmp_path)


def test_the_report_imports_no_torch() -> None:
    code = (
        "import sys, semantoks.reporting.page\nsys.exit('torch' in sys.modules or 'matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
