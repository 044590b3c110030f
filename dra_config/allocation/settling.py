"""Judges the configs of an allocation one by one, as admission judges those of an object."""

from collections.abc import Collection, Sequence
from typing import Final, cast

from dra_config import scheme
from dra_config.allocation.shapes import (
    CONFIGS,
    AllocationConfig,
    OfGpus,
    Settled,
    SettledConfig,
    Source,
    parameters_of,
)
from dra_config.claims import CONFIG_LISTS, OpaqueConfig, judge_config
from dra_config.gates import FeatureGates
from dra_config.loading import judge
from dra_config.violations import Violation

_AS_IN: Final = "ResourceClaim"


def settle(
    configs: Sequence[AllocationConfig],
    *,
    gates: FeatureGates,
    drivers: Collection[str] = tuple(scheme.DRIVERS),
) -> Settled:
    """Return the usable configs of the GPU driver, and what is wrong with any config.

    The verdict on each is that of `claims.judge_config`, with paths from the root of the allocated
    claim. Configs of other drivers are judged likewise, and reach nothing. Where an old server
    repeats the config of a class, it is judged once.

    Args:
        configs: As the allocation lists them.
        gates: The feature gates of the installation.
        drivers: The drivers that are served, each one of `scheme.DRIVERS`, this one among them.
    """
    violations: list[Violation] = []
    usable: list[SettledConfig] = []
    judged: set[tuple[str, bytes | None]] = set()
    for source, opaque in configs:
        config, found = _judged(opaque, gates, drivers)
        again = source is Source.FROM_CLASS and (opaque.driver, opaque.parameters) in judged
        if not again:
            violations += found
        if source is Source.FROM_CLASS:
            judged.add((opaque.driver, opaque.parameters))
        if config is not None:
            usable.append(SettledConfig(opaque.position, source, opaque.requests, config))
    usable.sort(key=lambda one: one.source is Source.FROM_CLAIM)
    return Settled(tuple(usable), tuple(violations))


def _judged(
    opaque: OpaqueConfig, gates: FeatureGates, drivers: Collection[str]
) -> tuple[OfGpus | None, list[Violation]]:
    if opaque.driver == scheme.GPU_DRIVER and opaque.parameters is not None:
        config, violations = judge(opaque.parameters, opaque.driver, gates)
        # This driver carries no other kinds: they are refused.
        settled = cast("OfGpus | None", config)
        return settled, [one.under(parameters_of(opaque.position)) for one in violations]
    depth = len(CONFIG_LISTS[_AS_IN])
    found = judge_config(_AS_IN, opaque, drivers=drivers, gates=gates)
    return None, [one._replace(path=(*CONFIGS, *one.path[depth:])) for one in found]
