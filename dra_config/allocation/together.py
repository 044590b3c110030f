"""What shows only when all configs and devices of an allocation are seen together."""

from collections.abc import Iterator, Sequence

from dra_config import hub
from dra_config.allocation.reach import fits, kind_of, reaches
from dra_config.allocation.shapes import (
    CONFIGS,
    AllocationResult,
    DeviceType,
    SettledConfig,
    SettledDevice,
    SettledFabric,
    parameters_of,
)
from dra_config.catalogue.allocation import DRA202, DRA206
from dra_config.catalogue.fabric import DRA416, DRA417, DRA420
from dra_config.violations import FieldPath, Violation


def judge_together(
    results: Sequence[AllocationResult],
    settled: Sequence[SettledConfig],
    devices: Sequence[SettledDevice],
) -> Iterator[Violation]:
    """Yield what is wrong, or worth a remark, in several configs or devices at once.

    What several devices of one request show alike may come several times.

    Args:
        results: The devices that were allocated.
        settled: All configs, the weakest first.
        devices: What each result gets.
    """
    yield from _without_device(results, settled)
    for result, device in zip(results, devices, strict=True):
        reaching = [one for one in settled if reaches(one, result) and fits(one, result)]
        fabrics = [one for one in reaching if isinstance(one.config, hub.FabricTopology)]
        others = [one for one in reaching if not isinstance(one.config, hub.FabricTopology)]
        winner = [one for one in others if one.position == device.position]
        yield from _overridden(result, fabrics)
        if winner:
            yield from _overridden(result, others)
        if device.fabric is not None:
            yield from _displaced(result, [*fabrics, *winner], device.fabric)
    yield from _partitions(results, settled, devices)


def _without_device(
    results: Sequence[AllocationResult], settled: Sequence[SettledConfig]
) -> Iterator[Violation]:
    for one in settled:
        if not one.requests and not any(fits(one, result) for result in results):
            message = (
                f"{kind_of(one)} names no request and suits none of the allocated devices, so it "
                "is not applied; use the kind that the devices need, or remove it"
            )
            yield Violation.of(DRA202, message, (*parameters_of(one.position), "kind"))


def _overridden(
    result: AllocationResult, reaching: Sequence[SettledConfig]
) -> Iterator[Violation]:
    """Yield what is said of a config for all requests that beats one for this request.

    The configs settle the same of a device, the weakest first.
    """
    if not reaching or reaching[-1].requests:
        return
    *weaker, strongest = reaching
    for one in weaker:
        if one.requests and one.source is strongest.source:
            message = (
                f"this {kind_of(strongest)} names no request and comes after config "
                f"{one.position}, which names request {result.request} and is not applied to it; "
                "move it before that one, or name the other requests"
            )
            yield Violation.of(DRA206, message, (*CONFIGS, strongest.position, "requests"))


def _displaced(
    result: AllocationResult, competing: Sequence[SettledConfig], counts: SettledFabric
) -> Iterator[Violation]:
    """Yield the fabric settings that do not count beside those that do."""
    asking = [(one, path) for one in competing if (path := _fabric_of(one)) is not None]
    # Of several FabricTopologyConfigs the last one counts, as of any other kind.
    apart = {isinstance(one.config, hub.FabricTopology) for one, _ in asking}
    for one, path in asking:
        if apart == {True, False} and one.position != counts.position:
            message = (
                f"these settings do not count for request {result.request}, since those of config "
                f"{counts.position} come later or from the claim; keep one of the two"
            )
            yield Violation.of(DRA420, message, path)


def _partitions(
    results: Sequence[AllocationResult],
    settled: Sequence[SettledConfig],
    devices: Sequence[SettledDevice],
) -> Iterator[Violation]:
    """Yield the partitions whose size cannot be that of the GPUs that they are for."""
    in_claim = sum(
        result.device_type is not DeviceType.MIG and not result.admin_access for result in results
    )
    for one in settled:
        reached = [
            device.fabric.fabric.strategy
            for device in devices
            if device.fabric is not None and device.fabric.position == one.position
        ]
        path = _fabric_of(one)
        if path is None or not reached or not isinstance(reached[0], hub.FabricAuto):
            continue
        size = reached[0].partition_size_count
        if size is None:
            continue
        if len(reached) > size:
            message = (
                f"a partition of {size} GPUs cannot hold the {len(reached)} GPUs that this config "
                "reaches; leave partitionSize out, or name fewer requests"
            )
            yield Violation.of(DRA416, message, (*path, "partitionSize"))
        elif size > in_claim:
            message = (
                f"a partition of {size} GPUs holds others than those of the claim, whose number "
                f"is {in_claim}; leave partitionSize out, or ask for {size} GPUs"
            )
            yield Violation.of(DRA417, message, (*path, "partitionSize"))


def _fabric_of(one: SettledConfig) -> FieldPath | None:
    """Return where a config speaks of the fabric; None if it does not."""
    match one.config:
        case hub.FabricTopology():
            return parameters_of(one.position)
        case hub.Gpu(fabric=hub.Fabric()):
            return (*parameters_of(one.position), "fabricTopologyConfig")
        case _:
            return None
