"""Pinned-memory limits of MPS clients: quantities, and the device keys that carry them."""

import re
from collections.abc import Mapping
from types import MappingProxyType

from dra_config.catalogue.sharing import (
    DRA110,
    DRA111,
    DRA112,
    DRA113,
    DRA115,
    DRA116,
    DRA118,
)
from dra_config.quantity import MAX_BYTES, WHITE_SPACE, NotAQuantity, parse_bytes
from dra_config.violations import FieldPath, MapKey, Target
from dra_config.wire import Findings, shown

MEBIBYTE_BYTES = 2**20

_DEVICE = re.compile(
    r"(?:0|[1-9][0-9]*)"
    r"|(GPU|MIG)-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    re.ASCII,
)
DEVICE_KEY_PATTERN = f"^(?:{_DEVICE.pattern})$"
"""A device key as a regular expression of JSON Schema: an index, or a UUID as NVML prints it."""

_TYPE_NAMES: Mapping[str, str] = MappingProxyType({"GPU": "full GPUs", "MIG": "MIG devices"})
NO_LIMITS: Mapping[str, int] = MappingProxyType({})


def settle_limit(text: str, at: FieldPath, found: Findings, device_key: str | None = None) -> int:
    """Return the limit that the quantity *text* stands for, in bytes from 2^20 to 2^63-1.

    White space around the quantity does not count, and fractions of a byte are rounded up.

    Args:
        text: The quantity.
        at: The path of the limit, or of the map that holds it.
        found: Where to note what is wrong with the limit; the result is then without meaning.
        device_key: The limit's key in the map, if it stands in one.
    """
    try:
        limit_bytes = parse_bytes(text)
    except NotAQuantity:
        return _explain_limit(text, _inside(at, device_key), found)
    if MEBIBYTE_BYTES <= limit_bytes <= MAX_BYTES and not limit_bytes % MEBIBYTE_BYTES:
        return limit_bytes
    return _judge_limit(text, limit_bytes, _inside(at, device_key), found)


def _inside(at: FieldPath, device_key: str | None) -> FieldPath:
    return at if device_key is None else (*at, MapKey(device_key))


def _explain_limit(text: str, at: FieldPath, found: Findings) -> int:
    try:
        limit_bytes = parse_bytes(text.strip(WHITE_SPACE))
    except NotAQuantity as error:
        found.add(DRA110, at, f"{error}")
        return MEBIBYTE_BYTES
    return _judge_limit(text, limit_bytes, at, found)


def _judge_limit(text: str, limit_bytes: int, at: FieldPath, found: Findings) -> int:
    if limit_bytes < MEBIBYTE_BYTES:
        message = f"{shown(text)} is less than one mebibyte; write at least '1Mi', such as '512Mi'"
        found.add(DRA111, at, message)
        return MEBIBYTE_BYTES
    if limit_bytes > MAX_BYTES:
        message = (
            f"{shown(text)} is more than 2^63-1 bytes and counts as that, which limits nothing; "
            "write less than '8Ei' or leave the limit out"
        )
        found.add(DRA113, at, message)
        return MAX_BYTES
    if limit_bytes % MEBIBYTE_BYTES:
        floored = f"{limit_bytes // MEBIBYTE_BYTES}Mi"
        message = f"{shown(text)} is no whole number of MiB and counts as '{floored}'; write that"
        found.add(DRA112, at, message, suggestion=floored)
    return limit_bytes


def settle_device_limits(
    text_by_device: Mapping[str, str | None], uuid_type: str, at: FieldPath, found: Findings
) -> Mapping[str, int]:
    """Return the limit of each device in bytes, by the device's index or UUID.

    Args:
        text_by_device: Quantity by device key.
        uuid_type: What a UUID must start with here: ``GPU`` or ``MIG``.
        at: The path of the map.
        found: Where to note what is wrong with keys and limits.
    """
    limit_bytes_by_device: dict[str, int] = {}
    named_by_index = named_by_uuid = False
    for key, text in text_by_device.items():
        device = _DEVICE.fullmatch(key)
        if device is None or (device[1] is not None and device[1] != uuid_type):
            message = _not_a_key(key, device, uuid_type)
            rule = DRA115 if device is None else DRA116
            found.add(rule, (*at, MapKey(key)), message, target=Target.KEY)
        elif device[1] is None:
            named_by_index = True
        else:
            named_by_uuid = True
        if text is None:
            message = "null is no limit; write a quantity of at least '1Mi', or leave the key out"
            found.add(DRA111, (*at, MapKey(key)), message)
            continue
        limit_bytes_by_device[key] = settle_limit(text, at, found, key)
    if named_by_index and named_by_uuid:
        message = (
            "an index and a UUID can name the same device, and then either limit may win; "
            "write only indices or only UUIDs"
        )
        found.add(DRA118, at, message, target=Target.KEY)
    return MappingProxyType(limit_bytes_by_device)


def _not_a_key(key: str, device: re.Match[str] | None, uuid_type: str) -> str:
    if device is not None:
        return (
            f"{shown(key)} names one of the {_TYPE_NAMES[device[1]]}, and this config only "
            f"reaches {_TYPE_NAMES[uuid_type]}; write a UUID that starts with '{uuid_type}-', or "
            "an index"
        )
    if key.strip().lower().startswith(("gpu-", "mig-")):
        return (
            f"{shown(key)} is no UUID as NVML prints it; write '{uuid_type}-' and 8-4-4-4-12 "
            "hexadecimal digits in lower case"
        )
    return (
        f"{shown(key)} is no device; write an index such as '0', or a UUID such as "
        f"'{uuid_type}-3b1f6c02-7d8e-4a55-9f10-c2d4e6a8b0f1'"
    )
