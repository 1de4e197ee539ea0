"""One row per step in metrics.jsonl, written without stalling the device, and a watch for collapse."""

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from semantoks.curves import Curve, Panel
from semantoks.objective.objective import Objective
from semantoks.storage.durable import write_durably
from semantoks.storage.text import plain_json

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

REMEDY = (
    "Lower --optim.lr, or try --precision 32-true. The last checkpoint may be from after a step that went wrong, "
    "finite but too large: of those that are kept, the one before it is safer."
)
"""What to do about a training that diverged."""


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
        if self.writes:
            for path in (self.metrics, self.warnings):
                _keep_rows_before(path, first_step)

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
            with self.metrics.open("a", encoding="utf-8") as out:
                out.writelines(json.dumps(row) + "\n" for row in rows)
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
        watched = {name.replace("_", " "): row[name] for name in ("loss", *self.objective.finite)}
        watched["gradient norm"] = row["grad_norm"]
        if None in watched.values():
            raise FloatingPointError(
                f"{', '.join(f'{name} {value}' for name, value in watched.items())} at step {row['step']} (None: not "
                f"finite). {REMEDY}"
            )
        message = self.objective.find_collapse(row) if row["step"] >= self.quiet_until else None
        if message:
            self.quiet_until = row["step"] + 100
            self.warn(row["step"], message)

    def warn(self, step: int, message: str) -> None:
        """Add a sentence to warnings.jsonl."""
        if not self.writes:
            return
        with self.warnings.open("a", encoding="utf-8") as out:
            out.write(json.dumps({"step": step, "message": message}) + "\n")


def diverged(error: FloatingPointError, step: int) -> FloatingPointError:
    """Say at which step what was not finite, and what to try; the monitor has said so of what it reads."""
    if " at step " in str(error):
        return error
    return FloatingPointError(f"{str(error).rstrip('.')}, at step {step}. {REMEDY}")


def _keep_rows_before(path: Path, first_step: int) -> None:
    """Drop rows that a resumed run is about to write again, and a last line that a kill cut."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            if plain_json(line)["step"] < first_step:
                kept.append(line + "\n")
        except (ValueError, KeyError, TypeError):
            break
    write_durably(path, "".join(kept).encode())
