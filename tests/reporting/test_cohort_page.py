import dataclasses
import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest
from small_cohort import SMALL, made, recording, words_of
from test_page import plain, structure

from semantoks.atlas.atlas import Atlas
from semantoks.atlas.catalog import get_atlas
from semantoks.errors import DataError
from semantoks.reporting.cohort.folder import read_cohort
from semantoks.reporting.cohort.motion import examples
from semantoks.reporting.cohort.sections import facts
from semantoks.reporting.page import report
from semantoks.reporting.wording import share_words
from semantoks.signals.cohort import Cohort
from semantoks.signals.quality import missing_networks
from semantoks.signals.recording import Recording

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def page(cohort_page: Path) -> str:
    return cohort_page.read_text(encoding="utf-8")


def test_the_sections_follow_the_reader_s_questions(page: str) -> None:
    found = re.findall(r'<h2 id="(\w+)">', page)
    order = "contents excluded motion carpets coverage spectra connectivity methods provenance"
    assert found == order.split()
    assert re.findall(r'<li><a href="#(\w+)">', page) == found


def test_the_facts_are_counted_from_the_tables(whole_cohort: Path) -> None:
    found = dict(facts(read_cohort(whole_cohort)))
    assert found["People"] == "4"
    assert found["Recordings"] == "5"
    assert found["Sessions"] == "5 (1 to 2 per person)"
    assert found["Sites"] == "2 (north, south)"
    assert found["Repetition time"] == "2 s (scans: 0.8 s)"
    assert found["Time per recording"] == "4.4 min"
    assert found["Total time"] == "22 min"
    assert found["Excluded"] == "3 of 8 recordings"
    assert found["Source"] == "XCP-D 26.1.1"
    cohort = Cohort(whole_cohort)
    assert found["Censored frames"] == share_words(1 - cohort.good.mean())


def test_where_repetition_times_come_from_is_said_without_anyone_s_name(page: str, tmp_path: Path) -> None:
    said = "The repetition time of all scans, 0.8 s, comes from each recording's …_desc-denoised_bold.json."
    assert said in plain(page)
    given = [recording("1", tr_from="--tr"), recording("2", seed=1, tr=3.0, tr_from="sub-2_ses-a_bold.json")]
    words = words_of(made(tmp_path / "c", given), tmp_path)
    assert "2 s 1 --tr 3 s 1 each recording's …_bold.json" in words


def test_a_repetition_time_of_one_recording_s_own_file_is_said_without_the_file_s_name(tmp_path: Path) -> None:
    given = [recording(f"{n}", seed=n, tr_from=f"scan of person {n}.nii" if n < 3 else "all.json") for n in range(5)]
    words = words_of(made(tmp_path / "c", given), tmp_path)
    assert "2 s 3 each recording's own file 2 s 2 all.json" in words
    assert "scan of person" not in words


def test_nobody_is_named(page: str, whole_cohort: Path) -> None:
    cohort, words = Cohort(whole_cohort), re.sub(r"base64,[^\"]*", "", page)
    for table in (cohort.recordings, cohort.excluded):
        assert not [name for name in table["recording_id"] if name in words]
        assert not [file for file in table["source_file"] if file in words]
    assert not re.search(r"\bsub-\d|\bses-\w", words)
    assert "This page names nobody: recording 12 is row 12 of recordings.tsv" in plain(page)


def test_exclusions_are_grouped_by_reason_and_listed_by_row_on_a_click(page: str, whole_cohort: Path) -> None:
    excluded = Cohort(whole_cohort).excluded
    assert len(excluded) == 3
    shown, _, folded = page.partition("<details>")
    assert "mean framewise displacement is" in shown
    assert "no repetition time for the recording" in shown
    assert re.findall(r"<strong>Row (\d): </strong>", folded) == ["1", "2", "3"]
    assert "<strong>Row " not in shown
    for row, reason in enumerate(excluded["reason"], start=1):
        begin = re.escape(reason.split()[0])
        assert re.search(rf"<strong>Row {row}: </strong>{begin}", folded)


def test_flags_are_counted_and_the_recordings_listed_with_most_motion_on_top(page: str, whole_cohort: Path) -> None:
    cohort = Cohort(whole_cohort)
    flags = cohort.quality["flags"].fillna("")
    assert 0 < (flags != "").sum() < len(flags)
    counts = flags[flags != ""].str.split("; ").explode().value_counts()
    words = plain(page).replace("\u00a0", " ")
    for flag, count in counts.items():
        assert f"{flag} {count} {100 * count / len(flags):.0f} %" in words
    folded = re.search(r"flagged recordings</summary>.*?</details>", page, flags=re.S)
    assert folded is not None
    listed = re.findall(r"<strong>Recording (\d+): </strong>mean FD", folded[0])
    means = cohort.recordings["mean_fd"]
    expected = means[(flags != "").to_numpy()].sort_values(ascending=False)
    assert listed == [f"{row + 1}" for row in expected.index]


def test_the_worst_and_the_median_recording_are_shown(whole_cohort: Path) -> None:
    found, said = examples(read_cohort(whole_cohort))
    means = Cohort(whole_cohort).recordings["mean_fd"]
    assert [one.title for one in found] == ["Most motion", "Typical"]
    assert means[found[0].index] == means.max()
    assert means[found[1].index] == means.median()
    assert "median mean framewise displacement" in said


def test_without_motion_the_change_from_frame_to_frame_ranks(tmp_path: Path) -> None:
    calm, wild = recording("1"), recording("2", seed=1)
    calm = dataclasses.replace(calm, series=calm.series.cumsum(axis=0))
    cohort = made(tmp_path / "c", [calm, wild])
    shown, said = examples(read_cohort(cohort))
    assert [(one.index, one.title) for one in shown] == [(1, "Most change"), (0, "Typical")]
    assert "(DVARS)" in said
    assert "It is not known how much people moved" in words_of(cohort, tmp_path)


def test_means_without_frames_give_no_traces(tmp_path: Path) -> None:
    words = words_of(made(tmp_path / "c", [recording(mean_fd=0.2)]), tmp_path)
    assert "Motion frame by frame is not known" in words
    assert "Known for 1 recording" in words


def test_peaks_of_motion_are_cut_and_the_cut_is_said(tmp_path: Path) -> None:
    fd = np.full(100, 0.1)
    fd[10] = 7.0
    said = "Peaks are cut at 0.2 mm; the largest is 7.0 mm."
    assert said in words_of(made(tmp_path / "one", [recording(frames=100, fd=fd)]), tmp_path)
    assert "Peaks are cut" not in words_of(made(tmp_path / "even", [recording(fd=np.full(60, 0.1))]), tmp_path)


def test_commands_in_words_are_set_as_code_and_an_odd_mark_stays(tmp_path: Path) -> None:
    cohort = made(tmp_path / "c", [recording()])
    page = report(cohort, tmp_path / "page.html").read_text(encoding="utf-8")
    assert f"<code>semantoks info {cohort} --verify</code> checks" in page
    cohort = cohort.rename(tmp_path / "a`b")
    page = report(cohort, tmp_path / "page.html").read_text(encoding="utf-8")
    assert f"`semantoks info {cohort} --verify` checks" in page


def test_coverage_counts_rois_and_usable_networks(page: str, whole_cohort: Path) -> None:
    cohort = Cohort(whole_cohort)
    index, hidden = cohort.atlas.network_index, missing_networks(cohort.missing, cohort.atlas.network_index)
    table = re.search(r'aria-label="Coverage by network".*?</table>', page, flags=re.S)
    assert table is not None
    rows = re.findall(r'<th scope="row">(.*?)</th><td>(.*?)</td><td>(.*?)</td>', table[0])
    for place, name in enumerate(cohort.atlas.network_names):
        there = share_words((~cohort.missing[:, index == place]).mean())
        assert rows[place] == (name, there, share_words(1 - hidden[:, place].mean()))
    assert {name: usable for name, _, usable in rows}["Cerebellar"] == "0\u00a0%"


def test_the_provenance_holds_checksums_and_settings(page: str, whole_cohort: Path) -> None:
    words, about = plain(page), json.loads((whole_cohort / "dataset_description.json").read_text())
    for key in ("ItemsSha256", "ParticipantsSha256", "AtlasFingerprint", "SourcePath"):
        assert about[key] in words
    assert hashlib.sha256((whole_cohort / "recordings.tsv").read_bytes()).hexdigest() in words
    for setting in ("FilterOrder 5", "BridgeSeconds 10.0", "MaxMeanFD 0.5", "Band 0.01, 0.1"):
        assert setting in words


def test_a_cohort_that_nothing_was_kept_of_has_a_page_of_its_exclusions(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        made(tmp_path / "c", [recording(str(n), frames=5, seed=n) for n in range(3)])
    words = words_of(tmp_path / "c", tmp_path)
    assert "0 recordings of 0 people can be used; 3 were left out" in words
    assert "too short: 5 frames of 2 s, but at least 20 (20 frames of 2 s) are needed. 3" in words
    assert "How much did people move?" not in words


def test_the_page_lies_beside_the_cohort_which_stays_as_it_is(tmp_path: Path) -> None:
    cohort = made(tmp_path / "mine", [recording(fd=np.full(60, 0.1))])

    def state() -> dict[str, tuple[int, bytes]]:
        return {str(p): (p.stat().st_mtime_ns, p.read_bytes()) for p in cohort.rglob("*") if p.is_file()}

    before, beside = state(), tmp_path / "mine_report.html"
    assert report(f"{cohort}/.") == beside
    other = report(cohort, tmp_path / "new" / "p.html")
    assert other.read_bytes() == beside.read_bytes()
    for inside in (cohort / "report.html", cohort / "shards" / "r.html"):
        with pytest.raises(DataError, match=r"is inside the cohort .* Try .*mine_report\.html"):
            report(cohort, inside)
    with pytest.raises(DataError, match=r"is a folder\. Try .*mine_report\.html"):
        report(cohort, tmp_path)
    assert state() == before


def test_markup_in_any_name_is_escaped(tmp_path: Path) -> None:
    attack = "<script>alert(1)</script>"
    atlas = Atlas(name=attack, labels=SMALL.labels, networks=(attack, "Vis", "Vis", "Cont", "Cont", "Cont"))
    given = [
        recording(f"{n}{attack}", seed=n, session=attack, site=f"{n}{attack}", fd=np.full(60, 0.4), tr_from=attack)
        for n in range(2)
    ]
    lost = dataclasses.replace(recording(attack, frames=4, seed=9), source=f"/x/{attack}")
    cohort = made(tmp_path / attack.replace("/", ""), [*given, lost], atlas=atlas)
    about = json.loads((cohort / "dataset_description.json").read_text())
    about |= dict.fromkeys(("SourceKind", "SourcePath", "ItemsSha256", "Normalisation", "New"), attack)
    about["GeneratedBy"] = [{"Name": attack, "Version": attack}]
    (cohort / "dataset_description.json").write_text(json.dumps(about))
    page = report(cohort, tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert page.count("&lt;script&gt;") > 20
    assert structure(page).open == []


def test_the_page_needs_no_network_and_no_script_and_is_small(page: str) -> None:
    assert not re.search(r"https?:|//[a-z]|@import|<script|<link|<img|<iframe", re.sub(r"base64,[^\"]*", "", page))
    tags = structure(page).tags
    targets = [str(v) for _, attrs in tags for k, v in attrs.items() if k in ("src", "href", "xlink:href")]
    assert all(target.startswith(("#", "data:image/png;base64,")) for target in targets)
    assert sum(target.startswith("data:") for target in targets) == 6
    assert len(page.encode()) < 1_000_000


def test_the_page_is_well_formed_and_readable_without_eyes(page: str) -> None:
    found = structure(page)
    assert found.open == []
    assert len(found.ids) == len(set(found.ids))
    assert found.headings.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(found.headings, found.headings[1:], strict=False))
    links = [attrs["href"] for tag, attrs in found.tags if tag == "a"]
    assert links[0] == "#contents"
    assert "Skip to the contents" in page
    assert all(link is not None and link[1:] in found.ids for link in links)
    assert page.count("<table") == page.count("<caption>")
    assert all(attrs.get("scope") in ("row", "col") for tag, attrs in found.tags if tag == "th")
    images = [attrs for _, attrs in found.tags if attrs.get("role") == "img"]
    assert len(images) == page.count("<svg") == 8
    assert all(attrs["aria-label"] for attrs in images)


def test_many_networks_and_many_rows_are_cut_and_the_cut_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    atlas = get_atlas("schaefer100:each")
    series = np.random.default_rng(0).normal(size=(60, 100)).astype(np.float32)
    series[:, 7] = np.nan
    given = [Recording(series=series, tr=2.0, participant="1", source="x")]
    given += [Recording(series=series[:9], tr=2.0, participant=f"{n}", source="x") for n in range(2, 8)]
    monkeypatch.setattr("semantoks.reporting.cohort.exclusions.MOST_ROWS", 4)
    words = words_of(made(tmp_path / "c", given, atlas=atlas), tmp_path)
    assert "Only the 20 of 100 networks with the least signal." in words
    assert "Only the first 20 of 100." in words
    assert "The first 4 of 6; all are in excluded.tsv, by row" in words
