"""A probe's logistic regression, eight penalties and three inner splits, at once and by scikit-learn one by one.

    python -m benchmarks.penalties [--people 686] [--classes 2 15] [--columns 20000 128] [--turns 3]

Simulated people, one thread, processor seconds. Some directions tell the classes; columns differ in size. Wide features
stand in the span of their rows, as in a probe. Counted: the gradients, of 4 x rows x columns x outputs FLOPs for each
problem, over the rate of one large product, the floor. scikit-learn fits from the strongest penalty to the weakest,
each from where the one before ended, with the tolerance and the most steps that a probe has. The last column is how far
apart the probabilities of held-out people are, at the penalty that the inner splits choose, which is the same one.
"""

import argparse
import time
import warnings
from collections.abc import Iterator

import numpy as np
import torch
from benchmarks.measure import compare, machine, matmul_rate, show
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from semantoks.evaluate.models import logistic
from semantoks.evaluate.models.linear import Fold, fit_path, one_by_one, standardised_rows, surprise
from semantoks.evaluate.models.logistic import logistic_paths
from semantoks.evaluate.study.splits import split_people
from semantoks.types import Features


def fold_of(people: int, columns: int, classes: int) -> Fold:
    """Simulate people, four fifths of them to train on."""
    rng = np.random.default_rng(0)
    telling = rng.standard_normal((people * 5 // 4, 2 * classes)).astype(np.float32)
    labels = (telling @ rng.standard_normal((2 * classes, classes)) + rng.gumbel(size=(len(telling), classes))).argmax(
        1
    )
    sizes = np.exp(rng.standard_normal(columns)).astype(np.float32)
    features = telling @ rng.standard_normal((2 * classes, columns), dtype=np.float32)
    features = (features + 2 * rng.standard_normal(features.shape, dtype=np.float32)) * sizes
    rows, test = standardised_rows(features, people)
    labels = labels[:people].astype(str)
    inner = split_people(labels, np.arange(people), kind="class", folds=3, repeats=1, seed=0)
    return Fold(rows, labels, test, inner, "class")


def sklearn_path(rows: Features, labels: np.ndarray, penalties: np.ndarray) -> Iterator[logistic.Chances]:
    """Fit one penalty after the other."""
    model = LogisticRegression(class_weight="balanced", max_iter=500, tol=1e-6, warm_start=True)
    for inverse in penalties:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            yield model.set_params(C=inverse).fit(rows, labels).predict_proba


def products(fold: Fold) -> float:
    """Count the FLOPs of all gradients that the fits at once ask for."""
    plain, asked = logistic._Problems.gradient, []

    def counted(self: logistic._Problems, weights: np.ndarray, problems: np.ndarray) -> np.ndarray:
        asked.append(4 * self.rows.size * len(problems) * len(self.truth))
        return plain(self, weights, problems)

    logistic._Problems.gradient = counted  # type: ignore[method-assign]
    try:
        fit_path(logistic_paths, surprise, fold)
    finally:
        logistic._Problems.gradient = plain  # type: ignore[method-assign]
    return float(sum(asked))


def row_of(people: int, columns: int, classes: int, turns: int, rate: float) -> list[str]:
    """Time one kind of features."""
    fold = fold_of(people, columns, classes)
    calls = {
        "plain": lambda: fit_path(one_by_one(sklearn_path), surprise, fold),
        "ours": lambda: fit_path(logistic_paths, surprise, fold),
    }
    times, floor = compare(calls, repeats=turns, clock=time.process_time), products(fold) / rate
    (plain, one), (ours, other) = (call() for call in calls.values())
    apart = np.abs(plain.test - ours.test).max() if one == other else float("nan")
    ratio = times["plain"] / times["ours"]
    name = f"{columns:,} columns, {classes} classes"
    return [name, f"{floor:.2f}", f"{times['plain']:.2f}", f"{times['ours']:.2f}", f"{ratio:.1f}", f"{apart:.0e}"]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=686)
    parser.add_argument("--classes", type=int, nargs="+", default=[2, 15])
    parser.add_argument("--columns", type=int, nargs="+", default=[20_000, 128])
    parser.add_argument("--turns", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(1)
    title, rate = machine(torch.device("cpu")), matmul_rate(torch.device("cpu"))
    rows = [row_of(args.people, columns, n, args.turns, rate) for columns in args.columns for n in args.classes]
    head = ["", "floor, s", "scikit-learn, s", "at once, s", "ratio", "apart"]
    show(f"Logistic regression of {args.people} people: 8 penalties x (3 inner splits + 1). {title}", head, rows)


if __name__ == "__main__":
    main()
