"""The JSON of an allocated claim, read as far as this driver needs it.

The text of opaque parameters stays as the server wrote it: it is decoded once, by the library.
"""

from dataclasses import dataclass
from typing import Final

import msgspec
from msgspec import Raw, Struct

from dra_config.allocation import AllocationConfig, Source
from dra_config.claims import OpaqueConfig
from plugin.prepare.failures import ClaimGone
from plugin.preparer import ClaimReference, PrepareFailed


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocatedDevice:
    """One device of ours that the scheduler chose."""

    request: str
    """With its subrequest, such as `gpus/large`."""
    pool: str
    device: str
    admin_access: bool
    share_id: str | None
    """None unless several claims consume the device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocatedClaim:
    """What the scheduler decided."""

    devices: tuple[AllocatedDevice, ...]
    """Those of one driver, in order."""
    configs: tuple[AllocationConfig, ...]
    """Those of all drivers, in order; entries that are not opaque are left out."""


class _Opaque(Struct):
    driver: str = ""
    parameters: Raw = Raw()


class _Config(Struct):
    source: str = ""
    requests: tuple[str, ...] | None = None
    opaque: _Opaque | None = None


class _Result(Struct, rename="camel"):
    request: str
    driver: str
    pool: str
    device: str
    admin_access: bool | None = None
    share_id: str | None = msgspec.field(name="shareID", default=None)


class _Devices(Struct):
    results: tuple[_Result, ...] | None = None
    config: tuple[_Config, ...] | None = None


class _Allocation(Struct):
    devices: _Devices | None = None


class _Status(Struct):
    allocation: _Allocation | None = None


class _Metadata(Struct):
    uid: str


class _Claim(Struct):
    metadata: _Metadata
    status: _Status | None = None


_CLAIMS: Final = msgspec.json.Decoder(_Claim)


def read_claim(text: bytes, claim: ClaimReference, *, driver: str) -> AllocatedClaim:
    """Return what was allocated to a claim.

    Args:
        text: The claim as the API server wrote it.
        claim: The claim that is meant.
        driver: The driver whose devices are wanted.

    Raises:
        ClaimGone: It is another claim, or it is not allocated.
        PrepareFailed: It cannot be read.
    """
    try:
        found = _CLAIMS.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        message = f"What the API server tells of claim {claim} cannot be read: {error}"
        raise PrepareFailed(message, permanent=False) from error
    if found.metadata.uid != claim.uid:
        message = (
            f"Claim {claim} is another one by now: its UID is {found.metadata.uid}, and the pod "
            f"was given the one with UID {claim.uid}."
        )
        raise ClaimGone(message)
    allocation = None if found.status is None else found.status.allocation
    if allocation is None:
        message = f"Claim {claim} is not allocated (any more), so there is nothing to prepare."
        raise ClaimGone(message)
    devices = allocation.devices or _Devices()
    return AllocatedClaim(
        devices=tuple(
            AllocatedDevice(
                request=result.request,
                pool=result.pool,
                device=result.device,
                admin_access=bool(result.admin_access),
                share_id=result.share_id or None,
            )
            for result in devices.results or ()
            if result.driver == driver
        ),
        configs=tuple(
            AllocationConfig(
                _source(one.source, claim),
                OpaqueConfig(
                    position, one.opaque.driver, _present(one.opaque), one.requests or ()
                ),
            )
            for position, one in enumerate(devices.config or ())
            if one.opaque is not None
        ),
    )


def _source(text: str, claim: ClaimReference) -> Source:
    try:
        return Source(text)
    except ValueError as error:
        known = " and ".join(Source)
        message = (
            f"The allocation of claim {claim} holds a config from {text!r}; this plugin knows "
            f"{known}. Install a newer version."
        )
        raise PrepareFailed(message, permanent=True) from error


def _present(opaque: _Opaque) -> bytes | None:
    text = bytes(opaque.parameters)
    return None if text in {b"", b"null"} else text
