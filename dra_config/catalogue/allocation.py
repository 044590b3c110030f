"""Rules DRA201 to DRA299: which config reaches which device."""

from typing import Final

from dra_config.catalogue.rule import Cause, Rule
from dra_config.catalogue.shorthand import ALLOCATION, PLUGIN, error

DRA201: Final = error(
    id="DRA201",
    name="config-type-mismatch",
    needs=ALLOCATION,
    judges=PLUGIN,
    cause=Cause.INVALID,
    why="The config names a request whose device is of another type, such as a GpuConfig for a "
    "MIG device, so it cannot be applied and the pod waits on the node.",
    fix="Use the kind that the device needs, or name only requests with devices of this type.",
    bad="",
    good="",
)

RULES: Final[tuple[Rule, ...]] = (DRA201,)
