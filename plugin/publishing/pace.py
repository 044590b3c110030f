"""How fast slices are repaired that somebody else changed."""

from collections import deque
from typing import Final

QUIET_SECONDS: Final = 0.25
"""A kubelet that starts deletes slice after slice; they are repaired together."""

LONGEST_QUIET_SECONDS: Final = 1.0
MOST_REPAIRS: Final = 5
WINDOW_SECONDS: Final = 60.0
SLOW_SECONDS: Final = 30.0


class RepairPace:
    """Counts repairs; after five in a minute they come half a minute apart.

    It is fast again once nobody has disturbed the slices for a minute.
    """

    def __init__(self) -> None:
        """Begin without repairs."""
        self._repairs: deque[float] = deque(maxlen=MOST_REPAIRS)
        self._slow = False
        self._needed_since: float | None = None

    @property
    def slow(self) -> bool:
        """Say whether repairs come half a minute apart."""
        return self._slow

    def delay(self, now: float, *, changed_at: float) -> float:
        """Return how many seconds a repair should wait, 0 if it is due.

        Args:
            now: The present moment.
            changed_at: When the slices were changed last.
        """
        if self._needed_since is None:
            self._needed_since = now
        last = self._repairs[-1] if self._repairs else None
        if last is not None and now - last >= WINDOW_SECONDS:
            self._slow = False
        if len(self._repairs) == MOST_REPAIRS and now - self._repairs[0] < WINDOW_SECONDS:
            self._slow = True
        if self._slow and last is not None:
            return max(0.0, last + SLOW_SECONDS - now)
        due = min(changed_at + QUIET_SECONDS, self._needed_since + LONGEST_QUIET_SECONDS)
        return max(0.0, due - now)

    def repaired(self, now: float) -> None:
        """Count a repair."""
        self._repairs.append(now)
        self._needed_since = None

    def nothing_needed(self) -> None:
        """Forget a repair that turned out to be unnecessary."""
        self._needed_since = None
