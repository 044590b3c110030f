"""Copies of this process that work through batches, while this process works through others.

Only where a process can be copied at once: on Linux. The copy has everything imported, and a pair
of pipes to it takes no thread and hardly any time to set up.
"""

import fcntl
import os
import pickle
import select
import signal
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from operator import attrgetter
from typing import Any, Final, NamedTuple, NoReturn

_CRASH: Final = "a process of this run ended before its work was done"
_HEADER_BYTES: Final = 8
_AHEAD_BATCHES: Final = 2
"""Batches that a copy has, the one at work included, so that it never waits for the next."""
_UNSHOWN_BATCHES: Final = 8
"""Batches for each process that are under way, or wait for an earlier one to be shown."""


class CopyEndedError(RuntimeError):
    """A copy of this process ended before its work was done."""


class Answer(NamedTuple):
    """What became of one batch."""

    result: Any
    error: Exception | None = None
    """What the work has raised; there is no result then."""


class Fork:
    """One copy of this process, and the batches that it has yet to answer."""

    def __init__(self, work: Callable[[Sequence[Any]], Any]) -> None:
        """Start a copy that calls *work* with each batch that it is sent."""
        requests, self._requests = os.pipe()
        self._replies, replies = os.pipe()
        # Less than a pipe holds: writing must not block while the copy writes an answer itself.
        self._most_unread = fcntl.fcntl(self._requests, fcntl.F_GETPIPE_SZ) // 2
        self._sizes: deque[int] = deque()
        self._process = os.fork()
        if self._process == 0:
            os.close(self._requests)
            os.close(self._replies)
            _serve(work, requests, replies)
        os.close(requests)
        os.close(replies)

    def fileno(self) -> int:
        """Return what becomes readable with the next answer."""
        return self._replies

    @property
    def waiting(self) -> int:
        """The number of batches that have not been answered."""
        return len(self._sizes)

    @property
    def has_room(self) -> bool:
        """Whether it takes another batch, unless that is a very long one."""
        return len(self._sizes) < _AHEAD_BATCHES

    def send(self, batch: bytes) -> bool:
        """Send a pickled *batch*, unless too much waits already, and say whether it was sent.

        Raises:
            CopyEndedError: The copy has ended.
        """
        size = len(batch) + _HEADER_BYTES
        if self._sizes and sum(self._sizes) + size > self._most_unread:
            return False
        self._sizes.append(size)
        try:
            _write(self._requests, batch)
        except BrokenPipeError as error:
            raise CopyEndedError(_CRASH) from error
        return True

    def receive(self) -> "Answer":
        """Return the answer to the oldest batch.

        Raises:
            CopyEndedError: The copy has ended.
        """
        message = _read(self._replies)
        if message is None:
            raise CopyEndedError(_CRASH)
        self._sizes.popleft()
        answer: Answer = pickle.loads(message)  # noqa: S301 - written by a copy of this process
        return answer

    def stop(self) -> None:
        """End the copy, whatever it is doing."""
        os.close(self._requests)
        os.close(self._replies)
        os.kill(self._process, signal.SIGKILL)
        os.waitpid(self._process, 0)


def _serve(work: Callable[[Sequence[Any]], Any], requests: int, replies: int) -> NoReturn:
    """Answer batches until there are no more, and leave without a trace."""
    # The process that shows the results decides what Ctrl-C means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        while (batch := _read(requests)) is not None:
            answer = _answer(work, pickle.loads(batch))  # noqa: S301 - written by its parent
            _write(replies, pickle.dumps(answer, pickle.HIGHEST_PROTOCOL))
    finally:
        # Nothing that the two share, such as text yet to be printed, may be touched twice.
        os._exit(0)


def _answer(work: Callable[[Sequence[Any]], Any], batch: Sequence[Any]) -> Answer:
    try:
        return Answer(work(batch))
    except Exception as error:  # noqa: BLE001 - it is raised again at its place
        return Answer(None, error)


def _write(pipe: int, message: bytes) -> None:
    rest = memoryview(len(message).to_bytes(_HEADER_BYTES, "big") + message)
    while rest:
        rest = rest[os.write(pipe, rest) :]


def _read(pipe: int) -> bytes | None:
    """Return the next message, or None if nobody is left to write one."""
    header = _read_exactly(pipe, _HEADER_BYTES)
    return None if header is None else _read_exactly(pipe, int.from_bytes(header, "big"))


def _read_exactly(pipe: int, size: int) -> bytes | None:
    parts: list[bytes] = []
    while size > 0:
        part = os.read(pipe, size)
        if not part:
            return None
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def in_order(
    work: Callable[[Sequence[Any]], Any], batches: Iterator[Sequence[Any]], copies: int
) -> Generator[Any]:
    """Yield ``work(batch)`` for each of *batches*, in their order.

    This process takes a batch itself whenever its copies, at most *copies*, have enough.

    Raises:
        CopyEndedError: A copy has ended before its work was done.
    """
    run = _Run(work, batches, copies)
    try:
        yield from run.results()
    finally:
        run.stop()


class _Run:
    """All batches of one run."""

    def __init__(
        self,
        work: Callable[[Sequence[Any]], Any],
        batches: Iterator[Sequence[Any]],
        copies: int,
    ) -> None:
        self._work = work
        self._batches = batches
        self._copies = copies
        self._forks: list[Fork] = []
        self._sent: dict[int, deque[int]] = {}
        self._done: dict[int, Answer] = {}
        self._next = 0
        """The number of the next batch to hand out."""

    def results(self) -> Iterator[Any]:
        """Yield the results of all batches."""
        shown = 0
        exhausted = False
        most = _UNSHOWN_BATCHES * (self._copies + 1)
        while not exhausted or shown < self._next:
            self._collect(block=False)
            batch = None
            # Results that wait for an earlier one take memory, so their number is bounded.
            if not exhausted and self._next - shown < most:
                batch = next(self._batches, None)
                exhausted = batch is None
            if batch is not None and not self._hand_out(batch):
                self._done[self._next] = _answer(self._work, batch)
                self._next += 1
            elif batch is None and shown not in self._done and shown < self._next:
                self._collect(block=True)
            while shown in self._done:
                answer = self._done.pop(shown)
                if answer.error is not None:
                    raise answer.error
                yield answer.result
                shown += 1

    def stop(self) -> None:
        """End every copy."""
        for fork in self._forks:
            fork.stop()

    def _hand_out(self, batch: Sequence[Any]) -> bool:
        """Send *batch* to the copy that has the least to do, and say whether one has room."""
        if len(self._forks) < self._copies and all(fork.waiting for fork in self._forks):
            self._forks.append(Fork(self._work))
        fork = min(self._forks, key=attrgetter("waiting"))
        if not fork.has_room or not fork.send(pickle.dumps(batch, pickle.HIGHEST_PROTOCOL)):
            return False
        self._sent.setdefault(fork.fileno(), deque()).append(self._next)
        self._next += 1
        return True

    def _collect(self, *, block: bool) -> None:
        """Take the answers that are there; with *block*, wait for one."""
        busy = [fork for fork in self._forks if fork.waiting]
        if not busy:
            return
        ready, _, _ = select.select(busy, [], [], None if block else 0)
        for fork in ready:
            number = self._sent[fork.fileno()].popleft()
            self._done[number] = fork.receive()
