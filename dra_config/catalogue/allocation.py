"""Rules DRA201 to DRA299: which config reaches which device."""

from typing import Final

from dra_config.catalogue.rule import Cause, Rule
from dra_config.catalogue.shorthand import ALLOCATION, PLUGIN, error, warning

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
DRA202: Final = warning(
    id="DRA202",
    name="claim-wide-config-reaches-nothing",
    needs=ALLOCATION,
    judges=PLUGIN,
    cause=Cause.INVALID,
    why="A config that names no request is for all devices that it suits; where it suits none, "
    "the devices get the defaults and its author is not told.",
    fix="Use the kind that the devices of the claim need, or remove the config.",
    bad="",
    good="",
)
DRA206: Final = warning(
    id="DRA206",
    name="claim-wide-config-overrides-specific",
    needs=ALLOCATION,
    judges=PLUGIN,
    cause=Cause.INVALID,
    why="Of two configs for a device the later one counts, also when it names no request and the "
    "earlier one was written for this request alone.",
    fix="Move the config without requests before those that name some, or let it name its own.",
    bad="",
    good="",
)

RULES: Final[tuple[Rule, ...]] = (DRA201, DRA202, DRA206)
