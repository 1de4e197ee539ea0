"""One row per step in metrics.jsonl, written without stalling the device, and a watch for collapse."""

import json
import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from semantoks.curves import Curve, Panel
from semantoks.objective.objective import Objective
from semantoks.storage.durable import append, write_durably
from semantoks.storage.text import read_rows

CURVES = (
    Panel(
        key="lr",
        section="schedules",
        title="Learning rate",
        axis="AdamW step size",
        caption="Linear warm-up, then cosine to zero.",
        curves=(Curve(column="lr", paint="deep", kind="exact"),),
        from_zero=True,
    ),
    Panel(
        key="weight_decay",
        section="schedules",
        title="Weight decay",
        axis="AdamW decay",
        caption="Rises by half a cosine.",
        curves=(Curve(column="weight_decay", paint="deep", kind="exact"),),
    ),
    Panel(
        key="grad_norm",
        section="machine",
        title="Gradient norm",
        axis="L2 norm before clipping (log scale)",
        caption="Single peaks are clipped; a rising floor is a reason to lower the learning rate.",
        curves=(Curve(column="grad_norm"),),
        log=True,
    ),
    Panel(
        key="samples",
        section="machine",
        title="Speed",
        axis="samples per second",
        caption="People shown to the encoder each second.",
        curves=(Curve(column="samples_per_s"),),
        from_zero=True,
    ),
    Panel(
        key="data_wait",
        section="machine",
        title="Wait for data",
        axis="share of a step, 0 to 1",
        caption="Time in which the model has nothing to do.",
        curves=(Curve(column="data_wait"),),
        from_zero=True,
    ),
)
"""What the report draws of the columns that every training has."""

EXPLODED = 1000.0
"""A loss so many times its usual size (or 1, if that is larger) is one of weights that have exploded."""
USUAL = 100
"""Rows that say what is usual."""


class Diverged(FloatingPointError):
    """At ``step`` a training stopped making sense; weights from before it are good."""

    def __init__(self, what: str, step: int) -> None:
        super().__init__(f"{what.rstrip('.')}, at step {step}.")
        self.step = step


class Monitor:
    """Collects rows on the device and writes them every ``every`` steps, with one transfer.

    ``on_row`` is called with each written row; collapse is looked for from step ``watch_from`` on, since fresh weights
    look collapsed. With several ranks the numbers are their means, and the first rank writes. Raises Diverged when a
    loss or a gradient is not finite, or a loss is ``EXPLODED`` times its median over the last ``USUAL`` steps.
    """

    def __init__(
        self,
        folder: Path,
        *,
        objective: Objective,
        every: int,
        first_step: int,
        on_row: Callable[[dict[str, Any]], None] | None = None,
        watch_from: int = 0,
        fabric: Fabric | None = None,
    ) -> None:
        self.several = fabric if fabric is not None and fabric.world_size > 1 else None
        self.writes = fabric is None or fabric.is_global_zero
        self.metrics, self.warnings = folder / "metrics.jsonl", folder / "warnings.jsonl"
        self.objective, self.every, self.on_row = objective, every, on_row
        self.pending: list[tuple[dict[str, Any], dict[str, Tensor], dict[str, Tensor]]] = []
        self.since, self.waited, self.quiet_until = time.perf_counter(), 0.0, watch_from
        self.usual: dict[str, deque[float]] = {name: deque(maxlen=USUAL) for name in ("loss", *objective.finite)}
        if self.writes:
            _keep_rows_before(self.warnings, first_step)
            for row in _keep_rows_before(self.metrics, first_step)[-USUAL:] if not self.several else []:
                self._note_usual(row)

    def add(self, host: dict[str, Any], scalars: dict[str, Tensor], matrices: dict[str, Tensor], waited: float) -> None:
        """Keep one step: plain numbers, scalars and matrices on the device, and the seconds that it waited for data."""
        self.pending.append((host, scalars, matrices))
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
            append(self.metrics, "".join(json.dumps(row) + "\n" for row in rows))
        for row in rows:
            self._watch(row)
            if self.on_row and self.writes:
                self.on_row(row)
        self.pending, self.since, self.waited = [], time.perf_counter(), 0.0

    def _read_back(self) -> list[dict[str, Any]]:
        """Bring the pending steps to the host: one stack of scalars, and one of matrices for each name."""
        stacked = torch.stack([value.float() for _, scalars, _ in self.pending for value in scalars.values()])
        if self.several:
            stacked = torch.as_tensor(self.several.all_reduce(stacked, reduce_op="mean"))
        values = iter(stacked.tolist())
        names = self.pending[0][2]
        matrices = {name: torch.stack([step[2][name] for step in self.pending]).cpu() for name in names}
        rows = []
        for place, (host, scalars, _) in enumerate(self.pending):
            read = {name: next(values) for name in scalars}
            row = host | {name: value if math.isfinite(value) else None for name, value in read.items()}
            rows.append(row | self.objective.derive(row, {name: matrices[name][place] for name in names}))
        return rows

    def _watch(self, row: dict[str, Any]) -> None:
        watched = {name: row[name] for name in (*self.usual, "grad_norm")}
        if None in watched.values():
            said = ", ".join(f"{_words(name)} {value}" for name, value in watched.items())
            raise Diverged(f"{said} (None: not finite)", row["step"])
        for name, before in self.usual.items():
            usual = median(before) if before else math.inf
            if abs(row[name]) > EXPLODED * max(usual, 1.0):
                raise Diverged(f"the {_words(name)} is {row[name]:.3g}, and {usual:.3g} is usual", row["step"])
        self._note_usual(row)
        message = self.objective.find_collapse(row) if row["step"] >= self.quiet_until else None
        if message:
            self.quiet_until = row["step"] + 100
            self.warn(row["step"], message)

    def _note_usual(self, row: Mapping[str, Any]) -> None:
        for name, before in self.usual.items():
            if isinstance(value := row.get(name), float | int):
                before.append(abs(value))

    def warn(self, step: int, message: str) -> None:
        """Add a sentence to warnings.jsonl."""
        if self.writes:
            append(self.warnings, json.dumps({"step": step, "message": message}) + "\n")


def _words(column: str) -> str:
    return {"grad_norm": "gradient norm"}.get(column, column.replace("_", " "))


def _keep_rows_before(path: Path, first_step: int) -> list[dict[str, Any]]:
    """Drop rows that a resumed run is about to write again, and lines that a kill cut; return the others."""
    if not path.exists():
        path.unlink(missing_ok=True)  # a link to nowhere, which would be written through
        return []
    kept = [row for row in read_rows(path)[0] if row["step"] < first_step]
    write_durably(path, "".join(json.dumps(row) + "\n" for row in kept).encode())
    return kept
