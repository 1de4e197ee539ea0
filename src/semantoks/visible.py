"""Text out of files, fit to be shown: what a terminal or a page would obey is spelt, and what has no end is cut."""

import re

OBEYED = (
    r"\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff"  # control characters, and halves of characters that nothing can write
    r"\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb"  # what turns the direction, or takes no room
)
IN_TEXT, IN_LINE = re.compile(f"[{OBEYED}]"), re.compile(rf"[\t\n{OBEYED}]")
LONGEST_WORD, LONGEST = 400, 3000
"""Characters of a word, which may be a path, and of all that a message says."""


def visible(text: str) -> str:
    r"""Spell what a terminal or a page would obey as Python does (``\x1b``); line breaks and tabs stay."""
    return IN_TEXT.sub(_spelt, text)


def one_line(text: str) -> str:
    r"""Spell line breaks and tabs, too."""
    return IN_LINE.sub(_spelt, text)


def message(text: str) -> str:
    """Write what is said in one line, and cut the middle out of words and lines that data have filled."""
    return _cut(" ".join(_cut(word, LONGEST_WORD) for word in one_line(text).split(" ")), LONGEST)


def _spelt(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most // 2]}...{text[-(most // 2 - 3) :]}"
