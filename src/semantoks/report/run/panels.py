"""The training curves: which columns of ``metrics.jsonl`` share a plot, under which words and units."""

from dataclasses import dataclass
from typing import Literal

import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One line of a panel.

    Attributes
    ----------
    column
        The column of ``metrics.jsonl``.
    label
        The words at the end of the line; empty in a panel with one curve.
    paint
        A colour name of ``figures.PAINTS``.
    only_where
        Another column: steps where it is zero are left out (a term that takes no part in that step).
    kind
        "noisy" is drawn raw and smoothed, "exact" (a schedule) as it is, "bound" (a limit for the others) dashed.
    """

    column: str
    label: str = ""
    paint: str = "blue"
    only_where: str = ""
    kind: Literal["noisy", "exact", "bound"] = "noisy"

    def points(self, metrics: pd.DataFrame) -> pd.Series:
        """Return the finite values as float, indexed by step; empty where the column is missing."""
        if self.column not in metrics:
            return pd.Series(dtype=float)
        values = metrics.set_index("step")[self.column]
        if self.only_where in metrics:
            values = values[metrics[self.only_where].fillna(0).to_numpy() != 0]
        return values[values.abs() < float("inf")]


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One plot over steps: title, axis words, caption for the reader, and its curves."""

    key: str
    title: str
    axis: str
    caption: str
    curves: tuple[Curve, ...]
    log: bool = False
    from_zero: bool = False


LOSS = (
    Panel(
        key="loss",
        title="Loss",
        axis="loss L (lower is better)",
        caption="L = L_CLS + 0.5 L_Tok + w L_TTR. Masked steps lie apart from the others. "
        "A falling loss means something only while the collapse watch stays calm.",
        curves=(Curve(column="loss"),),
    ),
    Panel(
        key="terms",
        title="Its three terms",
        axis="loss terms, unweighted",
        caption="L_Tok is drawn at steps with a mask, L_TTR while its weight is above zero.",
        curves=(
            Curve(column="loss_cls", label="L_CLS"),
            Curve(column="loss_tok", label="L_Tok", paint="orange", only_where="masked"),
            Curve(column="loss_ttr", label="L_TTR", paint="green", only_where="ttr_weight"),
        ),
    ),
    Panel(
        key="agreement",
        title="Agreement of the two views",
        axis="mean cosine, teacher to student, across views",
        caption="CLS: whole recordings. TTR: networks, averaged over patches. Near 1 for everyone means collapse.",
        curves=(
            Curve(column="agreement", label="CLS"),
            Curve(column="agreement_ttr", label="TTR", paint="green"),
        ),
    ),
    Panel(
        key="overlap",
        title="Agreement by overlap of the views",
        axis="mean cosine of CLS projections",
        caption="By the share of frames that two views have in common. If only overlapping views agree, "
        "the encoder recognises the moment and not the person.",
        curves=(
            Curve(column="agreement_overlap_0", label="none", paint="deep"),
            Curve(column="agreement_overlap_1", label="up to 1/3", paint="blue"),
            Curve(column="agreement_overlap_2", label="up to 2/3", paint="orange"),
            Curve(column="agreement_overlap_3", label="above 2/3", paint="green"),
        ),
    ),
)

COLLAPSE = (
    Panel(
        key="coding_rate",
        title="Coding rate",
        axis="coding rate R of the CLS projections (nats)",
        caption="How far the projections of a batch spread. Near zero: everyone looks the same.",
        curves=(
            Curve(column="coding_rate", label="now"),
            Curve(column="coding_rate_max", label="maximum", paint="muted", kind="bound"),
        ),
        from_zero=True,
    ),
    Panel(
        key="effective_rank",
        title="Effective rank",
        axis="directions in use",
        caption="Of the projections in a batch, against their width K.",
        curves=(
            Curve(column="effective_rank", label="now"),
            Curve(column="projection_dim", label="width K", paint="muted", kind="bound"),
        ),
        from_zero=True,
    ),
    Panel(
        key="feature_sd",
        title="Spread of the features",
        axis="mean sd of a CLS feature over the batch",
        caption="Falls to zero in a collapse.",
        curves=(Curve(column="feature_sd"),),
        from_zero=True,
    ),
    Panel(
        key="teacher_student",
        title="Teacher and student",
        axis="mean cosine, same view",
        caption="Low while the student runs ahead; it rises as the teacher's momentum nears 1.",
        curves=(Curve(column="teacher_student_cosine"),),
    ),
)

SCHEDULES = (
    Panel(
        key="lr",
        title="Learning rate",
        axis="AdamW step size",
        caption="Linear warm-up, then cosine to zero.",
        curves=(Curve(column="lr", paint="deep", kind="exact"),),
        from_zero=True,
    ),
    Panel(
        key="weight_decay",
        title="Weight decay",
        axis="AdamW decay",
        caption="Rises by half a cosine.",
        curves=(Curve(column="weight_decay", paint="deep", kind="exact"),),
    ),
    Panel(
        key="momentum",
        title="Teacher momentum",
        axis="share of the teacher that is kept a step",
        caption="At 1 the teacher stands still.",
        curves=(Curve(column="momentum", paint="deep", kind="exact"),),
    ),
    Panel(
        key="ttr_weight",
        title="TTR weight",
        axis="weight w of L_TTR",
        caption="Fades out early in training.",
        curves=(Curve(column="ttr_weight", paint="deep", kind="exact"),),
        from_zero=True,
    ),
)

MACHINE = (
    Panel(
        key="grad_norm",
        title="Gradient norm",
        axis="L2 norm before clipping (log scale)",
        caption="Single peaks are clipped; a rising floor is a reason to lower the learning rate.",
        curves=(Curve(column="grad_norm"),),
        log=True,
    ),
    Panel(
        key="samples",
        title="Speed",
        axis="samples per second",
        caption="People shown to the encoder each second.",
        curves=(Curve(column="samples_per_s"),),
        from_zero=True,
    ),
    Panel(
        key="data_wait",
        title="Wait for data",
        axis="share of a step, 0 to 1",
        caption="Time in which the model has nothing to do.",
        curves=(Curve(column="data_wait"),),
        from_zero=True,
    ),
)
