"""One row a step in metrics.jsonl, written without stalling the device, and a watch for collapse."""

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from lightning_fabric import Fabric
from torch import Tensor

from semantoks.objective.coding_rate import coding_rate_maximum, coding_rate_minimum
from semantoks.objective.distill import SimDino
from semantoks.objective.terms import LossTerms
from semantoks.storage.durable import write_durably
from semantoks.views.batch import Batch
from semantoks.views.crops import send

OVERLAP_BINS = (0.0, 1 / 3, 2 / 3, 1.0)
"""Upper edges of the bins of agreement by overlap: none, up to a third, up to two thirds, more."""


def effective_rank(moment: Float[Tensor, "*step projection projection"]) -> Float[Tensor, "*step"]:
    """Return exp(entropy) of the normalised eigenvalues: 1 = one direction, K = evenly spread (Roy & Vetterli 2007)."""
    values = torch.linalg.eigvalsh(moment.double()).clamp(min=0)
    share = values / values.sum(dim=-1, keepdim=True)
    entropy: Tensor = torch.special.entr(share).sum(dim=-1)
    return entropy.exp().float()


@torch.no_grad()
def agreement_by_overlap(cosine: Float[Tensor, " person"], batch: Batch) -> dict[str, Tensor]:
    """Return the mean agreement of the people whose views overlap not at all, little, half, mostly (absent = none)."""
    bins = np.searchsorted(OVERLAP_BINS[:-1], batch.overlap)
    member = send(bins[:, None] == np.arange(len(OVERLAP_BINS)), cosine.device)
    mean = (cosine[:, None] * member).sum(dim=0) / member.sum(dim=0)
    return {f"agreement_overlap_{i}": mean[i] for i in range(len(OVERLAP_BINS))}


@torch.no_grad()
def describe(terms: LossTerms, student: Any, teacher: Any, batch: Batch) -> dict[str, Tensor]:
    """Return the step's scalars, still on the device, and ``moment`` [projection, projection]."""
    people = len(batch.overlap)
    across = (teacher.cls.unflatten(0, (2, people)).flip(0) * student.cls.unflatten(0, (2, people))).sum(-1).mean(0)
    scalars: dict[str, Tensor] = {"loss": terms.loss.detach(), **_simdino("", terms.cls)}
    if terms.token is not None:
        scalars["loss_tok"] = terms.token
    if terms.ttr is not None:
        scalars |= _simdino("_ttr", terms.ttr)
    return scalars | {
        "feature_sd": teacher.feature.std(dim=0).mean(),
        "teacher_student_cosine": (teacher.cls * student.cls).sum(-1).mean(),
        "moment": terms.cls.moment / terms.cls.rows,
        **agreement_by_overlap(across, batch),
    }


def _simdino(suffix: str, part: SimDino) -> dict[str, Tensor]:
    return {
        f"loss{suffix or '_cls'}": part.loss.detach(),
        f"agreement{suffix}": part.agreement,
        f"coding_rate{suffix}": part.rate,
    }


def find_collapse(row: dict[str, Any]) -> str | None:
    """Say in a sentence, with the likely cause, that a step's numbers look like collapse; None when they do not."""
    size, rate, rank = row["projection_dim"], row["coding_rate"], row["effective_rank"]
    low, top = coding_rate_minimum(size), row["coding_rate_max"]
    spread = f"coding rate {rate:.1f} between {low:.1f} and {top:.1f}, effective rank {rank:.1f} of {size}"
    if rate - low < 0.05 * (top - low):
        if row["grad_norm"] > 100:
            cause = "gradients are very large, so the learning rate is likely too high: lower --optim.lr"
        elif row["rows"] < size / 2:
            cause = f"{row['rows']} people a batch can fill few of {size} directions: raise --batch-size"
        else:
            cause = "nothing keeps the vectors apart: lower --optim.lr, and keep the regulariser on at the start"
        return f"the representation is collapsing ({spread}); {cause}."
    return None


class Monitor:
    """Collects rows on the device and writes them every ``every`` steps, with one transfer.

    ``on_row`` is called with each written row; collapse is looked for from step ``watch_from`` on, since fresh weights
    look collapsed. With several ranks the numbers are their means, and the first rank writes. Raises
    FloatingPointError, naming the step, when a loss or a gradient is not finite.
    """

    def __init__(
        self,
        folder: Path,
        *,
        every: int,
        first_step: int,
        on_row: Callable[[dict[str, Any]], None] | None = None,
        watch_from: int = 0,
        fabric: Fabric | None = None,
    ) -> None:
        self.several = fabric if fabric is not None and fabric.world_size > 1 else None
        self.writes = fabric is None or fabric.is_global_zero
        self.metrics, self.warnings = folder / "metrics.jsonl", folder / "warnings.jsonl"
        self.every, self.on_row = every, on_row
        self.pending: list[tuple[dict[str, Any], dict[str, Tensor]]] = []
        self.since, self.waited, self.quiet_until = time.perf_counter(), 0.0, watch_from
        if self.writes:
            for path in (self.metrics, self.warnings):
                _keep_rows_before(path, first_step)

    def add(self, host: dict[str, Any], device: dict[str, Tensor], waited: float) -> None:
        """Keep one step: plain numbers, device scalars, and the seconds that it waited for data."""
        self.pending.append((host, device))
        self.waited += waited
        if len(self.pending) >= self.every:
            self.flush()

    def flush(self) -> None:
        """Write what is pending."""
        if not self.pending:
            return
        rows = self._read_back()
        elapsed = max(time.perf_counter() - self.since, 1e-9)
        people = sum(row.pop("people") for row in rows)
        for row in rows:
            row |= {"samples_per_s": people / elapsed, "data_wait": self.waited / elapsed}
        if self.writes:
            with self.metrics.open("a", encoding="utf-8") as out:
                out.writelines(json.dumps(row) + "\n" for row in rows)
        for row in rows:
            self._watch(row)
            if self.on_row and self.writes:
                self.on_row(row)
        self.pending, self.since, self.waited = [], time.perf_counter(), 0.0

    def _read_back(self) -> list[dict[str, Any]]:
        """Bring the pending steps to the host: one stack of scalars, one of moments."""
        names = [[name for name in device if name != "moment"] for _, device in self.pending]
        flat = [d[name].float() for (_, d), known in zip(self.pending, names, strict=True) for name in known]
        stacked = torch.stack(flat)
        if self.several:
            stacked = torch.as_tensor(self.several.all_reduce(stacked, reduce_op="mean"))
        values = iter(stacked.tolist())
        moments = torch.stack([device["moment"] for _, device in self.pending]).cpu()
        ranks = effective_rank(moments.nan_to_num()).tolist()
        rows = []
        for (host, device), known, rank in zip(self.pending, names, ranks, strict=True):
            read = {name: next(values) for name in known}
            size = device["moment"].shape[0]
            rows.append(
                host
                | {name: value if math.isfinite(value) else None for name, value in read.items()}
                | {"effective_rank": rank, "projection_dim": size}
                | {"coding_rate_max": coding_rate_maximum(size, host["rows"])}
            )
        return rows

    def _watch(self, row: dict[str, Any]) -> None:
        if None in (row["loss"], row["coding_rate"], row["grad_norm"]):
            raise FloatingPointError(
                f"loss {row['loss']}, coding rate {row['coding_rate']}, gradient norm {row['grad_norm']} at step "
                f"{row['step']}: None stands for a number that is not finite. "
                "Lower --optim.lr, or try --precision 32-true; the last checkpoint is from before it."
            )
        message = find_collapse(row) if row["step"] >= self.quiet_until else None
        if message:
            self.quiet_until = row["step"] + 100
            self.warn(row["step"], message)

    def warn(self, step: int, message: str) -> None:
        """Add a sentence to warnings.jsonl."""
        if not self.writes:
            return
        with self.warnings.open("a", encoding="utf-8") as out:
            out.write(json.dumps({"step": step, "message": message}) + "\n")


def _keep_rows_before(path: Path, first_step: int) -> None:
    """Drop rows that a resumed run is about to write again, and a last line that a kill cut."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            if json.loads(line)["step"] < first_step:
                kept.append(line + "\n")
        except (json.JSONDecodeError, KeyError, TypeError):
            break
    write_durably(path, "".join(kept).encode())
