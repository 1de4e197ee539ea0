"""One function on many jobs, on the workers of a Dask cluster; a worker that dies costs only what it was working on."""

import asyncio
import importlib
import logging
import socket
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

from semantoks.errors import ConfigError

CONNECT_SECONDS = 10
Shared = TypeVar("Shared")
Job = TypeVar("Job")
Made = TypeVar("Made")


def map_on_cluster(
    address: str,
    function: Callable[[Shared, Job], Made],
    shared: Shared,
    jobs: Sequence[Job],
    *,
    needed: Sequence[Path],
) -> Iterator[Made]:
    """Yield ``function(shared, job)`` of every job, as they get done; jobs of a worker that died go to another.

    joblib's Dask backend is not used: it waits for ever for a job that has killed as many workers as Dask allows.

    Parameters
    ----------
    address
        Of the scheduler, such as ``tcp://host:8786``. Its workers may come and go; without any, it waits for them.
    function
        Of a module that workers can import. It runs again where its worker died, so it has to leave the same twice.
    shared
        What all jobs need; it travels to each worker once.
    needed
        Files and folders that each worker has to see.

    Raises
    ------
    ConfigError
        When Dask is not installed or the scheduler not reached; when a worker does not see what it needs, or has
        another version of semantoks; when the scheduler is gone; and, after all others, when a job killed its workers.
    """
    dask = _dask(address)
    with _connected(dask, address) as client:
        kept = client.submit(_itself, shared, pure=False)  # a task, so that it is made again where its worker has died
        waiting = dask.as_completed(
            [client.submit(_run, function, kept, job, version("semantoks"), needed, pure=False) for job in jobs],
            loop=client.loop,
        )
        deadly = 0
        for future in waiting:
            try:
                yield future.result()
            except dask.KilledWorker:
                deadly += 1
            except CancelledError as error:
                logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # its farewell is a traceback
                raise ConfigError(
                    f"the Dask scheduler {address} is gone: start it again, then run the same command. What is "
                    "finished stays."
                ) from error
    if deadly:
        raise ConfigError(
            f"{deadly} of {len(jobs)} jobs killed every worker that tried them, usually for want of memory: give "
            "workers more (dask worker --nthreads 1 --memory-limit 4GiB), then run the same command. What is finished "
            "stays."
        )


def _dask(address: str) -> Any:
    try:
        return importlib.import_module("distributed")
    except ImportError as error:
        raise ConfigError(
            f"--scheduler {address} needs Dask, which is not installed: pip install dask distributed."
        ) from error


def _connected(dask: Any, address: str) -> Any:
    try:
        with ThreadPoolExecutor(1) as apart:  # a notebook has an event loop already
            apart.submit(asyncio.run, _reach(dask, address)).result()
        return dask.Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        why = " ".join(str(error).split()) or "something else listens there"
        raise ConfigError(
            f"no Dask scheduler answers at {address}: {why}. Start one (dask scheduler), and give the address that it "
            "prints, such as tcp://host:8786."
        ) from error


async def _reach(dask: Any, address: str) -> None:
    """Shake hands with the scheduler: a Client that cannot hangs, or ends the program with a traceback."""
    greeting = dask.comm.connect(address, timeout=CONNECT_SECONDS, **dask.Security().get_connection_args("client"))
    await (await asyncio.wait_for(greeting, CONNECT_SECONDS + 1)).close()


def _itself(shared: Shared) -> Shared:
    return shared


def _run(function: Callable[[Shared, Job], Made], shared: Shared, job: Job, maker: str, needed: Sequence[Path]) -> Made:
    """Run one job on the worker that this is, if it is fit for it."""
    host = socket.gethostname()
    if (here := version("semantoks")) != maker:
        raise ConfigError(f"the worker on {host} has semantoks {here}, but {maker} is asked for: install the same.")
    for path in needed:
        if not path.exists():
            raise ConfigError(
                f"the worker on {host} does not see {path}: give absolute paths of folders that all workers see."
            )
    return function(shared, job)
