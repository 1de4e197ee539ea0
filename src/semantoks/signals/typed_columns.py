"""From the cells of a table to values: numbers however they are written, and which cells say that nothing is known."""

import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

MISSING = ("", "n/a", "N/A", "NA", "NaN", "nan", "NAN")
"""Cells without a value, as BIDS, R and pandas write them."""
UNKNOWN_WORDS = frozenset(
    {*("unknown", "missing", "not available", "not known", "#n/a", "#null!", "#div/0!", "#value!", "#ref!", "#name?")}
    | {*("na", "n.a.", "n.a", "n/a", "nan", "null", "<na>", ".", "..", "-", "--", "?")}
)
"""Words, in lower case, for a value that is not known; taken as missing, which is said."""
NEGATIVE_CODE = re.compile(r"-(7+|8+|9+)(\.0+)?")
POSITIVE_CODE = re.compile(r"(5{3,}|7{2,}|8{2,}|9{2,})(\.0+)?")
"""What is written by convention for a value that is not known: -9999, 999, 88 ..."""
LABEL_NAMES = ("site", "siteid", "scanner", "scannerid", "center", "centre", "batch", "cohort", "group")
"""Columns whose numbers are mere labels: 99 may be one of them."""
LONGEST_NUMBER = 300
"""Characters of what may be a number: more digits are none that a float could hold."""
PADDED = re.compile(r"-?0\d+")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
DECIMAL_COMMA = re.compile(r"[+-]?\d+(,\d+)?")
THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")
"""What may be one: 0,735 is none, whoever wrote it."""
POINTED_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(\.\d{3})+")
BOUND = re.compile(r"(?:[<>]=?|[≤≥])\s*(\d+(?:\.\d+)?)|(\d+(?:\.\d+)?)\s*(?:\+|(?:or|and) (?:older|over|above|more))")
RANGE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:-|–|to)\s*(\d+(?:\.\d+)?)")
AGE = re.compile(r"(\d+(?:\.\d+)?)\s*(y|yr|yrs|years?|yo|m|mo|months?|w|weeks?|d|days?)", re.IGNORECASE)
YEARS = {"y": 1.0, "m": 1 / 12, "w": 7 / 365.25, "d": 1 / 365.25}
"""Years in a unit, by its first letter."""


@dataclass(kw_only=True)
class TypedColumn:
    """A column with its values, how often each code was taken as missing, and sentences on what else was understood."""

    values: pd.Series
    unknown: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)


def typed_column(column: pd.Series, *, declared: Collection[str] = (), semicolons: bool = False) -> TypedColumn:
    """Turn a column of text into numbers or truth values where all its cells are such; take unknown ones as missing.

    A column with a code like 007 stays text. Decimal commas are read; in a column of ages, so are ``25y``, ``025Y``,
    ``>89`` (its bound) and ``25-30`` (its middle).

    Parameters
    ----------
    declared
        Codes that a description of the column explains: they are values.
    semicolons
        The table is separated by semicolons, as where commas are decimal.
    """
    name = str(column.name)
    if pd.api.types.is_bool_dtype(column) or pd.api.types.is_datetime64_any_dtype(column):
        return TypedColumn(values=column)
    if pd.api.types.is_numeric_dtype(column):
        return _without_codes(TypedColumn(values=column), name, declared)
    texts = _texts(column)
    if (
        all(
            len(cell) < LONGEST_NUMBER and cell.isascii() and NUMBER.fullmatch(cell) and not PADDED.fullmatch(cell)
            for cell in texts
        )
        and texts
    ):
        return _without_codes(TypedColumn(values=_as_floats(pd.to_numeric(column))), name, declared)
    found = TypedColumn(values=column.map(lambda cell: cell.strip() if isinstance(cell, str) else cell))
    if texts and not any(map(_says_more, texts)):
        return found
    text = found.values.dropna().astype(str)
    words = text[text.str.lower().isin(UNKNOWN_WORDS) & ~text.isin(list(declared))]
    found.unknown.update(words.tolist())
    found.values, text = found.values.mask(found.values.index.isin(words.index)), text.drop(words.index)
    if not len(text) or text.str.fullmatch(PADDED.pattern).any():
        return found if len(text) else TypedColumn(values=column.mask(column.index.isin(words.index)))
    if text.str.lower().isin(["true", "false"]).all():
        if len(text) == len(column):
            found.values = text.str.lower() == "true"
        return found
    plain = _numbers(text)
    numbers = _written_otherwise(text, name, semicolons, found.notes) if plain.isna().any() else plain
    if numbers is None:
        return _text_without_codes(found, text, declared)
    found.values = numbers.reindex(column.index)
    return _without_codes(found, name, declared)


def _numbers(text: pd.Series) -> pd.Series:
    """Turn text into numbers, NaN where it is none; one with too many digits is none, and Python refuses to try."""
    return _as_floats(pd.to_numeric(text.where(text.str.len() < LONGEST_NUMBER), errors="coerce"))


def _as_floats(numbers: pd.Series) -> pd.Series:
    """Give numbers beyond 64 bits, which pandas leaves as objects, as floats."""
    return numbers.astype(np.float64) if numbers.dtype == object else numbers


def _texts(column: pd.Series) -> set[str]:
    """Give the different cells of a column; none where one is neither text nor missing."""
    texts = [cell for cell in column.tolist() if isinstance(cell, str)]
    return set(texts) if len(texts) + int(column.isna().sum()) == len(column) else set()


def _says_more(cell: str) -> bool:
    """Tell whether a cell may be more than a word: a number, a code, a truth value, or that something is unknown."""
    cell = cell.strip().lower()
    return cell in ("true", "false", "inf", "infinity") or cell in UNKNOWN_WORDS or any(map(str.isdigit, cell))


def _without_codes(found: TypedColumn, name: str, declared: Collection[str]) -> TypedColumn:
    """Make the codes of a column of numbers missing, and count them."""
    numbers = found.values.dropna()
    if not len(numbers) or np.iscomplexobj(numbers):
        return found
    for code, count in missing_codes(numbers.to_numpy(np.float64), labels=plain_name(name) in LABEL_NAMES).items():
        if f"{code:g}" not in declared and str(int(code)) not in declared:
            found.unknown[str(int(code))] += count
            found.values = found.values.mask(found.values == code)
    return found


def _text_without_codes(found: TypedColumn, text: pd.Series, declared: Collection[str]) -> TypedColumn:
    """Make -9999 and 999 missing among words, where no other cell is a number."""
    codes = text[text.str.fullmatch(NEGATIVE_CODE.pattern) | text.str.fullmatch(r"9{3,}")]
    others = text.drop(codes.index)
    if not others.str.fullmatch(NUMBER.pattern).any() and len(others):
        codes = codes[~codes.isin(list(declared))]
        found.unknown.update(codes.tolist())
        found.values = found.values.mask(found.values.index.isin(codes.index))
    return found


def missing_codes(values: Float[ndarray, " value"], *, labels: bool = False) -> dict[float, int]:
    """Find the numbers that stand for a missing value: conventional ones that are far from all others.

    Parameters
    ----------
    labels
        The numbers are mere labels, so that 99 may be one.

    Returns
    -------
    The codes, each with how often it occurs.
    """
    counts = Counter(values.tolist())
    likely = sorted((value for value in counts if _conventional(value)), key=abs)
    rest, codes = [value for value in counts if value not in likely], dict[float, int]()
    for code in likely:
        if not (labels and code > 0) and _is_apart(code, counts[code], rest):
            codes[code] = counts[code]
        else:
            rest.append(code)
    return codes


def _conventional(value: float) -> bool:
    text = f"{value:.10g}"
    return bool(NEGATIVE_CODE.fullmatch(text) or POSITIVE_CODE.fullmatch(text))


def _is_apart(code: float, count: int, rest: list[float]) -> bool:
    """Tell whether a code is so far from the rest of the values that it cannot be one of them.

    It has to lie outside of them by once or twice their range; a negative one among values that are never negative is
    betrayed by its sign, if it occurs repeatedly or has three digits.
    """
    if not rest:
        return code <= -99
    low, high = min(rest), max(rest)
    spread = (high - low) or 1.0
    if code < 0:
        by_sign = low >= 0 and (count > 1 or code <= -999)
        return code < low and (by_sign or low - code >= (1 if code <= -999 else 2) * spread)
    sure = code >= 100 or count > 1
    return code - high >= (1 if sure else 2) * spread and code >= (2 if sure else 3) * high


def suspects(values: Float[ndarray, " value"]) -> dict[float, int]:
    """Find numbers at the end of the others that may be codes and may be values: -1 below zero, 99 above 80."""
    counts = Counter(values.tolist())
    order = sorted(counts)
    found = [value for value in order[:2] if value < 0 and value.is_integer() and order[-1] > 0 and len(order) > 2]
    found = [value for value in found if sum(one < 0 for one in order) <= 2]
    found += [value for value in order[-1:] if value > 0 and _conventional(value)]
    return {value: counts[value] for value in found}


def plain_name(name: str) -> str:
    """Spell the name of a column without case and punctuation: ``SITE_ID`` is ``siteid``."""
    return re.sub(r"[^0-9a-z]", "", name.lower())


def _written_otherwise(text: pd.Series, name: str, semicolons: bool, notes: list[str]) -> pd.Series | None:
    """Read numbers with decimal commas, bounds, ranges and units; None where a cell is none of them."""
    if (commas := text.str.contains(",")).any() and text.str.fullmatch(DECIMAL_COMMA.pattern).all():
        if not semicolons and text[commas].str.fullmatch(THOUSANDS.pattern).all():
            notes.append(
                f"{name} stays text: the comma of {text[commas].iloc[0]} may be a decimal one or one of thousands. "
                "Write the numbers without it."
            )
            return None
        return pd.to_numeric(text.str.replace(",", "."))
    is_age = "age" in re.split(r"[^a-z]+", name.lower())
    if is_age and commas.any():
        text = text.str.replace(r"(?<=\d),(?=\d)", ".", regex=True)
    plain = text.str.fullmatch(NUMBER.pattern)
    if not is_age and plain.sum() * 2 < len(text):
        return None
    ways = (("its bound", _bound), ("its middle", _middle), *([("years", _years)] if is_age else []))
    values, told = _numbers(text), []
    for words, read in ways:
        found = text[values.isna()].map(read, na_action="ignore").dropna().astype(float)
        if len(found):
            values[found.index] = found
            told.append(f"{len(found)} such as {text[found.index[0]]} as {words}")
    if values.isna().any():
        return None
    notes.append(f"{name}: {', '.join(told)}")
    return values


def _bound(cell: str) -> float | None:
    found = BOUND.fullmatch(cell)
    return None if found is None else float(found[1] or found[2])


def _middle(cell: str) -> float | None:
    found = RANGE.fullmatch(cell)
    return (float(found[1]) + float(found[2])) / 2 if found and float(found[1]) < float(found[2]) else None


def _years(cell: str) -> float | None:
    found = AGE.fullmatch(cell)
    return None if found is None else float(found[1]) * YEARS[found[2][0].lower()]
