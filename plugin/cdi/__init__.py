"""Describes the devices of claims to the container runtime: one CDI file for each claim."""

from plugin.cdi.driver_files import DriverFiles, DriverFilesFinder
from plugin.cdi.errors import CdiError, HookMissingError, NoSpaceError, NotReadyError
from plugin.cdi.facts import ClaimedDevice, ClaimFacts, DriverFacts, MpsFolders
from plugin.cdi.hook_program import install_hook
from plugin.cdi.render import CLAIM_NAME, CLAIM_NAMESPACE, RECORD, render
from plugin.cdi.spec import Spec, device_name, qualified
from plugin.cdi.store import CdiStore

__all__ = [
    "CLAIM_NAME",
    "CLAIM_NAMESPACE",
    "RECORD",
    "CdiError",
    "CdiStore",
    "ClaimFacts",
    "ClaimedDevice",
    "DriverFacts",
    "DriverFiles",
    "DriverFilesFinder",
    "HookMissingError",
    "MpsFolders",
    "NoSpaceError",
    "NotReadyError",
    "Spec",
    "device_name",
    "install_hook",
    "qualified",
    "render",
]
