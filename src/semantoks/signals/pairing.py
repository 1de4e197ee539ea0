"""Whose row is whose: ids of recordings against ids of a participants table that spells them otherwise."""

import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

SHOWN = 3
"""Ids that a note names."""
LONG_NUMBER = 4
"""A number of so many digits names a person whatever stands before it: 50952 is ``NYU_0050952``."""
WORDS = re.compile(r"[^\W\d_]+|\d+(?:\.\d+)?")


def paired(recorded: Iterable[str], listed: Iterable[str]) -> dict[str, str]:
    """Find the rows of a table whose ids are those of recordings, spelled otherwise.

    Ids are the same where they differ by ``sub-``, leading zeros, case or punctuation; and a bare number is an id that
    ends with it, if it has four digits or all these ids begin alike. Only an id that fits a single one, and that no
    other fits, is paired: a person is never guessed.

    Parameters
    ----------
    recorded, listed
        Ids as the recordings, and as the table, have them; each may come several times.

    Returns
    -------
    {id in the table: id of the recordings}, for those that differ.
    """
    with_recording, in_table = set(recorded), set(listed)
    found = _one_to_one(with_recording, in_table, _spelling)
    lost, idle = with_recording - in_table - set(found.values()), in_table - with_recording - set(found)
    if not any(names and all(map(str.isdecimal, names)) for names in (idle, lost)):
        return found
    numbers = _one_to_one(with_recording, in_table, _last_number)
    numbers = {old: new for old, new in numbers.items() if old in idle and new in lost}
    begins = {re.sub(r"\d+\D*$", "", name) for pair in numbers.items() for name in pair if not name.isdecimal()}
    alike = len(begins) <= 1
    return found | {old: new for old, new in numbers.items() if alike or len(str(_last_number(old))) >= LONG_NUMBER}


def _one_to_one(recorded: set[str], listed: set[str], key: Callable[[str], Hashable]) -> dict[str, str]:
    """Pair the ids that only have each other's key, leaving out those that are equal."""
    ours, theirs = _by_key(recorded, key), _by_key(listed, key)
    return {
        theirs[one][0]: ours[one][0]
        for one in ours.keys() & theirs.keys()
        if len(ours[one]) == len(theirs[one]) == 1 and ours[one] != theirs[one] and one
    }


def _by_key(names: set[str], key: Callable[[str], Hashable]) -> Mapping[Hashable, list[str]]:
    found = defaultdict[Hashable, list[str]](list)
    for name in sorted(names):
        found[key(name)].append(name)
    return found


def _spelling(name: str) -> tuple[str, ...]:
    """Take off what is easily lost or added on the way: ``sub-``, leading zeros, case, punctuation between words.

    Numbers stay apart: 1-01 and 10-1 are two people.
    """
    words: list[str] = []
    for word in WORDS.findall(re.sub(r"^sub(?=[^a-z])", "", name.strip().lower())):
        if word.isalpha() and words and words[-1].isalpha():
            words[-1] += word
        else:
            words.append(word if word.isalpha() else word.lstrip("0") or "0")
    return tuple(words)


def _last_number(name: str) -> str:
    """Return the number with which an id ends, without leading zeros; empty if it ends otherwise."""
    found = re.search(r"\d+$", name)
    return "" if found is None else found[0].lstrip("0") or "0"


def paired_sessions(recorded: Iterable[str], listed: Iterable[str]) -> dict[str, str]:
    """Find the sessions of a table that are those of recordings, spelled otherwise: 1 and 01; see `paired`."""
    return _one_to_one({*recorded} - {""}, {*listed} - {""}, _spelling)


def unmatched_ids(recorded: Iterable[str], listed: Iterable[str]) -> list[str]:
    """Compare the participants of recordings with those of a participants table.

    Parameters
    ----------
    recorded, listed
        Ids as the recordings, and as the table, have them; each may come several times.

    Returns
    -------
    A note on the ids that only the recordings have, one on those that only the table has, with counts and examples, and
    one on how both are spelled; each only where there are any.
    """
    with_recording, in_table = set(recorded), set(listed)
    lost, idle = sorted(with_recording - in_table), sorted(in_table - with_recording)
    notes = []
    if lost:
        are = "is" if len(lost) == 1 else "are"
        notes.append(
            f"{len(lost)} of {len(with_recording)} participants with recordings {are} not in the participants table "
            f"(for example {_some(lost)}): nothing is known of them but their recordings."
        )
    if idle:
        have = "has" if len(idle) == 1 else "have"
        notes.append(
            f"{len(idle)} of {len(in_table)} participants of the table {have} no recording (for example {_some(idle)})."
        )
    theirs = _by_key(in_table, _spelling)
    several = [
        f"{one} and the table's {', '.join(theirs[_spelling(one)])}" for one in lost if theirs.get(_spelling(one))
    ]
    if several:
        notes.append(
            f"{len(several)} of these ids differ only by sub-, leading zeros, case or punctuation from one of the "
            f"other side, but not from one alone (for example {several[0]}): none is paired. Spell them as "
            "the recordings do."
        )
    elif lost and idle and not set(map(_padding, lost)) & set(map(_padding, idle)):
        notes.append(
            f"these ids are spelled differently: {shapes(lost)} in the recordings, {shapes(idle)} in the table (A "
            "for letters, 0 for a digit). If they are the same people, spell them in the table as the recordings do."
        )
    return notes


def paired_note(pairs: Mapping[str, str], listed: Iterable[str], what: str) -> list[str]:
    """Say how many of a table's participants or sessions are those of recordings although it spells them otherwise."""
    if not pairs:
        return []
    are = "is" if len(pairs) == 1 else "are"
    shown = [f"{old} for {new}" for old, new in sorted(pairs.items())[:SHOWN]]
    return [
        f"{len(pairs)} of {len(set(listed))} {what} of the table {are} spelled otherwise by the recordings "
        f"({', '.join(shown)}): paired, because each fits a single one"
    ]


def shape(name: str) -> str:
    """Describe how an id is spelled: letters are A, and digits 0 (``NYU_0050952`` is A_0000000)."""
    return re.sub(r"\d", "0", re.sub(r"[^\W\d_]+", "A", name))


def _padding(name: str) -> str:
    """Describe how an id is spelled, with the same word for all numbers without leading zeros."""
    return re.sub(r"[^\W\d_]+", "A", re.sub(r"(?<!\d)(0|[1-9]\d*)(?!\d)", "9", name))


def shapes(names: Sequence[str]) -> str:
    """Describe how ids are spelled, the most common way first, each with how many there are."""
    counts = defaultdict[str, int](int)
    for name in names:
        counts[shape(name)] += 1
    order = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    listed = [f"{form} ({count})" for form, count in order[:SHOWN]]
    return ", ".join(listed) + (f" and {len(order) - SHOWN} other ways" if len(order) > SHOWN else "")


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN])
