"""Judging manifests as the command line does, beside PyYAML's C parser on the same text."""

import time
from collections.abc import Callable, Iterator
from typing import Final

import yaml

from benchmarks.comparison import REPEATS, Row, by_turns, compare
from benchmarks.cores import SERVER_CORE, stay_on
from benchmarks.inputs import manifests
from dra_config.cli.judge import Criteria, judge_file
from dra_config.gates import FeatureGates

TITLE: Final = "Manifests"
_MANY: Final = 200
_MICROSECONDS: Final = 1e6


def note() -> str:
    """Return what stands above the table."""
    return (
        "The engine of `dra-config validate` on generated claims with two configs each, CPU time "
        "for each manifest, beside `yaml.load_all(text, CSafeLoader)`, which keeps neither "
        "places nor repeated keys and judges nothing."
    )


def measure(seconds: float) -> Iterator[Row]:
    """Yield the rows, spending about *seconds* on each side of each."""
    with stay_on(SERVER_CORE):
        yield _row(f"one file of {_MANY} manifests", manifests(_MANY), 1, seconds)
        yield _row(f"{_MANY} times a file of one", manifests(1), _MANY, seconds)


def _row(what: str, text: str, files: int, seconds: float) -> Row:
    criteria = Criteria(gates=FeatureGates.parse("MPSSupport=true"))
    encoded = text.encode()
    count = text.count("\nkind: ResourceClaim\n") * files

    def ours() -> None:
        for _ in range(files):
            verdict = judge_file("claims.yaml", encoded, criteria, "yaml")
            if verdict.findings:
                raise RuntimeError(verdict.findings[0].message)

    def peer() -> None:
        for _ in range(files):
            list(yaml.load_all(encoded, yaml.CSafeLoader))

    each = seconds / REPEATS
    found = by_turns((lambda: _cpu_for_one(ours, each), lambda: _cpu_for_one(peer, each)))
    return compare(what, "µs", *found, scale=_MICROSECONDS / count)


def _cpu_for_one(once: Callable[[], None], seconds: float) -> float:
    """Return the CPU time of one call, the mean over as many as fit into *seconds*."""
    calls = 0
    started = now = time.process_time()
    while not calls or now - started < seconds:
        once()
        calls += 1
        now = time.process_time()
    return (now - started) / calls
