"""The plugin as it is, but for one thing: ``python -m tests.plugin.altered_plugin HOW ...``.

`defective` meets a defect of its own when a claim with the device `gpu-7` is nearly prepared.
`hurried` looks at once, and again and again, for claims that are gone.
"""

import sys

from plugin import __main__, claim_upkeep
from plugin.checkpoint import Intent
from plugin.prepare import abandoned, preparer
from plugin.preparer import PreparedDevice

DEFECTIVE, HURRIED = "defective", "hurried"
DEVICE = "gpu-7"


class PlayedDefectError(Exception):
    """Nothing that the plugin expects."""


def defective(uid: str, intent: Intent) -> tuple[PreparedDevice, ...]:
    """Return what is asked for, or fail in an unforeseen way."""
    if any(one.device == DEVICE for one in intent.holdings):
        raise PlayedDefectError(uid)
    return original(uid, intent)


original = preparer.prepared_devices

if __name__ == "__main__":
    if sys.argv[1] == DEFECTIVE:
        preparer.prepared_devices = defective
    else:
        abandoned.APART_SECONDS = 0.0
        claim_upkeep.LOOK_SECONDS = 0.1
        claim_upkeep.JITTER_SECONDS = 0.0
    sys.exit(__main__.main(sys.argv[2:]))
