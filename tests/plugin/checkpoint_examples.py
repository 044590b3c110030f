"""Claims, intents and effects that tests of the records share, and a crash at a chosen step."""

import errno
import os
from pathlib import Path

from plugin.checkpoint import Checkpoint, Effect, Holding, Intent
from plugin.checkpoint.codec import FORMAT, Format
from plugin.durable_files import Steps, unobserved
from plugin.preparer import ClaimReference, PreparedDevice

BOOT = "0c1b7a0e-boot"
UID = "6d0d1d6e-0001-4000-8000-000000000001"


def claim(uid: str = UID) -> ClaimReference:
    return ClaimReference(namespace="default", name=f"claim-{uid[-2:]}", uid=uid)


def holding(number: int = 0, *, admin_access: bool = False) -> Holding:
    return Holding(
        request="gpus",
        pool="node-a",
        device=f"gpu-{number}",
        share_id=None,
        admin_access=admin_access,
        gpu_uuid=f"GPU-{number}",
        device_uuid=f"GPU-{number}",
        pci_address=f"0000:{number:02x}:00.0",
        config='{"sharing":null}',
    )


def intent(*numbers: int) -> Intent:
    return Intent(holdings=tuple(holding(number) for number in numbers or (0,)))


def devices(uid: str = UID, *numbers: int) -> tuple[PreparedDevice, ...]:
    return tuple(
        PreparedDevice(
            requests=("gpus",),
            pool="node-a",
            device=f"gpu-{number}",
            cdi_device_ids=(f"k8s.gpu.nvidia.com/claim={uid}-gpu-{number}",),
        )
        for number in numbers or (0,)
    )


def mode(number: int = 0) -> Effect:
    return Effect(kind="ComputeMode", subject=f"GPU-{number}", before="Default")


def checkpoint(
    folder: Path, *, boot_id: str = BOOT, form: Format = FORMAT, steps: Steps = unobserved
) -> Checkpoint:
    return Checkpoint(folder / "claims", boot_id=boot_id, form=form, steps=steps)


def record_file(folder: Path, uid: str = UID) -> Path:
    return folder / "claims" / f"{uid}.record"


class Crash(BaseException):
    """The process ends here; nothing that cleans up after errors may catch it."""


class CrashingSteps:
    """Remembers the steps, and crashes at one of them."""

    def __init__(self, crash_at: int | None = None) -> None:
        self.names: list[str] = []
        self.crash_at = crash_at
        self.disk_is_full = False

    def __call__(self, step: str) -> None:
        if self.disk_is_full and step.endswith(": written"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.names.append(step)
        if self.crash_at is not None and len(self.names) > self.crash_at:
            raise Crash(step)
