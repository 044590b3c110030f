"""What the kubelet's edge asks of the core: prepare one claim, unprepare one claim."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ClaimReference:
    """A ResourceClaim as the kubelet names it."""

    namespace: str
    name: str
    uid: str

    def __str__(self) -> str:
        """Return namespace and name, as people write them."""
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class PreparedDevice:
    """A device that a claim got, and how the container runtime finds it."""

    requests: tuple[str, ...]
    """The requests it was allocated for, with or without subrequest; none means all of them."""
    pool: str
    device: str
    cdi_device_ids: tuple[str, ...]
    """Qualified names such as ``vendor/class=name``; there may be none."""
    share_id: str | None = None
    """Which share of the device, where several claims consume it; from the allocation."""


class ClaimFailed(Exception):  # noqa: N818 - it is what became of a claim
    """A claim could not be prepared or unprepared.

    Attributes:
        sentence: What is wrong and what to do, for the person who reads the pod's events.
        permanent: Whether asking again is in vain until somebody changes something.
    """

    def __init__(self, sentence: str, *, permanent: bool) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.permanent = permanent


class PrepareFailed(ClaimFailed):
    """A claim could not be prepared; whatever was begun is rolled back."""


class UnprepareFailed(ClaimFailed):
    """A claim could not be unprepared; what is left of it is on record."""


class Deadline:
    """The time that one piece of work may take, which may also be called off.

    One thread works against it while another may cancel it.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until = clock() + seconds
        self._cancelled = threading.Event()

    @property
    def cancelled(self) -> bool:
        """Whether nobody waits for the result any more."""
        return self._cancelled.is_set()

    @property
    def over(self) -> bool:
        """Whether the time has run out, or the work is called off."""
        return self.remaining_seconds() <= 0

    def remaining_seconds(self) -> float:
        """Return how much time is left; 0 once it is over."""
        return 0.0 if self.cancelled else max(0.0, self._until - self._clock())

    def wait(self, seconds: float) -> bool:
        """Wait for *seconds*, or until the deadline is over if that comes first.

        Returns:
            Whether time is left.
        """
        self._cancelled.wait(min(seconds, self.remaining_seconds()))
        return not self.over

    def cancel(self) -> None:
        """Call the work off: waits end at once, and no time is left."""
        self._cancelled.set()


class Preparer(Protocol):
    """Prepares and unprepares claims, each in a thread of its own.

    Calls for different claims come at the same time. For one claim there is at most one call at
    a time from this process; a second process may be running during a rolling update.
    """

    def prepare(self, claim: ClaimReference, deadline: Deadline) -> tuple[PreparedDevice, ...]:
        """Make a claim's devices ready; a claim that is prepared gives the same devices again.

        Raises:
            PrepareFailed: It cannot be done. If that is not permanent, the edge asks again
                with the same deadline.
        """
        ...

    def unprepare(self, claim: ClaimReference, deadline: Deadline) -> None:
        """Undo what `prepare` did; a claim that is unknown needs nothing.

        Raises:
            UnprepareFailed: It cannot be done. If that is not permanent, the edge asks again
                with the same deadline.
        """
        ...
