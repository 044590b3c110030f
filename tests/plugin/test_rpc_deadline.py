"""A deadline tells the work how long it has, and whether anybody still waits for it."""

import threading

import pytest

from plugin.preparer import ClaimReference, Deadline
from tests.plugin.rpc_kubelet import SECONDS


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now_seconds = 100.0

    def __call__(self) -> float:
        return self.now_seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_time_runs_out_and_stays_out(clock: Clock) -> None:
    deadline = Deadline(10.0, clock)
    assert (deadline.remaining_seconds(), deadline.over) == (10.0, False)
    clock.now_seconds += 9.0
    assert (deadline.remaining_seconds(), deadline.over) == (1.0, False)
    clock.now_seconds += 2.0
    assert (deadline.remaining_seconds(), deadline.over) == (0.0, True)
    assert not deadline.cancelled


def test_work_that_is_called_off_has_no_time_left(clock: Clock) -> None:
    deadline = Deadline(10.0, clock)
    deadline.cancel()
    assert (deadline.remaining_seconds(), deadline.over, deadline.cancelled) == (0.0, True, True)


def test_a_wait_ends_when_the_work_is_called_off(clock: Clock) -> None:
    deadline = Deadline(3600.0, clock)
    answers: list[bool] = []
    waiting = threading.Thread(target=lambda: answers.append(deadline.wait(3600.0)))
    waiting.start()
    deadline.cancel()
    waiting.join(SECONDS)
    assert answers == [False]


def test_a_wait_tells_whether_time_is_left(clock: Clock) -> None:
    deadline = Deadline(10.0, clock)
    assert deadline.wait(0.0)
    clock.now_seconds += 10.0
    # An hour would be noticed: it is cut to what is left, which is nothing.
    assert not deadline.wait(3600.0)


def test_a_claim_is_written_as_people_write_it() -> None:
    assert str(ClaimReference("default", "gpu", "5c2f")) == "default/gpu"
