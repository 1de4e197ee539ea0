"""Numbers and readings in words: scores with their spread, durations, and what a comparison allows to say."""

import math
from typing import Any

from semantoks.report.compare import (
    BARS,
    ENCODER,
    FC,
    LOWER_IS_BETTER,
    MIN_SPLITS,
    Difference,
    Score,
    TargetResult,
)

METHOD_WORDS = {
    ENCODER: "encoder",
    "fc+encoder": "FC + encoder",
    FC: "FC",
    "random_weights": "random weights",
    "motion": "motion",
}
METRIC_WORDS = {
    "balanced_accuracy": "balanced accuracy",
    "auroc": "AUROC",
    "r": "correlation r",
    "r2": "R²",
    "mae": "mean absolute error",
}
BAR_WORDS = {
    FC: "functional connectivity (FC)",
    "random_weights": "the same encoder with random weights",
    "motion": "motion",
}


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


def spread(found: Score | Difference, metric: str, *, sign: bool = False) -> str:
    """Write mean ± sd: three decimals, errors in three digits, a true minus sign, and a plus for differences."""
    decimals = 3
    if metric in LOWER_IS_BETTER and found.mean:
        decimals = max(0, 2 - math.floor(math.log10(abs(found.mean))))
    mean = f"{found.mean:{'+' if sign else ''}.{decimals}f}".replace("-", "−")
    return mean if found.splits == 1 else f"{mean}\u00a0±\u00a0{found.sd:.{decimals}f}"


def about_target(result: TargetResult, people: Any, classes: list[Any] | None) -> str:
    """Say what a target is: kind or classes, number of people, splits, and people a split."""

    def span(low: int, high: int) -> str:
        return f"{low:,}" if low == high else f"{low:,} to {high:,}"

    kind = "classes " + ", ".join(map(str, classes)) if classes else result.kind
    splits = max(score.splits for score in result.scores.values())
    parts = [kind, f"{people:,} people" if isinstance(people, int) else "", f"{splits} split{'s' * (splits > 1)}"]
    if result.n_test[1]:
        parts.append(f"trained on {span(*result.n_train)}, tested on {span(*result.n_test)} a split")
    return " · ".join(part for part in parts if part)


def fc_sentence(difference: Difference | None, metric: str, word: str) -> str:
    """Answer "does the encoder beat functional connectivity?" in one sentence (``word``: the metric in words)."""
    if difference is None:
        return "It cannot be said: the scores do not hold the encoder and FC on the same splits."
    if difference.splits < MIN_SPLITS:
        return f"Not distinguishable: {difference.splits} shared split(s), and a reading needs at least {MIN_SPLITS}."
    by = f"mean difference in {word} {spread(difference, metric, sign=True)} over the same {difference.splits} splits"
    return {
        "yes": f"Yes, the encoder is above functional connectivity: {by}.",
        "no": f"No, the encoder is below functional connectivity: {by}.",
        "not distinguishable": f"Not distinguishable from functional connectivity: {by}, no more than its spread.",
    }[difference.reading]


def other_sentences(result: TargetResult, metric: str) -> list[str]:
    """The encoder against the other bars, what the encoder adds to FC, and which bars are missing."""
    said = {"yes": "yes", "no": "no, it is below", "not distinguishable": "not distinguishable"}
    lines = [
        f"Beats {BAR_WORDS[bar]}? {said[d.reading].capitalize()} ({spread(d, metric, sign=True)})."
        for bar, d in result.over.items()
        if bar != FC
    ]
    if both := result.to_fc.get("fc+encoder"):
        gain = said[both.reading].replace("it is", "both together are").capitalize()
        lines.append(f"Does the encoder add to FC? {gain} ({spread(both, metric, sign=True)}).")
    if missing := [BAR_WORDS[bar] for bar in BARS if bar not in result.methods]:
        lines.append(f"Missing here: {', '.join(missing)}. Without it the encoder's score says little.")
    return lines
