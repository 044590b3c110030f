"""When two spellings of a slice's content mean the same."""

from typing import Final

import msgspec

from dra_config import quantity
from plugin.publishing.device import Json

_ENCODER: Final = msgspec.json.Encoder(order="deterministic")
_FRACTIONS: Final = ("n", "u", "m")
_EMPTY: Final[tuple[object, ...]] = ("", [], {}, None)


def meaning(content: Json) -> bytes:
    """Return bytes that are equal for contents of equal meaning.

    Quantities are compared by their value, so `1024` is `1Ki`. An empty field is as good as none.
    The order of devices counts, since the scheduler takes the first that fits. When a taint was
    added does not count: the server sets it.

    Args:
        content: What a slice's spec in v1 holds beside pool, driver and node.
    """
    devices: list[Json] = content.get("devices") or []
    counter_sets: list[Json] = content.get("sharedCounters") or []
    return _ENCODER.encode(
        [[_device(one) for one in devices], [_with_counters(one) for one in counter_sets]]
    )


def consumed(device: Json) -> bytes:
    """Return bytes that are equal for devices that consume the same counters."""
    return _ENCODER.encode(_device(device).get("consumesCounters"))


def _device(device: Json) -> Json:
    meant = {key: value for key, value in device.items() if value not in _EMPTY}
    if "capacity" in meant:
        meant["capacity"] = _exact(meant["capacity"])
    if "consumesCounters" in meant:
        meant["consumesCounters"] = [_with_counters(one) for one in meant["consumesCounters"]]
    if "taints" in meant:
        meant["taints"] = [
            {key: value for key, value in taint.items() if key != "timeAdded" and value}
            for taint in meant["taints"]
        ]
    return meant


def _with_counters(entry: Json) -> Json:
    return {**entry, "counters": _exact(entry.get("counters") or {})}


def _exact(quantities: Json) -> Json:
    """Return quantities by their value; what stands beside it is kept as it is written."""
    return {
        name: {**entry, "value": _number(entry["value"])} for name, entry in quantities.items()
    }


def _number(text: str) -> str:
    number = quantity.parse(text)
    if number.canonical.endswith(_FRACTIONS):
        return number.canonical
    return str(number.bytes_rounded_up)
