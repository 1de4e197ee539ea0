"""FC as the teacher: edges against loops, the other view as the target, and edges that are not known."""

import numpy as np
import pytest
from scipy.linalg import logm
from small_steps import INDEX, SIZE, draw

from semantoks.errors import ConfigError
from semantoks.objective.fc_aligned import FcAligned
from semantoks.objective.losses.connectivity import edge_error, edges_of


def test_edges_are_the_correlations_or_the_logarithm_of_the_shrunk_matrix():
    series = draw().originals[:3].clone()
    series[0, :, 30:] = 0  # frames without data do not count
    series[1, 2] = 0  # nor do edges of a ROI without data
    fc, known = edges_of(series, "fc")
    tangent, both = edges_of(series, "tangent")
    for b in range(3):
        frames = slice(0, 30 if b == 0 else 40)
        with np.errstate(invalid="ignore"):
            matrix = np.nan_to_num(np.corrcoef(series[b, :, frames].double()))
        np.fill_diagonal(matrix, [float(series[b, r].any()) for r in range(8)])
        i, j = np.triu_indices(8, 1)
        there = (i != 2) & (j != 2) if b == 1 else np.ones(28, dtype=bool)
        assert known[b].tolist() == there.tolist()
        np.testing.assert_allclose(fc[b], np.arctanh(matrix[i, j]), atol=1e-4)
        log = logm(0.7 * matrix + 0.3 * np.eye(8)).real
        i, j = np.triu_indices(8)
        np.testing.assert_allclose(tangent[b], log[i, j] * np.where(i == j, 1, 2**0.5), atol=1e-4)
        assert both[b].sum() == (28 if b == 1 else 36)


def test_the_length_of_a_tangent_vector_is_that_of_the_matrix():
    series = draw().originals[:2]
    tangent, _ = edges_of(series, "tangent")
    for b in range(2):
        log = logm(0.7 * np.corrcoef(series[b].double()) + 0.3 * np.eye(8)).real
        assert tangent[b].norm().item() == pytest.approx(np.linalg.norm(log), rel=1e-4)


@pytest.mark.parametrize("target", ["fc", "tangent"])
def test_the_loss_holds_each_view_against_the_others_edges(target):
    batch, objective = draw(), FcAligned(target=target, hidden=8)
    batch.originals[1, 5] = 0
    learner = objective.learner(SIZE, INDEX, 0)
    found = objective.loss(learner, learner.trained, batch, {})
    given = learner.student(batch.crops).head.detach()
    truth, known = edges_of(batch.originals, target)
    rows = []
    for b in range(16):
        other = (b + 8) % 16
        errors = [(given[b, e] - truth[other, e]).item() ** 2 for e in range(truth.shape[1]) if known[other, e].item()]
        rows.append(np.mean(errors))
    assert found.loss.item() == pytest.approx(np.mean(rows), rel=1e-5)


def test_everybodys_mean_explains_nothing_and_the_truth_everything():
    truth, known = edges_of(draw().originals, "fc")
    mean = truth.mean(dim=0).expand_as(truth)
    assert edge_error(truth, truth, known).item() == 0
    assert edge_error(mean, truth, known).item() == pytest.approx(
        truth.var(dim=0, correction=0).mean().item(), rel=1e-5
    )


def test_a_hidden_layer_of_nothing_is_refused():
    with pytest.raises(ConfigError, match="hidden has to be at least 1"):
        FcAligned(hidden=0)
