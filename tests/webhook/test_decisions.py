"""The lines of decisions: written together, lost to nobody, cut to what Kubernetes can name."""

import json
import threading
from collections.abc import Callable
from typing import Any

from logs.lines import Log, LogLevel
from webhook.decisions import DecisionLog


class Loop:
    """What remembers what it is to call in the next turn, as an event loop does."""

    def __init__(self) -> None:
        self.soon: list[Callable[[], object]] = []

    def call_soon(self, call: Callable[[], object]) -> None:
        self.soon.append(call)

    def turn(self) -> None:
        due, self.soon = self.soon, []
        for call in due:
            call()


class Decisions:
    """Decisions that are written into a list."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.log = Log(self.written.append, lambda: 0.0, LogLevel.INFO)
        self.decisions = DecisionLog(self.log)

    def decide(self, uid: str, **fields: Any) -> None:
        self.decisions.decision(uid=uid, verdict="allowed", nanoseconds=10**6, rules=[], **fields)

    def uids(self) -> list[str]:
        return [json.loads(line)["uid"] for line in b"".join(self.written).splitlines()]


def test_decisions_of_one_turn_are_written_at_once_and_after_it() -> None:
    made, loop = Decisions(), Loop()
    made.decisions.defer_with(loop.call_soon)
    made.decide("a")
    made.decide("b")
    assert (made.uids(), len(loop.soon)) == ([], 1)
    loop.turn()
    assert (made.uids(), len(made.written)) == (["a", "b"], 1)
    made.decide("c")
    loop.turn()
    assert made.uids() == ["a", "b", "c"]


def test_without_a_loop_each_decision_is_written_at_once() -> None:
    made = Decisions()
    made.decide("a")
    assert made.uids() == ["a"]


def test_an_event_of_another_thread_takes_no_decision_along_and_loses_none() -> None:
    made, loop = Decisions(), Loop()
    made.decisions.defer_with(loop.call_soon)
    made.decide("a")
    other = threading.Thread(
        target=made.log.event, args=(LogLevel.INFO, "elsewhere"), kwargs={"uid": "event"}
    )
    other.start()
    other.join()
    made.decide("b")
    loop.turn()
    assert made.uids() == ["event", "a", "b"]
    assert loop.soon == []


def test_no_field_is_longer_than_a_name_can_be() -> None:
    made = Decisions()
    made.decide("u" * 300, kind="k" * 300, namespace="n" * 300, name="m" * 300)
    line = json.loads(made.written[0])
    assert [len(line[field]) for field in ("uid", "kind", "namespace", "name")] == [253] * 4
    assert line["milliseconds"] == 1
