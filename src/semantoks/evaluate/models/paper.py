"""The paper's protocol (METHOD 9): random splits, probes by SGD, the learning rate chosen by validation people."""

import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.special import softmax

from semantoks.evaluate.models.sgd_probe import ProbeJob, SgdRecipe, train_probes
from semantoks.evaluate.study.crossval import INNER_FOLDS, task_of
from semantoks.evaluate.study.splits import Split, shuffle_people
from semantoks.evaluate.study.tasks import Method, Plan, Predicted, Task
from semantoks.statistics.methods import ENCODER
from semantoks.statistics.scores import balanced_accuracy, value_scores
from semantoks.statistics.tables import TargetKind

TRAIN, VALIDATION, TEST = 0.31, 0.08, 0.62
"""Shares of the people, as the paper has them; their sum is 1.01."""


def paper_splits(plan: Plan, repetitions: int, seed: int) -> list[Split]:
    """Return the splits of the paper; a training side has the people of its training and its validation.

    The paper's probe separates the two (``validation_split``). Any other method may use both, and has to choose its
    penalty on them.

    Raises
    ------
    ConfigError
        For no repetitions, or a seed below 0.
    DataError
        When a class (or, of a value, everybody) has too few groups for inner folds of the training sides.
    """
    share = TEST / (TRAIN + VALIDATION + TEST)
    return shuffle_people(
        plan.labels, plan.groups, kind=plan.kind, share=share, least=INNER_FOLDS, repeats=repetitions, seed=seed
    )


def validation_split(labels: ndarray, groups: Int[ndarray, " train"], *, kind: TargetKind, seed: int) -> Split:
    """Divide a training side into people to train on and people to choose the rate; stratified, groups whole.

    Raises
    ------
    DataError
        If there are too few people.
    """
    share = VALIDATION / (TRAIN + VALIDATION)
    return shuffle_people(labels, groups, kind=kind, share=share, least=1, repeats=1, seed=seed)[0]


@dataclass(frozen=True)
class Trained:
    """A method that was trained for all splits of a plan in advance; keys are the test people, as bytes."""

    predictions: Mapping[bytes, Predicted]

    def predict(self, task: Task, before: Mapping[str, Predicted]) -> Predicted:  # noqa: ARG002
        """Return the predictions for the test people of a task."""
        return self.predictions[task.test.tobytes()]


def paper_probes(
    features: Mapping[str, Float[ndarray, "recording crop feature"]],
    owner: Int[ndarray, " recording"],
    plans: Sequence[Plan],
    recipe: SgdRecipe,
    *,
    stacked: Collection[str] = (ENCODER,),
) -> dict[str, dict[str, Method]]:
    """Train the paper's probe on every feature set, for all targets, repetitions and rates at once.

    The rate has the best balanced accuracy (least mean absolute error) of the validation people, the highest such rate
    among equals; the weights after the last epoch count. Chances are the softmax of a person's mean logits.

    Parameters
    ----------
    features
        By name of the method; ``owner`` is the person of each recording.
    plans
        One per target; the splits are ``paper_splits``, or any others.
    stacked
        Methods that a stack is built on: their probes are trained on the inner splits, too (four times the work), by
        the recipe and the rate of the whole. The ``inner`` predictions of the others are NaN.

    Returns
    -------
    dict
        target -> name -> method, for ``cross_validate`` with the same plan and seed.
    """
    methods: dict[str, dict[str, Method]] = {plan.target: {} for plan in plans}
    for name, crops in features.items():
        rows = torch.from_numpy(rearrange(crops, "r c f -> (r c) f"))
        people = int(owner.max()) + 1
        repetitions = {plan.target: _repetitions(plan, people, recipe.seed, inner=name in stacked) for plan in plans}
        jobs = [job for of_target in repetitions.values() for one in of_target for job in one.jobs]
        outputs = iter(train_probes(rows, owner.repeat(crops.shape[1]), jobs, recipe))
        for target, of_target in repetitions.items():
            predictions = {one.task.test.tobytes(): one.predict([next(outputs) for _ in one.jobs]) for one in of_target}
            methods[target][name] = Trained(predictions)
    return methods


@dataclass(frozen=True, kw_only=True)
class _Repetition:
    """One repetition of one target: its task, who of the training side chooses the rate, and the probes to train.

    The first job is the paper's; the others, if any, are those of the inner splits.
    """

    task: Task
    validation: Int[ndarray, " validation"]
    classes: ndarray | None
    jobs: Sequence[ProbeJob]

    def predict(self, outputs: Sequence[Float[ndarray, "rate person output"]]) -> Predicted:
        """Choose the rate by the validation people, and keep its outputs for the test people."""
        chances = [logits if self.classes is None else softmax(logits, axis=2) for logits in outputs]
        train, rows = self.task.train, self.validation
        best = int(np.argmin([self._loss(self.task.labels[rows], one[train[rows]]) for one in chances[0]]))
        inner = np.full((len(train), chances[0].shape[2]), np.nan)
        for (_, unseen), found in zip(self.task.inner, chances[1:], strict=False):
            inner[unseen] = found[best, train[unseen]]
        tested = chances[0][:, self.task.test]
        return Predicted(classes=self.classes, test=tested[best], inner=inner, candidates=tested)

    def _loss(self, truth: ndarray, outputs: Float[ndarray, "validation output"]) -> float:
        if self.classes is None:
            return value_scores(truth, outputs[:, 0])["mae"]
        return -balanced_accuracy(truth, outputs, self.classes)


def _repetitions(plan: Plan, people: int, seed: int, *, inner: bool) -> list[_Repetition]:
    """Return the repetitions of a plan."""
    # Keyed by the name of the target, not its position: results do not depend on the other targets.
    number = zlib.crc32(plan.target.encode())
    found = []
    for repetition, split in enumerate(plan.splits):
        task, groups = task_of(plan, split, seed), plan.groups[split[0]]
        classes = np.unique(task.labels) if plan.kind == "class" else None
        labels = np.zeros(people, float if classes is None else np.int64)
        labels[task.train] = task.labels if classes is None else np.searchsorted(classes, task.labels)
        train, validation = validation_split(task.labels, groups, kind=plan.kind, seed=seed + repetition)
        parts = [train, *(fitted for fitted, _ in task.inner if inner)]
        jobs = [
            ProbeJob(
                train=task.train[part],
                labels=labels,
                classes=0 if classes is None else len(classes),
                key=(number, repetition, place),
            )
            for place, part in enumerate(parts)
        ]
        found.append(_Repetition(task=task, validation=validation, classes=classes, jobs=jobs))
    return found
