"""Worker processes that end with whoever started them, and whose death is a sentence."""

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import joblib
from joblib._parallel_backends import LokyBackend
from joblib.externals.loky import get_reusable_executor, process_executor
from joblib.externals.loky.process_executor import TerminatedWorkerError

from semantoks.errors import MemoryShort

Call = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]
"""What ``joblib.delayed`` makes: a function and its arguments."""


def run_calls(
    calls: Iterable[Call], *, n_jobs: int, ordered: bool = True, doing: Callable[[], str] = lambda: ""
) -> Iterator[Any]:
    """Yield the results of calls, made here or in ``n_jobs`` worker processes (-1 = all cores), of one thread each.

    Parameters
    ----------
    ordered
        Whether the results come in the order of the calls, or as they get done.
    doing
        Says what the workers were at, for the sentence about one that was killed.

    Raises
    ------
    MemoryShort
        When a worker was killed. Whatever ends the loop, Ctrl-C included, ends the workers.
    """
    if n_jobs == 1:
        yield from (function(*args, **kwargs) for function, args, kwargs in calls)
        return
    done, kind = False, "generator" if ordered else "generator_unordered"
    try:
        with joblib.parallel_config(backend=_Workers(inner_max_num_threads=1)):
            yield from joblib.Parallel(n_jobs=n_jobs, return_as=kind)(calls)
        done = True
    except TerminatedWorkerError as error:
        raise MemoryShort(
            f"a worker process was killed{doing()}, usually for want of memory. Run the same command again with fewer "
            "of them (--n-jobs), or on a machine with more memory; what is finished stays."
        ) from error
    finally:
        if not done:
            get_reusable_executor(reuse=True).shutdown(wait=False, kill_workers=True)


class _Workers(LokyBackend):  # type: ignore[misc]
    """Workers that watch their parent from their start on, not from their first call: there may never be one."""

    def configure(self, *args: Any, **kwargs: Any) -> int:
        return int(super().configure(*args, initializer=_begin, initargs=(os.getpid(),), **kwargs))


def _begin(parent: int) -> None:
    """Begin a worker: it ends with its parent, and not because it holds more memory than after its first call.

    loky takes that for a leak, and ends the worker with a warning; but it may just have imported torch.
    """
    process_executor._USE_PSUTIL = False
    end_with(parent)


def end_with(parent: int) -> None:
    """End this process soon after its parent has: a parent that was killed cannot end its workers."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
