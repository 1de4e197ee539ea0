"""The next step's batch, drawn in a thread while the present one trains: for frames that the device does not hold."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

import torch


class Ahead:
    """Hands out the batch of a step, and has that of the next one drawn meanwhile; the numbers are those of ``draw``.

    Parameters
    ----------
    draw
        Returns the batch of a step, which depends on the step alone.
    total
        Steps in all: after the last one, nothing is drawn.
    device
        Where batches go; a thread begins on the first GPU unless it is told.
    """

    def __init__(self, draw: Callable[[int], Any], total: int, device: torch.device) -> None:
        self.draw, self.total = draw, total
        begin = partial(torch.cuda.set_device, device) if device.type == "cuda" else None
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="views", initializer=begin)
        self.next: tuple[int, Future[Any]] | None = None

    def take(self, step: int) -> Any:
        """Return the batch of a step; what went wrong while it was drawn is raised here."""
        known = self.next is not None and self.next[0] == step
        batch = self.next[1].result() if self.next is not None and known else self.draw(step)
        self.next = (step + 1, self.thread.submit(self.draw, step + 1)) if step + 1 < self.total else None
        return batch

    def close(self) -> None:
        """Wait for what is being drawn, and end the thread."""
        self.thread.shutdown(cancel_futures=True)
        self.next = None
