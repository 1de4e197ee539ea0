import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from browser import CHROMIUM, chromium, look
from simulated_probe import Size, write_probe
from simulated_run import about

from semantoks.reporting.page import report
from semantoks.statistics.methods import PROBED

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium on the PATH")]
LONG = "$x_1$_a_very_long_name_without_any_space_that_goes_on_and_on_and_on"


def write_every_method(run: Path) -> Path:
    """Write a probe of a class and a value with all methods that a probe has."""
    write_probe(run / "probe", Size(people=40, folds=2, methods=PROBED, targets=("sex", "age")))
    (run / "run.json").write_text(json.dumps(about(80, 80)))
    return run


def in_shape(found: dict[str, Any]) -> bool:
    wrong = [found[name] for name in ("outside", "clipped", "unnamed", "unfocusable", "console")]
    return not any(wrong) and found["scroll"] <= found["width"]


@pytest.mark.parametrize(("width", "mode"), [(360, "light"), (1280, "dark")])
def test_nothing_sticks_out_is_cut_off_or_unnamed(whole_page: Path, width: int, mode: str, tmp_path: Path) -> None:
    text, page = whole_page.read_text(encoding="utf-8"), tmp_path / "page.html"
    forced = text.replace("screen and (prefers-color-scheme: dark)", "all" if mode == "dark" else "not all")
    page.write_text(forced, encoding="utf-8")
    found = look(page, width, tmp_path)
    assert width - 20 <= found["width"] <= width
    assert in_shape(found), f"{found}"
    assert found["headings"].count(1) == 1
    assert all(after - before <= 1 for before, after in zip(found["headings"], found["headings"][1:], strict=False))
    paints = [int(part) for part in re.findall(r"\d+", found["paint"])]
    assert max(paints) < 50 if mode == "dark" else min(paints) > 240


def test_no_table_is_cut_or_scrolls_sideways_at_1280_pixels(whole_page: Path, whole_run: Path, tmp_path: Path) -> None:
    """Every method, every metric, and fifteen sites: all columns are seen at once."""
    every = write_every_method(tmp_path / "every")
    for page in (whole_page, report(every), report([whole_run, every], tmp_path / "both.html")):
        found = look(page, 1280, tmp_path)
        assert (found["sideways"], found["hidden"]) == ([], [])
        assert in_shape(found), f"{page} {found}"


def test_very_long_names_stay_inside(small_run: Path, tmp_path: Path) -> None:
    run = small_run
    for path in (run / "probe" / "scores.csv", run / "probe" / "predictions.parquet"):
        is_csv = path.suffix == ".csv"
        table = pd.read_csv(path, keep_default_na=False, dtype=str) if is_csv else pd.read_parquet(path)
        table["target"] += LONG
        table.loc[~table["method"].isin(["encoder", "fc"]), "method"] += LONG
        table.loc[table["condition"] != "", "condition"] += LONG
        if is_csv:
            table.to_csv(path, index=False)
        else:
            table.loc[table["truth_name"] != "", "truth_name"] += LONG
            table.to_parquet(path)
    (run / "probe" / "probe.json").write_text(json.dumps({"notes": [LONG], "settings": {LONG: LONG}, "command": LONG}))
    found = look(report(run), 360, tmp_path)
    assert in_shape(found), found


def test_a_page_that_is_out_of_shape_would_be_noticed(whole_page: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.html"
    wide = '<div style="width:1000px">wide</div><div class="scroll" tabindex="0"><p style="width:2000px">x</p></div>'
    wide += '<div role="img"></div><script>console.error("x")</script></main>'
    text = whole_page.read_text(encoding="utf-8").replace("</main>", wide)
    broken.write_text(re.sub(r'(<text[^>]*?) x="[^"]*"', r'\1 x="900"', text), encoding="utf-8")
    found = look(broken, 360, tmp_path)
    assert all(found[name] for name in ("outside", "clipped", "unnamed", "console", "sideways"))
    assert found["scroll"] > found["width"]


def test_it_prints(whole_page: Path, tmp_path: Path) -> None:
    pdf = tmp_path / "page.pdf"
    chromium(whole_page, f"--print-to-pdf={pdf}", "--no-pdf-header-footer", folder=tmp_path)
    pages = len(re.findall(rb"/Type\s*/Page\b", pdf.read_bytes()))
    assert 5 <= pages <= 40
