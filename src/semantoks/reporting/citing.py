"""What to cite, as text and as BibTeX: the paper, the software, and what an atlas or a test comes from."""

import re
from collections.abc import Sequence
from importlib.metadata import version

from semantoks.reporting.content import Block, Bullets, Code, Folded, Item, Words

PAPER = (
    "Gijsen, Schulz, Ritter 2026, Brain-Semantoks: Learning Semantic Tokens of Brain Dynamics with a Self-Distilled "
    "Foundation Model, ICLR (arXiv:2512.11582)"
)
PAPER_BIBTEX = """@inproceedings{gijsen2026,
  author = {Gijsen and Schulz and Ritter},
  title = {Brain-Semantoks: Learning Semantic Tokens of Brain Dynamics with a Self-Distilled Foundation Model},
  booktitle = {International Conference on Learning Representations},
  year = {2026},
  note = {arXiv:2512.11582}
}"""
DATA = "Your data: cite what whoever shared them asks for. It is not recorded here."
_TEXT = re.compile(
    r"(?P<who>[A-Z][\w-]+)(?P<others> et al\.)?.*? (?P<year>\d{4})(, (?P<in>.+) (?P<of>\d+):(?P<from>\d+))?"
)


def to_cite(further: Sequence[str]) -> list[Block]:
    """List the paper, the software and ``further`` texts ("Name et al. 2018, Journal 28:3095"), and their BibTeX."""
    texts, entries = bibliography(further)
    return [
        Words("To cite:"),
        Bullets([Item(text) for text in texts]),
        Folded("The same as BibTeX", [Code("\n\n".join(entries))]),
    ]


def bibliography(further: Sequence[str]) -> tuple[list[str], list[str]]:
    """Give what to cite as texts and as entries of BibTeX: the paper, the software, and ``further`` texts."""
    software = f"semantoks {version('semantoks')} (software)"
    entries = [PAPER_BIBTEX, _misc("semantoks", "The semantoks authors", software), *map(bibtex, further)]
    return [PAPER, software, *further, DATA], list(dict.fromkeys(entries))


def bibtex(text: str) -> str:
    """Turn a citation ("Name et al. 2018, Journal 28:3095") into BibTeX; what it does not say is left out."""
    found = _TEXT.match(text)
    if found is None:
        return _misc(re.sub(r"\W+", "", text.lower())[:20], "", text)
    key = f"{found['who'].lower()}{found['year']}"
    author = found["who"] + (" and others" if found["others"] else "")
    if found["in"] is None:
        return _misc(key, author, text)
    fields = {"author": author, "journal": found["in"], "year": found["year"], "volume": found["of"]}
    lines = [f"  {name} = {{{value}}}" for name, value in (*fields.items(), ("pages", found["from"]))]
    return f"@article{{{key},\n" + ",\n".join(lines) + "\n}"


def _misc(key: str, author: str, note: str) -> str:
    lines = [f"  author = {{{author}}}"] * bool(author) + [f"  note = {{{note}}}"]
    return f"@misc{{{key},\n" + ",\n".join(lines) + "\n}"
