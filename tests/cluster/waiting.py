"""Waiting for a condition, never for a time."""

import threading
import time
from collections.abc import Callable

PAUSE_SECONDS = 0.05


class RigError(Exception):
    """The rig, or something in it, does not do what it should."""


def wait_until(
    condition: Callable[[], bool],
    *,
    seconds: float,
    otherwise: Callable[[], str],
    pause_seconds: float = PAUSE_SECONDS,
) -> None:
    """Ask until *condition* holds.

    Args:
        condition: What is waited for.
        seconds: How long to wait at most.
        otherwise: Says what is wrong, when it does not come true in time.
        pause_seconds: How long to wait before asking again.

    Raises:
        RigError: The condition does not hold in time.
    """
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not condition():
        if time.monotonic() > deadline:
            raise RigError(f"{otherwise()} (after {seconds:g} seconds)")
        pause.wait(pause_seconds)
