"""One function over many items in several processes, with the results in the items' order."""

import itertools
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial
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
    they are needed. An exception of *work* is raised at its place, one of *items* once it is met;
    Ctrl-C stops the other processes.
    """
    if jobs <= 1:
        yield from map(work, items)
        return
    batches = _batches(items)
    first = list(itertools.islice(batches, 2))
    if len(first) < 2:  # noqa: PLR2004 - the work of one process
        for batch in first:
            yield from map(work, batch)
        return
    if sys.platform == "linux":
        # A copy of this process starts at once and has everything imported.
        from dra_config.cli import forks  # noqa: PLC0415 - most runs have one job

        found = forks.in_order(
            partial(_work_through, work), itertools.chain(first, batches), min(jobs, _MOST) - 1
        )
    else:
        found = _in_a_pool(work, itertools.chain(first, batches), min(jobs, _MOST))
    with closing(found):
        for results in found:
            yield from results


def _batches(items: Iterable[_Item]) -> Iterator[Sequence[_Item]]:
    source = iter(items)
    while batch := list(itertools.islice(source, _BATCH)):
        yield batch


def _in_a_pool(
    work: Callable[[_Item], _Result], batches: Iterator[Sequence[_Item]], jobs: int
) -> Generator[list[_Result]]:
    """Yield the results of each batch, where no process can be copied."""
    # These two take longer to import than many a file to judge.
    import multiprocessing  # noqa: PLC0415
    from concurrent.futures import ProcessPoolExecutor  # noqa: PLC0415

    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_leave_interrupts_alone)
    pending: deque[Future[list[_Result]]] = deque()
    try:
        while True:
            ahead = jobs * _BATCHES_AHEAD - len(pending)
            for batch in itertools.islice(batches, ahead):
                pending.append(pool.submit(_work_through, work, batch))
            if not pending:
                break
            yield pending.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _work_through(work: Callable[[_Item], _Result], batch: Sequence[_Item]) -> list[_Result]:
    return [work(item) for item in batch]


def _leave_interrupts_alone() -> None:
    """Let the process that shows the results decide what Ctrl-C means."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
