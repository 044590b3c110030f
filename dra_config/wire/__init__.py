"""What every wire version is made of: the closed shape, its markers, its text and its findings."""

from dra_config.wire.findings import Findings
from dra_config.wire.markers import Elsewhere, EmptyIsAbsent, Judged, NullEntry, Unit
from dra_config.wire.model import WireConfig, WireModel
from dra_config.wire.values import QuantityText, shown

__all__ = [
    "Elsewhere",
    "EmptyIsAbsent",
    "Findings",
    "Judged",
    "NullEntry",
    "QuantityText",
    "Unit",
    "WireConfig",
    "WireModel",
    "shown",
]
