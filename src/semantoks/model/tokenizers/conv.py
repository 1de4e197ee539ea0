"""The two convolutions of the semantic tokenizer, on patches laid out [roi, frame, item] so that each is one matmul.

With the items (all patches of all crops) last, a shift in time is a contiguous slice, a depthwise convolution is one
batched product with small Toeplitz matrices, and no intermediate has to be transposed.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


def uniform_fan_in(tensor: Tensor, fan_in: int) -> None:
    """Fill in place with U(-1/sqrt(fan_in), 1/sqrt(fan_in)), torch's default for Conv1d and Linear."""
    bound = 1 / math.sqrt(fan_in)
    nn.init.uniform_(tensor, -bound, bound)


class DenseConv(nn.Module):
    """Convolution over frames that mixes all ROIs, zero "same" padding (METHOD 3, dense branch).

    As ``torch.nn.Conv1d(n_rois, width, kernel_size, padding="same")``: parameters ``weight`` [width, roi, tap] and
    ``bias`` [width], cross-correlation.
    """

    def __init__(self, n_rois: int, width: int, kernel_size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(width, n_rois, kernel_size))
        self.bias = nn.Parameter(torch.empty(width))
        uniform_fan_in(self.weight, n_rois * kernel_size)
        uniform_fan_in(self.bias, n_rois * kernel_size)

    def forward(self, patches: Float[Tensor, "roi frame item"]) -> Float[Tensor, "width frame item"]:
        """Convolve every item along its frames."""
        taps, (_, frames, items) = self.weight.shape[2], patches.shape
        left = (taps - 1) // 2
        padded = F.pad(patches, (0, 0, left, taps - 1 - left)).flatten(1)
        shifted = torch.cat([padded[:, t * items : (t + frames) * items] for t in range(taps)])
        flat = torch.addmm(self.bias[:, None], self.weight.transpose(1, 2).flatten(1), shifted)
        return flat.view(-1, frames, items)

    def flops(self, frames: int) -> int:
        """Count the product for one patch of ``frames`` frames."""
        return 2 * frames * self.weight.numel()


def factors_of(pieces: int, decay: tuple[float, float], n_rois: int) -> Float[Tensor, "piece roi 1"]:
    """Return m^(pieces-1-i) for each piece i, with m linear from the first ROI to the last (METHOD 3)."""
    multiplier = torch.linspace(*decay, n_rois)[:, None]
    return torch.stack([multiplier ** (pieces - 1 - i) for i in range(pieces)])


def join_pieces(
    pieces: Sequence[Float[Tensor, "filter roi tap"]], factors: Float[Tensor, "piece roi 1"]
) -> Float[Tensor, "filter roi all_taps"]:
    """Stretch piece i by 2^max(0, i-1), multiply it by its factor, and put all end to end (METHOD 3)."""
    stretched = [
        piece.repeat_interleave(2 ** max(0, i - 1), dim=2) * factor
        for i, (piece, factor) in enumerate(zip(pieces, factors.unbind(0), strict=True))
    ]
    return torch.cat(stretched, dim=2)


class StructuredKernel(nn.Module):
    """Long kernels made of few learnable taps that decay in time (SGConv, Li et al. 2022; METHOD 3).

    ``pieces`` pieces of ``piece_taps`` taps for each of ``filters`` x ``n_rois`` channels. Piece i is stretched by
    nearest neighbour by 2^max(0, i-1) and multiplied by m^(pieces-1-i); the pieces are concatenated and divided by the
    L2 norm that this kernel had at initialisation, which is kept as the buffer ``norm`` [filter, roi, 1] for life.
    ``decay`` = (m of the first ROI, m of the last), linear in between.
    """

    norm: Tensor
    factors: Tensor

    def __init__(self, n_rois: int, filters: int, *, pieces: int, piece_taps: int, decay: tuple[float, float]) -> None:
        super().__init__()
        self.pieces = nn.ParameterList(torch.randn(filters, n_rois, piece_taps) for _ in range(pieces))
        self.register_buffer("factors", factors_of(pieces, decay, n_rois), persistent=False)
        self.register_buffer("norm", torch.ones(filters, n_rois, 1))
        with torch.no_grad():
            self.norm.copy_(self().norm(dim=2, keepdim=True))

    def forward(self) -> Float[Tensor, "filter roi tap"]:
        """Return the kernels: piece_taps * 2^(pieces-1) taps for two pieces or more."""
        return join_pieces(list(self.pieces), self.factors) / self.norm


class PlainKernel(nn.Module):
    """Unstructured kernels, one free weight per tap: the "plain depthwise" ablation of METHOD 3."""

    def __init__(self, n_rois: int, filters: int, *, taps: int) -> None:
        super().__init__()
        self.taps = nn.Parameter(torch.empty(filters, n_rois, taps))
        uniform_fan_in(self.taps, taps)

    def forward(self) -> Float[Tensor, "filter roi tap"]:
        """Return the kernels as they are."""
        return self.taps


class ChannelMap(nn.Linear):
    """A linear map over channels whose rows are columns of a matrix in memory: nothing is transposed but views."""

    def forward(self, rows: Float[Tensor, "row channel"]) -> Float[Tensor, "row width"]:
        """Map every row, as ``nn.Linear`` does."""
        return torch.addmm(self.bias[:, None], self.weight, rows.t()).t()


class DepthwiseConv(nn.Module):
    """Several long filters per ROI, a feed-through term, then a linear map over channels (METHOD 3, structured branch).

    y[c*H+h, l] = sum_t kernel[h, c, t] x[c, l + taps//2 - t] + feed_through[h, c] x[c, l] (a true convolution; 7 zeros
    to the left and 8 to the right for 16 taps), then ``projection`` [width, roi * filter], ROI-major.
    """

    def __init__(self, n_rois: int, width: int, kernel: StructuredKernel | PlainKernel) -> None:
        super().__init__()
        filters = kernel().shape[0]
        self.kernel = kernel
        self.feed_through = nn.Parameter(torch.randn(filters, n_rois))
        self.projection = ChannelMap(n_rois * filters, width)

    def forward(self, patches: Float[Tensor, "roi frame item"]) -> Float[Tensor, "width frame item"]:
        """Filter every ROI on its own, then mix the channels."""
        frames, items = patches.shape[1:]
        channels = torch.bmm(self.toeplitz(frames).flatten(1, 2), patches).view(-1, frames * items)
        # Called as a module, so that hooks and what wraps it (adapters of other libraries) take part.
        rows: Tensor = self.projection(channels.t())
        return rows.t().reshape(-1, frames, items)

    def flops(self, frames: int) -> int:
        """Count both products for one patch, as they are computed: every filter spans the patch."""
        return 2 * frames * (self.feed_through.numel() * frames + self.projection.weight.numel())

    def toeplitz(self, frames: int) -> Float[Tensor, "roi filter out_frame in_frame"]:
        """Return kernel and feed-through as matrices that map the frames of a patch to the frames of its output.

        Row l, column f holds tap l - f + taps//2: each row is the row above, shifted by one, so all are windows of
        one vector, the reversed kernel between zeros. The feed-through acts where l = f.
        """
        kernel = self.kernel()
        taps = kernel.shape[2]
        middle = F.pad(self.feed_through[:, :, None], (taps // 2, taps - 1 - taps // 2))
        reverse = (kernel + middle).transpose(0, 1).flip(2)
        windows = F.pad(reverse, (frames - taps + taps // 2, frames - 1 - taps // 2)).unfold(2, frames, 1)
        return windows.flip(2)
