"""JEPA: its loss against loops, its families of masks, and a predictor that does not look at what is hidden."""

import numpy as np
import pytest
import torch
from small_steps import INDEX, SIZE, draw, observe

from semantoks.errors import ConfigError
from semantoks.model.encoder import EncoderConfig, Tokens
from semantoks.model.tokenizers.connectivity import ConnectivityConfig
from semantoks.objective.jepa import FAMILIES, Jepa, Predictor, jepa_terms
from semantoks.objective.learner import build_student
from semantoks.views.batch import ViewConfig
from semantoks.views.masks import MaskConfig, draw_observed, seen_counts


def smooth(error):
    return np.where(np.abs(error) < 1, error**2 / 2, np.abs(error) - 0.5)


def test_the_loss_is_what_loops_over_the_families_say():
    batch, objective = observe(), Jepa()
    learner = objective.learner(SIZE, INDEX, 0)
    found = objective.loss(learner, learner.trained, batch, {})
    hidden = batch.views.mask
    given = learner.student(batch.views.crops, hidden, hidden).head.detach().double().numpy()
    target = learner.teacher.encoder(batch.views.crops).grid.double().numpy()
    normal = (target - target.mean(-1, keepdims=True)) / np.sqrt(target.var(-1, keepdims=True) + 1e-5)
    means = []
    for name in FAMILIES:
        rows = []
        for b in range(len(given)):
            seen_n, seen_p = batch.networks[b].tolist(), batch.patches[b].tolist()
            wanted = {"cross-network": (False, True), "cross-time": (True, False), "double-cross": (False, False)}[name]
            each = [
                smooth(given[b, n, p] - normal[b, n, p]).mean()
                for n, p in np.ndindex(3, 4)
                if (seen_n[n], seen_p[p]) == wanted
            ]
            rows.append(np.mean(each))
        means.append(np.mean(rows))
        assert found.scalars[f"loss_{name.replace('-', '_')}"].item() == pytest.approx(np.mean(rows), rel=1e-4)
    assert found.loss.item() == pytest.approx(np.mean(means), rel=1e-4)


def test_an_exact_prediction_costs_nothing_and_one_that_is_far_off_its_distance_less_a_half():
    target = torch.randn(2, 3, 4, 16, generator=torch.Generator().manual_seed(0))
    normal = torch.nn.functional.layer_norm(target, (16,))
    hidden = dict.fromkeys(FAMILIES, torch.ones(2, 3, 4, dtype=torch.bool))
    assert all(x.item() < 1e-12 for x in jepa_terms(normal, target, hidden, FAMILIES).values())
    assert all(x.item() == pytest.approx(6.5) for x in jepa_terms(normal + 7, target, hidden, FAMILIES).values())


def test_the_families_and_what_is_seen_are_all_tokens_and_share_none():
    batch = observe()
    parts = [*batch.families().values(), batch.networks[:, :, None] & batch.patches[:, None]]
    assert torch.stack(parts).sum(dim=0).eq(1).all()


def test_what_is_seen_is_a_choice_of_networks_in_one_run_of_patches_within_the_shares():
    n, p = draw_observed(500, 10, 5, (0.4, 0.6), (0.4, 0.6), torch.Generator().manual_seed(0))
    assert sorted(set(n.sum(1).tolist())) == [4, 5, 6]
    assert sorted(set(p.sum(1).tolist())) == [2, 3]
    edges = p.int().diff(dim=1).ne(0).sum(dim=1)
    assert edges.max() == 2
    assert (p.float().mean(dim=0) > 0.2).all()
    assert seen_counts(1, (0.4, 0.6)) == (1, 1)
    assert seen_counts(2, (0.4, 1.0)) == (1, 1)
    assert seen_counts(9, (1.0, 1.0)) == (8, 8)


def test_the_predictor_does_not_look_at_what_is_hidden_but_knows_where_it_is():
    head = build_student(SIZE, INDEX, 0, lambda built: Predictor(built, 1)).head
    grid, cls = torch.randn(2, 3, 4, 16), torch.randn(2, 16)
    hidden = torch.zeros(2, 3, 4, dtype=torch.bool)
    hidden[:, 1, 2] = hidden[:, 2, 3] = True
    other = torch.where(hidden[..., None], torch.randn(2, 3, 4, 16), grid)
    found = head(Tokens(cls, grid), hidden)
    assert torch.equal(found, head(Tokens(cls, other), hidden))
    assert not torch.allclose(found[:, 1, 2], found[:, 2, 3])


def test_no_gradient_reaches_the_teacher_which_follows_by_its_momentum():
    objective = Jepa(teacher_momentum=0.6)
    learner = objective.learner(SIZE, INDEX, 0)
    objective.loss(learner, learner.trained, observe(), {}).loss.backward()
    assert all(p.grad is None for p in learner.teacher.parameters())
    before = [p.clone() for p in learner.teacher.encoder.parameters()]
    with torch.no_grad():
        for p in learner.student.parameters():
            p.add_(1)
    learner.follow({"momentum": 0.6})
    for now, then in zip(learner.teacher.encoder.parameters(), before, strict=True):
        torch.testing.assert_close(now, then + 0.4)


def test_one_patch_leaves_other_networks_to_predict_and_masks_of_the_views_are_refused():
    tokens = EncoderConfig(width=16, depth=1, frames=40, patch=40, norm=False, tokenizer=ConnectivityConfig())
    with pytest.raises(ConfigError, match=r"add cross-network to objective\.families"):
        Jepa(families=("cross-time",)).check(tokens, ViewConfig())
    with pytest.raises(ConfigError, match=r"set objective\.networks_seen and objective\.patches_seen in place"):
        Jepa().check(SIZE, ViewConfig(masks=MaskConfig(kind="time")))
    one = {name: torch.ones(2, 3, 1, dtype=torch.bool) for name in FAMILIES}
    assert list(jepa_terms(torch.ones(2, 3, 1, 4), torch.ones(2, 3, 1, 4), one, FAMILIES)) == ["cross-network"]
    for bad in ({"families": ()}, {"networks_seen": (0.0, 0.5)}, {"patches_seen": (0.7, 0.5)}, {"predictor_depth": -1}):
        with pytest.raises(ConfigError):
            Jepa(**bad)


def test_a_step_costs_a_teacher_and_a_student_with_its_predictor():
    objective = Jepa(predictor_depth=0)
    encoder = objective.learner(SIZE, INDEX, 0).encoder
    assert objective.flops(encoder, 3) == 4 * encoder.flops(6) + 3 * 6 * 2 * 13 * 16**2
    assert draw().mask is None
