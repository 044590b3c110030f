"""Reads the MIG devices of one GPU through the driver's library."""

from collections.abc import Mapping
from dataclasses import dataclass

from plugin.hardware import names
from plugin.hardware.errors import GpuLostError, MachineError
from plugin.hardware.facts import MigCapacity, MigDevice, Placement
from plugin.hardware.nvml import Handle, Nvml
from plugin.hardware.nvml_shapes import GpuInstanceProfile, NotThereError


@dataclass(frozen=True, slots=True, kw_only=True)
class MigWalk:
    """The MIG devices of a GPU, and sentences on those that could not be read."""

    devices: tuple[MigDevice, ...]
    warnings: tuple[str, ...]


def walk(
    library: Nvml,
    gpu: Handle,
    profiles: Mapping[int, GpuInstanceProfile],
    *,
    total_bytes: int | None,
) -> MigWalk:
    """Return the MIG devices of *gpu*, whose MIG mode is on.

    A device that cannot be read is left out with a warning: it does not hide the others. One that
    disappears meanwhile is left out without.

    Args:
        library: The open library.
        gpu: The GPU.
        profiles: The ways to cut this GPU, by profile id.
        total_bytes: Memory of the GPU, from which older drivers' profiles are named.

    Raises:
        GpuLostError: The GPU fell off the bus.
        MachineError: The devices cannot be counted.
    """
    found: list[MigDevice] = []
    warnings: list[str] = []
    for handle in library.mig_devices(gpu):
        try:
            found.append(_read(library, gpu, handle, profiles, total_bytes))
        except GpuLostError:
            raise
        except NotThereError:
            continue
        except MachineError as error:
            warnings.append(f"A MIG device is left out: {error}")
    found.sort(key=lambda device: (device.placement.start, device.compute_instance_id))
    return MigWalk(devices=tuple(found), warnings=tuple(warnings))


def find(library: Nvml, gpu: Handle, mig_uuid: str) -> Handle:
    """Return the handle of a MIG device.

    Instance ids and handles are used again by the driver, so only the UUID decides.

    Raises:
        NotThereError: The GPU has no such MIG device.
    """
    for handle in library.mig_devices(gpu):
        if library.uuid(handle) == mig_uuid:
            return handle
    message = f"There is no MIG device {mig_uuid}."
    raise NotThereError(message)


def _read(
    library: Nvml,
    gpu: Handle,
    handle: Handle,
    profiles: Mapping[int, GpuInstanceProfile],
    total_bytes: int | None,
) -> MigDevice:
    uuid = library.uuid(handle)
    outer, inner = library.instance_ids(handle)
    instance = library.gpu_instance(gpu, outer)
    profile = profiles.get(instance.profile_id)
    if profile is None:
        message = (
            f"{uuid} is of profile id {instance.profile_id}, which the driver does not describe."
        )
        raise MachineError(message)
    name = profile.name or _computed_name(profile, total_bytes)
    owned = library.mig_attributes(handle)
    fills = owned.compute_instance_slices >= owned.gpu_instance_slices
    return MigDevice(
        uuid=uuid,
        profile=name if fills else f"{owned.compute_instance_slices}c.{name}",
        gpu_instance_id=outer,
        gpu_instance_profile_id=instance.profile_id,
        compute_instance_id=inner,
        fills_gpu_instance=fills,
        placement=Placement(start=instance.start, size=instance.size),
        capacity=MigCapacity(
            multiprocessors=profile.multiprocessors if fills else owned.multiprocessors,
            copy_engines=profile.copy_engines,
            decoders=profile.decoders,
            encoders=profile.encoders,
            jpeg_engines=profile.jpeg_engines,
            ofa_engines=profile.ofa_engines,
            memory_bytes=profile.memory_bytes,
        ),
    )


def _computed_name(profile: GpuInstanceProfile, total_bytes: int | None) -> str:
    if not total_bytes:
        message = f"The driver names neither MIG profile {profile.id} nor the GPU's memory."
        raise MachineError(message)
    return names.mig_profile(
        number=profile.number,
        slices=profile.slices,
        memory_bytes=profile.memory_bytes,
        total_bytes=total_bytes,
    )
