"""What every wire version is made of: the closed shape, its markers, its text and its findings."""

from dra_config.wire.findings import Findings
from dra_config.wire.markers import Elsewhere, EmptyIsAbsent, IfAbsent, Judged, NeedsGate, Unit
from dra_config.wire.model import WireConfig, WireModel
from dra_config.wire.values import WHITE_SPACE, DeviceLimitText, QuantityText, shown, whole

__all__ = [
    "WHITE_SPACE",
    "DeviceLimitText",
    "Elsewhere",
    "EmptyIsAbsent",
    "Findings",
    "IfAbsent",
    "Judged",
    "NeedsGate",
    "QuantityText",
    "Unit",
    "WireConfig",
    "WireModel",
    "shown",
    "whole",
]
