"""README and docs: every command can be typed as it stands, every name exists, and no page is left out of the site."""

import contextlib
import functools
import io
import re
import shlex
from pathlib import Path

import pytest

import semantoks
from semantoks.cli import bids_app
from semantoks.cli.main import COMMANDS, WITH_RECIPES, run
from semantoks.statistics.tables import ANALYSES, METRICS, SUMMARY

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "MODEL_CARD.md", *sorted(DOCS.glob("*.md"))]
NO_CODE = ("toctree", "include", "eval-rst")
LOOKED_AT = ("bids", "schaefer400_dseg.nii.gz", "Schaefer400.dlabel.nii")
"""What an option names is looked for at once."""
TYPED: set[tuple[str, ...]] = set()
"""Commands that stood on a page before, whatever they were about: reading one takes a tenth of a second."""


def blocks(page, *languages):
    """The fenced blocks of a page in these languages (empty: none named), indented ones, too."""
    text = page.read_text(encoding="utf-8")
    for indent, language, body in re.findall(r"^( *)```(\S*)\n(.*?)^ *```$", text, re.S | re.M):
        if language in languages:
            yield re.sub(rf"^{indent}", "", body, flags=re.M)


def lines_of(page):
    """What a shell would run, line by line, without comments."""
    for body in blocks(page, "", "bash", "sh", "console"):
        for line in body.replace("\\\n", " ").splitlines():
            yield from (part.strip() for part in re.split(r"&&|;", re.sub(r"(^|\s)#.*", "", line)))


def commands(page):
    """The words of each command of ours in a page's blocks, also of those that something else starts."""
    for line in lines_of(page):
        if found := re.search(r"(?:^|['\"=] ?)(semantoks(?:-bids)? [^'\"]*(?:[\"'][^'\"]*[\"'][^'\"]*)*)", line):
            text = re.sub(r" > \S+", "", found[1])
            text = re.sub(r"\$\((?:[^()]|\([^()]*\))*\)|\$\{?\w+\}?", "1", text)
            text = text if text.count("'") % 2 == 0 and text.count('"') % 2 == 0 else text.rstrip("'\"")
            yield shlex.split(text)


def in_sentences(page):
    """Commands of ours in the sentences of a page, most of them without what has to be given."""
    text = re.sub(r"^ *```.*?^ *```$", "", page.read_text(encoding="utf-8"), flags=re.S | re.M)
    for command in re.findall(r"`(semantoks [a-z]+[^`]*)`", text):
        yield command.split()


@pytest.fixture
def only_read(monkeypatch, tmp_path):
    """Commands that read their words, and do nothing."""
    monkeypatch.chdir(tmp_path)
    for name in LOOKED_AT:
        Path(name).touch()
    for name, command in COMMANDS.items():
        if name not in WITH_RECIPES:
            monkeypatch.setitem(COMMANDS, name, functools.wraps(command)(lambda *_args, **_options: 0))
    for name in ("train.run.pretrain", "evaluate.finetuning.finetune.finetune"):
        monkeypatch.setattr(f"semantoks.{name}", lambda *_args, **_options: 1 / 0)
    monkeypatch.setattr(bids_app, "bids", functools.wraps(bids_app.bids)(lambda *_args, **_options: 0))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_a_page_can_be_typed_as_it_stands(page, only_read, capsys):
    for words in commands(page):
        shape = tuple(word if word.startswith("-") else "" for word in words[2:])
        if (*words[:2], *shape) in TYPED:
            continue
        TYPED.add((*words[:2], *shape))
        if words[0] == "semantoks-bids":
            code = bids_app.run(words[1:])
        elif words[1] in WITH_RECIPES:
            with pytest.raises(ZeroDivisionError):
                run([word for word in words[1:] if not word.endswith(".toml")])
            continue
        else:
            code = run(words[1:])
        assert code == 0, f"{shlex.join(words)}\n{capsys.readouterr().err}"


@pytest.fixture(scope="module")
def options_of():
    """The options of a command, from its help."""

    @functools.cache
    def known(name):
        with contextlib.redirect_stdout(io.StringIO()) as out:
            run([name, "--help"])
        return set(re.findall(r"--[\w.-]+", out.getvalue()))

    return known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_and_option_in_a_sentence_exists(page, options_of):
    for words in in_sentences(page):
        assert words[1] in COMMANDS, words
        assert {word.partition("=")[0] for word in words if word.startswith("--")} <= options_of(words[1]), words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_other_commands_name_what_is_there(page):
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M)
    for line in lines_of(page):
        words = line.split()
        if words[:1] == ["make"]:
            assert words[1] in targets, line
        for module in re.findall(r"python -m (benchmarks[\w.]*)", line):
            path = ROOT / module.replace(".", "/")
            assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), line


def test_blocks_in_a_language_are_shell_python_or_a_table_of_settings():
    languages = {
        language for page in PAGES for language in re.findall(r"^ *```(\S+)$", page.read_text(encoding="utf-8"), re.M)
    }
    assert {one for one in languages if one.strip("{}") not in NO_CODE} <= {"python", "bash", "toml"}


def test_the_reference_lists_every_public_name_once():
    listed = re.findall(r"^   (\w+)$", (DOCS / "api.md").read_text(encoding="utf-8"), re.M)
    assert sorted(listed) == sorted(semantoks.__all__)


def test_every_statistic_of_the_tables_has_its_paragraph():
    named = set(re.findall(r"`(\w+)`", (DOCS / "statistics.md").read_text(encoding="utf-8")))
    plain = {"analysis", "condition", "target", "kind", "method", "metric", "mean", "sd", "splits", *ANALYSES}
    assert {*METRICS, *(name for name in SUMMARY if not name.startswith("tangent_"))} - plain <= named
    assert {"deconfounded", "motion_matched", "decode", "confound_test"} <= named


def test_the_sites_contents_have_every_page():
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    inside = "\n".join(re.findall(r"```\{toctree\}\n(.*?)```", index, re.S)).split("\n")
    pages = [line for line in inside if line and not line.startswith((":", "made/"))]
    assert sorted(pages) == sorted({page.stem for page in DOCS.glob("*.md")} - {"index"})


def test_links_between_pages_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"(?<!!)\[[^\]]*\]\(([^)#\s]+)(?:#[^)\s]*)?\)", page.read_text(encoding="utf-8")):
            assert "://" in target or (page.parent / target).exists(), (page.name, target)
