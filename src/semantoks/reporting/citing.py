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
    r"(?P<who>[A-Z][\w-]+)(?P<others> et al\.)?( and (?P<second>[A-Z][\w-]+))?.*? (?P<year>\d{4})"
    r"(, (?P<in>.+) (?P<of>\d+):(?P<from>\w+))?"
)
_TITLES = {
    "nadeau2003": ("Inference for the Generalization Error", "10.1023/A:1024068626366"),
    "holm1979": ("A Simple Sequentially Rejective Multiple Test Procedure", ""),
    "schuirmann1987": (
        "A comparison of the Two One-Sided Tests Procedure and the Power Approach for assessing the equivalence of "
        "average bioavailability",
        "10.1007/BF01068419",
    ),
    "spisak2022": (
        "Statistical quantification of confounding bias in machine learning models",
        "10.1093/gigascience/giac082",
    ),
    "schaefer2018": (
        "Local-Global Parcellation of the Human Cerebral Cortex from Intrinsic Functional Connectivity MRI",
        "10.1093/cercor/bhx179",
    ),
    "yeo2011": (
        "The organization of the human cerebral cortex estimated by intrinsic functional connectivity",
        "10.1152/jn.00338.2011",
    ),
    "tian2020": (
        "Topographic organization of the human subcortex unveiled with functional connectivity gradients",
        "10.1038/s41593-020-00711-6",
    ),
    "buckner2011": (
        "The organization of the human cerebellum estimated by intrinsic functional connectivity",
        "10.1152/jn.00339.2011",
    ),
    "craddock2012": (
        "A whole brain fMRI atlas generated via spatially constrained spectral clustering",
        "10.1002/hbm.21333",
    ),
    "tzourio-mazoyer2002": (
        "Automated anatomical labeling of activations in SPM using a macroscopic anatomical parcellation of the MNI "
        "MRI single-subject brain",
        "10.1006/nimg.2001.0978",
    ),
    "desikan2006": (
        "An automated labeling system for subdividing the human cerebral cortex on MRI scans into gyral based regions "
        "of interest",
        "10.1016/j.neuroimage.2006.01.021",
    ),
}
"""Titles and DOIs of the articles that pages cite, by the key of their entries."""


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
    entries = [PAPER_BIBTEX, _software(), *map(bibtex, further)]
    return [PAPER, software, *further, DATA], list(dict.fromkeys(entries))


def bibtex(text: str) -> str:
    """Turn a citation ("Name et al. 2018, Journal 28:3095") into BibTeX; what it does not say is left out."""
    found = _TEXT.match(text)
    if found is None:
        return _misc(re.sub(r"\W+", "", text.lower())[:20], "", text)
    key = f"{found['who'].lower()}{found['year']}"
    author = found["who"] + (" and others" if found["others"] else f" and {found['second']}" * bool(found["second"]))
    if found["in"] is None:
        return _misc(key, author, text)
    title, doi = _TITLES.get(key, ("", ""))
    fields = {"author": author, "title": title, "journal": found["in"], "year": found["year"], "volume": found["of"]}
    fields |= {"pages": found["from"], "doi": doi}
    lines = [f"  {name} = {{{value}}}" for name, value in fields.items() if value]
    return f"@article{{{key},\n" + ",\n".join(lines) + "\n}"


def _software() -> str:
    made = version("semantoks")
    fields = {"author": "{The semantoks authors}", "title": "semantoks", "year": "2026", "version": made}
    lines = [f"  {name} = {{{value}}}" for name, value in (*fields.items(), ("note", "Software"))]
    return "@misc{semantoks,\n" + ",\n".join(lines) + "\n}"


def _misc(key: str, author: str, note: str) -> str:
    lines = [f"  author = {{{author}}}"] * bool(author) + [f"  note = {{{note}}}"]
    return f"@misc{{{key},\n" + ",\n".join(lines) + "\n}"
