"""One function over many items in several processes, with the results in the items' order."""

import itertools
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_BATCH: Final = 32
"""Items that travel together: one message for each would take longer than the work."""
_MOST: Final = 61
"""Processes at once: Windows can wait for no more, and a slip of the finger starts no thousand."""
_BATCHES_AHEAD: Final = 4
"""Batches under way for each process, so that none waits and memory stays bounded."""


def core_count() -> int:
    """Return how many processes this one may keep busy."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def in_order(
    work: Callable[[_Item], _Result], items: Iterable[_Item], jobs: int
) -> Iterator[_Result]:
    """Yield ``work(item)`` for each of *items*, in their order, whatever the number of *jobs*.

    With one job nothing leaves this process; more than 61 count as 61. The items are taken as
    they are needed. An exception of *work*, or of *items*, is raised at its place; Ctrl-C stops
    the other processes.
    """
    if jobs <= 1:
        yield from map(work, items)
        return
    # Most runs have one job, and these two take longer to import than many a file to judge.
    import multiprocessing  # noqa: PLC0415
    from concurrent.futures import ProcessPoolExecutor  # noqa: PLC0415

    # Where it is safe, a copy of this process starts at once and has everything imported.
    jobs = min(jobs, _MOST)
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else None)
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_leave_interrupts_alone)
    source = iter(items)
    pending: deque[Future[list[_Result]]] = deque()
    try:
        while True:
            while len(pending) < jobs * _BATCHES_AHEAD:
                batch = list(itertools.islice(source, _BATCH))
                if not batch:
                    break
                pending.append(pool.submit(_work_through, work, batch))
            if not pending:
                break
            yield from pending.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _work_through(work: Callable[[_Item], _Result], batch: Sequence[_Item]) -> list[_Result]:
    return [work(item) for item in batch]


def _leave_interrupts_alone() -> None:
    """Let the process that shows the results decide what Ctrl-C means."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
