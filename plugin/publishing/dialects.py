"""How a slice is spelled in each served version of `resource.k8s.io`; inside, all speak v1."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from plugin.publishing.device import Json

GROUP: Final = "resource.k8s.io"


@dataclass(frozen=True, slots=True)
class Dialect:
    """One version of the API."""

    version: str
    to_wire: Callable[[Json], Json]
    """From a slice's spec in v1 to the same in this version."""
    from_wire: Callable[[Json], Json]

    @property
    def api_version(self) -> str:
        """Return group and version, as an object names them."""
        return f"{GROUP}/{self.version}"


def _same(spec: Json) -> Json:
    return spec


def _with_basic(spec: Json) -> Json:
    """Put what v1 has in a device itself into its field `basic`."""
    return _each_device(
        spec,
        lambda device: {
            "name": device["name"],
            "basic": {key: value for key, value in device.items() if key != "name"},
        },
    )


def _without_basic(spec: Json) -> Json:
    return _each_device(
        spec, lambda device: {"name": device["name"], **(device.get("basic") or {})}
    )


def _each_device(spec: Json, change: Callable[[Json], Json]) -> Json:
    if not spec.get("devices"):
        return spec
    return {**spec, "devices": [change(device) for device in spec["devices"]]}


V1: Final = Dialect("v1", _same, _same)
V1BETA2: Final = Dialect("v1beta2", _same, _same)
V1BETA1: Final = Dialect("v1beta1", _with_basic, _without_basic)

DIALECTS: Final = (V1, V1BETA2, V1BETA1)
"""All that we speak, the best first."""
