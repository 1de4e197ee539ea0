"""Whatever things are called, no page has their markup, no line their control characters, and no output an id."""

import contextlib
import io
import json
import re

import numpy as np
import pandas as pd
import pytest

from semantoks.atlas.atlas import Atlas
from semantoks.cli.main import run
from semantoks.reporting.page import report
from semantoks.signals.prepare import prepare
from semantoks.storage.checksums import sealed
from semantoks.storage.tables import write_table
from semantoks.visible import IN_TEXT
from tiny_people import ATLAS, RAW, make_people, save_model

pytestmark = pytest.mark.slow

MARKUP = "<script>alert(1)</script>\"'&$x_{$=cmd()"
POISON = f"{MARKUP}\u202e\x9b[31m"
WHO = "QZX7"
HOSTILE = Atlas(
    name="a" + MARKUP,
    labels=tuple(f"{label}{MARKUP}" for label in ATLAS.labels),
    networks=tuple(f"{network}{MARKUP}" for network in ATLAS.networks),
)
LOOK = ("--folds", "4", "--repeats", "1")
COMMANDS = {
    "audit": (*LOOK, "--target", POISON),
    "vocabulary": (*LOOK, "--target", POISON, "--words", "4"),
    "explain": ("--target", POISON, "--windows", "5"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A cohort in which everything but the ids is called as an attack, and an encoder of its atlas."""
    folder = tmp_path_factory.mktemp("hostile")
    series, table = make_people(40)
    table = table.assign(participant_id=WHO + table["participant_id"], sex=table["sex"] + POISON, site=POISON)
    (folder / "raw").mkdir()
    for name, values in series.items():
        np.save(folder / "raw" / f"{name.replace('sub-', f'sub-{WHO}')}_timeseries.npy", values.astype(np.float32))
    table.rename(columns={"sex": POISON}).to_csv(folder / "raw" / "participants.tsv", sep="\t", index=False)
    prepare(folder / "raw", out=folder / "cohort", atlas=HOSTILE, tr=2.0, cleaning=RAW)
    save_model(folder / "model", atlas=HOSTILE)
    return folder


@pytest.mark.parametrize("command", COMMANDS)
def test_names_are_text_on_every_page_and_line_and_ids_are_nowhere(folder, command):
    out, said = folder / command, io.StringIO()
    given = [command, folder / "model", folder / "cohort", "--out", out, *COMMANDS[command]]
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        assert run([str(word) for word in given]) == 0, said.getvalue()[-2000:]
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "&lt;script&gt;alert" in page
    assert not re.search(r"<script|<img src=x", page)
    for text in (page, said.getvalue()):
        assert not IN_TEXT.search(text.replace("\r", ""))
        assert WHO not in text
    for file in [path for path in out.rglob("*") if path.is_file()]:
        assert WHO.encode() not in file.read_bytes(), file


@pytest.mark.parametrize("kind", ["ablate", "scale", "compare"])
def test_names_are_text_on_the_page_of_a_study(tmp_path, kind):
    """Its tables are made up: what they name comes from participants, recipes and grids."""
    names = dict.fromkeys(("condition", "differs", "target", "group"), POISON)
    bars = [f"{bar}{end}" for bar in ("", "fc_", "tangent_") for end in ("diff", "diff_low", "diff_high", "p_holm")]
    numbers = dict.fromkeys(("score", "low", "high", "gain", "gain_low", "gain_high", "fc", "random_weights"), 0.5)
    summary = names | numbers | dict.fromkeys(bars, 0.1) | {"metric": "r", "over": "people", "seeds": 1}
    summary |= dict.fromkeys(("verdict", "fc_verdict", "tangent_verdict"), "undecided") | {"collapsed": 0, "failed": 0}
    law = dict.fromkeys(("a", "a_low", "a_high", "extrapolation_error", "behind"), 0.1)
    tables = {
        "results": names | {"run": POISON.replace("/", ""), "status": "finished", "people": 9},
        "summary": summary | ({"amount": 9.5} if kind == "scale" else {}),
        "answers": {"target": POISON, "answer": POISON},
        "recipes": {"condition": POISON, "steps": 3},
        "laws": law | {"target": POISON, "law": "flat", "formula": "a", "best": "yes"},
    }
    for name, row in tables.items():
        write_table(tmp_path / f"{name}.tsv", pd.DataFrame([row, row]))
    about = dict.fromkeys(("cohort", "reference", "command"), POISON) | {"kind": kind, "targets": [POISON]}
    about |= {"left_out": [[POISON, POISON]], "notes": [POISON], "about": [[POISON, POISON]]}
    (tmp_path / "study.json").write_text(json.dumps(sealed(about)))
    page = report(tmp_path).read_text(encoding="utf-8")
    assert page.count("&lt;script&gt;alert") > 10
    assert not re.search(r"<script|<img src=x", page)
    assert not IN_TEXT.search(page)
    for table in (tmp_path / "report_tables").iterdir():
        assert not IN_TEXT.search(table.read_text(encoding="utf-8"))
