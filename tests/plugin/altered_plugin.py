"""The plugin as it is, but for one thing: ``python -m tests.plugin.altered_plugin HOW ...``.

`defective` meets a defect of its own when a claim with the device `gpu-7` is nearly prepared.
`undescribable` meets one when it writes the CDI file of such a claim.
`hurried` looks at once, and again and again, for claims that are gone; `unreadable` does so, too,
and meets a defect when it reads such a claim.
"""

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from unittest.mock import patch

from plugin import __main__, claim_upkeep, device_upkeep
from plugin.cdi import DriverFacts, Spec
from plugin.checkpoint import Intent, Record
from plugin.hardware.port import Machine
from plugin.prepare import abandoned, allocated_claim, description, node, preparer
from plugin.prepare.allocated_claim import AllocatedClaim
from plugin.preparer import ClaimReference, PreparedDevice

DEFECTIVE, UNDESCRIBABLE = "defective", "undescribable"
HURRIED, UNREADABLE = "hurried", "unreadable"
DEVICE = "gpu-7"


class PlayedDefectError(Exception):
    """Nothing that the plugin expects."""


def defective(uid: str, intent: Intent) -> tuple[PreparedDevice, ...]:
    """Return what is asked for, or fail in an unforeseen way."""
    _meet_defect(uid, intent)
    return description.prepared_devices(uid, intent)


def undescribable(record: Record, machine: Machine, driver: Callable[[], DriverFacts]) -> Spec:
    """Describe a claim, or fail in an unforeseen way."""
    _meet_defect(record.claim.uid, record.intent)
    return description.describe(record, machine, driver)


def unreadable(text: bytes, claim: ClaimReference, *, driver: str) -> AllocatedClaim:
    """Read a claim, or fail in an unforeseen way."""
    found = allocated_claim.read_claim(text, claim, driver=driver)
    if any(one.device == DEVICE for one in found.devices):
        raise PlayedDefectError(claim.uid)
    return found


def _meet_defect(uid: str, intent: Intent) -> None:
    if any(one.device == DEVICE for one in intent.holdings):
        raise PlayedDefectError(uid)


IN_A_HURRY = (
    patch.object(abandoned, "APART_SECONDS", 0.0),
    patch.object(claim_upkeep, "LOOK_SECONDS", 0.1),
    patch.object(claim_upkeep, "JITTER_SECONDS", 0.0),
)
ALTERED: dict[str, tuple[AbstractContextManager[object], ...]] = {
    DEFECTIVE: (patch.object(preparer, "prepared_devices", defective),),
    UNDESCRIBABLE: (
        patch.object(node, "describe", undescribable),
        patch.object(device_upkeep, "LOOK_SECONDS", 0.1),
    ),
    HURRIED: IN_A_HURRY,
    UNREADABLE: (*IN_A_HURRY, patch.object(abandoned, "read_claim", unreadable)),
}

if __name__ == "__main__":
    with ExitStack() as stack:
        for one in ALTERED[sys.argv[1]]:
            stack.enter_context(one)
        sys.exit(__main__.main(sys.argv[2:]))
