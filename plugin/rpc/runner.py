"""Many claims at once: each in a thread, a bounded number of threads, an answer in time."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeVar

from plugin.preparer import ClaimReference, Deadline
from plugin.rpc.attempts import AGAIN, Attempts, Outcome
from plugin.rpc.log import Log
from plugin.rpc.telemetry import EdgeTelemetry
from plugin.rpc.threads import Threads

_T = TypeVar("_T")

WORK_SHARE: Final = 0.95
"""The part of the time to answer that the work gets, so that its own sentence comes first."""
THREADS: Final[Mapping[str, int]] = MappingProxyType({"prepare": 16, "unprepare": 8})
"""How many claims are worked on at a time; unprepare never waits behind prepare, since a prepare
may be waiting for what an unprepare releases."""


class ClaimRunner:
    """Gives every claim a thread, and its caller an answer before the deadline.

    All methods belong to one event loop. A thread that hangs in a call to the machine keeps its
    place among the bounded number for as long as it hangs, and its claim is worked on by nobody
    else meanwhile.
    """

    def __init__(
        self, log: Log, telemetry: EdgeTelemetry, threads: Mapping[str, int] = THREADS
    ) -> None:
        self._log = log
        self._telemetry = telemetry
        self._threads = threads
        self._free = {name: asyncio.Semaphore(count) for name, count in threads.items()}
        self._busy_by_uid: dict[str, asyncio.Event] = {}
        self._workers = Threads()

    async def run(
        self,
        operation: str,
        claim: ClaimReference,
        work: Callable[[ClaimReference, Deadline], _T],
        seconds: float,
    ) -> Outcome[_T]:
        """Return what became of one claim, within *seconds*.

        A claim on which an earlier call still works is taken up when that has ended.

        Raises:
            asyncio.CancelledError: The caller has gone; the work is called off.
        """
        started = self._telemetry.clock()
        deadline = Deadline(seconds * WORK_SHARE)
        attempts = Attempts(operation, claim, work, deadline, self._log, self._telemetry)
        progress = _Progress(claim, operation)
        outcome: Outcome[_T] = Outcome("cancelled", error="The kubelet called it off.")
        try:
            async with asyncio.timeout(seconds):
                outcome = await self._in_thread(attempts, progress)
        except TimeoutError:
            outcome = Outcome("timeout", error=progress.sentence(seconds))
        finally:
            deadline.cancel()
            progress.answered = True
            spent_seconds = self._telemetry.clock() - started
            self._telemetry.claim(operation, outcome.name, spent_seconds)
            self._log_outcome(attempts, outcome, milliseconds=round(spent_seconds * 1000, 3))
        return outcome

    async def idle(self, seconds: float) -> bool:
        """Wait until no thread works on any claim; say whether it came to that in time."""
        try:
            async with asyncio.timeout(seconds):
                for ended in [*self._busy_by_uid.values()]:
                    await ended.wait()
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        """Let go of threads that have nothing to do; called when no work comes any more."""
        self._workers.close()

    async def _in_thread(self, attempts: Attempts[_T], progress: "_Progress") -> Outcome[_T]:
        uid = attempts.claim.uid
        while (earlier := self._busy_by_uid.get(uid)) is not None:
            progress.waits_for = "An earlier attempt at it has not ended yet."
            await earlier.wait()
        ended = self._busy_by_uid[uid] = asyncio.Event()
        free = self._free[attempts.operation]
        limit = self._threads[attempts.operation]
        progress.waits_for = f"It has not begun, because {limit} other claims were in its way."
        try:
            await free.acquire()
        except asyncio.CancelledError:
            self._leave(uid, ended)
            raise
        progress.waits_for = "It was called off."
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Outcome[_T]] = loop.create_future()

        def end(outcome: Outcome[_T]) -> None:
            free.release()
            self._telemetry.claim_ended(attempts.operation)
            self._leave(uid, ended)
            if progress.answered:
                self._log_outcome(attempts, outcome, late=True)
            if not answer.done():
                answer.set_result(outcome)

        def work() -> None:
            outcome = attempts.run()
            # After the edge has stopped there is no loop, and nobody who waits.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(end, outcome)

        self._telemetry.claim_began(attempts.operation)
        try:
            self._workers.run(work)
        except RuntimeError as error:
            sentence = (
                f"dra-config could not start a thread for claim {attempts.claim} ({error}); its"
                f" limit of processes may be reached. {AGAIN[attempts.operation]}"
            )
            end(Outcome("failed", error=sentence))
        return await answer

    def _leave(self, uid: str, ended: asyncio.Event) -> None:
        del self._busy_by_uid[uid]
        ended.set()

    def _log_outcome(self, attempts: Attempts[_T], outcome: Outcome[_T], **fields: object) -> None:
        level = logging.INFO if outcome.name in {"success", "cancelled"} else logging.WARNING
        if outcome.traceback:
            level = logging.ERROR
            fields["traceback"] = outcome.traceback
        if outcome.error:
            fields["error"] = outcome.error
        self._log.event(
            level,
            f"{attempts.operation} of a claim ended",
            claimUID=attempts.claim.uid,
            claim=str(attempts.claim),
            outcome=outcome.name,
            **fields,
        )


class _Progress:
    """How far a claim has come, for the sentence about one that ran out of time."""

    def __init__(self, claim: ClaimReference, operation: str) -> None:
        self.waits_for = ""
        self.answered = False
        self._claim = claim
        self._operation = operation

    def sentence(self, seconds: float) -> str:
        """Return what is told after *seconds*."""
        return (
            f"dra-config could not {self._operation} claim {self._claim} within {seconds:.2g}"
            f" seconds. {self.waits_for} {AGAIN[self._operation]}"
        )
