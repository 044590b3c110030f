"""A client that asks as fast as it is answered, over any number of TLS connections at once.

Like an API server, and unlike an event loop, it sends each question by itself: a server that gets
sixteen of them in one go works with far less effort than it would in a cluster. Requests are whole
before the clock starts, and of an answer only its first line and its length are looked at, so that
one core of client keeps up with one core of server.
"""

import itertools
import select
import socket
import ssl
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.serving import ADDRESS

PATH: Final = "/validate-resource-claim-parameters"
_OK: Final = b"HTTP/1.1 200 "
_PATIENCE_SECONDS: Final = 30.0
_CHUNK_BYTES: Final = 65536
_STRIDE: Final = 37
"""How far apart in the list of requests two connections begin."""


class WrongAnswer(RuntimeError):  # noqa: N818 - it says what happened
    """A server answered something else than 200, or hung up."""


@dataclass(frozen=True, slots=True)
class Load:
    """What came of a stretch of asking."""

    answers: int
    seconds: float
    client_share: float
    """How much of its core the client was busy, 0 to 1."""
    latencies: list[float]
    """In seconds, sorted."""

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return self.answers / self.seconds

    def quantile(self, share: float) -> float:
        """Return the latency in seconds that *share* of the answers stayed below."""
        return self.latencies[min(len(self.latencies) - 1, int(len(self.latencies) * share))]


def as_request(body: bytes) -> bytes:
    """Return the whole HTTP request that carries *body*."""
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"User-Agent: kube-apiserver-admission\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def ask_once(port: int, authority: Path, request: bytes) -> bytes:
    """Return the body of one answer.

    Raises:
        WrongAnswer: If its status is not 200.
    """
    with _connect(port, trust(authority)) as connection:
        return _ask(connection, request).partition(b"\r\n\r\n")[2]


def keep_asking(
    port: int, authority: Path, requests: Sequence[bytes], connections: int, seconds: float
) -> Load:
    """Ask over *connections* that stay open, each its next question once the last is answered.

    Every connection asks at least once more after a first answer, which is not counted.

    Raises:
        WrongAnswer: If a status is not 200, or the length of an answer not that of the first.
    """
    trusted = trust(authority)
    with ExitStack() as stack:
        asked = [
            _Asking(
                stack.enter_context(_connect(port, trusted)),
                itertools.islice(itertools.cycle(requests), index * _STRIDE, None),
            )
            for index in range(connections)
        ]
        busy, started = time.process_time(), time.perf_counter()
        _until(started + seconds, asked)
        elapsed = time.perf_counter() - started
        busy = time.process_time() - busy
    latencies = sorted(itertools.chain.from_iterable(one.latencies for one in asked))
    return Load(len(latencies), elapsed, busy / elapsed, latencies)


def keep_connecting(
    port: int, authority: Path, request: bytes, at_once: int, seconds: float
) -> Load:
    """Open a connection, ask once and close it, again and again, *at_once* of them in parallel.

    Raises:
        WrongAnswer: If a status is not 200.
    """
    trusted = trust(authority)

    def one_after_another(until: float) -> list[float]:
        latencies: list[float] = []
        while not latencies or time.perf_counter() < until:
            begun = time.perf_counter()
            with _connect(port, trusted) as connection:
                _ask(connection, request)
            latencies.append(time.perf_counter() - begun)
        return latencies

    busy, started = time.process_time(), time.perf_counter()
    with ThreadPoolExecutor(at_once) as pool:
        found = list(pool.map(one_after_another, [started + seconds] * at_once))
    elapsed = time.perf_counter() - started
    busy = time.process_time() - busy
    latencies = sorted(itertools.chain.from_iterable(found))
    return Load(len(latencies), elapsed, busy / elapsed, latencies)


def trust(authority: Path) -> ssl.SSLContext:
    """Return what makes a client believe *authority*, and nobody else."""
    return ssl.create_default_context(cafile=authority)


class _Asking:
    """One connection with one question open."""

    def __init__(self, connection: ssl.SSLSocket, requests: Iterable[bytes]) -> None:
        """Ask the first question, whose answer says how long answers are."""
        self.connection = connection
        self.latencies: list[float] = []
        self._requests = iter(requests)
        self._expected = len(_ask(connection, next(self._requests)))
        self._received = 0
        self._asked = 0.0

    def ask(self) -> None:
        """Send the next question."""
        self._received = 0
        self._asked = time.perf_counter()
        self.connection.sendall(next(self._requests))

    def is_answered(self) -> bool:
        """Read what has come, and say whether the answer is whole.

        Raises:
            WrongAnswer: If it is not the expected one.
        """
        while self._received < self._expected:
            try:
                found = self.connection.recv(_CHUNK_BYTES)
            except ssl.SSLWantReadError:
                return False
            if not found or not (self._received or found.startswith(_OK)):
                raise WrongAnswer(found[:200].decode(errors="replace") or "the server hung up")
            self._received += len(found)
        if self._received > self._expected:
            raise WrongAnswer("an answer of another length")
        self.latencies.append(time.perf_counter() - self._asked)
        return True


def _until(deadline: float, asked: Sequence[_Asking]) -> None:
    """Let all connections ask and be answered until *deadline*, and at least once."""
    poll = select.epoll(len(asked))
    by_descriptor = {one.connection.fileno(): one for one in asked}
    with poll:
        for descriptor, one in by_descriptor.items():
            poll.register(descriptor, select.EPOLLIN)
            one.connection.settimeout(_PATIENCE_SECONDS)
            one.ask()
            one.connection.setblocking(False)  # noqa: FBT003 - the standard library's own order
        open_questions = len(asked)
        while open_questions:
            ready = poll.poll(_PATIENCE_SECONDS)
            if not ready:
                raise WrongAnswer(f"no answer in {_PATIENCE_SECONDS:.0f} seconds")
            for descriptor, _ in ready:
                one = by_descriptor[descriptor]
                if one.is_answered():
                    if time.perf_counter() < deadline:
                        one.ask()
                    else:
                        poll.unregister(descriptor)
                        open_questions -= 1


def _connect(port: int, trusted: ssl.SSLContext) -> ssl.SSLSocket:
    plain = socket.create_connection((ADDRESS, port), _PATIENCE_SECONDS)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return trusted.wrap_socket(plain, server_hostname="localhost")


def _ask(connection: ssl.SSLSocket, request: bytes) -> bytes:
    """Return the whole answer to *request*.

    Raises:
        WrongAnswer: If its status is not 200.
    """
    connection.sendall(request)
    answer = b""
    while b"\r\n\r\n" not in answer or len(answer) < _answer_bytes(answer):
        found = connection.recv(_CHUNK_BYTES)
        answer += found
        if not found or not answer.startswith(_OK):
            raise WrongAnswer(answer[:200].decode(errors="replace") or "the server hung up")
    return answer


def _answer_bytes(answer: bytes) -> int:
    """Return the length of a whole answer, of which *answer* is the beginning.

    Raises:
        WrongAnswer: If its head does not tell.
    """
    head, _, _ = answer.partition(b"\r\n\r\n")
    for line in head.splitlines():
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return len(head) + 4 + int(value)
    raise WrongAnswer(head.decode(errors="replace"))
