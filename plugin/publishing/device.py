"""A device as the scheduler sees it, and its document in `resource.k8s.io/v1`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Version:
    """A semantic version, which the server compares as such."""

    text: str


Attribute = bool | int | str | Version


class TaintEffect(StrEnum):
    """What a taint does to pods that do not tolerate it."""

    NONE = "None"
    """It only tells; servers before 1.35 refuse it."""
    NO_SCHEDULE = "NoSchedule"
    NO_EXECUTE = "NoExecute"


@dataclass(frozen=True, slots=True, kw_only=True)
class Taint:
    """Why a device should not be used."""

    key: str
    value: str
    effect: TaintEffect
    time_added: str | None = None
    """In RFC 3339, whole seconds; None lets the server set it, and keeps what it has set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterSet:
    """What the devices of one board share."""

    name: str
    board: str
    counters: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumption:
    """What a device takes from a counter set."""

    counter_set: str
    counters: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """Something that a claim can be given."""

    name: str
    board: str
    """Equal for the devices of one physical GPU, which stay in one slice where they fit."""
    attributes: Mapping[str, Attribute] = field(default_factory=dict[str, Attribute])
    capacity: Mapping[str, int] = field(default_factory=dict[str, int])
    taints: tuple[Taint, ...] = ()
    consumes: tuple[Consumption, ...] = ()


def render_device(device: Device) -> Json:
    """Return the document of a device; what it does not have is left out."""
    document: Json = {"name": device.name}
    if device.attributes:
        document["attributes"] = {
            name: _attribute(value) for name, value in sorted(device.attributes.items())
        }
    if device.capacity:
        document["capacity"] = {
            name: {"value": binary(value)} for name, value in sorted(device.capacity.items())
        }
    if device.taints:
        document["taints"] = [_taint(taint) for taint in device.taints]
    if device.consumes:
        document["consumesCounters"] = [
            {"counterSet": one.counter_set, "counters": _counters(one.counters)}
            for one in device.consumes
        ]
    return document


def render_counter_set(counter_set: CounterSet) -> Json:
    """Return the document of a counter set."""
    return {"name": counter_set.name, "counters": _counters(counter_set.counters)}


def binary(value: int) -> str:
    """Return a quantity as Kubernetes writes it with binary suffixes: 2048 is `2Ki`."""
    suffixes = iter(("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"))
    suffix = next(suffixes)
    while value and value % 1024 == 0 and suffix != "Ei":
        value //= 1024
        suffix = next(suffixes)
    return f"{value}{suffix}"


def _attribute(value: Attribute) -> Json:
    match value:
        case bool():
            return {"bool": value}
        case int():
            return {"int": value}
        case str():
            return {"string": value}
        case Version():
            return {"version": value.text}


def _taint(taint: Taint) -> Json:
    document: Json = {"key": taint.key, "effect": taint.effect.value}
    if taint.value:
        document["value"] = taint.value
    if taint.time_added is not None:
        document["timeAdded"] = taint.time_added
    return document


def _counters(counters: Mapping[str, int]) -> Json:
    return {name: {"value": binary(value)} for name, value in sorted(counters.items())}
