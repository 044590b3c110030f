"""Looks for real NVIDIA devices, beside which nothing may be simulated."""

from pathlib import Path
from typing import Final

from plugin.hardware.host_trees import HostTrees

_VENDOR: Final = "0x10de"
_DISPLAY_CLASS: Final = "0x03"


def real_device(host: HostTrees) -> str | None:
    """Return a sentence on the first sign of an NVIDIA GPU or driver, or None.

    Args:
        host: The trees of the machine that the process runs on.
    """
    for path in (
        host.dev / "nvidiactl",
        host.dev / "nvidia0",
        host.proc / "driver/nvidia/version",
    ):
        if path.exists():
            return f"There is a real '{path}'."
    devices = host.sys / "bus/pci/devices"
    if not devices.is_dir():
        return None
    for device in sorted(devices.iterdir()):
        if _text(device / "vendor") == _VENDOR and _text(device / "class").startswith(
            _DISPLAY_CLASS
        ):
            return f"There is a real NVIDIA GPU at {device.name}."
    return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
