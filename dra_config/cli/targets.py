"""Rules that hold for one driver implementation only, and what becomes of them elsewhere."""

from enum import StrEnum
from typing import Final

from dra_config.catalogue import Severity
from dra_config.violations import Violation


class Implementation(StrEnum):
    """Whose kubelet plugin prepares the claims."""

    OURS = "dra-config"
    REFERENCE = "dra-driver-nvidia-gpu"


HOLD_FOR_ONE: Final = {
    "DRA203": Implementation.REFERENCE,
    "DRA814": Implementation.REFERENCE,
}
"""Rules about what one implementation alone does, by their ids."""


def for_target(violation: Violation, target: Implementation) -> Violation:
    """Return *violation* as it counts on a cluster where *target* prepares the claims.

    A rule of the other implementation becomes a note that says so.
    """
    holder = HOLD_FOR_ONE.get(violation.rule, target)
    if holder is target:
        return violation
    message = f"{violation.message} (holds for {holder})"
    return violation._replace(severity=Severity.NOTE, message=message)
