"""Networks that learn a target from labels alone, beside the fine-tuned encoder: by name, or your own."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from torch import Tensor, nn

from semantoks.errors import DataError
from semantoks.evaluate.finetuning.target_model import WindowModel, Windows
from semantoks.evaluate.from_labels.dynamic_graph import DynamicGraph
from semantoks.evaluate.from_labels.fc_mlp import FcMlp
from semantoks.evaluate.from_labels.fc_transformer import FcTransformer
from semantoks.evaluate.study.shown import Spans
from semantoks.signals.cohort import Cohort
from semantoks.statistics.methods import DYNAMIC_GRAPH, FC_MLP, FC_TRANSFORMER, METHODS
from semantoks.views.corrupt import CorruptionConfig
from semantoks.views.crops import send
from semantoks.views.pool import Pool, count_good

_WINDOW = 60.0
"""Seconds per window of a dynamic graph, the upper end of what Zalesky & Breakspear (2015) advise."""
_LEAST = 0.5
"""The least share of a recording's good frames that a training step shows; the share is uniform up to all of them."""


@dataclass(frozen=True, kw_only=True)
class Trainable:
    """A network without pretraining, for ``finetune(..., extra={"name": Trainable(...)})``.

    It learns from the same training people as the fine-tuned encoder, the same held-out share of them chooses its epoch
    and its learning rate, and it gets its own rows in all tables. For example, a logistic regression of each ROI's
    variance::

        class Variances(torch.nn.Linear):
            def forward(self, series, good):
                return super().forward((series * good[:, None]).square().mean(dim=-1))

        own = Trainable(words="variance of each ROI", build=lambda n_rois, outputs, tr: Variances(n_rois, outputs))

    Attributes
    ----------
    words
        What it does, for readers of the report.
    build
        A function of the number of ROIs, of outputs (classes; 1 for a value, which is standardised) and the repetition
        time in seconds. It returns a torch module that maps ``series`` [batch, roi, frame], as FC sees them (a missing
        ROI is 0), and ``good`` [batch, frame], False where a frame was censored, is not shown, or is past the end, to
        [batch, output]. Its weights are drawn from the split's seed.
    frames
        Length of the windows that it is shown: random ones in training, ``crops`` even ones per recording in tests.
        None: whole recordings, and in training a random stretch with at least half of their good frames.
    """

    words: str
    build: Callable[[int, int, float], nn.Module]
    frames: int | None = None


def _dynamic_graph(n_rois: int, outputs: int, tr: float) -> DynamicGraph:
    return DynamicGraph(n_rois, outputs, window=max(2, round(_WINDOW / tr)))


BESIDE: Mapping[str, Trainable] = {
    FC_MLP: Trainable(words=METHODS[FC_MLP].words, build=lambda n_rois, outputs, _tr: FcMlp(n_rois, outputs)),
    FC_TRANSFORMER: Trainable(
        words=METHODS[FC_TRANSFORMER].words, build=lambda n_rois, outputs, _tr: FcTransformer(n_rois, outputs)
    ),
    DYNAMIC_GRAPH: Trainable(words=METHODS[DYNAMIC_GRAPH].words, build=_dynamic_graph),
}
"""What ``--beside`` can name."""


class FromLabels(WindowModel):
    """A network as it is trained and tested: windows of a pool with their good frames, no corruption.

    What it draws itself in training, such as dropout, depends on ``seed`` and the step alone.
    """

    def __init__(self, net: nn.Module, outputs: int, frames: int, *, whole: bool, seed: int = 0) -> None:
        super().__init__()
        self.net, self.outputs, self.frames, self.whole = net, outputs, frames, whole
        self.seed, self.step = seed, 0

    @classmethod
    def of(cls, trainable: Trainable, pool: Pool, outputs: int, seed: int) -> "FromLabels":
        """Build a network for the recordings of a pool, its weights drawn from ``seed``."""
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            net = trainable.build(len(pool.network_index), outputs, pool.tr)
        return cls(net, outputs, trainable.frames or int(pool.length.max()), whole=trainable.frames is None, seed=seed)

    def forward(
        self, series: Float[Tensor, "batch roi frame"], good: Bool[Tensor, "batch frame"]
    ) -> Float[Tensor, "batch output"]:
        """Map windows to outputs."""
        if not self.training:
            known: Tensor = self.net(series, good)
            return known
        self.step += 1
        with torch.random.fork_rng([self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(int(np.random.SeedSequence([self.seed, self.step]).generate_state(1)[0]))
            out: Tensor = self.net(series, good)
        if out.shape != (len(series), self.outputs):
            raise DataError(
                f"a network has to return one row per recording, [{len(series)}, {self.outputs}], but "
                f"{type(self.net).__name__} returned {list(out.shape)}."
            )
        return out

    def gather(self, pool: Pool, recordings: Int[ndarray, " batch"], starts: Int[ndarray, " batch"]) -> Windows:
        """Return windows, and which of their frames are good."""
        available = np.minimum(pool.length[recordings] - starts, self.frames)
        first = pool.first[recordings] + starts
        good = pool.good_frames(first, self.frames) & (np.arange(self.frames) < available[:, None])
        return pool.frames.gather(first, available, self.frames, self.device), send(good, self.device)

    def vary(self, windows: Windows, corruption: CorruptionConfig, generator: torch.Generator) -> Windows:  # noqa: ARG002
        """Show a random stretch of whole recordings; windows are random already."""
        series, good = windows
        assert good is not None
        return series, stretch(good, generator) if self.whole else good


def stretch(good: Bool[Tensor, "batch frame"], generator: torch.Generator) -> Bool[Tensor, "batch frame"]:
    """Keep consecutive good frames of each row: a share of them uniform in [1/2, 1], from anywhere."""
    total = good.sum(dim=1)
    share, place = torch.rand(2, len(good), generator=generator, device=good.device)
    count = ((_LEAST + (1 - _LEAST) * share) * total).ceil()
    begin = (place * (total - count + 1)).floor()
    number = good.cumsum(dim=1)
    kept: Tensor = good & (number > begin[:, None]) & (number <= (begin + count)[:, None])
    return kept


def only_shown(pool: Pool, cohort: Cohort, spans: Spans | None) -> Pool:
    """Count those frames of one cohort's pool as good that baselines are shown (``study.shown``)."""
    if spans is None:
        return pool
    shown = np.zeros(len(cohort.good), dtype=bool)
    for begin, frames, ranges in zip(cohort.first_frames, cohort.recordings["frames"], spans, strict=True):
        for first, count in ranges.reshape(-1, 2):
            shown[begin + first : begin + min(first + count, frames)] = True
    return dataclasses.replace(pool, good_before=count_good(shown & cohort.good))
