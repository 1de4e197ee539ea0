"""Learning rate, weight decay, teacher momentum and regulariser weight as functions of the step (METHOD 6, 8)."""

import math


def half_cosine(start: float, end: float, share: float) -> float:
    """Go from ``start`` (share 0) to ``end`` (share 1) by half a cosine."""
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


def learning_rate(step: int, total: int, peak: float, warmup: int) -> float:
    """Rise linearly from 0 over ``warmup`` steps, then fall to 0 by half a cosine; steps are optimiser steps."""
    if step < warmup:
        return peak * step / warmup
    return half_cosine(peak, 0.0, (step - warmup) / max(1, total - warmup))


def weight_decay(step: int, total: int, start: float, end: float) -> float:
    """Go from ``start`` to ``end`` by half a cosine over the training."""
    return half_cosine(start, end, step / total)


def teacher_momentum(step: int, total: int, start: float) -> float:
    """Go from ``start`` to 1 by half a cosine over the training."""
    return half_cosine(start, 1.0, step / total)


def initial_share(total: int, start: float) -> float:
    """Return the share of its initial weights that the teacher still holds at the end: the product of its momenta.

    About exp(-(1 - start) total / 2): 0 for the published 7,600 steps, but a fifth for 300 steps at the same momentum.
    """
    return math.prod(teacher_momentum(step, total, start) for step in range(total))


def fitting_momentum(total: int) -> float:
    """Return the starting momentum whose memory is the published share of a training (0.99 for 7,600 steps)."""
    return max(0.0, 1 - 76 / total)


def advice_on_momentum(total: int, start: float) -> str | None:
    """Say that a training is too short for the teacher to leave its random start; None = it is not."""
    kept = initial_share(total, start)
    if kept <= 0.05:
        return None
    return (
        f"the teacher, which is the encoder that you will get, keeps {kept:.0%} of its random initial weights "
        f"through these {total} steps: train longer, or pass --objective.teacher-momentum "
        f"{fitting_momentum(total):.2f}."
    )


def ttr_weight(step: int, total: int, start: float, share: float) -> float:
    """Fall from ``start`` to 0 by half a cosine over the first ``share`` of the training, then stay 0.

    A share of 1 stands for the whole training at the full ``start`` ("TTR always" of the paper's ablation).
    """
    if share >= 1:
        return start
    steps = round(share * total)
    return half_cosine(start, 0.0, step / steps) if step < steps else 0.0
