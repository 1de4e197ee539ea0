"""DINO and iBOT: cross-entropies against loops, closed forms, and the centre's running mean."""

import math

import numpy as np
import pytest
import torch
from small_steps import INDEX, SIZE, draw

from semantoks.errors import ConfigError
from semantoks.objective.branch import HeadConfig
from semantoks.objective.losses.prototypes import across_views, behind_mask, entropies, shares
from semantoks.objective.prototypes import Prototypes
from semantoks.views.batch import ViewConfig
from semantoks.views.masks import MaskConfig

SMALL = {"prototypes": 6, "head": HeadConfig(hidden=8, projection=4)}


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()


def test_the_cross_entropy_across_views_is_what_loops_say():
    s, t, centre = random(8, 5), random(8, 5, seed=1), random(5, seed=2)
    total = 0.0
    for i in range(8):
        other = (i + 4) % 8
        target = softmax((t[other].double().numpy() - centre.double().numpy()) / 0.3)
        given = softmax(s[i].double().numpy() / 0.5)
        total -= sum(target[k] * math.log(given[k]) for k in range(5)) / 8
    assert across_views(s, shares(t, centre, 0.3), 0.5).item() == pytest.approx(total, rel=1e-5)


def test_hidden_tokens_are_compared_within_a_view_row_by_row():
    s, t = random(4, 2, 3, 5), random(4, 2, 3, 5, seed=1)
    mask = random(4, 2, 3, seed=2) > 0
    mask[1] = False
    rows = []
    for b in range(4):
        each = []
        for n, p in np.argwhere(mask[b].numpy()):
            target, given = softmax(t[b, n, p].double().numpy() / 0.3), softmax(s[b, n, p].double().numpy() / 0.5)
            each.append(-sum(target[k] * math.log(given[k]) for k in range(5)))
        rows.append(np.mean(each) if each else 0.0)
    found = behind_mask(s, shares(t, torch.zeros(5), 0.3), mask, 0.5)
    assert found.item() == pytest.approx(np.mean(rows), rel=1e-5)


def test_prototypes_are_compared_with_the_hidden_tokens_alone_and_the_loss_is_that_of_all():
    objective, batch = Prototypes(kind="ibot", **SMALL), draw(masked=0.5)
    learner, rows = objective.learner(SIZE, INDEX, 0), []
    learner.student.head.head.register_forward_pre_hook(lambda _, args: rows.append(args[0].shape[:-1].numel()))
    loss = objective.loss(learner, learner.student, batch, objective.rates(0, 1)).loss
    assert rows == [16, int(batch.mask.sum())]
    learner.student.register_forward_pre_hook(lambda _, args: args[:3])  # all tokens
    of_all = objective.loss(learner, learner.student, batch, objective.rates(0, 1)).loss
    assert loss.item() == pytest.approx(of_all.item(), rel=1e-5)
    assert rows[2:] == [16, batch.mask.numel()]


def test_even_shares_cost_the_logarithm_of_their_number():
    even = shares(torch.ones(4, 7), torch.zeros(7), 0.1)
    assert across_views(torch.zeros(4, 7), even, 0.1).item() == pytest.approx(math.log(7), rel=1e-6)
    assert [x.item() for x in entropies(even)] == pytest.approx([math.log(7)] * 2, rel=1e-5)
    certain = torch.eye(7)
    assert [x.item() for x in entropies(certain)] == pytest.approx([math.log(7), 0], abs=1e-5)


def test_a_centre_that_all_share_is_taken_from_what_the_teacher_says():
    t, common = random(4, 5), 3 * random(5, seed=1)
    torch.testing.assert_close(shares(t + common, common, 0.2), shares(t, torch.zeros(5), 0.2))


def test_the_centre_is_the_first_batchs_mean_and_then_a_running_one():
    objective = Prototypes(centre_momentum=0.75, **SMALL)
    learner = objective.learner(SIZE, INDEX, 0)
    means = []
    for step in range(3):
        batch = draw(step)
        with torch.no_grad():
            means.append(learner.teacher(batch.crops, None).head.cls.mean(dim=0))
        objective.loss(learner, learner.trained, batch, {})
        learner.follow({"momentum": 1.0})
    expected = 0.75 * (0.75 * means[0] + 0.25 * means[1]) + 0.25 * means[2]
    torch.testing.assert_close(learner.centre, expected)
    assert learner.token_centre_known == 0
    assert {"centre", "token_centre"} <= learner.training_tensors().keys()


def test_a_step_that_is_taken_back_leaves_no_trace_in_the_centre():
    objective, batch = Prototypes(**SMALL), draw(0)
    learners = [objective.learner(SIZE, INDEX, 0) for _ in range(2)]
    before = {name: tensor.clone() for name, tensor in learners[0].state_dict().items()}
    objective.loss(learners[0], learners[0].trained, draw(1), {})
    learners[0].load_state_dict(before)
    for learner in learners:
        objective.loss(learner, learner.trained, batch, {})
        learner.follow({"momentum": 1.0})
    assert torch.equal(learners[0].centre, learners[1].centre)


def test_ibot_is_dino_and_its_weight_times_the_tokens():
    batch = draw(masked=0.5)

    def terms(**changes):
        objective = Prototypes(**SMALL, **changes)
        learner = objective.learner(SIZE, INDEX, 0)
        return {k: v.item() for k, v in objective.loss(learner, learner.trained, batch, {}).scalars.items()}

    dino, ibot = terms(kind="dino"), terms(kind="ibot", token_weight=0.5)
    assert "loss_tok" not in dino
    assert dino["loss"] == pytest.approx(dino["loss_cls"])
    assert ibot["loss"] == pytest.approx(dino["loss"] + 0.5 * ibot["loss_tok"], rel=1e-5)


def test_settings_out_of_range_are_refused():
    for bad in (
        {"prototypes": 1},
        {"teacher_temperature": 0.0},
        {"centre_momentum": 1.5},
        {"token_weight": -1.0},
    ):
        with pytest.raises(ConfigError):
            Prototypes(**bad)
    with pytest.raises(ConfigError, match="take the objective 'dino'"):
        Prototypes(kind="ibot").check(SIZE, ViewConfig(masks=MaskConfig(probability=0.0)))
