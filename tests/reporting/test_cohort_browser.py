import re
from pathlib import Path

import numpy as np
import pytest
from browser import CHROMIUM, chromium, look
from small_cohort import made, recording
from test_browser import LONG, in_shape

from semantoks.atlas.atlas import Atlas
from semantoks.reporting.page import report

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium on the PATH")]


@pytest.fixture
def page(cohort_page: Path) -> Path:
    return cohort_page


@pytest.mark.parametrize(("width", "mode"), [(360, "light"), (1280, "dark")])
def test_nothing_sticks_out_is_cut_off_or_unnamed(page: Path, width: int, mode: str, tmp_path: Path) -> None:
    text, forced = page.read_text(encoding="utf-8"), tmp_path / "page.html"
    rule = "all" if mode == "dark" else "not all"
    forced.write_text(text.replace("screen and (prefers-color-scheme: dark)", rule), encoding="utf-8")
    found = look(forced, width, tmp_path)
    assert width - 20 <= found["width"] <= width
    assert in_shape(found), found
    assert width < 1280 or (found["sideways"], found["hidden"]) == ([], [])
    paints = [int(part) for part in re.findall(r"\d+", found["paint"])]
    assert max(paints) < 50 if mode == "dark" else min(paints) > 240


def test_very_long_names_stay_inside(tmp_path: Path) -> None:
    atlas = Atlas(name=LONG, labels=tuple("abcdef"), networks=tuple(f"{n}{LONG}" for n in (1, 1, 2, 2, 3, 3)))
    fd = np.where(np.arange(60) % 9 < 2, 0.9, 0.3)
    given = [
        recording(f"{n}{LONG}", seed=n, site=f"{n}{LONG}", fd=fd, good=fd < 0.5, tr_from=f"{LONG}.json")
        for n in range(3)
    ]
    given[0].series[:, 1] = np.nan
    given.append(recording(f"9{LONG}", frames=5))
    cohort = made(tmp_path / LONG, given, atlas=atlas)
    found = look(report(cohort, tmp_path / "page.html"), 360, tmp_path)
    assert in_shape(found), found


def test_it_prints_on_a_few_pages_with_its_pictures(page: Path, tmp_path: Path) -> None:
    pdf = tmp_path / "page.pdf"
    chromium(page, f"--print-to-pdf={pdf}", "--no-pdf-header-footer", folder=tmp_path)
    held = pdf.read_bytes()
    assert 2 <= len(re.findall(rb"/Type\s*/Page\b", held)) <= 12
    assert len(re.findall(rb"/Subtype\s*/Image\b", held)) >= 3
