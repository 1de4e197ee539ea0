"""Contrast: InfoNCE and VICReg against loops, and their closed forms."""

import math

import numpy as np
import pytest
import torch
from small_steps import INDEX, SIZE, draw
from torch.nn import functional as F

from semantoks.errors import ConfigError
from semantoks.objective.branch import HeadConfig
from semantoks.objective.contrastive import Contrastive
from semantoks.objective.losses.contrast import info_nce, vicreg


def random(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(3))


def test_info_nce_is_what_loops_over_everybody_say():
    z = F.normalize(random(10, 4), dim=-1)
    x = z.double().numpy()
    total, right = 0.0, 0.0
    for mine, others in ((x[:5], x[5:]), (x[5:], x[:5])):
        for i in range(5):
            alike = [mine[i] @ others[j] / 0.2 for j in range(5)]
            total -= (alike[i] - math.log(sum(math.exp(a) for a in alike))) / 10
            right += (np.argmax(alike) == i) / 10
    loss, found = info_nce(z, 0.2)
    assert loss.item() == pytest.approx(total, rel=1e-6)
    assert found.item() == pytest.approx(right)


def test_equal_people_cost_the_logarithm_of_their_number_and_orthogonal_ones_next_to_nothing():
    same = F.normalize(torch.ones(12, 4), dim=-1)
    assert info_nce(same, 0.1)[0].item() == pytest.approx(math.log(6), rel=1e-6)
    apart = torch.eye(6).repeat(2, 1)
    loss, found = info_nce(apart, 0.5)
    assert loss.item() == pytest.approx(math.log(1 + 5 * math.exp(-2)), rel=1e-5)
    assert found.item() == 1


def test_vicreg_is_what_loops_over_people_and_columns_say():
    z = random(10, 3) * 0.8
    views = z.double().numpy().reshape(2, 5, 3)
    inv = np.mean([(views[0, i, k] - views[1, i, k]) ** 2 for i in range(5) for k in range(3)])
    var = cov = 0.0
    for view in views:
        c = np.zeros((3, 3))
        for k in range(3):
            for m in range(3):
                c[k, m] = sum((view[i, k] - view[:, k].mean()) * (view[i, m] - view[:, m].mean()) for i in range(5)) / 4
        var += np.mean([max(0, 1 - math.sqrt(c[k, k] + 1e-4)) for k in range(3)])
        cov += sum(c[k, m] ** 2 for k in range(3) for m in range(3) if k != m) / 3
    found = [x.item() for x in vicreg(z)]
    assert found == pytest.approx([inv, var, cov], rel=1e-5)


def test_vicreg_of_equal_people_has_all_its_variance_to_gain_and_of_white_ones_nothing():
    found = vicreg(torch.ones(8, 3))
    assert [x.item() for x in found] == pytest.approx([0, 2 * (1 - 0.01), 0], abs=1e-6)
    white = 2 * torch.tensor([[1.0, 0], [-1, 0], [0, 1], [0, -1]]).repeat(2, 1)
    assert max(x.item() for x in vicreg(white)) < 1e-6


def test_weights_and_temperature_move_the_loss():
    batch, head = draw(), HeadConfig(hidden=8, projection=4)

    def loss(**changes):
        objective = Contrastive(head=head, **changes)
        learner = objective.learner(SIZE, INDEX, 0)
        return objective.loss(learner, learner.trained, batch, {}).loss.item()

    assert loss(temperature=0.1) != pytest.approx(loss(temperature=0.5), rel=1e-3)
    parts = [loss(by="vicreg", vicreg_weights=w) for w in ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))]
    assert loss(by="vicreg", vicreg_weights=(2.0, 3.0, 4.0)) == pytest.approx(
        2 * parts[0] + 3 * parts[1] + 4 * parts[2], rel=1e-5
    )
    for bad in ({"temperature": 0.0}, {"vicreg_weights": (1.0, -1.0, 0.0)}):
        with pytest.raises(ConfigError):
            Contrastive(**bad)
