"""Reading, settling and judging one config, beside a plain pydantic union of the same shapes."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from benchmarks.comparison import REPEATS, Row, by_turns, compare
from benchmarks.cores import SERVER_CORE, stay_on
from benchmarks.inputs import Case, parameters, read_cases
from benchmarks.union import UNION, UNTAGGED
from dra_config import InvalidConfig, load
from dra_config.gates import FeatureGates
from dra_config.loading import judge

GOAL: Final = 1.8
"""What the reference driver's decode, Normalize and Validate cost beside such a union."""
_MICROSECONDS: Final = 1e6
_GENERATED: Final = 1000

TITLE: Final = "Library"


def note() -> str:
    """Return what stands above the table."""
    return (
        "`dra_config.load(bytes)` beside `TypeAdapter.validate_json(bytes)` of a plain tagged "
        f"union, CPU time for each config, mean over {read_cases()[0]} and that the union reads."
    )


def measure(seconds: float) -> Iterator[Row]:
    """Yield the rows, spending about *seconds* on each side of each."""
    with stay_on(SERVER_CORE):
        yield from _rows(seconds)


def _rows(seconds: float) -> Iterator[Row]:
    cases = [case for case in read_cases()[1] if _union_reads(case)]
    accepted = [case for case in cases if _verdict(case) is not None]
    silent = [case for case in accepted if _verdict(case) == ()]
    gates = FeatureGates.parse("MPSSupport=true")
    generated = [Case(_compact(number), "gpu.nvidia.com", gates) for number in range(_GENERATED)]
    share = f"{len(accepted)} of {len(cases)}"
    yield _row(f"configs that both accept ({share})", accepted, seconds, goal=GOAL)
    yield _row(f"those without a warning ({len(silent)})", silent, seconds)
    yield _row(f"and those that we refuse ({len(cases)})", cases, seconds)
    yield _row("distinct GpuConfigs with MPS and a limit", generated, seconds)
    yield _row(
        "the same through `judge`, as the webhook calls it", generated, seconds, ours=_judge_all
    )
    yield _row(
        f"the {len(accepted)} that both accept, beside a union without a tag",
        accepted,
        seconds,
        peer=UNTAGGED,
    )


def _row(
    what: str,
    cases: Sequence[Case],
    seconds: float,
    *,
    goal: float | None = None,
    ours: Callable[[Sequence[Case]], None] | None = None,
    peer: TypeAdapter[Any] = UNION,
) -> Row:
    ours = ours or _load_all
    passes = _passes(lambda: ours(cases), seconds / REPEATS)
    found = by_turns(
        (
            lambda: _cpu_seconds(lambda: ours(cases), passes) / len(cases),
            lambda: _cpu_seconds(lambda: _read_all(cases, peer), passes) / len(cases),
        )
    )
    return compare(what, "µs", *found, goal=goal, scale=_MICROSECONDS)


def _load_all(cases: Sequence[Case]) -> None:
    for case in cases:
        try:
            load(case.raw, driver=case.driver, gates=case.gates)
        except InvalidConfig:
            continue


def _judge_all(cases: Sequence[Case]) -> None:
    for case in cases:
        judge(case.raw, case.driver, case.gates)


def _read_all(cases: Sequence[Case], peer: TypeAdapter[Any]) -> None:
    for case in cases:
        peer.validate_json(case.raw)


def _passes(once: Callable[[], None], seconds: float) -> int:
    """Return how often *once* can be called in *seconds*, at least one time."""
    once()
    return max(1, int(seconds / max(_cpu_seconds(once, 1), 1e-9)))


def _cpu_seconds(once: Callable[[], None], passes: int) -> float:
    started = time.process_time()
    for _ in range(passes):
        once()
    return (time.process_time() - started) / passes


def _union_reads(case: Case) -> bool:
    try:
        UNION.validate_json(case.raw)
    except ValidationError:
        return False
    return True


def _verdict(case: Case) -> tuple[str, ...] | None:
    """Return the rules that warn, or None if we refuse the config."""
    try:
        loaded = load(case.raw, driver=case.driver, gates=case.gates)
    except InvalidConfig:
        return None
    return tuple(warning.rule for warning in loaded.warnings)


def _compact(number: int) -> bytes:
    return json.dumps(parameters(number), separators=(",", ":")).encode()
