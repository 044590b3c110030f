"""What the server left of a slice that it was sent."""

from collections.abc import Iterable

from plugin.publishing.comparison import consumed, meaning
from plugin.publishing.device import Json


def unsafe_devices(sent: Json, stored: Json) -> frozenset[str]:
    """Return the devices in *sent* that must not be offered as they lie in *stored*.

    A server drops fields that it does not know or whose feature is off. A device without its
    taint is given to pods that must not have it, one without its counters is given twice.
    """
    kept = {device["name"]: device for device in stored.get("devices") or ()}
    return frozenset(
        device["name"]
        for device in sent.get("devices") or ()
        if _lost(device, kept.get(device["name"], {}))
    )


def lost_counter_sets(sent: Json, stored: Json) -> frozenset[str]:
    """Return the names of counter sets in *sent* that are not as they were sent."""
    kept = _meanings(stored.get("sharedCounters") or ())
    wanted = _meanings(sent.get("sharedCounters") or ())
    return frozenset(name for name, meant in wanted.items() if kept.get(name) != meant)


def _lost(sent: Json, stored: Json) -> bool:
    wanted = {_identity(taint) for taint in sent.get("taints") or ()}
    kept = {_identity(taint) for taint in stored.get("taints") or ()}
    return not wanted <= kept or consumed(sent) != consumed(stored)


def _identity(taint: Json) -> tuple[str, str, str]:
    return taint["key"], taint.get("value", ""), taint["effect"]


def _meanings(counter_sets: Iterable[Json]) -> dict[str, bytes]:
    return {one["name"]: meaning({"sharedCounters": [one]}) for one in counter_sets}
