"""Numbers, names and verdicts in words."""

import math
import re
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from semantoks.statistics.tables import LOWER_IS_BETTER, METRICS

CONFOUNDS = {
    "site": "site",
    "source_tr": "repetition time (TR)",
    "frames": "number of frames",
    "good_frames": "number of good frames",
    "mean_fd": "mean framewise displacement (FD)",
}


AGE = re.compile(r"age(_?(at_?scan|years|yrs|y))?", re.IGNORECASE)
"""Columns of ages, which BIDS has in years."""


def in_units(words: str, column: str) -> str:
    """Add the unit of a column to an axis's words, where it is known: ``true value (years)``."""
    return f"{words} (years)" if AGE.fullmatch(column) else words


def metric_words(metric: str) -> str:
    """Name a metric; an arrow marks those where lower is better."""
    return METRICS.get(metric, metric) + (" ↓" if metric in LOWER_IS_BETTER else "")


def number(value: float) -> str:
    """Write a number for an axis or a caption: 1,200, 0.0014, 3e-05, with a true minus sign."""
    if value and (abs(value) < 1e-4 or abs(value) >= 1e6):
        mantissa, exponent = f"{value:.2e}".split("e")
        text = f"{float(mantissa):g}e{int(exponent)}"
    else:
        text = f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    return text.replace("-", "−")


def thousandths(value: float) -> str:
    """Write a number rounded to three decimals, without zeros at the end: ``0.5``, ``0.512``."""
    return number(round(float(value), 3) + 0.0)


def percent(share: float) -> str:
    """Write a share (0 to 1) as ``57 %``."""
    return f"{100 * share:.0f}\u00a0%"


def share_words(share: float) -> str:
    """Write a share (0 to 1) so that little is not nothing and most is not all: ``0.24 %``, ``99.8 %``, ``57 %``."""
    value = 100 * float(share)
    if 0 < abs(value) < 0.005:
        return "<\u00a00.01\u00a0%" if value > 0 else "0\u00a0%"
    return f"{value:.{_digits(value)}f}\u00a0%".replace("-", "−")


def share_range(middle: float, low: float, high: float) -> str:
    """Write a share with its range, all to the same decimals: ``99.0 % (97.0 % to 99.3 %)``."""
    values = [100 * float(share) for share in (middle, low, high)]
    digits = min(max(map(_digits, values)), 1)
    first, *ends = (f"{value + 0.0:.{digits}f}\u00a0%".replace("-", "−") for value in values)
    return f"{first} ({' to '.join(ends)})"


def _digits(value: float) -> int:
    """Return the decimals with which little is not nothing and most is not all."""
    size = abs(value)
    return 1 if 99 < size < 100 else 0 if size >= 10 or size == 0 else 1 if size >= 1 else 2


def clip(text: str, most: int) -> str:
    """Cut a name that is longer than ``most`` characters and mark the cut."""
    return text if len(text) <= most else text[: most - 1] + "…"


def median_words(values: Sequence[float] | pd.Series, decimals: int) -> str:
    """Write the median and, where values differ, their range: ``6.0 (4.1 to 8.2)``."""
    low, middle, high = (f"{float(value):.{decimals}f}" for value in np.nanquantile(values, (0, 0.5, 1)))
    return middle if low == high else f"{middle} ({low} to {high})"


def fd_words(mean: float) -> str:
    """Write a mean framewise displacement (mm, NaN where unknown) as ``mean FD 0.31 mm``."""
    return "FD not known" if np.isnan(mean) else f"mean FD {mean:.2f} mm"


def duration(seconds: float) -> str:
    """Write a duration (seconds) as ``42 s``, ``23 min`` or ``3 h 05 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def short(count: float) -> str:
    """Write a large count in three digits: ``5.31 million``, ``3.20 × 10^15``."""
    if count < 1e6:
        return f"{count:,.0f}"
    if count < 1e9:
        return f"{count / 1e6:.3g} million"
    mantissa, exponent = f"{count:.2e}".split("e")
    return f"{mantissa} × 10" + str(int(exponent)).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))


def score(value: float, metric: str, *, sign: bool = False) -> str:
    """Write a score with three decimals (an error in three digits), a true minus sign, and a plus where asked."""
    if not math.isfinite(value):
        return "n/a"
    decimals = 3
    if metric == "mae" and value:
        decimals = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{round(value, decimals) + 0.0:{'+' if sign else ''}.{decimals}f}".replace("-", "−")


def interval(low: float, high: float, metric: str, *, sign: bool = False) -> str:
    """Write an interval as ``0.551 to 0.640``; nothing if it is not known."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return ""
    return f"{score(low, metric, sign=sign)} to {score(high, metric, sign=sign)}"


def mean_sd(mean: float, sd: float, metric: str) -> str:
    """Write mean ± standard deviation; the mean alone where there is no deviation."""
    if not math.isfinite(sd):
        return score(mean, metric)
    decimals = len(score(mean, metric).partition(".")[2])
    return f"{score(mean, metric)}\u00a0±\u00a0{sd:.{decimals}f}"


def p_value(p: float) -> str:
    """Write a p-value as ``p = 0.012`` or ``p < 0.001``; nothing where there is none."""
    if not math.isfinite(p):
        return ""
    if p < 0.05 and f"{p:.3f}" == "0.050":
        return "p\u00a0<\u00a00.05"
    return "p\u00a0<\u00a00.001" if p < 0.001 else f"p\u00a0=\u00a0{p:.3f}"


def p_cell(p: float) -> str:
    """Write a p-value for a column of them."""
    return p_value(p).removeprefix("p\u00a0").removeprefix("=\u00a0")


def listed(names: Iterable[str]) -> str:
    """Join names as ``a, b and c``."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
