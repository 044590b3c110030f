"""Rules DRA501 to DRA599: what is asked for together."""

from typing import Final

from dra_config.catalogue.rule import Cause, Rule
from dra_config.catalogue.shorthand import ALLOCATION, PLUGIN, warning

DRA507: Final = warning(
    id="DRA507",
    name="two-mig-devices-of-one-gpu",
    needs=ALLOCATION,
    judges=PLUGIN,
    cause=Cause.INVALID,
    why="A CUDA program sees one MIG device of a GPU and no more, so a container that is given "
    "two of them leaves the second one idle.",
    fix="Give each container one of them, or ask for one larger MIG device.",
    bad="",
    good="",
)

RULES: Final[tuple[Rule, ...]] = (DRA507,)
