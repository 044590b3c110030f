"""What the container runtime and the kubelet are told of a claim, from its record alone."""

from collections.abc import Callable
from pathlib import PurePosixPath

from plugin.cdi import (
    ClaimedDevice,
    ClaimFacts,
    DriverFacts,
    MpsFolders,
    Spec,
    device_name,
    qualified,
    render,
)
from plugin.checkpoint import Holding, Intent, Record, text_of_record
from plugin.hardware.device_nodes import gpu_nodes, mig_nodes
from plugin.hardware.errors import GpuMissingError
from plugin.hardware.facts import Gpu, MigMode
from plugin.hardware.port import Machine
from plugin.mps.description import daemon_from_text
from plugin.prepare.sharing import MPS_DAEMON
from plugin.preparer import PreparedDevice


def prepared_devices(uid: str, intent: Intent) -> tuple[PreparedDevice, ...]:
    """Return what the kubelet is answered, in the order of the allocation."""
    return tuple(
        PreparedDevice(
            requests=(one.request,),
            pool=one.pool,
            device=one.device,
            cdi_device_ids=(qualified(device_name(uid, one.device, one.share_id)),),
            share_id=one.share_id,
        )
        for one in intent.holdings
    )


def describe(record: Record, machine: Machine, driver: Callable[[], DriverFacts]) -> Spec:
    """Return the CDI file of a claim as its record and the machine have it now.

    Args:
        record: The claim's record, completed.
        machine: Holds the claim's devices.
        driver: Tells what every container gets.

    Raises:
        GpuMissingError: A device is not what it was when it was allocated.
        MachineError: The machine cannot be asked.
        CdiError: The driver is not ready.
        MpsError: Only a newer version knows the daemon of a device.
    """
    # With admin access one device may be there for several requests.
    by_name = {(one.device, one.share_id): one for one in record.intent.holdings}
    gpu_by_uuid = {
        uuid: machine.gpu(uuid) for uuid in sorted({one.gpu_uuid for one in by_name.values()})
    }
    mps = _mps_folders(record)
    return render(
        ClaimFacts(
            claim=record.claim,
            devices=tuple(
                _claimed(one, gpu_by_uuid[one.gpu_uuid], machine, mps.get(one.device_uuid))
                for one in by_name.values()
            ),
            driver=driver(),
            record=text_of_record(record).decode(),
        )
    )


def _mps_folders(record: Record) -> dict[str, MpsFolders]:
    """Return the folders of the daemon of each device that has one, by the device's UUID."""
    return {
        uuid: MpsFolders(
            pipe=PurePosixPath(daemon.pipe), shared_memory=PurePosixPath(daemon.shared_memory)
        )
        for effect in record.effects
        if effect.kind == MPS_DAEMON
        for daemon in (daemon_from_text(effect.details),)
        for uuid in daemon.devices
    }


def _claimed(
    holding: Holding, gpu: Gpu, machine: Machine, mps: MpsFolders | None
) -> ClaimedDevice:
    if holding.device_uuid == gpu.uuid:
        if gpu.mig_mode is MigMode.ENABLED:
            message = (
                f"GPU {gpu.uuid} was allocated as a whole and is in MIG mode by now. Delete the "
                "pod and its claim, so that they get a device that exists."
            )
            raise GpuMissingError(message)
        nodes, address = gpu_nodes(machine.trees, gpu), gpu.pci_address
    else:
        for mig in gpu.mig_devices:
            if mig.uuid == holding.device_uuid:
                nodes, address = mig_nodes(machine.trees, gpu, mig), None
                break
        else:
            message = (
                f"MIG device {holding.device_uuid}, allocated as '{holding.device}', does not "
                "exist any more. Delete the pod and its claim, so that they get one that exists."
            )
            raise GpuMissingError(message)
    return ClaimedDevice(
        device=holding.device,
        share_id=holding.share_id,
        nodes=nodes,
        pci_address=address,
        mps=mps,
    )
