"""Networks without pretraining: the FC that they see is the baseline's, and each has a case that is known."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch.nn import functional as F

from semantoks.evaluate.baselines.connectivity import edges_of, fisher_z
from semantoks.evaluate.from_labels.connectivity import correlations
from semantoks.evaluate.from_labels.dynamic_graph import DynamicGraph, cut, normalised, waves
from semantoks.evaluate.from_labels.fc_mlp import FcMlp
from semantoks.evaluate.from_labels.fc_transformer import ClusterReadout, FcTransformer
from semantoks.evaluate.study.shown import standardised

ROIS, FRAMES = 6, 70
PAIRS = np.triu_indices(ROIS, 1)
NETS = {
    "mlp": lambda: FcMlp(ROIS, 3, hidden=8),
    "transformer": lambda: FcTransformer(ROIS, 3, width=8, clusters=4),
    "dynamic": lambda: DynamicGraph(ROIS, 3, window=20, width=8),
}


def recordings(rows=5, frames=FRAMES, seed=0):
    generator = torch.Generator().manual_seed(seed)
    series = torch.randn(rows, ROIS, frames, generator=generator)
    series[:, 1] += series[:, 0]
    good = torch.rand(rows, frames, generator=generator) < 0.8
    return series, good


@pytest.fixture(params=NETS)
def net(request):
    """Each network, its standardisation made from some recordings."""
    torch.manual_seed(0)
    built = NETS[request.param]()
    built(*recordings(8, seed=1))
    return built.eval()


def test_correlations_are_the_fc_baselines_and_a_missing_roi_has_none():
    series, good = recordings()
    series[2, 3] = 0.0
    found = correlations(series, good).numpy()
    for row in range(5):
        seen = standardised([series[row].T.numpy()[good[row].numpy()]])[0]
        np.testing.assert_allclose(fisher_z(found[row][PAIRS]), edges_of(seen), atol=1e-5)
    assert not found[2, 3].any()
    assert not found[2, :, 3].any()
    assert found[0].diagonal().tolist() == [1.0] * ROIS


def test_what_is_censored_or_past_the_end_changes_nothing(net):
    series, good = recordings()
    other = torch.where(good[:, None], series, 100 * torch.randn(series.shape))
    longer = F.pad(series, (0, 33)), F.pad(good, (0, 33))
    with torch.no_grad():
        expected = net(series, good)
        torch.testing.assert_close(net(other, good), expected, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(net(*longer), expected, atol=1e-5, rtol=1e-5)


def test_a_recording_without_some_rois_or_any_gives_numbers(net):
    series, good = recordings()
    series[0, 2:4] = 0.0
    series[1] = 0.0
    net(series, good).sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in net.parameters())
    assert torch.isfinite(net(series, good)).all()


def test_a_missing_roi_is_no_node():
    torch.manual_seed(0)
    series, good = recordings()
    series[:, 3] = 0.0
    for net in (FcTransformer(ROIS, 2, width=8, clusters=4), DynamicGraph(ROIS, 2, window=20, width=8)):
        net(series, good).sum().backward()
        place = next(p.grad for name, p in net.named_parameters() if name.endswith("place"))
        assert not place[3].any()
        assert place[2].any()


def test_a_perceptron_without_a_hidden_layer_is_logistic_regression_on_fc():
    series, good = recordings(30)
    labels = torch.arange(30) % 2
    rows = np.stack([edges_of(standardised([s.T.numpy()[g.numpy()]])[0]) for s, g in zip(series, good, strict=True)])
    rows = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    known = LogisticRegression(C=0.5, tol=1e-10, max_iter=1000).fit(rows, labels)
    net = FcMlp(ROIS, 2, hidden=0, dropout=0.0)
    weight, bias = torch.tensor(known.coef_).float(), torch.tensor(known.intercept_).float()
    net.head[1].weight.data, net.head[1].bias.data = torch.cat([0 * weight, weight]), torch.cat([0 * bias, bias])
    said = net(series, good)
    np.testing.assert_allclose(said.softmax(dim=1).detach(), known.predict_proba(rows), atol=1e-4)
    F.cross_entropy(said, labels, reduction="sum").backward()
    # Where sklearn stopped, the loss pulls as hard as the penalty |w|^2 / 2C; nothing pulls at the intercept.
    torch.testing.assert_close(net.head[1].weight.grad[1], -weight[0] / 0.5, atol=2e-3, rtol=0)
    assert abs(net.head[1].bias.grad[1]) < 2e-3


def test_cluster_centres_are_orthonormal_and_stay_so():
    torch.manual_seed(0)
    net = FcTransformer(ROIS, 2, width=8, clusters=4)
    before = net.readout.centres.clone()
    torch.testing.assert_close(before @ before.mT, torch.eye(4), atol=1e-6, rtol=0)
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.1)
    net(*recordings()).sum().backward()
    optimizer.step()
    assert torch.equal(net.readout.centres, before)


def test_a_cluster_is_the_mean_of_the_nodes_that_are_there_by_their_shares():
    torch.manual_seed(0)
    readout, nodes = ClusterReadout(8, 3), torch.randn(2, ROIS, 8)
    there = torch.ones(2, ROIS, dtype=torch.bool)
    there[1, 4] = False
    found = readout(nodes, there)
    for graph in range(2):
        total, size = torch.zeros(3, 8, dtype=torch.float64), torch.zeros(3, 1, dtype=torch.float64)
        for node in nodes[graph][there[graph]].double():
            closeness = torch.tensor([float(node @ centre.double()) for centre in readout.centres], dtype=torch.float64)
            share = (closeness.exp() / closeness.exp().sum())[:, None]
            total, size = total + share * node, size + share
        torch.testing.assert_close(found[graph], (total / size).float())


def test_windows_overlap_by_half_and_count_when_more_than_half_of_them_is_good():
    series = torch.arange(50.0).expand(2, 1, 50)
    good = torch.ones(2, 50, dtype=torch.bool)
    good[0, 18:33] = False
    windows, seen, kept = cut(series, good, 20)
    assert windows[0, :, 0, 0].tolist() == [0, 10, 20, 30]
    assert seen.sum(dim=-1).tolist() == [[18, 8, 7, 17], [20, 20, 20, 20]]
    assert kept.tolist() == [[True, False, False, True], [True] * 4]
    short = cut(series[..., :7], torch.arange(50)[None, :7] < torch.tensor([[7], [3]]), 20)
    assert short[0].shape == (2, 1, 1, 20)
    assert short[2].all(), "of a recording without a good window the best one counts"


def test_neighbours_weigh_by_their_positive_correlation_over_the_roots_of_both_sums():
    found = correlations(*recordings(2))
    found[1, 3] = found[1, :, 3] = 0
    made = normalised(found)
    positive = found.double().clamp(min=0)
    for g, i, j in np.ndindex(2, ROIS, ROIS):
        sums = positive[g, i].sum() * positive[g, j].sum()
        expected = float(positive[g, i, j] / sums.sqrt()) if sums else 0.0
        assert float(made[g, i, j]) == pytest.approx(expected, abs=1e-6)


def test_a_dynamic_graph_of_one_window_is_the_static_graph():
    torch.manual_seed(0)
    series, good = recordings(frames=20)
    good[:, :15] = True
    net = DynamicGraph(ROIS, 2, window=20, width=8)
    net(*recordings())
    net.eval()
    with torch.no_grad():
        graph = net.graph(correlations(series, good))
        static = net.head(net.time((graph + waves(1, 8))[:, None])[:, 0])
        torch.testing.assert_close(net(series, good), static, atol=1e-5, rtol=1e-5)
