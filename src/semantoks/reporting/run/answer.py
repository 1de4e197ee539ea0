"""The first answer of the page: is the encoder above or below FC and tangent FC, target by target?"""

from collections.abc import Mapping
from math import isfinite

from semantoks.counted import plural
from semantoks.reporting.content import Beside, Block, Bullets, Cell, Figure, Figures, Folded, Item, Table, Words
from semantoks.reporting.figures.scores import Estimate, Mark, chance_marks, draw_rows, draw_strip
from semantoks.reporting.run.evaluation import Compared, Evaluation, chance_of, table_of
from semantoks.reporting.wording import CONFOUNDS, interval, listed, metric_words, number, p_value, score
from semantoks.statistics.methods import (
    BOTH,
    FC,
    MOTION,
    MOTION_SCAN,
    RANDOM,
    SCAN,
    TANGENT,
    TANGENT_BOTH,
    method_look,
    method_name,
)
from semantoks.statistics.tables import ALPHA, METRICS

BAR = (
    "The bars for every score of the encoder are what functional connectivity (FC), the same in tangent space, the "
    "same encoder with random weights, and motion reach on the same splits. A score that does not beat them says "
    "nothing about pretraining."
)
HOW_TO_READ = (
    "The interval of a score covers which people were tested: people (families together) are resampled, nothing is "
    "trained again. The interval of a difference and its p are the more cautious of two models: that one, and the "
    "corrected resampled t test over splits, which allows for other training people; p is then corrected over the "
    "targets by Holm's method, for each bar on its own, and the intervals are not. “Higher” and “lower” need "
    "p\u00a0<\u00a00.05 and an interval without zero. “Undecided” is everything else: it does not say that both are "
    "equal."
)
NOT_RUN = Cell("not run")
Found = Mapping[str, Mapping[str, Compared]]
"""target -> method -> its scores, compared with one bar"""
STACK = {FC: BOTH, TANGENT: TANGENT_BOTH}
"""What joins each bar and the encoder."""


def answer(evaluation: Evaluation) -> list[Block]:
    """Answer for all targets: a headline, then one row for each with its bars; the numbers are folded."""
    targets = evaluation.targets()
    if not targets:
        return [Words("The tables have no scores of the main analysis, so there is no answer.")]
    found = {target: evaluation.compared(target) for target in targets}
    subject = evaluation.subject
    beside = {FC: found, TANGENT: {target: evaluation.compared(target, bar=TANGENT) for target in targets}}
    if not any(rows[subject].verdict for rows in beside[TANGENT].values() if subject in rows):
        del beside[TANGENT]  # it was not run
    loud = [headline(rows, subject, bar) for bar, rows in beside.items()]
    return [
        Words(" ".join(filter(None, [*loud, reached(found, subject)])), tone="loud"),
        _rows(evaluation, beside),
        Folded("How to read this", [Words(BAR), Words(HOW_TO_READ)]),
        *(
            Folded(f"The differences from {method_name(bar)} in numbers", _numbers(evaluation, rows, bar))
            for bar, rows in beside.items()
        ),
    ]


def _numbers(evaluation: Evaluation, found: Found, bar: str) -> list[Block]:
    """Say of each target how the subject compares with a bar, draw the differences, and list them."""
    subject = evaluation.subject
    sentences = [Item(fc_sentence(rows, subject, bar), lead=f"{target}: ") for target, rows in found.items()]
    figure = _differences(evaluation.key, found, subject, bar)
    said: list[Block] = [Bullets(sentences)]
    return [*([Beside(said, [Figures([figure])])] if figure else said), _overview(found, subject, bar)]


def _rows(evaluation: Evaluation, beside: Mapping[str, Found]) -> Table:
    """Lay out one row per target: the bars on one axis, the verdict, and what confounds leave."""
    subject, rows, found = evaluation.subject, [], beside[FC]
    ends = {metric: _ends(found, subject, metric) for by_method in found.values() for metric in _metric_of(by_method)}
    for target, by_method in found.items():
        (metric,) = _metric_of(by_method)
        estimates = [
            Estimate(name=method_name(m), value=one.mean, low=one.low, high=one.high, look=method_look(m))
            for m in shown(subject)
            if (one := by_method.get(m)) is not None
        ]
        marks = chance_marks(chance_of(metric, evaluation.classes(target)))
        key = f"{evaluation.key} answer {target}"
        strip = draw_strip(key, target, METRICS.get(metric, metric), estimates, marks, ends[metric])
        people = table_of(table_of(evaluation.about, "targets"), target).get("n")
        rows.append(
            (
                Cell(target, under=plural(people, evaluation.unit) if isinstance(people, int) else ""),
                Cell("", drawing=strip),
                *(_verdict(each[target], subject, bar) for bar, each in beside.items()),
                _left(evaluation, target),
            )
        )
    removed = dict.fromkeys(c for t in found for c in evaluation.conditions("deconfounded", t))
    names = dict.fromkeys(CONFOUNDS.get(name, name) for c in removed for name in c.split("+"))
    without = f" Without confounds: {listed(names)} regressed out in each training fold." if names else ""
    bound = evaluation.bound
    equal = "" if bound is None else f" Equivalence bound: a difference of {number(bound)} would not matter."
    return Table(
        label="The answer, target by target",
        caption=f"Mean over splits with its 95\u00a0% interval; dashed: chance.{without}{equal}",
        columns=("Target", "Scores", *(f"vs {method_name(bar)}" for bar in beside), "Without confounds"),
        rows=rows,
        answers=True,
    )


def shown(subject: str) -> tuple[str, ...]:
    """Name the methods of the first screen: the subject, FC, tangent FC, random weights, motion."""
    return (subject, FC, TANGENT, RANDOM, MOTION)


def _metric_of(rows: Mapping[str, Compared]) -> list[str]:
    return [one.metric for one in rows.values()][:1]


def _ends(found: Found, subject: str, metric: str) -> tuple[float, float]:
    """Return the ends of the axis that all targets of a metric share."""
    rows = [one for each in found.values() for m in shown(subject) if (one := each.get(m)) and one.metric == metric]
    known = [x for one in rows for x in (one.mean, one.low, one.high) if isfinite(x)] or [0.0, 1.0]
    chance = [x for x in (chance_of(metric, ()),) if x is not None]
    low, high = min(known + chance), max(known)
    room = 0.04 * (high - low) or 0.1
    return low - room, high + room


def _verdict(rows: Mapping[str, Compared], subject: str, bar: str) -> Cell:
    """Say how the subject compares with a bar; of FC, what reaches as much without brain signals or training, too."""
    one = rows.get(subject)
    if one is None or not one.verdict:
        return Cell("", verdict="not compared", notes=(fc_sentence(rows, subject, bar),))
    notes = [f"{_difference(one)}."]
    if isfinite(one.p_equal):
        notes.append(_as_good(one, bar).strip())
    if bar == FC:
        notes += [f"{words}." for words in _reach(rows, subject)]
    elif (both := rows.get(TANGENT_BOTH)) and both.verdict:
        notes.append(f"{method_name(TANGENT_BOTH)}: {both.verdict}, {_difference(both)}.")
    return Cell("", verdict=one.verdict, notes=notes)


def _reach(rows: Mapping[str, Compared], subject: str) -> list[str]:
    """Say what has no brain signals or no training and scores within the interval of the subject or of FC, or above."""
    by_whom: dict[str, list[str]] = {}
    for name in rows:
        whose = [_the(m, subject) for m in (subject, FC) if m in rows and name in rows[m].reached_by]
        if whose:
            reached_score = f"{method_name(name)} ({score(rows[name].mean, rows[name].metric)})"
            by_whom.setdefault(listed(whose), []).append(reached_score)
    return [f"Within or above the interval of {whom}: {'; '.join(names)}" for whom, names in by_whom.items()]


def _the(method: str, subject: str) -> str:
    return f"the {method_name(method)}" if method == subject else method_name(method)


def _left(evaluation: Evaluation, target: str) -> Cell:
    """Show what the subject and both bars score with confounds regressed out."""
    rows = evaluation.compared(target, "deconfounded")
    one = rows.get(evaluation.subject)
    if one is None:
        return Cell("not run")
    bars = [(method_name(m), rows[m]) for m in (FC, TANGENT) if m in rows]
    beside = [f"{name} {score(b.mean, b.metric)} ({interval(b.low, b.high, b.metric)})" for name, b in bars]
    return Cell(score(one.mean, one.metric), under=interval(one.low, one.high, one.metric), notes=beside)


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def headline(found: Found, subject: str, bar: str = FC) -> str:
    """Sum up in a sentence on which targets the subject scores higher or lower than a bar, and by how much."""
    phrases = {
        "higher": "scores higher than",
        "lower": "scores lower than",
        "undecided": "is neither clearly above nor below",
        "": "cannot be compared with",
    }
    clauses: list[str] = []
    for verdict, words in phrases.items():
        rows = {target: by_method.get(subject) for target, by_method in found.items()}
        names = [
            f"{target} ({score(row.diff, row.metric, sign=True)})" if row and row.verdict else target
            for target, row in rows.items()
            if (row.verdict if row else "") == verdict
        ]
        if names:
            named = "functional connectivity" if bar == FC else method_name(bar)
            clauses.append(f"{words} {'it' if clauses else named} on {listed(names)}")
    opener = f"Of {plural(len(found), 'target')}, the {method_name(subject)}" if bar == FC else "It"
    return f"{opener} {listed(clauses)}."


def reached(found: Found, subject: str) -> str:
    """Say in a sentence on which targets something without brain signals or training scores like subject or FC."""
    there = {
        target: [n for m in (subject, FC) if m in rows for n in rows[m].reached_by] for target, rows in found.items()
    }
    every = list(dict.fromkeys(name for names in there.values() for name in names))
    if not every:
        return ""
    if {MOTION, SCAN} & set(every):
        every = [name for name in every if name != MOTION_SCAN]
    without = "; ".join(method_name(name) for name in every if name != RANDOM)
    who = [f"without brain signals (by {without})"] * bool(without)
    who += [f"without training (by {method_name(RANDOM)})"] * (RANDOM in every)
    targets = [target for target, names in there.items() if names]
    each = "; each row says which" if len(targets) > 1 and len(every) > 1 else ""
    return f"On {listed(targets)}, the {method_name(subject)}'s score or FC's is also reached {listed(who)}{each}."


def fc_sentence(rows: Mapping[str, Compared], subject: str, bar: str = FC) -> str:
    """Answer for one target in a sentence: direction, size, how sure; beside FC, or tangent FC."""
    found = rows.get(subject)
    name, other = method_name(subject), method_name(bar)
    if found is None or not found.verdict:
        return f"No comparison: the {name} and {other} were not scored on the same splits."
    word = metric_words(found.metric)
    by = f"difference in {word} {_difference(found)}"
    if not isfinite(found.p_holm):
        return f"No test: {by}; a test needs predictions from at least two splits."
    opener = {
        "higher": f"The {name} scores higher than {other}",
        "lower": f"The {name} scores lower than {other}",
        "undecided": f"Undecided whether the {name} scores higher or lower than {other}",
    }[found.verdict]
    return f"{opener}: {by}.{_as_good(found, bar)}"


def _as_good(found: Compared, bar: str) -> str:
    """Say whether the difference is within the bound of the equivalence test, where there is one."""
    if not isfinite(found.p_equal):
        return ""
    words = "As good as" if found.p_equal < ALPHA else "Not shown to be as good as"
    return f" {words} {method_name(bar)}, within the equivalence bound ({p_value(found.p_equal)})."


def adds_sentence(rows: Mapping[str, Compared], bar: str = FC) -> str:
    """Answer in a sentence whether a bar and the encoder together score higher than the bar alone."""
    found = rows.get(STACK[bar])
    if found is None or not found.verdict:
        other = method_name(bar)
        return f"No comparison: {method_name(STACK[bar])} and {other} were not scored on the same splits."
    openers = {"higher": "Yes", "lower": "No, both together score lower", "undecided": "Undecided"}
    return f"{openers[found.verdict]}: {_difference(found)}."


def _difference(found: Compared) -> str:
    within = interval(found.diff_low, found.diff_high, found.metric, sign=True)
    notes = "; ".join(
        part for part in (f"95\u00a0% interval {within}" if within else "", p_value(found.p_holm)) if part
    )
    return score(found.diff, found.metric, sign=True) + (f" ({notes})" if notes else "")


def score_cell(found: Compared | None) -> Cell:
    """Show a score above its interval."""
    if found is None:
        return NOT_RUN
    return Cell(score(found.mean, found.metric), under=interval(found.low, found.high, found.metric))


def difference_cell(found: Compared | None) -> Cell:
    """Show a difference from FC above its interval."""
    if found is None or not isfinite(found.diff):
        return Cell("")
    within = interval(found.diff_low, found.diff_high, found.metric, sign=True)
    return Cell(score(found.diff, found.metric, sign=True), under=within)


def verdict_cell(found: Compared | None) -> Cell:
    """Show the verdict on a difference, with its p; nothing where none was tested."""
    return Cell("", under=p_value(found.p_holm), verdict=found.verdict) if found and found.verdict else Cell("")


def _overview(found: Found, subject: str, bar: str) -> Table:
    name, other, stack = method_name(subject), method_name(bar), method_name(STACK[bar])
    also = (RANDOM, MOTION) if bar == FC else ()
    rows = []
    for target, by_method in found.items():
        one, both = by_method.get(subject), by_method.get(STACK[bar])
        first = next(iter(by_method.values()))
        rows.append(
            (
                Cell(target, under=metric_words(first.metric)),
                _judged_cell(one, p_value(one.p_holm) if one else ""),
                difference_cell(one),
                score_cell(one),
                score_cell(by_method.get(bar)),
                _judged_cell(both, f"{score(both.mean, both.metric)}; {p_value(both.p_holm)}" if both else "not run"),
                *(score_cell(by_method.get(m)) for m in also),
            )
        )
    return Table(
        label=f"Scores of the {name} and {'the baselines' if bar == FC else other}, by target",
        caption="Mean over splits, with its 95\u00a0% interval below; p by Holm over the targets.",
        columns=(
            "Target",
            f"vs {other}",
            f"{name.capitalize()} − {other}",
            name.capitalize(),
            _upper(other),
            f"{_upper(stack)} vs {other}",
            *(_upper(method_name(m)) for m in also),
        ),
        rows=rows,
    )


def _judged_cell(found: Compared | None, under: str) -> Cell:
    return Cell("", under=under.removesuffix("; "), verdict=(found.verdict if found else "") or "not compared")


def _differences(key: str, found: Found, subject: str, bar: str) -> Figure | None:
    others = (BOTH, TANGENT, TANGENT_BOTH) if bar == FC else (TANGENT_BOTH,)
    names = {m: method_name(m) for m in (subject, *others)}
    rows = []
    for target, by_method in found.items():
        estimates = [
            Estimate(name=names[m], value=one.diff, low=one.diff_low, high=one.diff_high, look=method_look(m))
            for m in names
            if (one := by_method.get(m)) is not None and isfinite(one.diff)
        ]
        if estimates:
            rows.append((f"{target}", estimates))
    if not rows:
        return None
    drawing = draw_rows(
        f"{key} differences" if bar == FC else f"{key} differences {bar}",
        f"Difference from {method_name(bar)}",
        "difference in score",
        rows,
        [Mark(name=method_name(bar), value=0.0, paint=method_look(bar).paint)],
    )
    return Figure(
        drawing,
        f"Right of the dashed line: higher than {method_name(bar)}. Lines are 95\u00a0% intervals, not corrected for "
        "the number of targets.",
    )


def optimism(evaluation: Evaluation) -> list[Block]:
    """Show what choosing the setting on the test people would have added to each score."""
    targets = evaluation.targets()
    found = {target: evaluation.compared(target) for target in targets}
    methods = dict.fromkeys(m for target in targets for m in evaluation.methods("main", target))
    gains = {(t, m): row.optimism for t, rows in found.items() for m, row in rows.items() if isfinite(row.optimism)}
    if not gains:
        return [Words("What peeking would have gained is not recorded.")]
    (target, method), most = max(gains.items(), key=lambda item: item[1])
    rows = [
        (
            Cell(method_name(m)),
            *(Cell(score(gains[t, m], found[t][m].metric, sign=True) if (t, m) in gains else "") for t in targets),
        )
        for m in methods
        if any((t, m) in gains for t in targets)
    ]
    return [
        Words(
            "Every setting was chosen within the training people. Choosing the best one on the test people instead "
            f"would have raised scores by up to {score(most, found[target][method].metric)} "
            f"({method_name(method)}, {target}). No other number on this page contains this gain; published ones "
            "often do."
        ),
        Folded(
            "The gain of each method",
            [
                Table(
                    label="What peeking at the test people would have gained",
                    caption="Gain in the mean score if the setting were chosen on the test people.",
                    columns=(
                        "Method",
                        *(f"{t}: {metric_words(next(iter(found[t].values())).metric)}" for t in targets),
                    ),
                    rows=rows,
                )
            ],
        ),
    ]
