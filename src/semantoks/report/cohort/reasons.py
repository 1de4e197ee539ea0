"""Why recordings were left out: reasons that differ in names, paths and numbers alone are one reason with a range."""

import re
from collections import defaultdict
from dataclasses import dataclass

import pandas as pd

NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?![\w.]*\w)")
PATH = re.compile(r"[^\s(\"']*[/\\][^\s\"']*\.\w+|(?<!\S)[~.]?[/\\]\S*\w|\b(?:sub|ses)-\w\S*\w")
FILES = re.compile(r"a file(?:, a file)+")
SHORT = {
    "motion": "with too much motion",
    "too short": "too short",
    "censored": "without usable frames after censoring",
    "flat": "without signal",
    "not finite": "with values that are not finite",
    "wrong number of ROIs": "with another number of ROIs",
    "no repetition time": "without a known repetition time",
}
"""What a paper calls recordings that were left out for a reason that begins like this."""
OTHER = "for other reasons"
LEAST_DIGITS, LEAST_LETTERS = 5, 3
"""Characters that a person's id needs to be taken out of a reason wherever it stands; shorter ones may be numbers."""


@dataclass(frozen=True, kw_only=True)
class Reason:
    """A reason, how many recordings were left out for it, and what a paper calls it."""

    text: str
    count: int
    short: str


def reasons(excluded: pd.DataFrame) -> list[Reason]:
    """Group the rows of excluded.tsv by reason, the most frequent first."""
    groups: dict[str, list[str]] = defaultdict(list)
    for text in unnamed(excluded):
        groups[NUMBER.sub("#", text)].append(text)
    found = [Reason(text=_merged(texts), count=len(texts), short=_short(texts[0])) for texts in groups.values()]
    return sorted(found, key=lambda one: -one.count)


def unnamed(excluded: pd.DataFrame) -> list[str]:
    """Return the reason of each row of excluded.tsv without the names of the recording, its person and files."""
    named = (excluded[name] for name in ("reason", "recording_id", "source_file", "participant_id"))
    return [_anonymous(*row) for row in zip(*named, strict=True)]


def short_counts(found: list[Reason]) -> dict[str, int]:
    """Count recordings by what a paper calls the reason; other reasons come last."""
    counts: dict[str, int] = defaultdict(int)
    for one in sorted(found, key=lambda one: one.short == OTHER):
        counts[one.short] += one.count
    return dict(counts)


def _anonymous(text: str, key: str, file: str, person: str) -> str:
    """Take the names of the recording, its files and its person out of a reason."""
    alone = r"(?<![\w/.-]){}(?![\w/\\-]|\.\w)"
    name = re.split(r"[/\\]", file)[-1]
    text = text.replace(file, "the file") if file else text
    text = re.sub(alone.format(re.escape(name)), "the file", text) if name else text
    text = re.sub(alone.format(re.escape(key)), "the recording", text) if key else text
    named = rf"participant {alone.format(re.escape(person))}(, session [^\s,;:.]+)?"
    text = re.sub(named, "the participant", text) if person else text
    if len(person) >= (LEAST_DIGITS if person.isdigit() else LEAST_LETTERS):
        text = re.sub(alone.format(re.escape(person)), "the participant", text)
    return FILES.sub("files", PATH.sub("a file", text))


def _merged(texts: list[str]) -> str:
    """Write reasons that differ in numbers alone as one, with the range of each number."""
    columns = list(zip(*(NUMBER.findall(text) for text in texts), strict=True))
    ranges = []
    for column in columns:
        low, high = min(column, key=float), max(column, key=float)
        ranges.append(low if low == high else f"{low} to {high}")
    words = iter(ranges)
    return NUMBER.sub(lambda _: next(words), texts[0])


def _short(text: str) -> str:
    return next((words for begin, words in SHORT.items() if text.startswith(begin)), OTHER)
