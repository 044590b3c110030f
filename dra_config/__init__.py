"""Typed, versioned opaque device configs of the NVIDIA DRA drivers: read, settled and judged."""

from typing import TYPE_CHECKING

from dra_config.version import __version__

if TYPE_CHECKING:
    from dra_config import hub
    from dra_config.catalogue import Severity
    from dra_config.gates import FeatureGate, FeatureGates, InvalidGates
    from dra_config.loading import Loaded, load
    from dra_config.violations import InvalidConfig, Violation

__all__ = [
    "FeatureGate",
    "FeatureGates",
    "InvalidConfig",
    "InvalidGates",
    "Loaded",
    "Severity",
    "Violation",
    "__version__",
    "hub",
    "load",
]

_HOMES = {
    "FeatureGate": "dra_config.gates",
    "FeatureGates": "dra_config.gates",
    "InvalidConfig": "dra_config.violations",
    "InvalidGates": "dra_config.gates",
    "Loaded": "dra_config.loading",
    "Severity": "dra_config.catalogue",
    "Violation": "dra_config.violations",
    "load": "dra_config.loading",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for, so that ``--version`` loads no pydantic."""
    import importlib  # noqa: PLC0415 - nothing is imported before it is needed

    if name == "hub":
        return importlib.import_module("dra_config.hub")
    if name not in _HOMES:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
