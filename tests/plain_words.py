"""What a page shows people, and what in it reads as if it were for a program: names_like_this, "1 recordings"."""

import html
import re
from collections.abc import Iterable
from html.parser import HTMLParser

SNAKE = re.compile(r"\b(?!\w+\.(?:tsv|csv|json|jsonl|parquet|npy|h5|html)\b)[^\W_]+(?:_[^\W_]+)+\b")
ONE = re.compile(r"(?<![\w.,×−-])1 (?:people|(?!class\b|is\b|was\b|has\b|does\b|lacks\b|loss\b)[a-z-]+s)\b")
LOOSE = re.compile(
    r"\(no all-clear\)|\bRun run\b|\b\w+\(s\)|\bNone\b|\bnan\b|\bTrue\b(?! values)|\bFalse\b|\bsettings\.\w+"
)


class Shown(HTMLParser):
    """The words of a page that people read: neither style nor code nor the names of settings, to be typed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[tuple[str, bool]] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.words += [given["aria-label"] or ""] if "aria-label" in given else []
        if tag not in ("meta", "br", "image", "use", "link", "path"):
            typed = tag in ("style", "script", "code", "pre") or given.get("class") == "pairs"
            self.open.append((tag, typed))

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if data.strip() and not any(typed for _, typed in self.open):
            self.words.append(" ".join(data.split()))


def shown(page: str) -> list[str]:
    """Return the texts of a page and of its figures, also those in words."""
    parser = Shown()
    parser.feed(page)
    return [html.unescape(text) for text in parser.words]


def odd(texts: Iterable[str], known: Iterable[str] = ()) -> list[str]:
    """Return the texts with words for programs, or a plural of one; ``known`` names are the user's own."""
    found = []
    for text in texts:
        bare = re.sub(r"`[^`]*`|--[\w-]+", "", text)
        for name in known:
            bare = bare.replace(name, "")
        found += [text] if any(one.search(bare) for one in (SNAKE, ONE, LOOSE)) else []
    return found
