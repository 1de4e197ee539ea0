"""Numbers, names and verdicts in words."""

import math
from collections.abc import Iterable

from semantoks.statistics.methods import BOTH, ENCODER, FC, FINETUNED, MOTION, RANDOM, in_order, method_name
from semantoks.statistics.tables import LOWER_IS_BETTER, METRICS

__all__ = ["BOTH", "ENCODER", "FC", "FINETUNED", "MOTION", "RANDOM", "in_order"]
CONFOUNDS = {
    "site": "site",
    "source_tr": "repetition time (TR)",
    "frames": "number of frames",
    "mean_fd": "mean framewise displacement (FD)",
}


def method_words(name: str) -> str:
    """Name a method for a reader."""
    return method_name(name)


def metric_words(metric: str) -> str:
    """Name a metric; an arrow marks those of which less is better."""
    return METRICS.get(metric, metric) + (" ↓" if metric in LOWER_IS_BETTER else "")


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
    return f"{value:{'+' if sign else ''}.{decimals}f}".replace("-", "−")


def interval(low: float, high: float, metric: str, *, sign: bool = False) -> str:
    """Write an interval as ``0.551 to 0.640``; nothing where it is not known."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return ""
    return f"{score(low, metric, sign=sign)} to {score(high, metric, sign=sign)}"


def spread(mean: float, sd: float, metric: str) -> str:
    """Write mean ± standard deviation; the mean alone where there is no spread."""
    if not math.isfinite(sd):
        return score(mean, metric)
    decimals = len(score(mean, metric).partition(".")[2])
    return f"{score(mean, metric)}\u00a0±\u00a0{sd:.{decimals}f}"


def p_value(p: float) -> str:
    """Write a p-value as ``p = 0.012`` or ``p < 0.001``; nothing where there is none."""
    if not math.isfinite(p):
        return ""
    return "p\u00a0<\u00a00.001" if p < 0.001 else f"p\u00a0=\u00a0{p:.3f}"


def p_cell(p: float) -> str:
    """Write a p-value for a column of them."""
    return p_value(p).removeprefix("p\u00a0").removeprefix("=\u00a0")


def listed(names: Iterable[str]) -> str:
    """Join names as ``a, b and c``."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
