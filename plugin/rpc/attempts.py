"""One claim in one thread: tried again while a failure may pass and time is left."""

import logging
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Generic, TypeVar

from plugin.preparer import ClaimFailed, ClaimReference, Deadline
from plugin.rpc.log import Log
from plugin.rpc.telemetry import EdgeTelemetry

_T = TypeVar("_T")

FIRST_PAUSE_SECONDS: Final = 0.25
LONGEST_PAUSE_SECONDS: Final = 4.0
AGAIN: Final[Mapping[str, str]] = MappingProxyType(
    {
        "prepare": "The kubelet asks again within a minute and a half.",
        "unprepare": "The kubelet asks again within a quarter of a minute.",
    }
)
"""What happens after a failure, by the kubelet's default settings."""


@dataclass(frozen=True, slots=True)
class Outcome(Generic[_T]):
    """What became of one claim."""

    name: str
    """One of `telemetry.OUTCOMES`."""
    result: _T | None = None
    """What the work returned, on success."""
    error: str = ""
    """A sentence for the pod's events; empty on success and nowhere else."""
    traceback: str = ""
    """Where a defect of ours was met."""


@dataclass(frozen=True, slots=True)
class Attempts(Generic[_T]):
    """The work on one claim, with all that its repetitions need."""

    operation: str
    """``prepare`` or ``unprepare``."""
    claim: ClaimReference
    work: Callable[[ClaimReference, Deadline], _T]
    deadline: Deadline
    log: Log
    telemetry: EdgeTelemetry

    def run(self) -> Outcome[_T]:
        """Work until it is done, refused, or out of time; never raise an exception."""
        pause_seconds = FIRST_PAUSE_SECONDS
        tries = 1
        while True:
            try:
                return Outcome("success", self.work(self.claim, self.deadline))
            except ClaimFailed as failure:
                error = _sendable(failure.sentence) or self._silence(failure)
                if failure.permanent:
                    return Outcome("refused", error=error)
            except Exception as defect:  # noqa: BLE001 - the outermost edge; the runner logs it
                return self._defect(defect)
            if pause_seconds >= self.deadline.remaining_seconds() or not self.deadline.wait(
                pause_seconds
            ):
                often = f" It was tried {tries} times." if tries > 1 else ""
                return Outcome("failed", error=f"{error}{often} {AGAIN[self.operation]}")
            self._log_retry(error, tries)
            pause_seconds = min(2 * pause_seconds, LONGEST_PAUSE_SECONDS)
            tries += 1
            self.telemetry.retried(self.operation)

    def _silence(self, failure: ClaimFailed) -> str:
        # To the kubelet an empty error means success.
        return f"Claim {self.claim} failed without a reason ({type(failure).__name__})."

    def _defect(self, defect: Exception) -> Outcome[_T]:
        sentence = (
            f"dra-config could not {self.operation} claim {self.claim} because of a defect of its"
            f" own ({type(defect).__name__}: {defect}). Please report it with the lines of the"
            f" plugin's log whose claimUID is {self.claim.uid}."
        )
        where = "".join(traceback.format_exception(defect))
        return Outcome("defect", error=_sendable(sentence), traceback=_sendable(where))

    def _log_retry(self, error: str, tries: int) -> None:
        self.log.event(
            logging.INFO,
            "a claim is tried again",
            operation=self.operation,
            claimUID=self.claim.uid,
            claim=str(self.claim),
            error=error,
            tries=tries,
        )


def _sendable(text: str) -> str:
    """Return *text* with what UTF-8 cannot carry escaped, such as odd bytes of a path.

    One such character in one claim's error would make the answer to the whole call unsendable.
    """
    return text.encode(errors="backslashreplace").decode()
