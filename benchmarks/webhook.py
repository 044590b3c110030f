"""The webhook over TLS, beside an app that does nothing on the same server."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.comparison import REPEATS, Row, compare
from benchmarks.cores import CLIENT_CORE, cpu_seconds, resident_mebibytes, stay_on
from benchmarks.inputs import reviews
from benchmarks.load import Load, as_request, ask_once, keep_asking, keep_connecting
from benchmarks.serving import Server, certificate, serving
from webhook.certificates import SelfSigned

TITLE: Final = "Webhook"
GOALS: Final = {2: 1.6, 32: 3.5}
"""The most CPU time for a request beside the bare app, by configs in the claim."""
MEBIBYTES_GOAL: Final = 80.0
_REVIEWS: Final = 4096
"""Many more configs than the webhook remembers, so that its memory cannot flatter it."""
_AT_ONCE: Final = 4
_MICROSECONDS: Final = 1e6
_MILLISECONDS: Final = 1e3
_Ask = Callable[[Server], Load]


def note() -> str:
    """Return what stands above the table."""
    return (
        "Reviews of claims in which no two configs are alike (GpuConfig, MPS, a quantity each), "
        "over TLS 1.3; server and client on a core each where there are two; log lines to a "
        "file, metrics on. The peer reads the body and answers a constant of equal length."
    )


@dataclass(frozen=True, slots=True)
class _Sample:
    """One stretch of one server."""

    cpu_seconds: float
    """Of the server, for one request."""
    load: Load


def measure(seconds: float) -> Iterator[Row]:
    """Yield the rows, spending about *seconds* on each side of each group of rows."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dra-config-bench-")))
        made = certificate(folder / "tls")
        gates = "--feature-gates=MPSSupport=true"
        ours = stack.enter_context(serving("webhook", made, folder / "ours.log", [gates]))
        requests = {count: _requests(count, _REVIEWS) for count in GOALS}
        length = len(_answer(ours, made, requests[2][0]))
        constant = f"--answer-bytes={length}"
        bare = stack.enter_context(
            serving("benchmarks.bare", made, folder / "bare.log", [constant])
        )
        stack.enter_context(stay_on(CLIENT_CORE))
        each = seconds / REPEATS
        for connections in (1, 16):
            for count, goal in GOALS.items():
                yield from _keep_alive(ours, bare, made, requests[count], connections, goal, each)
        yield from _new_connections(ours, bare, made, requests[2][0], each)
        yield from _beside_stock(bare, made, requests[2], folder, constant, each)
        yield _memory(ours)


def _keep_alive(
    ours: Server,
    bare: Server,
    made: SelfSigned,
    requests: list[bytes],
    connections: int,
    goal: float,
    seconds: float,
) -> Iterator[Row]:
    def ask(server: Server) -> Load:
        return keep_asking(server.port, made.ca_certificate, requests, connections, seconds)

    a, b = _alternate(ours, bare, ask)
    count = next(count for count, its_goal in GOALS.items() if its_goal == goal)
    what = f"{count} configs, {connections} connection{'s' if connections > 1 else ''}:"
    yield _cpu_row(f"{what} CPU a request", a, b, goal)
    yield compare(
        f"{what} requests a second",
        "1/s",
        [sample.load.per_second for sample in a],
        [sample.load.per_second for sample in b],
    )
    for share, its_goal in ((0.5, None), (0.99, goal)):
        yield compare(
            f"{what} p{share * 100:.0f}",
            "ms",
            [sample.load.quantile(share) for sample in a],
            [sample.load.quantile(share) for sample in b],
            goal=its_goal,
            scale=_MILLISECONDS,
        )
    busy = [median(sample.load.client_share for sample in side) * 100 for side in (a, b)]
    yield Row(f"{what} how busy the client's core is", "%", busy[0], busy[1], None)


def _new_connections(
    ours: Server, bare: Server, made: SelfSigned, request: bytes, seconds: float
) -> Iterator[Row]:
    def ask(server: Server) -> Load:
        return keep_connecting(server.port, made.ca_certificate, request, _AT_ONCE, seconds)

    a, b = _alternate(ours, bare, ask)
    what = "a new TLS connection for each request:"
    yield _cpu_row(f"{what} CPU", a, b)
    yield compare(
        f"{what} connections a second",
        "1/s",
        [sample.load.per_second for sample in a],
        [sample.load.per_second for sample in b],
    )


def _beside_stock(
    bare: Server,
    made: SelfSigned,
    requests: list[bytes],
    folder: Path,
    constant: str,
    seconds: float,
) -> Iterator[Row]:
    """Yield what the webhook's own server adds to uvicorn's, the app being bare in both."""

    def ask(server: Server) -> Load:
        return keep_asking(server.port, made.ca_certificate, requests, 16, seconds)

    arguments = [constant, "--stock"]
    with serving("benchmarks.bare", made, folder / "stock.log", arguments) as stock:
        a, b = _alternate(bare, stock, ask)
    yield _cpu_row("the bare app on our server, beside uvicorn's own: CPU a request", a, b)


def _memory(ours: Server) -> Row:
    mebibytes = resident_mebibytes(ours.process)
    what = "resident memory of a worker after all this"
    return Row(what, "MiB", mebibytes, None, None, goal=MEBIBYTES_GOAL)


def _cpu_row(what: str, a: list[_Sample], b: list[_Sample], goal: float | None = None) -> Row:
    return compare(
        what,
        "µs",
        [sample.cpu_seconds for sample in a],
        [sample.cpu_seconds for sample in b],
        goal=goal,
        scale=_MICROSECONDS,
    )


def _alternate(first: Server, second: Server, ask: _Ask) -> tuple[list[_Sample], list[_Sample]]:
    """Return the samples of two servers that were asked by turns."""
    found: tuple[list[_Sample], list[_Sample]] = ([], [])
    for _ in range(REPEATS):
        for server, samples in zip((first, second), found, strict=True):
            before = cpu_seconds(server.process)
            load = ask(server)
            used = cpu_seconds(server.process) - before
            samples.append(_Sample(used / load.answers, load))
    return found


def _requests(configs: int, count: int) -> list[bytes]:
    return [as_request(body) for body in reviews(configs, count)]


def _answer(server: Server, made: SelfSigned, request: bytes) -> bytes:
    answer = ask_once(server.port, made.ca_certificate, request)
    if b'"allowed":true' not in answer:
        raise RuntimeError(f"the review is not allowed: {answer.decode(errors='replace')}")
    return answer
