"""Makes the devices of a claim ready, and takes all of it back: the order of the side effects.

What is meant is recorded, then done, then what came of it is recorded. Whatever was begun and
fails is rolled back at once; after a crash the next call for the claim does it.
"""

from plugin.prepare.abandoned import AbandonedClaims
from plugin.prepare.claim_source import ClaimSource, KubeClaims
from plugin.prepare.failures import ClaimGone, ConfigRefused
from plugin.prepare.mps_sharing import MpsSharing
from plugin.prepare.mps_sweep import MpsSweep
from plugin.prepare.node import Node
from plugin.prepare.preparer import ClaimPreparer
from plugin.prepare.recovery import recover
from plugin.prepare.sharing import Sharing, TimeSlices
from plugin.prepare.unattributed import Unattributed
from plugin.prepare.wanted import Devices, FoundDevice, Policy

__all__ = [
    "AbandonedClaims",
    "ClaimGone",
    "ClaimPreparer",
    "ClaimSource",
    "ConfigRefused",
    "Devices",
    "FoundDevice",
    "KubeClaims",
    "MpsSharing",
    "MpsSweep",
    "Node",
    "Policy",
    "Sharing",
    "TimeSlices",
    "Unattributed",
    "recover",
]
