"""What was left out of a cohort, by reason, and what is flagged; single recordings are listed without names."""

import re
from collections import Counter, defaultdict
from dataclasses import dataclass

import pandas as pd

from semantoks.counted import plural
from semantoks.reporting.cohort.folder import CohortFolder
from semantoks.reporting.content import Block, Bullets, Cell, Folded, Item, Table, Words
from semantoks.reporting.wording import fd_words, percent

MOST_ROWS = 300
"""Rows of a table or list of single recordings."""
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
"""What a paper calls recordings that were left out, by how the reason begins."""
OTHER = "for other reasons"
LEAST_DIGITS, LEAST_LETTERS = 5, 3
"""Shortest ids (digits only, or with letters) that are taken out of a reason wherever they stand."""


@dataclass(frozen=True, kw_only=True)
class Reason:
    """A reason, how many recordings were left out for it, and what a paper calls it."""

    text: str
    count: int
    short: str


def left_out(cohort: CohortFolder) -> list[Block]:
    """Lay out exclusions by reason and flags; single recordings are shown on a click."""
    return [*_exclusions(cohort.excluded, show_ids=cohort.show_ids), *_flagged(cohort), *_each(cohort)]


def _exclusions(excluded: pd.DataFrame, *, show_ids: bool) -> list[Block]:
    if not len(excluded):
        return [Words("No recording was left out.")]
    found = reasons(excluded)
    by_reason = Table(
        label="Exclusions by reason",
        caption=f"{plural(len(excluded), 'recording')} left out, by reason. Ids and files are in excluded.tsv.",
        columns=("Reason", "Recordings"),
        rows=[[Cell(one.text), Cell(f"{one.count:,}")] for one in found[:MOST_ROWS]],
    )
    names = [f" ({name})" if show_ids else "" for name in excluded["recording_id"].head(MOST_ROWS)]
    told = zip(names, unnamed(excluded.head(MOST_ROWS)), strict=True)
    items = [Item(text, lead=f"Row {row}{name}: ") for row, (name, text) in enumerate(told, start=1)]
    order = _first_of(len(excluded), "excluded.tsv", "by row of excluded.tsv (not counting its header)")
    title = f"The {plural(len(excluded), 'recording')} left out, row by row"
    return [by_reason, Folded(title, [Words(order, tone="quiet"), Bullets(items)])]


def _flagged(cohort: CohortFolder) -> list[Block]:
    if "flags" not in cohort.quality:
        return [Words("It is not recorded whether any recording that was kept deserves a second look.")]
    flags = flags_of(cohort)
    if not (flags != "").any():
        return [Words("No recording that was kept is flagged.")]
    counts = Counter(flag for text in flags for flag in text.split("; ") if flag)
    by_flag = Table(
        label="Flags",
        caption="Kept but flagged: look at these before you use them.",
        columns=("Flag", "Recordings", "Share"),
        rows=[[Cell(flag), Cell(f"{n:,}"), Cell(percent(n / len(flags)))] for flag, n in counts.most_common()],
    )
    table = cohort.recordings[flags != ""]
    minutes, means = cohort.measured("good_seconds") / 60, table["mean_fd"]
    shown = means.sort_values(ascending=False, na_position="last").index[:MOST_ROWS]
    items = [
        Item(
            f"{fd_words(means[row])}, {minutes[row]:.1f} good minutes; {flags[row]}",
            lead=f"{cohort.called(int(row))}: ",
        )
        for row in shown
    ]
    order = _first_of(len(table), "quality.tsv", "those with most motion first")
    title = f"The {plural(len(table), 'flagged recording')}"
    return [by_flag, Folded(title, [Words(order, tone="quiet"), Bullets(items)])]


def _each(cohort: CohortFolder) -> list[Block]:
    """List the recordings that were kept, so that each can be found."""
    table, flags = cohort.recordings.head(MOST_ROWS), flags_of(cohort)
    if not len(table):
        return []
    minutes, good = cohort.minutes, cohort.measured("good_seconds") / 60
    rows = [
        [
            Cell(cohort.called(row)),
            Cell(str(one["site"]) or "not known"),
            Cell(f"{minutes[row]:.1f}"),
            Cell(f"{good[row]:.1f}" if pd.notna(good[row]) else "not known"),
            Cell(f"{one['mean_fd']:.3f}" if pd.notna(one["mean_fd"]) else "not known"),
            Cell(flags[row] or "none"),
        ]
        for row, (_, one) in enumerate(table.iterrows())
    ]
    found = Table(
        label="Recordings",
        caption=_first_of(len(cohort.recordings), "recordings.tsv", "by row of recordings.tsv"),
        columns=("Recording", "Site", "Minutes", "Good minutes", "Mean FD (mm)", "Flags"),
        rows=rows,
    )
    return [Folded(f"The {plural(len(cohort.recordings), 'recording')}, one by one", [found])]


def flags_of(cohort: CohortFolder) -> pd.Series:
    """Return the flags of each recording that was kept, joined by semicolons."""
    if "flags" in cohort.quality:
        return cohort.quality["flags"]
    return pd.Series("", index=cohort.recordings.index, dtype=str)


def _first_of(count: int, file: str, order: str) -> str:
    shown = f"The first {MOST_ROWS} of {count:,}; all are in {file}" if count > MOST_ROWS else f"All {count:,}"
    return f"{shown}, {order}."


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
