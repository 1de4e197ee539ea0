"""Convolutions of the tokenizer against naive loops and torch's own Conv1d, in float64."""

import numpy as np
import pytest
import torch
from torch import nn

from semantoks.model.tokenizers.conv import DenseConv, DepthwiseConv, PlainKernel, StructuredKernel


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
def test_dense_conv_equals_torch_conv1d_with_same_padding():
    torch.manual_seed(0)
    for taps in (1, 3, 4, 20):
        ours = DenseConv(5, 7, taps).double()
        theirs = nn.Conv1d(5, 7, taps, padding="same").double()
        theirs.load_state_dict({"weight": ours.weight, "bias": ours.bias})
        x = torch.randn(11, 5, 20, dtype=torch.float64)
        expected = theirs(x)
        got = ours(x.permute(1, 2, 0)).permute(2, 0, 1)
        torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)


def naive_kernel(pieces, norm, m):
    """K[h, c] = [m^2 p0 | m p1 | p2 with each tap twice] / norm, tap by tap."""
    filters, rois, _ = pieces[0].shape
    kernel = np.zeros((filters, rois, 16))
    for h in range(filters):
        for c in range(rois):
            taps = []
            for i, piece in enumerate(pieces):
                for value in piece[h, c]:
                    taps += [value * m[c] ** (2 - i)] * 2 ** max(0, i - 1)
            kernel[h, c] = np.array(taps) / norm[h, c, 0]
    return kernel


def test_structured_kernel_equals_the_naive_build_and_keeps_its_initial_norm():
    torch.manual_seed(1)
    kernel = StructuredKernel(3, 2, pieces=3, piece_taps=4, decay=(2.0, 2.0)).double()
    start = kernel().detach()
    torch.testing.assert_close(start.norm(dim=2), torch.ones(2, 3, dtype=torch.float64), rtol=1e-6, atol=1e-6)
    before = kernel.norm.clone()
    with torch.no_grad():
        for piece in kernel.pieces:
            piece.add_(torch.randn_like(piece))
    pieces = [piece.detach().numpy() for piece in kernel.pieces]
    expected = naive_kernel(pieces, before.numpy(), np.array([2.0, 2.0, 2.0]))
    np.testing.assert_allclose(kernel().detach().numpy(), expected, rtol=1e-12)
    assert torch.equal(kernel.norm, before)
    assert not torch.allclose(kernel().norm(dim=2), torch.ones(2, 3, dtype=torch.float64), atol=0.05)


def test_decay_runs_linearly_over_the_rois():
    kernel = StructuredKernel(3, 1, pieces=3, piece_taps=4, decay=(1.0, 3.0)).double()
    pieces = [piece.detach().numpy() for piece in kernel.pieces]
    expected = naive_kernel(pieces, kernel.norm.numpy(), np.array([1.0, 2.0, 3.0]))
    np.testing.assert_allclose(kernel().detach().numpy(), expected, rtol=1e-12)


def test_depthwise_conv_is_a_true_convolution_with_seven_zeros_left_and_eight_right():
    torch.manual_seed(2)
    conv = DepthwiseConv(3, 4, StructuredKernel(3, 2, pieces=3, piece_taps=4, decay=(2.0, 2.0))).double()
    x = torch.randn(3, 20, 5, dtype=torch.float64)
    kernel, skip = conv.kernel().detach().numpy(), conv.feed_through.detach().numpy()
    weight, bias = conv.projection.weight.detach().numpy(), conv.projection.bias.detach().numpy()
    expected = np.zeros((4, 20, 5))
    for item in range(5):
        channels = np.zeros((6, 20))
        for c in range(3):
            for h in range(2):
                for frame in range(20):
                    total = skip[h, c] * x[c, frame, item].item()
                    for tap in range(16):
                        source = frame + 8 - tap
                        if 0 <= source < 20:
                            total += kernel[h, c, tap] * x[c, source, item].item()
                    channels[c * 2 + h, frame] = total
        expected[:, :, item] = weight @ channels + bias[:, None]
    np.testing.assert_allclose(conv(x).detach().numpy(), expected, rtol=1e-11, atol=1e-12)


def test_an_impulse_comes_out_as_the_kernel_itself():
    conv = DepthwiseConv(1, 1, PlainKernel(1, 1, taps=16)).double()
    with torch.no_grad():
        conv.feed_through.zero_()
        conv.projection.weight.fill_(1.0)
        conv.projection.bias.zero_()
    x = torch.zeros(1, 40, 1, dtype=torch.float64)
    x[0, 20, 0] = 1.0
    out = conv(x)[0, :, 0].detach()
    torch.testing.assert_close(out[12:28], conv.kernel()[0, 0].detach())
    assert out[:12].abs().max() == 0
    assert out[28:].abs().max() == 0


def test_initial_weights_fill_the_range_of_one_over_the_root_of_fan_in():
    torch.manual_seed(3)
    conv = DenseConv(50, 64, 3)
    bound = 1 / np.sqrt(150)
    assert conv.weight.abs().max() <= bound
    assert conv.weight.detach().std() == pytest.approx(bound / np.sqrt(3), rel=0.03)
    assert conv.bias.abs().max() <= bound


@pytest.mark.parametrize(("taps", "frames"), [(16, 20), (16, 4), (7, 20), (3, 1), (1, 5)])
def test_toeplitz_matrices_hold_tap_l_minus_f_plus_half_the_taps_and_the_feed_through_where_l_is_f(taps, frames):
    torch.manual_seed(3)
    conv = DepthwiseConv(3, 4, PlainKernel(3, 2, taps=taps)).double()
    kernel, skip = conv.kernel().detach(), conv.feed_through.detach()
    expected = torch.zeros(3, 2, frames, frames, dtype=torch.float64)
    for out in range(frames):
        for frame in range(frames):
            if 0 <= (tap := out - frame + taps // 2) < taps:
                expected[:, :, out, frame] = kernel[:, :, tap].T
        expected[:, :, out, out] += skip.T
    assert torch.equal(conv.toeplitz(frames).detach(), expected)
