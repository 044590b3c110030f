"""What every machine must do; the one made of data and the one behind NVML take the same tests."""

import re
from collections.abc import Iterable

import pytest

from dra_config.hub import TimeSliceInterval
from plugin.hardware.errors import (
    DriverNotLoadedError,
    GpuLostError,
    GpuMissingError,
    InUseError,
    LibraryMissingError,
    MachineError,
    NotSupportedError,
    PermissionDeniedError,
    TimedOutError,
    VersionMismatchError,
)
from plugin.hardware.facts import (
    ComputeMode,
    GpuLostReported,
    Inventory,
    MemoryErrorReported,
    MigCapacity,
    MigMode,
    Placement,
    WatchFailed,
    XidReported,
)
from plugin.hardware.port import Machine
from plugin.hardware.simulation.partitioning import GpuInstancePlan
from tests.plugin.hardware_fixtures import (
    SHORT_SECONDS,
    MakeRig,
    fake_rig,
    machine,
    nvml_library,
    nvml_rig,
    rig,
)
from tests.plugin.machine_rigs import SHIPPED, until

__all__ = ["fake_rig", "machine", "nvml_library", "nvml_rig", "rig"]

NOBODY = "GPU-00000000-0000-0000-0000-000000000000"


def uuids(found: Inventory) -> list[str]:
    return [gpu.uuid for gpu in found.gpus]


def overlapping(spans: Iterable[tuple[int, Placement]]) -> bool:
    """Say whether two GPU instances want the same memory slice."""
    owner: dict[int, int] = {}
    return any(
        owner.setdefault(piece, instance) != instance
        for instance, placement in spans
        for piece in range(placement.start, placement.start + placement.size)
    )


# --- what it tells ---------------------------------------------------------------------


def test_every_uuid_is_its_own(machine: Machine) -> None:
    found = machine.inventory()
    every = [*uuids(found), *(mig.uuid for gpu in found.gpus for mig in gpu.mig_devices)]
    assert found.gpus
    assert len(set(every)) == len(every)
    assert all(uuid.startswith("GPU-") for uuid in uuids(found))
    assert all(mig.uuid.startswith("MIG-") for gpu in found.gpus for mig in gpu.mig_devices)


def test_gpus_come_in_order_of_their_addresses(machine: Machine) -> None:
    addresses = [gpu.pci_address for gpu in machine.inventory().gpus]
    assert addresses == sorted(addresses)
    assert addresses == [address.lower() for address in addresses]
    assert all(
        re.fullmatch(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]", address)
        for address in addresses
    )


def test_memory_is_in_bytes(machine: Machine) -> None:
    assert all((gpu.memory_bytes or 0) > 2**30 for gpu in machine.inventory().gpus)


def test_mig_devices_lie_side_by_side(machine: Machine) -> None:
    for gpu in machine.inventory().gpus:
        assert not overlapping((mig.gpu_instance_id, mig.placement) for mig in gpu.mig_devices)
        assert not gpu.mig_devices or gpu.mig_mode is MigMode.ENABLED
        assert gpu.warnings == ()


def test_one_gpu_alone_looks_as_among_all(machine: Machine) -> None:
    for gpu in machine.inventory().gpus:
        assert machine.gpu(gpu.uuid) == gpu


def test_asking_twice_tells_the_same(machine: Machine) -> None:
    assert machine.inventory() == machine.inventory()


def test_a_device_that_is_not_there_is_said_to_be_missing(machine: Machine) -> None:
    for ask in (
        lambda: machine.gpu(NOBODY),
        lambda: machine.compute_mode(NOBODY),
        lambda: machine.set_compute_mode(NOBODY, ComputeMode.DEFAULT),
        lambda: machine.set_time_slice(NOBODY, TimeSliceInterval.DEFAULT),
        lambda: machine.process_ids(NOBODY),
        lambda: machine.process_ids("MIG-none"),
    ):
        with pytest.raises(GpuMissingError, match=r"GPU-0{8}|MIG-none"):
            ask()


def test_the_compute_mode_can_be_read(machine: Machine) -> None:
    for gpu in machine.inventory().gpus:
        assert machine.compute_mode(gpu.uuid) in ComputeMode


@pytest.mark.parametrize("name", SHIPPED)
def test_both_kinds_of_machine_tell_the_same_of_a_profile(
    name: str, fake_rig: MakeRig, nvml_rig: MakeRig
) -> None:
    fake, real = fake_rig(name).machine.inventory(), nvml_rig(name).machine.inventory()
    assert fake.gpus == real.gpus
    assert fake.versions == real.versions
    assert [gpu.index for gpu in fake.unreadable] == [gpu.index for gpu in real.unreadable]


def test_the_facts_of_a_mixed_machine(rig: MakeRig) -> None:
    found = rig("mixed").machine.inventory()
    whole, cut, ampere, waiting, l4, p4 = found.gpus
    assert (found.versions.driver, found.versions.cuda) == ("580.95.05", (13, 0))
    assert whole.product_name == "NVIDIA H100 80GB HBM3"
    assert (whole.brand, whole.architecture) == ("Nvidia", "Hopper")
    assert whole.compute_capability == (9, 0)
    assert whole.memory_bytes == 81559 * 2**20
    assert whole.pci_address == "0000:1b:00.0"
    assert (whole.pcie_root, whole.numa_node) == ("pci0000:15", 0)
    assert whole.addressing_mode == "HMM"
    assert (whole.mig_mode, whole.pending_mig_mode) == (MigMode.DISABLED, MigMode.DISABLED)
    assert [mig.profile for mig in cut.mig_devices] == [
        "1g.10gb",
        "1g.10gb+me",
        "1c.2g.20gb",
        "3g.40gb",
    ]
    assert (ampere.minor, ampere.addressing_mode) == (5, "None")
    assert (waiting.mig_mode, waiting.pending_mig_mode) == (MigMode.DISABLED, MigMode.ENABLED)
    assert (l4.mig_mode, l4.numa_node) == (MigMode.UNSUPPORTED, None)
    assert (p4.brand, p4.architecture, p4.addressing_mode) == ("Tesla", "Pascal", None)


def test_the_facts_of_mig_devices(rig: MakeRig) -> None:
    _, cut, ampere, *_ = rig("mixed").machine.inventory().gpus
    last = cut.mig_devices[-1]
    assert (last.gpu_instance_profile_id, last.placement) == (9, Placement(start=4, size=4))
    assert last.fills_gpu_instance
    assert last.capacity == MigCapacity(
        multiprocessors=60,
        copy_engines=3,
        decoders=3,
        encoders=0,
        jpeg_engines=3,
        ofa_engines=0,
        memory_bytes=40448 * 2**20,
    )
    first, second, third = ampere.mig_devices
    assert [first.profile, second.profile, third.profile] == [
        "2c.4g.40gb",
        "1c.4g.40gb",
        "2g.20gb",
    ]
    assert first.gpu_instance_id == second.gpu_instance_id == 2
    assert third.gpu_instance_id == 3
    assert (first.compute_instance_id, second.compute_instance_id) == (0, 1)
    assert not first.fills_gpu_instance
    assert (first.capacity.multiprocessors, second.capacity.multiprocessors) == (28, 14)


def test_a_large_pci_domain_is_told(rig: MakeRig) -> None:
    addresses = [gpu.pci_address for gpu in rig("gb200").machine.inventory().gpus]
    assert addresses[0] == "0008:01:00.0"


# --- what it does ----------------------------------------------------------------------


@pytest.mark.parametrize("mode", [ComputeMode.EXCLUSIVE_PROCESS, ComputeMode.PROHIBITED])
def test_a_compute_mode_stays_until_it_is_set_again(mode: ComputeMode, rig: MakeRig) -> None:
    made = rig("mixed")
    one, other = uuids(made.machine.inventory())[:2]
    made.machine.set_compute_mode(one, mode)
    made.machine.set_compute_mode(one, mode)
    assert made.machine.compute_mode(one) is mode
    assert made.machine.compute_mode(other) is ComputeMode.DEFAULT
    made.restart()
    assert made.machine.compute_mode(one) is mode
    made.machine.set_compute_mode(one, ComputeMode.DEFAULT)
    assert made.machine.compute_mode(one) is ComputeMode.DEFAULT


def test_a_compute_mode_of_old_is_refused_and_changes_nothing(rig: MakeRig) -> None:
    made = rig("h100")
    one = uuids(made.machine.inventory())[0]
    with pytest.raises(NotSupportedError, match=one):
        made.machine.set_compute_mode(one, ComputeMode.EXCLUSIVE_THREAD)
    assert made.machine.compute_mode(one) is ComputeMode.DEFAULT


def test_a_time_slice_is_one_gpus_and_outlives_the_plugin(rig: MakeRig) -> None:
    made = rig("l4")
    one, other, *_ = uuids(made.machine.inventory())
    for interval in TimeSliceInterval:
        made.machine.set_time_slice(one, interval)
        assert made.time_slice(one) == interval
    made.restart()
    assert made.time_slice(one) == TimeSliceInterval.LONG
    assert made.time_slice(other) == TimeSliceInterval.DEFAULT


def test_a_gpu_that_cannot_set_time_slices_says_so(rig: MakeRig) -> None:
    made = rig("mixed")
    old = made.machine.inventory().gpus[-1]
    assert old.product_name == "Tesla P4"
    with pytest.raises(NotSupportedError, match=old.uuid):
        made.machine.set_time_slice(old.uuid, TimeSliceInterval.LONG)
    assert made.time_slice(old.uuid) == TimeSliceInterval.DEFAULT


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ("permission", PermissionDeniedError),
        ("not-supported", NotSupportedError),
    ],
)
def test_what_the_driver_refuses_is_told_apart(
    how: str, error: type[MachineError], rig: MakeRig
) -> None:
    made = rig("h100")
    one, other, *_ = uuids(made.machine.inventory())
    made.refuse(one, "set_compute_mode", how)
    made.refuse(one, "set_time_slice", how)
    made.refuse(one, "process_ids", how)
    with pytest.raises(error, match=one):
        made.machine.set_compute_mode(one, ComputeMode.PROHIBITED)
    with pytest.raises(error, match=one):
        made.machine.set_time_slice(one, TimeSliceInterval.SHORT)
    with pytest.raises(error, match=one):
        made.machine.process_ids(one)
    assert made.time_slice(one) == TimeSliceInterval.DEFAULT
    made.machine.set_compute_mode(other, ComputeMode.PROHIBITED)
    made.machine.set_time_slice(other, TimeSliceInterval.SHORT)


def test_a_device_in_use_may_be_free_later(rig: MakeRig) -> None:
    made = rig("h100")
    one = uuids(made.machine.inventory())[0]
    made.refuse(one, "set_compute_mode", "in-use")
    with pytest.raises(InUseError) as caught:
        made.machine.set_compute_mode(one, ComputeMode.PROHIBITED)
    assert caught.value.transient
    made.repair()
    made.machine.set_compute_mode(one, ComputeMode.PROHIBITED)


def test_processes_are_told_by_device(rig: MakeRig) -> None:
    made = rig("mixed")
    whole, cut, *_ = made.machine.inventory().gpus
    first, second, *_ = cut.mig_devices
    made.compute_on(whole.uuid, 4242, 17)
    made.compute_on(second.uuid, 99)
    assert made.machine.process_ids(whole.uuid) == {17, 4242}
    assert made.machine.process_ids(first.uuid) == set()
    assert made.machine.process_ids(second.uuid) == {99}
    assert made.machine.process_ids(cut.uuid) == {99}


# --- what changes beside it ------------------------------------------------------------


def test_mig_devices_that_an_administrator_makes_are_seen(rig: MakeRig) -> None:
    """D78: the reference driver looks at the devices once, when it starts."""
    made = rig("mixed")
    whole, *rest = made.machine.inventory().gpus
    plan = (
        GpuInstancePlan(profile="4g.40gb", start=0),
        GpuInstancePlan(profile="1g.20gb", start=4),
    )
    made.repartition(whole.uuid, enabled=True, instances=plan)
    now, *others = made.machine.inventory().gpus
    assert now.mig_mode is MigMode.ENABLED
    assert [mig.profile for mig in now.mig_devices] == ["4g.40gb", "1g.20gb"]
    assert others == rest
    made.compute_on(now.mig_devices[0].uuid, 5)
    assert made.machine.process_ids(now.mig_devices[0].uuid) == {5}
    made.repartition(whole.uuid, enabled=False, instances=())
    assert made.machine.inventory().gpus[0] == whole
    with pytest.raises(GpuMissingError):
        made.machine.process_ids(now.mig_devices[0].uuid)


@pytest.mark.parametrize(
    ("ailment", "error"),
    [("lost", GpuLostError), ("unreadable", MachineError), ("hangs", TimedOutError)],
)
def test_a_sick_gpu_hides_no_other(ailment: str, error: type[MachineError], rig: MakeRig) -> None:
    """D76: the reference driver's enumeration ends at the first error."""
    made = rig("h100", deadline_seconds=SHORT_SECONDS if ailment == "hangs" else 60)
    healthy = made.machine.inventory()
    sick = healthy.gpus[3]
    made.ail(sick.uuid, ailment)
    found = made.machine.inventory()
    assert uuids(found) == [uuid for uuid in uuids(healthy) if uuid != sick.uuid]
    (broken,) = found.unreadable
    assert (broken.index, broken.uuid, broken.pci_address) == (3, sick.uuid, sick.pci_address)
    assert type(broken.error) is error
    with pytest.raises(error, match=sick.uuid):
        made.machine.gpu(sick.uuid)
    with pytest.raises(error, match=sick.uuid):
        made.machine.set_compute_mode(sick.uuid, ComputeMode.PROHIBITED)
    made.machine.set_compute_mode(healthy.gpus[4].uuid, ComputeMode.PROHIBITED)
    made.repair()
    until(lambda: uuids(made.machine.inventory()) == uuids(healthy))


def test_a_gpu_answers_while_another_one_hangs(rig: MakeRig) -> None:
    made = rig("h100")
    hanging, other, *_ = uuids(made.machine.inventory())
    made.ail(hanging, "hangs")
    assert made.answers_meanwhile(hanging, other)


def test_gpus_that_are_broken_from_the_start_are_counted(rig: MakeRig) -> None:
    found = rig("broken").machine.inventory()
    assert [gpu.minor for gpu in found.gpus] == [0, 3, 4]
    assert [type(gpu.error) for gpu in found.unreadable] == [GpuLostError, MachineError]


def test_a_product_of_tomorrow_is_of_unknown_brand_and_architecture(rig: MakeRig) -> None:
    """D76: with the reference driver one such GPU fails the whole node."""
    gpu = rig("broken").machine.inventory().gpus[-1]
    assert (gpu.brand, gpu.architecture) == ("Unknown", "Unknown")
    assert gpu.product_name == "NVIDIA Unlisted"


def test_mig_without_mig_devices_is_no_fault(rig: MakeRig) -> None:
    gpu = rig("broken").machine.inventory().gpus[1]
    assert (gpu.mig_mode, gpu.mig_devices) == (MigMode.ENABLED, ())


@pytest.mark.parametrize(
    ("how", "error", "transient"),
    [
        ("no-driver", DriverNotLoadedError, True),
        ("no-library", LibraryMissingError, True),
        ("other-version", VersionMismatchError, False),
    ],
)
def test_a_machine_without_a_working_driver_says_what_is_missing(
    how: str, error: type[MachineError], *, transient: bool, rig: MakeRig
) -> None:
    made = rig("h100")
    made.break_machine(how)
    with pytest.raises(error) as caught:
        made.machine.inventory()
    assert caught.value.transient is transient
    made.repair()
    assert len(made.machine.inventory().gpus) == 8


def test_a_driver_that_is_unloaded_and_loaded_again_is_found(rig: MakeRig) -> None:
    """D85: the reference driver enumerates once, and loses the race against the driver."""
    made = rig("h100")
    before = made.machine.inventory()
    made.break_machine("no-driver")
    with pytest.raises(DriverNotLoadedError):
        made.machine.inventory()
    made.repair()
    assert made.machine.inventory() == before
    assert made.machine.gpu(before.gpus[0].uuid) == before.gpus[0]


# --- health ----------------------------------------------------------------------------


def test_xid_errors_are_told_with_their_place(rig: MakeRig) -> None:
    """D93, D98: the reference driver ignores an XID of a cut GPU without a place, and all ECC
    events.
    """
    made = rig("mixed")
    whole, cut, *_ = uuids(made.machine.inventory())
    made.report_xid(whole, 13)
    watch = made.watch()
    assert watch.watched == set(uuids(made.machine.inventory()))
    made.report_xid(whole, 79)
    made.report_xid(cut, 43, 7, 0)
    made.report_xid(cut, 79)
    made.report_double_bit(whole)
    expected = {
        XidReported(gpu_uuid=whole, xid=79, gpu_instance_id=None, compute_instance_id=None),
        XidReported(gpu_uuid=cut, xid=43, gpu_instance_id=7, compute_instance_id=0),
        XidReported(gpu_uuid=cut, xid=79, gpu_instance_id=None, compute_instance_id=None),
        MemoryErrorReported(gpu_uuid=whole, gpu_instance_id=None, compute_instance_id=None),
    }
    until(lambda: len(made.told()) >= len(expected))
    assert set(made.told()) == expected


def test_events_of_one_gpu_come_in_order(rig: MakeRig) -> None:
    made = rig("l4")
    one = uuids(made.machine.inventory())[0]
    made.watch()
    for xid in (31, 13, 48, 63):
        made.report_xid(one, xid)
    until(lambda: len(made.told()) == 4)
    assert [event.xid for event in made.told() if isinstance(event, XidReported)] == [
        31,
        13,
        48,
        63,
    ]


def test_one_lost_gpu_is_told_once_and_the_others_are_still_watched(rig: MakeRig) -> None:
    """D94: with the reference driver one lost GPU taints every device of the node."""
    made = rig("h100")
    lost, other, *_ = uuids(made.machine.inventory())
    watch = made.watch()
    made.ail(lost, "lost")
    until(made.told)
    made.report_xid(other, 94)
    until(lambda: len(made.told()) >= 2)
    assert made.told() == [
        GpuLostReported(gpu_uuid=lost),
        XidReported(gpu_uuid=other, xid=94, gpu_instance_id=None, compute_instance_id=None),
    ]
    until(lambda: lost not in watch.watched)
    assert len(watch.watched) == 7


def test_a_gpu_that_was_left_is_told_of_no_more(rig: MakeRig) -> None:
    made = rig("h100")
    left, other, *_ = uuids(made.machine.inventory())
    watch = made.watch()
    watch.leave(left)
    watch.leave(left)
    watch.leave(NOBODY)
    assert left not in watch.watched
    made.report_xid(left, 79)
    made.report_xid(other, 48)
    until(made.told)
    assert [event.gpu_uuid for event in made.told()] == [other]


def test_a_gpu_that_cannot_be_watched_is_named_and_the_others_are_watched(rig: MakeRig) -> None:
    made = rig("h100")
    one, other, *_ = uuids(made.machine.inventory())
    made.refuse(one, "watch", "not-supported")
    watch = made.watch()
    (failed,) = made.told()
    assert isinstance(failed, WatchFailed)
    assert failed.gpu_uuid == one
    assert one in failed.reason
    assert watch.watched == set(uuids(made.machine.inventory())) - {one}
    made.report_xid(other, 48)
    until(lambda: len(made.told()) == 2)


def test_a_closed_watch_is_silent(rig: MakeRig) -> None:
    made = rig("l4")
    one = uuids(made.machine.inventory())[0]
    watch = made.watch()
    watch.close()
    watch.close()
    assert watch.watched == set()
    second = made.watch()
    made.report_xid(one, 79)
    until(made.told)
    second.close()
    assert len(made.told()) == 1


def test_closing_the_machine_ends_its_watches(rig: MakeRig) -> None:
    made = rig("l4")
    watch = made.watch()
    made.machine.close()
    assert watch.watched == set()
