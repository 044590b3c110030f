"""How a simulated GPU looks to whoever asks the machine."""

from pathlib import Path

from plugin.hardware.facts import Gpu, MigCapacity, MigDevice, MigMode, Placement
from plugin.hardware.host_trees import numa_node, pcie_root
from plugin.hardware.simulation.partitioning import CutDevice
from plugin.hardware.simulation.products import Product
from plugin.hardware.simulation.profile import SimulatedGpu


def seen(gpu: SimulatedGpu, sys: Path) -> Gpu:
    """Return the facts of a GPU; those that only sysfs tells are read from the rendered one."""
    product = gpu.product
    return Gpu(
        uuid=gpu.uuid,
        minor=gpu.minor,
        pci_address=gpu.pci_address,
        product_name=product.name,
        brand=product.brand,
        architecture=product.architecture,
        compute_capability=product.capability,
        memory_bytes=product.memory_bytes,
        addressing_mode=product.addressing_mode,
        pcie_root=pcie_root(sys, gpu.pci_address),
        numa_node=numa_node(sys, gpu.pci_address),
        mig_mode=_mode(product, enabled=gpu.mig_enabled),
        pending_mig_mode=_mode(product, enabled=gpu.mig_enabled_after_reset),
        mig_devices=tuple(_mig_device(device) for device in gpu.mig_devices),
    )


def _mode(product: Product, *, enabled: bool) -> MigMode:
    if product.mig is None:
        return MigMode.UNSUPPORTED
    return MigMode.ENABLED if enabled else MigMode.DISABLED


def _mig_device(device: CutDevice) -> MigDevice:
    profile = device.profile
    return MigDevice(
        uuid=device.uuid,
        profile=device.name,
        gpu_instance_id=device.gpu_instance_id,
        gpu_instance_profile_id=profile.shape.id,
        compute_instance_id=device.compute_instance_id,
        fills_gpu_instance=device.fills_gpu_instance,
        placement=Placement(start=device.start, size=profile.shape.memory_slices),
        capacity=MigCapacity(
            multiprocessors=device.multiprocessors,
            copy_engines=profile.copy_engines,
            decoders=profile.decoders,
            encoders=profile.encoders,
            jpeg_engines=profile.jpeg_engines,
            ofa_engines=profile.ofa_engines,
            memory_bytes=profile.memory_mebibytes * 2**20,
        ),
    )
