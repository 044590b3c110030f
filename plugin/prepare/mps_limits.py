"""The pinned memory that a client of MPS may hold on each device, from what a config says."""

from typing import Final

from dra_config import hub
from plugin.preparer import ClaimReference, PrepareFailed

_MIB_BYTES: Final = 2**20


def pinned_memory_limits(
    claim: ClaimReference, config: hub.Mps, devices: tuple[str, ...]
) -> tuple[tuple[str, int], ...]:
    """Return UUID and limit in MiB of each device that has one, in the order of *devices*.

    A limit is rounded down to whole MiB, which the control program takes, and is 1 at least.

    Args:
        claim: Whose config it is.
        config: Has one limit for all devices, and others by UUID or by index into *devices*.
        devices: The UUIDs of the devices that the config sets up together, in order.

    Raises:
        PrepareFailed: A limit is for a device that is not among them, or a device has two.
    """
    common = config.pinned_memory_limit_bytes
    limits = {} if common is None else dict.fromkeys(devices, _mib(common))
    keys: dict[str, str] = {}
    for key, limit_bytes in sorted(config.pinned_memory_limit_bytes_by_device.items()):
        uuid = _device(claim, key, devices)
        if uuid in keys:
            message = (
                f"Device {uuid} of claim {claim} has two limits of pinned memory: by the keys "
                f"'{keys[uuid]}' and '{key}'. Leave one of them out."
            )
            raise PrepareFailed(message, permanent=True)
        keys[uuid] = key
        limits[uuid] = _mib(limit_bytes)
    return tuple((uuid, limits[uuid]) for uuid in devices if uuid in limits)


def _device(claim: ClaimReference, key: str, devices: tuple[str, ...]) -> str:
    if key in devices:
        return key
    if key.isascii() and key.isdigit() and int(key) < len(devices):
        return devices[int(key)]
    listed = ", ".join(f"{index} is {uuid}" for index, uuid in enumerate(devices))
    message = (
        f"The config of claim {claim} limits the pinned memory of device '{key}', which is not "
        f"among those that it sets up. An index counts their UUIDs in order: {listed}."
    )
    raise PrepareFailed(message, permanent=True)


def _mib(limit_bytes: int) -> int:
    return max(1, limit_bytes // _MIB_BYTES)
