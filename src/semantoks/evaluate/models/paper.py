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
from semantoks.statistics.scores import class_scores, value_scores
from semantoks.statistics.tables import TargetKind

TRAIN, VALIDATION, TEST = 0.31, 0.08, 0.62
"""Shares of the people, as the paper has them; their sum is 1.01."""


def paper_splits(plan: Plan, repetitions: int, seed: int) -> list[Split]:
    """Return the splits of the paper; a training side has the people of its training and its validation.

    The paper's probe parts the two (``validation_split``). Any other method may use both, and has to choose its penalty
    among them.

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
    """Part a training side into those who are trained on and those who choose the rate; stratified, groups whole.

    Raises
    ------
    DataError
        When there are too few people.
    """
    share = VALIDATION / (TRAIN + VALIDATION)
    return shuffle_people(labels, groups, kind=kind, share=share, least=1, repeats=1, seed=seed)[0]


@dataclass(frozen=True)
class Trained:
    """A method that was trained for all splits of a plan beforehand; keys are the test people, as bytes."""

    said: Mapping[bytes, Predicted]

    def predict(self, task: Task, before: Mapping[str, Predicted]) -> Predicted:  # noqa: ARG002
        """Return what was predicted for the test people of a task."""
        return self.said[task.test.tobytes()]


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
        asked = {plan.target: _questions(plan, people, recipe.seed, inner=name in stacked) for plan in plans}
        jobs = [job for questions in asked.values() for question in questions for job in question.jobs]
        outputs = iter(train_probes(rows, owner.repeat(crops.shape[1]), jobs, recipe))
        for target, questions in asked.items():
            said = {one.task.test.tobytes(): one.answer([next(outputs) for _ in one.jobs]) for one in questions}
            methods[target][name] = Trained(said)
    return methods


@dataclass(frozen=True, kw_only=True)
class _Question:
    """One repetition of one target: its task, who of the training side chooses the rate, and the probes to train.

    The first job is the paper's; the others, if any, are those of the inner splits.
    """

    task: Task
    validation: Int[ndarray, " validation"]
    classes: ndarray | None
    jobs: Sequence[ProbeJob]

    def answer(self, outputs: Sequence[Float[ndarray, "rate person output"]]) -> Predicted:
        """Choose the rate by the validation people, and keep its outputs for the test people."""
        said = [logits if self.classes is None else softmax(logits, axis=2) for logits in outputs]
        train, held = self.task.train, self.validation
        best = int(np.argmin([self._loss(self.task.labels[held], one[train[held]]) for one in said[0]]))
        inner = np.full((len(train), said[0].shape[2]), np.nan)
        for (_, unseen), found in zip(self.task.inner, said[1:], strict=False):
            inner[unseen] = found[best, train[unseen]]
        tested = said[0][:, self.task.test]
        return Predicted(classes=self.classes, test=tested[best], inner=inner, candidates=tested)

    def _loss(self, truth: ndarray, said: Float[ndarray, "validation output"]) -> float:
        if self.classes is None:
            return value_scores(truth, said[:, 0])["mae"]
        return -class_scores(truth, said, self.classes)["balanced_accuracy"]


def _questions(plan: Plan, people: int, seed: int, *, inner: bool) -> list[_Question]:
    """Make one question per repetition of a plan."""
    # The name of a target, not its place: nobody's numbers depend on what other targets there are.
    number = zlib.crc32(plan.target.encode())
    questions = []
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
        questions.append(_Question(task=task, validation=validation, classes=classes, jobs=jobs))
    return questions
