"""The objective: its terms against naive float64 loops, its teacher, its watch for collapse."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from semantoks.errors import ConfigError
from semantoks.model.encoder import EncoderConfig
from semantoks.objective.branch import HeadConfig, Projections
from semantoks.objective.learner import update_teacher
from semantoks.objective.losses.hidden import masked_token_loss
from semantoks.objective.losses.simdino import agreement, simdino
from semantoks.objective.self_distillation import SelfDistillation, agreement_by_overlap, effective_rank, loss_terms
from semantoks.objective.similarity import token_similarity
from semantoks.views.batch import Batch


def unit(*shape, seed=0):
    return F.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


def naive_simdino(s, t):
    """s, t [2M, K], view-major: -agreement - gamma R, with loops."""
    s, t = s.double().numpy(), t.double().numpy()
    rows, size = len(s) // 2, s.shape[1]
    alike = 0.0
    for i in range(rows):
        alike += 0.5 * (t[i] @ s[rows + i] + t[rows + i] @ s[i]) / rows
    rate = 0.0
    for view in range(2):
        z = (s[view * rows : (view + 1) * rows] + t[view * rows : (view + 1) * rows]) / 2
        rate += 0.5 * 0.5 * np.linalg.slogdet(np.eye(size) + size / (rows * 0.05) * z.T @ z)[1]
    return -alike - (size + rows) / (size * rows) * rate


def test_tokens_are_as_alike_as_the_loops_say_and_empty_ones_do_not_count():
    grid, empty = unit(2, 3, 4, 5), torch.zeros(2, 3, 4, dtype=torch.bool)
    empty[0, 1] = empty[1, :, 3] = True
    for hidden in (None, empty):
        within, across = [], []
        for b in range(2):
            there = [(n, p) for n in range(3) for p in range(4) if hidden is None or not hidden[b, n, p]]
            for n, p in there:
                for m, q in there:
                    alike = (grid[b, n, p].double() @ grid[b, m, q].double()).item()
                    within += [alike] if n == m and p != q else []
                    across += [alike] if n != m and p == q else []
        found = token_similarity(grid, hidden)
        assert found["token_similarity_within"].item() == pytest.approx(np.mean(within), abs=1e-6)
        assert found["token_similarity_across"].item() == pytest.approx(np.mean(across), abs=1e-6)
    assert token_similarity(unit(2, 1, 4, 5), None)["token_similarity_across"].isnan()


def test_agreement_compares_only_across_views():
    s, t = unit(2, 5, 4), unit(2, 5, 4, seed=1)
    expected = 0.5 * ((t[0] * s[1]).sum(-1).mean() + (t[1] * s[0]).sum(-1).mean())
    torch.testing.assert_close(agreement(s, t), expected)


def test_simdino_equals_the_naive_loop_and_passes_no_gradient_to_the_teacher():
    s, t = unit(12, 8).requires_grad_(), unit(12, 8, seed=1).requires_grad_()
    part = simdino(s, t)
    assert part.loss.item() == pytest.approx(naive_simdino(s.detach(), t.detach()), rel=1e-5)
    part.loss.backward()
    assert t.grad is None
    assert s.grad.abs().max() > 0


def test_without_its_weight_the_coding_rate_is_measured_and_takes_no_part_in_the_loss():
    s, t = unit(12, 8), unit(12, 8, seed=1)
    whole, half, none = (simdino(s, t, rate_weight=weight) for weight in (1.0, 0.5, 0.0))
    assert none.loss.item() == pytest.approx(-none.agreement.item())
    assert half.loss.item() == pytest.approx((whole.loss.item() + none.loss.item()) / 2, rel=1e-6)
    assert none.rate == whole.rate
    given, seen = (Projections(feature=x, cls=x, network=None, grid=None) for x in (s, t))
    loss = loss_terms(given, seen, None, ttr_weight=0.0, config=SelfDistillation(rate_weight=0.0)).loss
    assert loss.item() == pytest.approx(none.loss.item())


def test_simdino_has_the_gradient_of_finite_differences():
    s, t = unit(8, 3).double(), unit(8, 3, seed=1).double()
    free = s.clone().float().requires_grad_()
    simdino(free, t.float()).loss.backward()
    for i, j in ((0, 0), (5, 2)):
        step = torch.zeros_like(s)
        step[i, j] = 1e-5
        slope = (naive_simdino(s + step, t) - naive_simdino(s - step, t)) / 2e-5
        assert free.grad[i, j].item() == pytest.approx(slope, rel=1e-3, abs=1e-5)


def test_masked_loss_averages_within_a_row_then_over_all_rows():
    s, t = unit(4, 3, 2, 5), unit(4, 3, 2, 5, seed=1)
    mask = torch.zeros(4, 3, 2, dtype=torch.bool)
    mask[0, 1] = mask[2, 0, 0] = mask[2, 2, 1] = mask[2, 1, 1] = mask[3, 0, 1] = True  # row 3: exactly one
    total = 0.0
    for row in range(4):
        cosines = [(s[row, n, p] @ t[row, n, p]).item() for n in range(3) for p in range(2) if mask[row, n, p]]
        total += -np.mean(cosines) if cosines else 0.0
    assert masked_token_loss(s, t, mask).item() == pytest.approx(total / 4, rel=1e-5)


def projections(seed):
    return Projections(
        cls=unit(6, 8, seed=seed),
        network=unit(6, 3, 8, seed=seed + 1),
        grid=unit(6, 3, 2, 8, seed=seed + 2),
        feature=unit(6, 4, seed=seed + 3),
    )


def test_the_loss_is_the_weighted_sum_of_its_terms():
    student, teacher = projections(0), projections(10)
    mask = torch.rand(6, 3, 2, generator=torch.Generator().manual_seed(0)) < 0.5
    terms = loss_terms(student, teacher, mask, ttr_weight=0.3, config=SelfDistillation())
    rows = lambda x: torch.cat([x[:3].flatten(0, 1), x[3:].flatten(0, 1)])  # noqa: E731
    ttr = naive_simdino(rows(student.network), rows(teacher.network))
    cls = naive_simdino(student.cls, teacher.cls)
    token = masked_token_loss(student.grid, teacher.grid, mask).item()
    assert terms.ttr.rows == 9
    assert terms.ttr.loss.item() == pytest.approx(ttr, rel=1e-5)
    assert terms.loss.item() == pytest.approx(cls + 0.5 * token + 0.3 * ttr, rel=1e-5)


def test_terms_that_are_not_due_are_none_and_weigh_nothing():
    student, teacher = projections(0), projections(10)
    terms = loss_terms(student, teacher, None, ttr_weight=0.0, config=SelfDistillation())
    assert terms.token is None
    assert terms.ttr is None
    assert terms.loss.item() == pytest.approx(naive_simdino(student.cls, teacher.cls), rel=1e-5)


def test_weights_out_of_range_are_refused():
    for bad in ({"token_weight": -1.0}, {"ttr_share": 1.5}, {"teacher_momentum": 1.1}):
        with pytest.raises(ConfigError):
            SelfDistillation(**bad)


def test_the_teacher_follows_by_the_momentum_of_the_step():
    objective = SelfDistillation(teacher_momentum=0.6, head=HeadConfig(hidden=4, projection=4))
    branches = objective.learner(EncoderConfig(width=8, depth=0, frames=4, patch=2), [0, 0, 1], 0)
    with torch.no_grad():
        branches.student.head.layers[0].bias.fill_(1.0)
    for step, expected in ((0, 0.4), (10, 0.4)):
        branches.follow(objective.rates(step, 10))
        torch.testing.assert_close(branches.teacher.head.layers[0].bias, torch.full((4,), expected))


def test_the_teacher_is_the_moving_average_of_the_students_parameters_alone():
    torch.manual_seed(0)
    student, teacher = nn.BatchNorm1d(4).double(), nn.BatchNorm1d(4).double()
    with torch.no_grad():
        student.weight.uniform_()
        student.running_mean.fill_(7.0)
    before = teacher.weight.detach().clone()
    update_teacher(teacher, student, 0.9)
    torch.testing.assert_close(teacher.weight.detach(), 0.9 * before + 0.1 * student.weight.detach())
    assert teacher.running_mean.eq(0).all()


def test_effective_rank_counts_directions_that_are_used_alike():
    assert effective_rank(torch.eye(8)).item() == pytest.approx(8)
    assert effective_rank(torch.diag(torch.tensor([1.0, 0, 0, 0]))).item() == pytest.approx(1)
    values = np.array([0.7, 0.2, 0.1])
    expected = np.exp(-(values * np.log(values)).sum())
    assert effective_rank(torch.diag(torch.tensor(values)) * 5).item() == pytest.approx(expected, rel=1e-6)


def test_agreement_is_averaged_by_how_much_the_views_share():
    batch = Batch(
        crops=torch.zeros(8, 1, 1),
        empty=None,
        mask=None,
        overlap=np.array([0.0, 0.0, 0.3, 0.9]),
        recordings=np.zeros((2, 4), dtype=int),
    )
    got = agreement_by_overlap(torch.tensor([0.1, 0.3, 0.5, 0.7]), batch)
    assert [got[f"agreement_overlap_{i}"].item() for i in (0, 1, 3)] == pytest.approx([0.2, 0.5, 0.7])
    assert torch.isnan(got["agreement_overlap_2"])


SOUND = {
    "step": 5, "coding_rate": 80.0, "coding_rate_max": 118.0, "effective_rank": 60.0, "projection_dim": 128,
    "grad_norm": 1.0, "rows": 256, "agreement_overlap_0": 0.5, "agreement_overlap_3": 0.6,
}  # fmt: skip


def test_collapse_is_named_with_its_likely_cause_and_sound_training_is_not():
    assert SelfDistillation().find_collapse(SOUND) is None
    assert "lower --optim.lr" in SelfDistillation().find_collapse(SOUND | {"coding_rate": 5.0, "grad_norm": 500.0})
    assert "raise --batch-size" in SelfDistillation().find_collapse(SOUND | {"coding_rate": 5.0, "rows": 16})
    assert "keep the regulariser on" in SelfDistillation().find_collapse(SOUND | {"coding_rate": 5.0})
