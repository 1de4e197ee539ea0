"""The methods paragraph of a probe, to paste into a paper: what its files record, and nothing else."""

from collections.abc import Mapping
from typing import Any

from semantoks.counted import plural
from semantoks.reporting.citing import to_cite
from semantoks.reporting.content import Block, Words, as_list, plain
from semantoks.reporting.run.evaluation import Evaluation, table_of
from semantoks.reporting.run.folder import RunFolder
from semantoks.reporting.wording import CONFOUNDS, listed, number
from semantoks.statistics.methods import FC, METHODS, TANGENT, method_name
from semantoks.statistics.tables import METRICS

FOLDS = {
    "person": "people were divided at random, families together",
    "site": "whole sites were divided at random",
}
OTHER_SPLITS = {
    "leave-site-out": "each site was left out in turn",
    "paper": "people were divided at random, families together, by the paper's shares",
    "brainmarks": "people were divided at random, families together, by the shares of Brainmarks",
}
TEST = (
    "Nadeau and Bengio 2003, Mach Learn 52:239",
    "Holm 1979, Scand J Stat 6:65",
)
EQUIVALENCE_TEST = "Schuirmann 1987, J Pharmacokinet Biopharm 15:657"
CONFOUNDER_TEST = "Spisak 2022, Gigascience 11:giac082"


def methods(run: RunFolder) -> list[Block]:
    """Lay out the paragraph and what to cite."""
    evaluation = run.probe
    if evaluation is None:
        return [Words("There are no scores to describe yet."), *to_cite(())]
    sentences = [_encoder(run), *_scored(evaluation), _compared(evaluation), _confounds(evaluation), _software(run)]
    cites = [
        *TEST,
        *([EQUIVALENCE_TEST] if evaluation.bound is not None else []),
        *([CONFOUNDER_TEST] if evaluation.targets("confound_test") else []),
    ]
    return [Words(" ".join(filter(None, sentences)), tone="paste"), *to_cite(cites)]


def _encoder(run: RunFolder) -> str:
    cohorts = [row for row in as_list(run.about.get("cohorts")) if isinstance(row, dict)]
    people = [row["participants"] for row in cohorts if isinstance(row.get("participants"), int)]
    recordings = [row["recordings"] for row in cohorts if isinstance(row.get("recordings"), int)]
    config = table_of(run.about, "config")
    encoder = table_of(config, "encoder")
    if not (people and recordings):
        return ""
    size = listed(f"{word} {encoder[word]}" for word in ("depth", "width") if word in encoder) if encoder else ""
    steps = run.about.get("steps_total")
    taken = f" for {plural(steps, 'step')}" if isinstance(steps, int) else ""
    seed = f" (seed {config['seed']})" if "seed" in config else ""
    return (
        f"An encoder{f' of {size}' if size else ''} was pretrained without labels{taken}{seed} on "
        f"{plural(sum(recordings), 'recording')} of {plural(sum(people), 'person')}."
    )


def _scored(evaluation: Evaluation) -> list[str]:
    targets = table_of(evaluation.about, "targets")
    settings = table_of(evaluation.about, "settings")
    names = [f"{t}: {_size(table_of(targets, t), evaluation.unit)}" for t in evaluation.targets()]
    used = dict.fromkeys(m for t in evaluation.targets() for m in evaluation.methods("main", t))
    metrics = dict.fromkeys(one.metric for t in evaluation.targets() for one in evaluation.compared(t).values())
    seed = f", seed {settings['seed']}" if isinstance(settings.get("seed"), int) else ""
    protocol = str(evaluation.about.get("protocol", "nested"))
    blocks = "Rows are blocks of a task; all of a person's are on one side of a split. " * (evaluation.unit == "block")
    return [
        f"{blocks}Targets: {'; '.join(names)}. Each was predicted from: {'; '.join(map(method_name, used))}.",
        f"Protocol {protocol}: {_splits(evaluation, protocol)}{seed}; models and their settings were fitted on "
        "training people alone.",
        f"Scores ({listed(METRICS.get(m, m) for m in metrics)}) are means over splits, weighted by test "
        f"{evaluation.units}, with 95\u00a0% intervals over people (families together, resampled 1,000 times).",
    ]


def _size(target: Mapping[str, Any], unit: str) -> str:
    classes = target.get("classes")
    counted = plural(target["n"], unit) if isinstance(target.get("n"), int) else "people not counted"
    return f"{counted}, {plural(len(classes), 'class', 'classes')}" if isinstance(classes, list) else counted


def _splits(evaluation: Evaluation, protocol: str) -> str:
    """Say how people were divided, and how often."""
    settings = table_of(evaluation.about, "settings")
    rule, folds = str(settings.get("split", "person")), settings.get("folds")
    counts = {max(one.splits for one in evaluation.compared(t).values()) for t in evaluation.targets()}
    many = " to ".join(map(str, sorted({min(counts), max(counts)})))
    counted = f"{many} {'split' if many == '1' else 'splits'}"
    if protocol == "nested" and rule in FOLDS:
        return f"{FOLDS[rule]}{f' into {folds} folds' if isinstance(folds, int) else ''} ({counted})"
    how = OTHER_SPLITS.get(rule if protocol == "nested" else protocol, "the splits were read from a file")
    return f"{how} ({counted})"


def _compared(evaluation: Evaluation) -> str:
    there = {m for t in evaluation.targets() for m in evaluation.compared(t)}
    if FC not in there:
        return ""
    bound = evaluation.bound
    equal = (
        f" That a method is as good as FC within {number(bound)} was tested by two one-sided tests (Schuirmann 1987)."
        if bound is not None
        else ""
    )
    bars = [f"from {method_name(m)} ({METHODS[m].words})" for m in (FC, TANGENT) if m in there]
    return (
        f"Differences {listed(bars)} were tested by the corrected resampled t test (Nadeau and Bengio "
        "2003) and by sign flips over people (10,000); the larger p was taken and corrected by Holm's method over "
        f"{plural(len(evaluation.targets()), 'target')}.{equal}"
    )


def _confounds(evaluation: Evaluation) -> str:
    names = dict.fromkeys(
        CONFOUNDS.get(name, name)
        for t in evaluation.targets()
        for condition in evaluation.conditions("deconfounded", t)
        for name in condition.split("+")
    )
    tested = " Predictions were tested by the partial confounder test (Spisak 2022)."
    words = (
        f"As a check, {listed(names)} were regressed out of the features within each training fold." if names else ""
    )
    return words + tested * bool(evaluation.targets("confound_test"))


def _software(run: RunFolder) -> str:
    probe = run.probe.about if run.probe else {}
    environment = table_of(run.about, "environment") | table_of(probe, "environment")
    named = ("python", "nilearn", "numpy", "scipy", "scikit-learn", "sklearn", "torch", "pandas")
    versions = [f"{name} {plain(environment[name])}" for name in named if name in environment]
    trained, probed = run.about.get("version"), table_of(probe, "environment").get("semantoks")
    made = f" {trained} (training) and {probed} (scores)" if trained != probed and trained and probed else ""
    made = made or f" {trained or probed}" * bool(trained or probed)
    return f"Software: {listed([f'semantoks{made}', *versions])}."
