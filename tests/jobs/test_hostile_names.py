"""Whatever things are called, no page has their markup, no line their control characters, and no output an id."""

import contextlib
import io
import re

import numpy as np
import pytest

from semantoks.atlas.atlas import Atlas
from semantoks.cli.main import run
from semantoks.signals.prepare import prepare
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
