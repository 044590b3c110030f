"""What is wrong with each of the opaque configs in a Kubernetes object."""

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from dra_config import scheme
from dra_config.carriers import CONFIG_LISTS, GROUP, SERVED_VERSIONS
from dra_config.catalogue.decode import DRA002, DRA022
from dra_config.catalogue.structure import DRA920
from dra_config.gates import FeatureGates
from dra_config.loading import judge
from dra_config.spelling import nearest
from dra_config.violations import Target, Violation
from dra_config.wire import shown

__all__ = ["CONFIG_LISTS", "GROUP", "SERVED_VERSIONS", "OpaqueConfig", "judge_config"]

_NEAR_MISS_RATIO = 0.92
"""How alike two driver names are that differ by one letter, as `difflib` measures it."""


class OpaqueConfig(NamedTuple):
    """One entry of a list of configs."""

    position: int
    """Its place in the list, counted from 0."""
    driver: str
    """The driver it is addressed to, as written."""
    parameters: bytes | None
    """The raw JSON below ``opaque.parameters``; None if the field is absent or null."""
    requests: tuple[str, ...] = ()
    """The requests that it names; empty means all, and always in a class."""


def judge_config(
    kind: str,
    config: OpaqueConfig,
    *,
    drivers: Collection[str] = tuple(scheme.DRIVERS),
    gates: FeatureGates | None,
) -> Sequence[Violation]:
    """Return what is wrong with one config, with paths from the root of its object.

    A config of another driver passes unread; a driver that is called almost like one of ours gives
    a warning.

    Args:
        kind: The kind of the object, a key of `CONFIG_LISTS`; it decides the paths.
        config: An entry of the object's list of configs.
        drivers: The drivers that are served, each one of `scheme.DRIVERS`.
        gates: The feature gates of the installation, or None while nobody knows them.
    """
    if config.driver not in drivers:
        return tuple(_judge_driver(kind, config, drivers))
    if config.parameters is None:
        message = "parameters are missing; write an object with apiVersion and kind"
        where = (*CONFIG_LISTS[kind], config.position, "opaque", "parameters")
        return (Violation.of(DRA002, message, where, target=Target.PARENT),)
    _, violations = judge(config.parameters, config.driver, gates)
    if not violations:
        return ()
    where = (*CONFIG_LISTS[kind], config.position, "opaque", "parameters")
    return [violation.under(where) for violation in violations]


def _judge_driver(
    kind: str, config: OpaqueConfig, drivers: Collection[str]
) -> Iterator[Violation]:
    where = (*CONFIG_LISTS[kind], config.position, "opaque", "driver")
    lower = config.driver.lower()
    nobody = f"no driver is called {shown(config.driver)}, so nobody reads this config"
    if lower in drivers:
        message = f"{nobody}; write {lower}"
        yield Violation.of(DRA920, message, where, suggestion=lower)
        return
    close = nearest(lower, drivers, likeness=_NEAR_MISS_RATIO)
    if (
        not close
        and not lower.endswith((".nvidia.com", "nvidia.com/gpu"))
        and lower != "nvidia.com"
    ):
        return
    meant = [close] if close else list(drivers)
    message = f"{nobody}; write {' or '.join(meant)}"
    yield Violation.of(DRA022, message, where, suggestion=close)
