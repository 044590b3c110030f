"""What every wire version is made of: the closed shape, its markers, its text and its findings."""

from typing import TYPE_CHECKING

from dra_config.lazily import lazily

if TYPE_CHECKING:
    from dra_config.wire.findings import Findings
    from dra_config.wire.markers import (
        Elsewhere,
        EmptyIsAbsent,
        IfAbsent,
        Judged,
        NeedsGate,
        Unit,
    )
    from dra_config.wire.model import WireConfig, WireModel
    from dra_config.wire.quoting import shown
    from dra_config.wire.values import DeviceLimitText, QuantityText, whole

__all__ = [
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

# Sentences and findings are wanted also where nothing has to be read by a model of pydantic.
__getattr__ = lazily(
    __name__,
    {
        "DeviceLimitText": ".values",
        "Elsewhere": ".markers",
        "EmptyIsAbsent": ".markers",
        "Findings": ".findings",
        "IfAbsent": ".markers",
        "Judged": ".markers",
        "NeedsGate": ".markers",
        "QuantityText": ".values",
        "Unit": ".markers",
        "WireConfig": ".model",
        "WireModel": ".model",
        "shown": ".quoting",
        "whole": ".values",
    },
)
