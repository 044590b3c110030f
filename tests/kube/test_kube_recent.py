"""What several want at the same moment is asked for once."""

import threading
from dataclasses import dataclass, field

import pytest

from kube.errors import UnreachableError
from kube.recent import FRESH_SECONDS, RecentReads


@dataclass
class Server:
    """Answers with the number of the question, and may refuse."""

    asked: list[str] = field(default_factory=list[str])
    away: bool = False

    def get_bytes(self, path: str) -> bytes:
        self.asked.append(path)
        if self.away:
            raise UnreachableError("The API server is away.")
        return f"{path} {len(self.asked)}".encode()


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_an_answer_is_given_again_for_a_moment(server: Server, clock: Clock) -> None:
    reads = RecentReads(server, monotonic=clock)
    assert reads.get_bytes("/a") == reads.get_bytes("/a") == b"/a 1"
    assert reads.get_bytes("/b") == b"/b 2"
    clock.now += FRESH_SECONDS + 0.001
    assert reads.get_bytes("/a") == b"/a 3"


def test_a_failure_is_not_remembered(server: Server, clock: Clock) -> None:
    reads = RecentReads(server, monotonic=clock)
    server.away = True
    with pytest.raises(UnreachableError):
        reads.get_bytes("/a")
    server.away = False
    assert reads.get_bytes("/a") == b"/a 2"


def test_threads_that_want_it_at_once_ask_once(server: Server, clock: Clock) -> None:
    reads, answers = RecentReads(server, monotonic=clock), list[bytes]()
    threads = [
        threading.Thread(target=lambda: answers.append(reads.get_bytes("/a"))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [b"/a 1"] * 8
