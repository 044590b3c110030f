"""What the API server takes in a slice; the figures are those of Kubernetes 1.36 unless said."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from plugin.publishing.device import CounterSet, Device, TaintEffect, Version

DEVICES_PER_SLICE: Final = 64
"""128 for plain devices; one figure for all keeps slices as they are when a taint comes."""

ATTRIBUTES_AND_CAPACITIES: Final = 32
COUNTER_SETS_PER_SLICE: Final = 8
COUNTERS_PER_SET: Final = 32
CONSUMPTIONS_PER_DEVICE: Final = 2
TAINTS_PER_DEVICE: Final = 16
VALUE_BYTES: Final = 64

FIRST_SPLIT_MINOR: Final = 35
"""From 1.35 on counters and devices lie in different slices; before, in the same one."""

OLD_TAINTS_PER_DEVICE: Final = 4
OLD_CONSUMED_PER_SLICE: Final = 1024

_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_IDENTIFIER: Final = r"[A-Za-z_][A-Za-z0-9_]{0,31}"
_QUALIFIED: Final = re.compile(rf"([a-z0-9]([-a-z0-9.]{{0,61}}[a-z0-9])?/)?{_IDENTIFIER}")

_WORST_FIRST: Final = (TaintEffect.NO_EXECUTE, TaintEffect.NO_SCHEDULE, TaintEffect.NONE)


def fault_of_device(device: Device, counter_sets: Mapping[str, CounterSet]) -> str | None:
    """Return why the server would refuse a device, or None if it would not.

    Args:
        device: The device.
        counter_sets: Those of the pool that are published, by name.
    """
    if _LABEL.fullmatch(device.name) is None:
        return "its name is no DNS label"
    if len(device.attributes) + len(device.capacity) > ATTRIBUTES_AND_CAPACITIES:
        return f"it has more than {ATTRIBUTES_AND_CAPACITIES} attributes and capacities"
    for name in (*device.attributes, *device.capacity):
        if _QUALIFIED.fullmatch(name) is None:
            return f"'{name}' is no name of an attribute or capacity"
    for name, value in device.attributes.items():
        text = value.text if isinstance(value, Version) else value
        if isinstance(text, str) and len(text.encode()) > VALUE_BYTES:
            return f"attribute '{name}' is longer than {VALUE_BYTES} bytes"
    if len(device.consumes) > CONSUMPTIONS_PER_DEVICE:
        return f"it consumes from more than {CONSUMPTIONS_PER_DEVICE} counter sets"
    return _fault_of_consumption(device, counter_sets)


def _fault_of_consumption(device: Device, counter_sets: Mapping[str, CounterSet]) -> str | None:
    for one in device.consumes:
        counter_set = counter_sets.get(one.counter_set)
        if counter_set is None:
            return f"there is no usable counter set '{one.counter_set}'"
        unknown = sorted(one.counters.keys() - counter_set.counters.keys())
        if unknown:
            return f"counter set '{one.counter_set}' has no counter '{unknown[0]}'"
        if not one.counters:
            return f"it consumes no counter of '{one.counter_set}'"
    return None


def usable(counter_sets: Sequence[CounterSet]) -> dict[str, CounterSet]:
    """Return the counter sets that the server takes, by name; the first of each name wins."""
    found: dict[str, CounterSet] = {}
    for counter_set in counter_sets:
        named = (counter_set.name, *counter_set.counters)
        if all(map(_LABEL.fullmatch, named)) and (
            1 <= len(counter_set.counters) <= COUNTERS_PER_SET
        ):
            found.setdefault(counter_set.name, counter_set)
    return found


def with_bearable_taints(device: Device, minor: int) -> Device:
    """Return *device* with the taints that a server of this minor version takes, worst first."""
    old = minor < FIRST_SPLIT_MINOR
    bearable = [taint for taint in device.taints if not (old and taint.effect is TaintEffect.NONE)]
    longest = OLD_TAINTS_PER_DEVICE if old else TAINTS_PER_DEVICE
    if len(bearable) > longest:
        bearable.sort(key=lambda taint: _WORST_FIRST.index(taint.effect))
    kept = tuple(bearable[:longest])
    return device if kept == device.taints else replace(device, taints=kept)
