"""Cores that others use too: threads that wait for each other by spinning slow all of them, and need not spin."""

import logging
import os
import sys
from collections.abc import MutableMapping

WAIT = "OMP_WAIT_POLICY"
SHARED = 0.5
"""Share of the machine's cores in use, in the mean of the last minute, from which on its cores count as shared."""
TOLD = logging.getLogger("semantoks.cores")


def load_found() -> float:
    """Return the load of the last minute over the number of cores; 0 where the system does not say."""
    try:
        return os.getloadavg()[0] / (os.cpu_count() or 1)
    except (AttributeError, OSError):
        return 0.0


def share_cores(environment: MutableMapping[str, str] = os.environ) -> bool:
    """Let threads sleep while they wait, if cores are shared and nothing else was said; call it before torch comes.

    It changes no number: there are as many threads, each with the same work. Spinning threads take the cores that the
    others wait for: a step of two threads beside a load of 6 took 1.6 s with spinning, 0.46 s without. On free cores
    spinning is faster, by 40 % for small models.
    """
    alone = environment.get("OMP_NUM_THREADS") == "1"
    if WAIT in environment or alone or "torch" in sys.modules or load_found() <= SHARED:
        return False
    environment[WAIT] = "passive"
    return True


def warn_of_spinning(threads: int, environment: MutableMapping[str, str] = os.environ) -> None:
    """Say what to do where torch is there already, its threads spin, and others use the cores."""
    if threads > 1 and WAIT not in environment and (load := load_found()) > SHARED:
        TOLD.warning(
            "%.0f %% of the cores are in use, and %d threads that wait for each other by spinning will be slow: "
            "set %s=passive before Python starts, or torch.set_num_threads(1)",
            100 * load,
            threads,
            WAIT,
        )
