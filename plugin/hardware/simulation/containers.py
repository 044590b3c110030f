"""What a container with simulated devices finds inside: numbered capabilities, and nvidia-smi."""

from collections.abc import Iterator
from typing import Final

from plugin.hardware.simulation.profile import SimulatedGpu, SimulatedMachine

_FIRST_CAPABILITY: Final = 3
_CAPABILITIES_PER_GPU_INSTANCE: Final = 9
_CAPABILITIES_PER_GPU: Final = 15 * _CAPABILITIES_PER_GPU_INSTANCE
"""How the driver numbers the nodes below `/dev/nvidia-caps`."""


def capability_minor(
    gpu_minor: int, gpu_instance: int, compute_instance: int | None = None
) -> int:
    """Return the minor number of the capability of an instance."""
    first = (
        _FIRST_CAPABILITY
        + gpu_minor * _CAPABILITIES_PER_GPU
        + gpu_instance * _CAPABILITIES_PER_GPU_INSTANCE
    )
    return first if compute_instance is None else first + 1 + compute_instance


def nvidia_smi(machine: SimulatedMachine) -> str:
    """Return a program that lists what the container it runs in may use."""
    lines = [
        "#!/bin/sh",
        "# Lists the simulated GPUs and MIG devices whose device nodes exist here.",
        'case "${1:--L}" in -L | --list-gpus) ;;',
        '*) echo "This nvidia-smi is simulated: it knows -L only." >&2; exit 3 ;;',
        "esac",
        "found=0",
    ]
    for gpu in machine.gpus:
        lines += [
            f"if [ -e /dev/nvidia{gpu.minor} ]; then",
            f'  echo "GPU $found: {gpu.product.name} (UUID: {gpu.uuid})"',
            "  found=$((found + 1)) inner=0",
            *_listed_mig_devices(gpu),
            "fi",
        ]
    lines += [
        '[ "$found" -gt 0 ] && exit 0',
        'echo "No devices found."',
        "exit 6",
        "",
    ]
    return "\n".join(lines)


def _listed_mig_devices(gpu: SimulatedGpu) -> Iterator[str]:
    for device in gpu.mig_devices:
        minor = capability_minor(gpu.minor, device.gpu_instance_id, device.compute_instance_id)
        yield f"  if [ -e /dev/nvidia-caps/nvidia-cap{minor} ]; then"
        yield f'    echo "  MIG {device.name} Device $inner: (UUID: {device.uuid})"'
        yield "    inner=$((inner + 1))"
        yield "  fi"
