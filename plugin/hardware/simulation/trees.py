"""Renders the files that driver and kernel would show on the simulated machine.

Device nodes are not made: that needs a right which a laptop does not give. Their numbers stand in
the rendered `/proc/devices`, and the container runtime makes the nodes.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from plugin.hardware.driver_root import NVML
from plugin.hardware.host_trees import HostTrees
from plugin.hardware.simulation.containers import capability_minor, nvidia_smi
from plugin.hardware.simulation.profile import SimulatedGpu, SimulatedMachine

_LIBRARY_FOLDER: Final = "usr/lib64"
_MPS_CONTROL: Final = "nvidia-cuda-mps-control"
_LIBRARIES: Final = ("libcuda", "libnvidia-ml", "libnvidia-ptxjitcompiler")

_DEVICES: Final = """\
Character devices:
  1 mem
  5 /dev/tty
195 nvidia
195 nvidiactl
226 drm
234 nvidia-caps
235 nvidia-caps-imex-channels
505 nvidia-uvm

Block devices:
259 blkext
"""

_FIRST_RENDER_NODE: Final = 128


def trees_below(folder: Path) -> HostTrees:
    """Return where the trees of a machine lie that is rendered into *folder*."""
    return HostTrees(
        driver_root=folder / "driver",
        dev=folder / "driver/dev",
        proc=folder / "proc",
        sys=folder / "sys",
    )


def render_trees(machine: SimulatedMachine, trees: HostTrees) -> None:
    """Write all trees; files of the driver that are right already are left alone.

    Running containers have some of them mounted, so they must keep their inodes.

    Raises:
        OSError: The folder cannot be written.
    """
    trees.dev.mkdir(parents=True, exist_ok=True)
    version = machine.driver_version
    libraries = trees.driver_root / _LIBRARY_FOLDER
    for name in _LIBRARIES:
        _write(libraries / f"{name}.so.{version}", f"The library {name} of no driver at all.\n")
        _link(libraries / f"{name}.so.1", f"{name}.so.{version}")
    _link(libraries / "libcuda.so", "libcuda.so.1")
    firmware = trees.driver_root / f"lib/firmware/nvidia/{version}"
    _write(firmware / "gsp_ga10x.bin", "The firmware of no GPU at all.\n")
    for name, text in (
        ("nvidia-smi", nvidia_smi(machine)),
        (_MPS_CONTROL, mps_control()),
    ):
        program = trees.driver_root / "usr/bin" / name
        _write(program, text)
        program.chmod(0o755)
    _write(trees.proc / "devices", _DEVICES)
    _write(
        trees.proc / "driver/nvidia/version",
        f"NVRM version: NVIDIA UNIX x86_64 Kernel Module  {version}  (simulated)\n",
    )
    render_capabilities(machine, trees)
    _fill(trees.sys, dict(_kernel_files(machine)), dict(_kernel_links(machine)))


def render_capabilities(machine: SimulatedMachine, trees: HostTrees) -> None:
    """Write what the driver shows of the MIG devices that exist, and nothing of others.

    Raises:
        OSError: The folder cannot be written.
    """
    files: dict[str, str] = {}
    for gpu in machine.gpus:
        for device in gpu.mig_devices:
            outer, inner = device.gpu_instance_id, device.compute_instance_id
            place = f"gpu{gpu.minor}/mig/gi{outer}"
            files[f"{place}/access"] = _access(capability_minor(gpu.minor, outer))
            own = capability_minor(gpu.minor, outer, inner)
            files[f"{place}/ci{inner}/access"] = _access(own)
    _fill(trees.proc / "driver/nvidia/capabilities", files, {})


def mps_control() -> str:
    """Return a program that takes the commands of MPS, and refuses all others."""
    return Path(__file__).with_name(_MPS_CONTROL).read_text(encoding="utf-8")


def nvml_file(trees: HostTrees) -> Path:
    """Return the path below which a driver's NVML is found in rendered trees."""
    return trees.driver_root / _LIBRARY_FOLDER / NVML


def _access(minor: int) -> str:
    return f"DeviceFileMinor: {minor}\nDeviceFileMode: {0o444}\nDeviceFileModify: 1\n"


def _kernel_files(machine: SimulatedMachine) -> Iterator[tuple[str, str]]:
    """Yield the files of sysfs with their text."""
    yield "module/nvidia/version", f"{machine.driver_version}\n"
    for position, gpu in enumerate(machine.gpus):
        folder = _kernel_folder(gpu)
        node = -1 if gpu.numa_node is None else gpu.numa_node
        yield f"{folder}/vendor", "0x10de\n"
        yield f"{folder}/device", f"{gpu.product.pci_device_id}\n"
        yield f"{folder}/class", f"{gpu.product.pci_class}\n"
        yield f"{folder}/numa_node", f"{node}\n"
        # The first card is that of the machine's own screen.
        card, render = position + 1, _FIRST_RENDER_NODE + position
        yield f"{folder}/drm/card{card}/dev", f"226:{card}\n"
        yield f"{folder}/drm/renderD{render}/dev", f"226:{render}\n"


def _kernel_links(machine: SimulatedMachine) -> Iterator[tuple[str, str]]:
    """Yield the links of sysfs with their targets."""
    for gpu in machine.gpus:
        yield f"bus/pci/devices/{gpu.pci_address}", f"../../../{_kernel_folder(gpu)}"


def _kernel_folder(gpu: SimulatedGpu) -> str:
    return f"devices/{gpu.pcie_root}/{gpu.pci_address}"


def _fill(folder: Path, files: Mapping[str, str], links: Mapping[str, str]) -> None:
    """Make *folder* hold these files and links and no others.

    What is right already is left alone at every moment: another process may be reading it.
    """
    for name, text in files.items():
        _write(folder / name, text)
    for name, target in links.items():
        _link(folder / name, target)
    wanted = {folder / name for name in (*files, *links)}
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_symlink() or not path.is_dir():
            if path not in wanted:
                path.unlink()
        elif not any(path.iterdir()):
            path.rmdir()


def _write(path: Path, text: str) -> None:
    """Write a file unless it holds *text* already."""
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def _link(path: Path, target: str) -> None:
    if path.is_symlink() and str(path.readlink()) == target:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(target)
