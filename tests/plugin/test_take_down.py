"""The machine is let go of when nobody can ask it any more, and not before."""

import threading
from dataclasses import dataclass, field
from typing import cast

import pytest

from plugin import ending
from plugin.hardware.port import Machine
from plugin.rpc.edge import Edge


@dataclass
class Parts:
    """An edge and a machine that note what is done to them, in order."""

    idle: bool = True
    done: list[str] = field(default_factory=list[str])

    def stop(self, grace_seconds: float) -> bool:
        self.done.append(f"edge stopped within {grace_seconds:g}")
        return self.idle

    def close(self) -> None:
        self.done.append("machine closed")


def take_down(parts: Parts, *threads: threading.Thread) -> None:
    ending.take_down(cast("Edge", parts), threads, cast("Machine", parts), 5)


def test_the_machine_is_closed_after_the_last_call_and_the_last_thread() -> None:
    """D50: a prepare in flight never meets a driver that was let go of."""
    parts = Parts()
    thread = threading.Thread(target=parts.done.append, args=["thread ended"])
    thread.start()
    take_down(parts, thread)
    assert parts.done[-1] == "machine closed"
    assert sorted(parts.done[:-1]) == ["edge stopped within 5", "thread ended"]


def test_while_a_claim_is_worked_on_the_machine_stays_open() -> None:
    """D50: the end of the process lets go of it."""
    parts = Parts(idle=False)
    take_down(parts)
    assert parts.done == ["edge stopped within 5"]


def test_while_a_thread_asks_the_machine_it_stays_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ending, "LAST_WORK_SECONDS", 0.01)
    parts, end = Parts(), threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    take_down(parts, thread)
    assert parts.done == ["edge stopped within 5"]
    end.set()
    thread.join()
