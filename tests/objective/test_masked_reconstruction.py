"""Masked reconstruction: its error and its FC rows against loops, its decoder's order of ROIs, what it refuses."""

import numpy as np
import pytest
import torch
from small_steps import INDEX, SIZE, draw

from semantoks.errors import ConfigError
from semantoks.model.encoder import EncoderConfig
from semantoks.model.tokenizers.connectivity import ConnectivityConfig
from semantoks.objective.losses.hidden import mean_of_hidden, network_rows, patch_error
from semantoks.objective.masked_reconstruction import MaskedReconstruction
from semantoks.views.batch import ViewConfig
from semantoks.views.masks import MaskConfig

MEMBERS = torch.nn.functional.one_hot(torch.tensor(INDEX)).T.float()


def test_the_loss_is_what_loops_over_hidden_patches_say_and_absent_rois_do_not_count():
    batch, objective = draw(masked=0.5), MaskedReconstruction()
    batch.originals[2, 3] = 0  # one ROI of network 2 has no data here
    learner = objective.learner(SIZE, INDEX, 0)
    found = objective.loss(learner, learner.trained, batch, {})
    given = learner.student(batch.crops, batch.mask).head.detach().double().numpy()
    series, mask = batch.originals.double().numpy(), batch.mask.numpy()
    rows, power = [], []
    for b in range(len(series)):
        errors, squares = [], []
        for n, p in np.argwhere(mask[b]):
            rois = [r for r in range(8) if INDEX[r] == n and series[b, r].any()]
            truth = [series[b, r, 10 * p : 10 * p + 10] for r in rois]
            errors.append(np.mean([(given[b, r, p] - t) ** 2 for r, t in zip(rois, truth, strict=True)]))
            squares.append(np.mean(np.square(truth)))
        rows.append(np.mean(errors))
        power.append(np.mean(squares))
    assert found.loss.item() == pytest.approx(np.mean(rows), rel=1e-5)
    assert found.scalars["explained"].item() == pytest.approx(1 - np.mean(rows) / np.mean(power), rel=1e-4)


def test_an_exact_answer_costs_nothing_and_an_answer_of_zero_the_variance():
    truth = torch.randn(3, 8, 4, 10, generator=torch.Generator().manual_seed(0))
    truth = (truth - truth.mean(-1, keepdim=True)) / truth.std(-1, keepdim=True, correction=0)
    present = torch.ones(3, 8, dtype=torch.bool)
    assert patch_error(truth, truth, MEMBERS, present).abs().max() == 0
    torch.testing.assert_close(patch_error(truth * 0, truth, MEMBERS, present), torch.ones(3, 3, 4))


def test_a_row_without_hidden_tokens_counts_zero():
    error, hidden = torch.full((2, 3, 4), 5.0), torch.zeros(2, 3, 4, dtype=torch.bool)
    hidden[0, 1, 2:] = True
    assert mean_of_hidden(error, hidden).item() == 2.5


def test_an_fc_row_is_the_correlation_of_the_networks_mean_signal_with_each_roi():
    series = torch.randn(2, 8, 40, generator=torch.Generator().manual_seed(1))
    series[1, :, 35:] = 0  # frames without data do not count
    series[0, 4] = 0
    found = network_rows(series, MEMBERS, 4, 10)
    for b, n, p, r in np.ndindex(2, 3, 4, 8):
        frames = slice(10 * p, 35 if b and p == 3 else 10 * p + 10)
        x, y = series[b, [i for i in range(8) if INDEX[i] == n], frames].mean(0), series[b, r, frames]
        expected = 0.0 if not y.any() else np.corrcoef(x.double(), y.double())[0, 1]
        assert found[b, n, p, r].item() == pytest.approx(expected, abs=1e-5)


def test_the_fc_loss_is_what_loops_say():
    batch, objective = draw(masked=0.5), MaskedReconstruction(target="fc")
    learner = objective.learner(SIZE, INDEX, 0)
    found = objective.loss(learner, learner.trained, batch, {})
    given = learner.student(batch.crops, batch.mask).head.detach()
    truth = network_rows(batch.originals, MEMBERS, 4, 10)
    rows = []
    for b in range(len(given)):
        rows.append(np.mean([(given[b, n, p] - truth[b, n, p]).square().mean() for n, p in batch.mask[b].nonzero()]))
    assert found.loss.item() == pytest.approx(np.mean(rows), rel=1e-5)


def test_decoded_rois_stand_in_the_order_of_the_recording():
    learner = MaskedReconstruction(decoder_depth=0).learner(SIZE, INDEX, 0)
    decoder = learner.student.head
    for network, part in enumerate(decoder.maps):
        torch.nn.init.zeros_(part.weight)
        torch.nn.init.constant_(part.bias, network)
    given = learner.student(draw().crops).head
    assert given.shape == (16, 8, 4, 10)
    assert given[0, :, 0, 0].tolist() == list(INDEX)


def test_what_it_cannot_do_is_refused_with_what_to_set():
    tokens = EncoderConfig(width=16, depth=0, frames=40, patch=40, tokenizer=ConnectivityConfig())
    with pytest.raises(ConfigError, match=r"any length.* set objective\.target to fc"):
        MaskedReconstruction().check(tokens, ViewConfig())
    MaskedReconstruction(target="fc").check(tokens, ViewConfig())
    with pytest.raises(ConfigError, match=r"set objective\.masks in place of views\.masks"):
        MaskedReconstruction().check(SIZE, ViewConfig(masks=MaskConfig(kind="time")))
    with pytest.raises(ConfigError, match=r"masks\.probability has to be 1, not 0\.5"):
        MaskedReconstruction(masks=MaskConfig())
    with pytest.raises(ConfigError, match="decoder_depth has to be at least 0"):
        MaskedReconstruction(decoder_depth=-1)
