"""The site of these pages (`make docs`): what sphinx reads, and what is made for it before it starts.

The pages are the Markdown files of this folder. `made/` beside them is made anew each time: the pages that live
elsewhere (CONTRIBUTING, CHANGELOG, benchmarks), and the examples as sphinx-gallery wants them, run in their order.
"""

import re
import shutil
import sys
from importlib.metadata import version as version_of
from pathlib import Path

HERE = Path(__file__).parent
ROOT, MADE = HERE.parent, HERE / "made"
ELSEWHERE = {"CONTRIBUTING.md": "contributing", "CHANGELOG.md": "changelog", "benchmarks/README.md": "benchmarks"}
"""Pages of other folders, by the name that they get here."""

project, author, copyright = "semantoks", "The semantoks authors", "the semantoks authors"
version = release = version_of("semantoks")
extensions = [
    *("myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.viewcode", "numpydoc"),
    "sphinx_gallery.gen_gallery",
]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["_build", "made/examples/*", "made/gallery/*.ipynb", "made/gallery/*.py", "made/gallery/*.md5"]
templates_path = ["templates"]
html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_title = f"semantoks {release}"
html_copy_source = False
html_show_sphinx = False
highlight_language = "text"
myst_heading_anchors = 3
autosummary_generate = True
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
suppress_warnings = ["config.cache"]
sphinx_gallery_conf = {
    "examples_dirs": str(MADE / "examples"),
    "gallery_dirs": "made/gallery",
    "filename_pattern": r"/\d\d_",
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "show_signature": False,
    "show_memory": False,
    "write_computation_times": False,
    "matplotlib_animations": False,
    "abort_on_example_error": True,
    "only_warn_on_example_error": False,
    "min_reported_time": 1e9,
    "reset_argv": lambda _config, _script: [],
}


def bring_pages() -> None:
    """Copy the pages of other folders, with links that lead where the pages are here."""
    MADE.mkdir(exist_ok=True)
    for source, name in ELSEWHERE.items():
        (MADE / f"{name}.md").write_text(led(source, (ROOT / source).read_text(encoding="utf-8"), "../"))
    readme = led("README.md", (ROOT / "README.md").read_text(encoding="utf-8"), "")
    (MADE / "readme.txt").write_text(readme)  # no page of its own: index.md has parts of it


def led(source: str, text: str, to_pages: str) -> str:
    """Change a page's links: to pages of this folder or of ``made``; what is no page stays as words without a link."""

    def link(found: re.Match[str]) -> str:
        words, target, anchor = found[1], found[2], found[3] or ""
        words = "" if words.endswith(".md") else words  # the page's title says more than its file's name
        if "://" in target or target.startswith("#") or not target:
            return found[0]
        path = (ROOT / Path(source).parent / target).resolve()
        inside = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else ""
        if inside in ELSEWHERE:
            return f"[{words}]({to_pages}made/{ELSEWHERE[inside]}.md{anchor})"
        if inside.startswith("docs/") and path.exists():
            return f"[{words}]({to_pages}{inside.removeprefix('docs/')}{anchor})"
        return found[1]

    return re.sub(r"\[([^\]\n]*)\]\(([^)#\s]*)(#[^)\s]*)?\)", link, text)


def bring_examples() -> None:
    """Copy the examples: a title over the first sentence, and each cell's heading as words above its code."""
    shutil.rmtree(MADE / "examples", ignore_errors=True)
    (MADE / "examples").mkdir(parents=True)
    words = "Examples\n========\n\nShort scripts, to be run in their order: each uses what the ones before it left.\n"
    (MADE / "examples" / "GALLERY_HEADER.rst").write_text(words)
    for script in sorted((ROOT / "examples").glob("*.py")):
        text = script.read_text(encoding="utf-8")
        sentence = re.match(r'"""(.*?)"""', text, re.DOTALL)
        assert sentence is not None, script
        title = f"{script.stem[:2]}: {script.stem[3:].replace('_', ' ')}"
        head = f'"""\n{title}\n{"=" * len(title)}\n\n{sentence[1].strip()}\n"""'
        body = re.sub(r"^# %% (.*)$", r"# %%\n# **\1**", text[sentence.end() :], flags=re.MULTILINE)
        (MADE / "examples" / script.name).write_text(head + body)


def read_source(_app: object, name: str, source: list[str]) -> None:
    """Lead the links of this folder's pages, some of which go to pages of other folders."""
    if not name.startswith("made/") and (HERE / f"{name}.md").exists():
        source[0] = led(f"docs/{name}.md", source[0], "")


def setup(app: "object") -> None:
    """Make what is made, before sphinx looks for pages."""
    sys.path.insert(0, str(HERE))
    bring_pages()
    bring_examples()
    app.connect("source-read", read_source)  # type: ignore[attr-defined]
