"""Claims prepared and unprepared on a simulated machine with real files."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from dra_config.gates import FeatureGates
from plugin.checkpoint import Effect, Phase, gpu_key
from plugin.hardware.facts import ComputeMode
from plugin.hardware.simulation.partitioning import GpuInstancePlan
from plugin.prepare import ConfigRefused
from plugin.preparer import ClaimFailed, Deadline, PrepareFailed, UnprepareFailed
from tests.plugin.prepare_rig import (
    GATES,
    SHARES,
    SHORT_SLICES,
    NodeRig,
    allocated,
    claim,
    opaque,
    result,
)

FIRST, SECOND = claim(1), claim(2)
SHARE = "11111111-2222-4333-8444-555555555555"
OTHER_SHARE = "11111111-2222-4333-8444-666666666666"
LONG_SLICES = {"strategy": "TimeSlicing", "timeSlicingConfig": {"interval": "Long"}}
RESTING = ("Default", "Default")

MakeRig = Callable[..., NodeRig]


@pytest.fixture
def rig(tmp_path: Path) -> NodeRig:
    return NodeRig(tmp_path)


def refused(act: Callable[[], object], *words: str, permanent: bool) -> ClaimFailed:
    """Expect a failure whose sentence has all *words*."""
    with pytest.raises(ClaimFailed) as caught:
        act()
    for word in words:
        assert word in caught.value.sentence
    assert caught.value.permanent is permanent
    return caught.value


# ----------------------------------------------------------------------- one whole GPU


def test_a_prepared_claim_has_an_answer_for_each_device_and_a_cdi_file(rig: NodeRig) -> None:
    rig.allocate(FIRST, [result("gpu-0", "gpus/large"), result("gpu-3", "other")])
    devices = rig.prepare(FIRST)
    kind = "k8s.gpu.nvidia.com/claim"
    assert [(one.requests, one.pool, one.device, one.cdi_device_ids) for one in devices] == [
        (("gpus/large",), "node-a", "gpu-0", (f"{kind}={FIRST.uid}-gpu-0",)),
        (("other",), "node-a", "gpu-3", (f"{kind}={FIRST.uid}-gpu-3",)),
    ]
    nodes = [
        [node["path"] for node in device["containerEdits"]["deviceNodes"]]
        for device in rig.cdi_file(FIRST)["devices"]
    ]
    assert nodes[0][0] == "/dev/nvidia0"
    assert nodes[1][0] == "/dev/nvidia3"


def test_preparing_twice_is_preparing_once(rig: NodeRig) -> None:
    rig.allocate(FIRST, [result("gpu-0")], [opaque(sharing=SHORT_SLICES)])
    devices = rig.prepare(FIRST)
    file, files = rig.cdi_file(FIRST), rig.files()
    rig.claims[FIRST.uid] = PrepareFailed("It is gone.", permanent=True)
    assert rig.prepare(FIRST) == devices
    rig.restart()
    assert rig.prepare(FIRST) == devices
    assert rig.fetched == [FIRST.uid]
    assert (rig.cdi_file(FIRST), rig.files()) == (file, files)


def test_unprepare_after_prepare_leaves_nothing(rig: NodeRig) -> None:
    rig.set_mode("gpu-0", ComputeMode.EXCLUSIVE_PROCESS)
    rig.allocate(FIRST, [result("gpu-0"), result("gpu-1")], [opaque(sharing=SHORT_SLICES)])
    rig.prepare(FIRST)
    assert len(rig.files()) == 2
    for _ in range(2):
        rig.unprepare(FIRST)
        assert rig.files() == []
        assert rig.setting("gpu-0") == ("ExclusiveProcess", "Default")
        assert rig.setting("gpu-1") == RESTING


def test_a_claim_that_is_unknown_needs_no_unpreparing_and_loses_its_cdi_file(rig: NodeRig) -> None:
    rig.unprepare(FIRST)
    rig.allocate(FIRST, [result("gpu-0")])
    rig.prepare(FIRST)
    rig.checkpoint.forget(FIRST.uid)
    (path,) = (rig.folder / "cdi").iterdir()
    path.write_text("{}")
    rig.unprepare(FIRST)
    assert rig.files() == []


def test_a_claim_without_a_device_of_ours_needs_nothing(rig: NodeRig) -> None:
    rig.allocate(FIRST, [result("nic-0") | {"driver": "nics.example.com"}])
    assert rig.prepare(FIRST) == ()
    assert rig.files() == []


def test_a_cdi_file_that_somebody_removed_is_written_again(rig: NodeRig) -> None:
    rig.allocate(FIRST, [result("gpu-0")])
    rig.prepare(FIRST)
    file = rig.cdi_file(FIRST)
    rig.cdi.remove(FIRST.uid)
    rig.prepare(FIRST)
    assert rig.cdi_file(FIRST) == file


# --------------------------------------------------------------- claims that are refused


def test_what_is_no_claim_to_prepare_is_refused_with_a_sentence(rig: NodeRig) -> None:
    def prepare() -> object:
        return rig.prepare(FIRST)

    rig.claims[FIRST.uid] = b"<html>"
    refused(prepare, "cannot be read", permanent=False)
    rig.claims[FIRST.uid] = allocated(SECOND, [result("gpu-0")])
    refused(prepare, "team/claim-1", FIRST.uid, SECOND.uid, permanent=True)
    rig.claims[FIRST.uid] = json.dumps({"metadata": {"uid": FIRST.uid}}).encode()
    refused(prepare, "not allocated", permanent=True)
    rig.allocate(FIRST, [result("gpu-0") | {"pool": "node-b"}])
    refused(prepare, "'node-b'", "'node-a'", permanent=True)
    rig.allocate(FIRST, [result("gpu-77")])
    refused(prepare, "'gpu-77'", permanent=False)
    rig.allocate(FIRST, [result("gpu-0")], [opaque(source="FromMars")])
    refused(prepare, "'FromMars'", permanent=True)
    rig.claims[FIRST.uid] = PrepareFailed("The server is away.", permanent=False)
    refused(prepare, "The server is away.", permanent=False)
    assert rig.files() == []


def test_a_uid_that_could_be_a_path_is_refused(rig: NodeRig) -> None:
    odd = type(FIRST)(namespace="team", name="odd", uid="../odd")
    refused(lambda: rig.prepare(odd), "'../odd'", permanent=True)
    refused(lambda: rig.unprepare(odd), "'../odd'", permanent=True)


def test_every_violation_of_every_config_is_told_with_its_rule(rig: NodeRig) -> None:
    configs = [
        opaque(sharing={"strategy": "Sometimes"}, colour="red"),
        opaque("MigDeviceConfig", requests=["gpus"], source="FromClass"),
    ]
    rig.allocate(FIRST, [result("gpu-0")], configs)
    failure = refused(lambda: rig.prepare(FIRST), "(DRA101)", "(DRA010)", permanent=True)
    assert isinstance(failure, ConfigRefused)
    assert sorted(one.rule for one in failure.violations) == ["DRA010", "DRA101"]
    rig.allocate(FIRST, [result("gpu-0")], configs[1:])
    refused(lambda: rig.prepare(FIRST), "(DRA201)", "gpus", permanent=True)


def test_a_warning_is_told_and_prevents_nothing(rig: NodeRig) -> None:
    old = opaque()
    old["opaque"]["parameters"]["apiVersion"] = "gpu.nvidia.com/v1alpha1"
    rig.allocate(FIRST, [result("gpu-0")], [old])
    rig.prepare(FIRST)
    assert ["(DRA015)" in sentence for sentence in rig.told] == [True]


def test_what_this_plugin_does_not_do_is_refused_and_never_ignored(rig: NodeRig) -> None:
    rig.allocate(FIRST, [result("gpu-0")], [opaque(sharing={"strategy": "MPS"})])
    refused(lambda: rig.prepare(FIRST), "MPS", "not set up", permanent=True)
    rig.allocate(FIRST, [result("gpu-0")], [opaque(fabricTopologyConfig={})])
    refused(lambda: rig.prepare(FIRST), "NVLink partition", permanent=True)
    disabled = opaque(fabricTopologyConfig={"strategy": "Disabled"})
    rig.allocate(FIRST, [result("gpu-0")], [disabled])
    assert rig.prepare(FIRST)


# ----------------------------------------------------------- time slices and compute mode


def test_time_slicing_sets_the_slice_and_lets_several_processes_in(rig: NodeRig) -> None:
    rig.set_mode("gpu-0", ComputeMode.EXCLUSIVE_PROCESS)
    rig.allocate(FIRST, [result("gpu-0")], [opaque(sharing=SHORT_SLICES)])
    rig.prepare(FIRST)
    assert rig.setting("gpu-0") == ("Default", "Short")
    assert rig.setting("gpu-1") == RESTING


def test_without_sharing_settings_nothing_is_touched(rig: NodeRig) -> None:
    """D24: the reference driver resets time slice and compute mode after every claim, also one
    that set neither.
    """
    rig.set_mode("gpu-0", ComputeMode.PROHIBITED)
    rig.allocate(FIRST, [result("gpu-0")], [opaque()])
    rig.prepare(FIRST)
    record = rig.checkpoint.recall(FIRST.uid)
    assert record is not None
    assert record.effects == ()
    rig.unprepare(FIRST)
    assert rig.setting("gpu-0") == ("Prohibited", "Default")


def test_a_gpu_that_cannot_be_set_fails_prepare_and_all_is_rolled_back(rig: NodeRig) -> None:
    """D25: the reference driver passes on an opaque error of nvidia-smi; here the sentence names
    the GPU.
    """
    rig.set_mode("gpu-0", ComputeMode.EXCLUSIVE_PROCESS)
    rig.refuse("gpu-1", "set_time_slice", "not-supported")
    rig.allocate(FIRST, [result("gpu-0"), result("gpu-1")], [opaque(sharing=SHORT_SLICES)])
    refused(lambda: rig.prepare(FIRST), rig.gpu("gpu-1").uuid, permanent=True)
    assert rig.files() == []
    assert rig.setting("gpu-0") == ("ExclusiveProcess", "Default")
    assert rig.told == []


def test_a_gpu_that_cannot_be_set_any_more_does_not_hold_up_a_release(rig: NodeRig) -> None:
    """D25: the reference driver's unprepare fails for ever on such a GPU, and the pod stays
    Terminating.
    """
    rig.allocate(FIRST, [result("gpu-0")], [opaque(sharing=SHORT_SLICES)])
    rig.prepare(FIRST)
    rig.refuse("gpu-0", "set_time_slice", "not-supported")
    rig.unprepare(FIRST)
    assert rig.files() == []


def test_a_gpu_that_is_lost_does_not_hold_up_a_release(rig: NodeRig) -> None:
    rig.allocate(FIRST, [result("gpu-0")], [opaque(sharing=SHORT_SLICES)])
    rig.prepare(FIRST)
    rig.ail("gpu-0", "lost")
    rig.unprepare(FIRST)
    assert rig.files() == []


def test_a_gpu_without_compute_modes_has_time_slices_all_the_same(rig: NodeRig) -> None:
    rig.refuse("gpu-0", "compute_mode", "not-supported")
    rig.allocate(FIRST, [result("gpu-0")], [opaque(sharing=SHORT_SLICES)])
    rig.prepare(FIRST)
    assert rig.setting("gpu-0") == ("Default", "Short")


def test_a_release_that_fails_goes_on_where_it_stopped(rig: NodeRig) -> None:
    rig.allocate(FIRST, [result("gpu-0")], [opaque(sharing=SHORT_SLICES)])
    rig.prepare(FIRST)
    rig.refuse("gpu-0", "set_time_slice", "in-use")
    refused(lambda: rig.unprepare(FIRST), rig.gpu("gpu-0").uuid, permanent=False)
    record = rig.checkpoint.recall(FIRST.uid)
    assert record is not None
    assert record.phase is Phase.RELEASING
    rig.repair()
    rig.unprepare(FIRST)
    assert (rig.files(), rig.setting("gpu-0")) == ([], RESTING)


def test_a_roll_back_that_fails_is_told_and_made_good_by_the_next_prepare(rig: NodeRig) -> None:
    rig.allocate(FIRST, [result("gpu-0")], [opaque(sharing=SHORT_SLICES)])
    rig.refuse("gpu-0", "set_time_slice", "in-use")
    refused(lambda: rig.prepare(FIRST), "refuses set_time_slice", permanent=False)
    assert len(rig.told) == 1
    rig.repair()
    rig.prepare(FIRST)
    assert rig.setting("gpu-0") == ("Default", "Short")


def test_a_change_that_only_a_newer_version_knows_is_left_to_it(rig: NodeRig) -> None:
    rig.allocate(FIRST, [result("gpu-0")])
    rig.prepare(FIRST)
    rig.checkpoint.note(FIRST.uid, Effect(kind="Teleport", subject="GPU-0", before=""))
    with pytest.raises(UnprepareFailed, match="'Teleport'"):
        rig.unprepare(FIRST)
    assert rig.checkpoint.recall(FIRST.uid) is not None


def test_the_settings_of_a_machine_that_was_booted_since_are_left_alone(rig: NodeRig) -> None:
    """D46: the reference driver drops all records at a reboot; here each is kept and taken back by
    its own claim.
    """
    rig.set_mode("gpu-0", ComputeMode.EXCLUSIVE_PROCESS)
    rig.allocate(FIRST, [result("gpu-0")], [opaque(sharing=SHORT_SLICES)])
    devices = rig.prepare(FIRST)
    rig.restart(boot_id="second-boot")
    rig.set_mode("gpu-0", ComputeMode.PROHIBITED)
    assert rig.prepare(FIRST) == devices
    assert rig.setting("gpu-0") == ("Default", "Short")
    rig.restart(boot_id="third-boot")
    rig.unprepare(FIRST)
    assert rig.setting("gpu-0") == RESTING
    assert rig.files() == []


# -------------------------------------------------------------------------- MIG devices


def sevenths(tmp_path: Path, gates: FeatureGates = GATES) -> tuple[NodeRig, list[str]]:
    rig = NodeRig(tmp_path, "h100-mig", gates)
    return rig, [name for name in rig.found if name.startswith("gpu-0-mig-")]


def test_mig_devices_of_one_gpu_go_to_different_claims(tmp_path: Path) -> None:
    rig, names = sevenths(tmp_path)
    rig.allocate(FIRST, [result(names[0])])
    rig.allocate(SECOND, [result(names[1])])
    rig.prepare(FIRST)
    rig.prepare(SECOND)
    (device,) = rig.cdi_file(SECOND)["devices"]
    paths = [node["path"] for node in device["containerEdits"]["deviceNodes"]]
    assert paths[0] == "/dev/nvidia0"
    assert sum(path.startswith("/dev/nvidia-caps/") for path in paths) == 2


def test_time_slicing_on_a_mig_device_is_allowed_and_sets_nothing(tmp_path: Path) -> None:
    rig, names = sevenths(tmp_path)
    config = opaque("MigDeviceConfig", sharing={"strategy": "TimeSlicing"})
    rig.allocate(FIRST, [result(names[0])], [config])
    rig.prepare(FIRST)
    assert rig.setting(names[0]) == RESTING


def test_a_mig_device_that_was_removed_since_is_refused(tmp_path: Path) -> None:
    rig, names = sevenths(tmp_path)
    rig.allocate(FIRST, [result(names[6])])
    one = GpuInstancePlan(profile="1g.10gb", start=0)
    rig.machine.repartition(rig.gpu(names[0]).uuid, enabled=True, instances=(one,))
    refused(lambda: rig.prepare(FIRST), names[6], "does not exist any more", permanent=True)
    assert rig.files() == []


def test_a_gpu_that_was_cut_since_is_refused(rig: NodeRig) -> None:
    rig.allocate(FIRST, [result("gpu-0")])
    one = GpuInstancePlan(profile="1g.10gb", start=0)
    rig.machine.repartition(rig.gpu("gpu-0").uuid, enabled=True, instances=(one,))
    refused(lambda: rig.prepare(FIRST), "MIG mode", permanent=True)
    assert rig.files() == []


# ----------------------------------------------------------------- two claims, one device


class Patience(Deadline):
    """A deadline at which something happens instead of waiting, and which then is over."""

    def __init__(self, happens: Callable[[], None]) -> None:
        super().__init__(600)
        self.waits = 0
        self._happens = happens

    def wait(self, seconds: float) -> bool:
        del seconds
        self.waits += 1
        if self.waits == 1:
            self._happens()
            return True
        self.cancel()
        return False


def nothing() -> None:
    """Let time pass."""


def test_a_device_in_use_is_waited_for_until_it_is_released(rig: NodeRig) -> None:
    rig.allocate(FIRST, [result("gpu-0")])
    rig.allocate(SECOND, [result("gpu-0")])
    rig.prepare(FIRST)
    patience = Patience(lambda: rig.unprepare(FIRST))
    assert rig.prepare(SECOND, patience)
    assert patience.waits == 1


def test_a_device_that_is_not_released_in_time_is_refused_with_its_holder(rig: NodeRig) -> None:
    rig.allocate(FIRST, [result("gpu-0")])
    rig.allocate(SECOND, [result("gpu-1"), result("gpu-0")])
    rig.prepare(FIRST)
    act = Patience(nothing)
    refused(
        lambda: rig.prepare(SECOND, act), "'gpu-0'", "team/claim-1", FIRST.uid, permanent=False
    )
    assert len(rig.files()) == 2


def test_who_is_at_work_on_a_gpu_is_not_disturbed(rig: NodeRig) -> None:
    rig.allocate(FIRST, [result("gpu-0")], [opaque(sharing=SHORT_SLICES)])
    rig.allocate(SECOND, [result("gpu-0", adminAccess=True)])
    with rig.locks.hold([gpu_key(rig.gpu("gpu-0").uuid)], Deadline(0)):
        refused(lambda: rig.prepare(FIRST, Deadline(0)), "still at work", permanent=False)
        assert rig.prepare(SECOND, Deadline(0))
    rig.prepare(FIRST)
    with rig.locks.hold([gpu_key(rig.gpu("gpu-0").uuid)], Deadline(0)):
        rig.preparer.unprepare(SECOND, Deadline(0))
        refused(
            lambda: rig.preparer.unprepare(FIRST, Deadline(0)), "still at work", permanent=False
        )
    assert rig.setting("gpu-0") == ("Default", "Short")


def test_nobody_waits_longer_than_35_seconds(rig: NodeRig) -> None:
    now = [0.0]

    class Ticking(Deadline):
        def wait(self, seconds: float) -> bool:
            now[0] += seconds
            return super().wait(0)

    rig.allocate(FIRST, [result("gpu-0")])
    rig.allocate(SECOND, [result("gpu-0")])
    rig.prepare(FIRST)
    deadline = Ticking(100, lambda: now[0])
    refused(lambda: rig.prepare(SECOND, deadline), "still held", permanent=False)
    assert deadline.remaining_seconds() == pytest.approx(65, abs=0.2)


def test_a_claim_that_was_begun_before_a_crash_still_holds_its_device(rig: NodeRig) -> None:
    rig.allocate(FIRST, [result("gpu-0")])
    rig.allocate(SECOND, [result("gpu-0")])
    rig.prepare(FIRST)
    rig.checkpoint.release(FIRST.uid)
    refused(lambda: rig.prepare(SECOND, Patience(nothing)), "claim-1", permanent=False)


def shares(config: object = SHORT_SLICES) -> list[dict[str, object]]:
    return [opaque(sharing=config)]


def test_shares_of_a_device_go_to_claims_with_equal_configs_and_the_last_one_restores(
    tmp_path: Path,
) -> None:
    """D22: the reference driver never tells the kubelet which share of a device a claim got."""
    rig = NodeRig(tmp_path, gates=SHARES)
    rig.set_mode("gpu-0", ComputeMode.EXCLUSIVE_PROCESS)
    rig.allocate(FIRST, [result("gpu-0", shareID=SHARE)], shares())
    rig.allocate(SECOND, [result("gpu-0", shareID=OTHER_SHARE)], shares())
    (first,), (second,) = rig.prepare(FIRST), rig.prepare(SECOND)
    assert (first.share_id, second.share_id) == (SHARE, OTHER_SHARE)
    assert first.cdi_device_ids[0].endswith(f"-gpu-0-{SHARE}")
    rig.unprepare(FIRST)
    assert rig.setting("gpu-0") == ("Default", "Short")
    rig.unprepare(SECOND)
    assert rig.setting("gpu-0") == ("ExclusiveProcess", "Default")


def test_what_a_claim_of_an_earlier_boot_changed_counts_for_nothing(tmp_path: Path) -> None:
    rig = NodeRig(tmp_path, gates=SHARES)
    rig.set_mode("gpu-0", ComputeMode.EXCLUSIVE_PROCESS)
    rig.allocate(FIRST, [result("gpu-0", shareID=SHARE)], shares())
    rig.allocate(SECOND, [result("gpu-0", shareID=OTHER_SHARE)], shares())
    rig.prepare(FIRST)
    rig.restart(boot_id="second-boot")
    rig.set_mode("gpu-0", ComputeMode.PROHIBITED)
    rig.prepare(SECOND)
    rig.unprepare(SECOND)
    assert rig.setting("gpu-0") == ("Prohibited", "Default")


def test_shares_with_different_configs_are_refused(tmp_path: Path) -> None:
    rig = NodeRig(tmp_path, gates=SHARES)
    rig.allocate(FIRST, [result("gpu-0", shareID=SHARE)], shares())
    rig.allocate(SECOND, [result("gpu-0", shareID=OTHER_SHARE)], shares(LONG_SLICES))
    rig.prepare(FIRST)
    refused(lambda: rig.prepare(SECOND, Patience(nothing)), "configuration", permanent=False)
    assert rig.setting("gpu-0") == ("Default", "Short")


@pytest.mark.parametrize(
    ("gates", "first", "second"),
    [(GATES, SHARE, OTHER_SHARE), (SHARES, SHARE, None), (SHARES, None, SHARE)],
)
def test_what_is_no_share_is_not_shared(
    tmp_path: Path, gates: FeatureGates, first: str | None, second: str | None
) -> None:
    rig = NodeRig(tmp_path, gates=gates)
    rig.allocate(FIRST, [result("gpu-0", shareID=first)])
    rig.allocate(SECOND, [result("gpu-0", shareID=second)])
    rig.prepare(FIRST)
    refused(lambda: rig.prepare(SECOND, Patience(nothing)), "still held", permanent=False)


def test_two_shares_in_one_claim_need_equal_configs(tmp_path: Path) -> None:
    """D22: the reference driver's CDI devices have no share in their names, so two shares of one
    device collide.
    """
    rig = NodeRig(tmp_path, gates=SHARES)
    results = [
        result("gpu-0", "one", shareID=SHARE),
        result("gpu-0", "two", shareID=OTHER_SHARE),
    ]
    rig.allocate(FIRST, results, [opaque(sharing=SHORT_SLICES, requests=["one"])])
    refused(lambda: rig.prepare(FIRST), "one and two", permanent=True)
    rig.allocate(FIRST, results, shares())
    assert len({one.cdi_device_ids for one in rig.prepare(FIRST)}) == 2


def test_a_mig_device_is_not_given_while_its_whole_gpu_is_held(rig: NodeRig) -> None:
    """D52: the reference driver compares names, and a GPU and its part are called differently."""
    rig.allocate(FIRST, [result("gpu-0")])
    rig.prepare(FIRST)
    one = GpuInstancePlan(profile="1g.10gb", start=0)
    rig.machine.repartition(rig.gpu("gpu-0").uuid, enabled=True, instances=(one,))
    rig.restart()
    (name,) = (name for name in rig.found if name.startswith("gpu-0-mig-"))
    rig.allocate(SECOND, [result(name)])
    refused(lambda: rig.prepare(SECOND, Patience(nothing)), name, "claim-1", permanent=False)
    rig.unprepare(FIRST)
    assert rig.prepare(SECOND)


# -------------------------------------------------------------------------- admin access


def test_admin_access_neither_minds_a_holder_nor_holds_nor_changes_anything(rig: NodeRig) -> None:
    """D26: the reference driver's admin claims change a GPU in use, and reset it when they go."""
    rig.allocate(FIRST, [result("gpu-0")], [opaque(sharing=SHORT_SLICES)])
    rig.prepare(FIRST)
    of_class = opaque(sharing=LONG_SLICES, source="FromClass")
    rig.allocate(SECOND, [result("gpu-0", adminAccess=True)], [of_class])
    assert rig.prepare(SECOND)
    assert rig.setting("gpu-0") == ("Default", "Short")
    assert ["(DRA124)" in sentence for sentence in rig.told] == [True]
    rig.unprepare(FIRST)
    rig.allocate(claim(3), [result("gpu-0")])
    assert rig.prepare(claim(3))
    rig.unprepare(SECOND)
    assert rig.setting("gpu-0") == RESTING


def test_sharing_settings_of_a_claim_on_admin_access_are_refused(rig: NodeRig) -> None:
    """D26: the reference driver applies them to a GPU that somebody else is using."""
    rig.allocate(FIRST, [result("gpu-0", adminAccess=True)], [opaque(sharing=SHORT_SLICES)])
    refused(lambda: rig.prepare(FIRST), "(DRA124)", permanent=True)


def test_admin_access_counts_for_each_device_and_not_for_the_claim(rig: NodeRig) -> None:
    results = [result("gpu-0", "watch", adminAccess=True), result("gpu-1", "work")]
    rig.allocate(FIRST, results, [opaque(sharing=SHORT_SLICES, requests=["work"])])
    rig.prepare(FIRST)
    assert (rig.setting("gpu-0"), rig.setting("gpu-1")) == (RESTING, ("Default", "Short"))


def test_one_device_may_be_there_twice_with_admin_access(rig: NodeRig) -> None:
    rig.allocate(FIRST, [result("gpu-0", "watch", adminAccess=True), result("gpu-0", "work")])
    first, second = rig.prepare(FIRST)
    assert first.cdi_device_ids == second.cdi_device_ids
    assert (first.requests, second.requests) == (("watch",), ("work",))


# ------------------------------------------------------------------------ lost records


def damage(rig: NodeRig) -> None:
    (path,) = (rig.folder / "claims").glob("*.record")
    path.write_bytes(b"x" * path.stat().st_size)


def test_a_damaged_record_is_made_anew_from_the_cdi_file(rig: NodeRig) -> None:
    rig.set_mode("gpu-0", ComputeMode.EXCLUSIVE_PROCESS)
    rig.allocate(FIRST, [result("gpu-0")], [opaque(sharing=SHORT_SLICES)])
    devices = rig.prepare(FIRST)
    damage(rig)
    assert rig.prepare(FIRST) == devices
    assert rig.fetched == [FIRST.uid]
    damage(rig)
    rig.unprepare(FIRST)
    assert rig.setting("gpu-0") == ("ExclusiveProcess", "Default")
    assert rig.files() == []
    assert len(rig.told) == 2


def test_a_damaged_record_without_a_cdi_file_is_told_of(rig: NodeRig) -> None:
    rig.allocate(FIRST, [result("gpu-0")])
    devices = rig.prepare(FIRST)
    rig.cdi.remove(FIRST.uid)
    damage(rig)
    assert rig.prepare(FIRST) == devices
    assert "Nothing tells what it held." in rig.told[0]


def test_a_device_whose_holder_lost_its_record_does_not_look_free(rig: NodeRig) -> None:
    rig.allocate(FIRST, [result("gpu-0")])
    rig.allocate(SECOND, [result("gpu-0")])
    rig.prepare(FIRST)
    damage(rig)

    def prepare() -> object:
        return rig.prepare(SECOND, Patience(nothing))

    for _ in range(2):
        refused(prepare, "still held", "claim-1", permanent=False)
    rig.unprepare(FIRST)
    assert rig.prepare(SECOND)


def test_a_damaged_record_of_which_nothing_tells_fails_the_claim_that_finds_it(
    rig: NodeRig,
) -> None:
    rig.allocate(FIRST, [result("gpu-0")])
    rig.allocate(SECOND, [result("gpu-0")])
    rig.prepare(FIRST)
    rig.cdi.remove(FIRST.uid)
    damage(rig)
    refused(lambda: rig.prepare(SECOND), FIRST.uid, "Nothing tells", permanent=False)


def test_a_record_that_vanished_is_made_anew_so_that_its_effects_are_taken_back(
    rig: NodeRig,
) -> None:
    rig.set_mode("gpu-0", ComputeMode.EXCLUSIVE_PROCESS)
    rig.allocate(FIRST, [result("gpu-0")], [opaque(sharing=SHORT_SLICES)])
    rig.prepare(FIRST)
    rig.checkpoint.forget(FIRST.uid)
    rig.unprepare(FIRST)
    assert rig.setting("gpu-0") == ("ExclusiveProcess", "Default")
    assert rig.files() == []
    assert "is lost" in rig.told[0]


@pytest.mark.parametrize("then", ["prepare", "unprepare"])
def test_a_record_that_was_lost_before_a_reboot_brings_no_effects_back(
    rig: NodeRig, then: str
) -> None:
    rig.set_mode("gpu-0", ComputeMode.EXCLUSIVE_PROCESS)
    rig.allocate(FIRST, [result("gpu-0")], [opaque(sharing=SHORT_SLICES)])
    devices = rig.prepare(FIRST)
    rig.checkpoint.forget(FIRST.uid)
    rig.restart(boot_id="second-boot")
    rig.set_mode("gpu-0", ComputeMode.PROHIBITED)
    if then == "prepare":
        assert rig.prepare(FIRST) == devices
        assert rig.setting("gpu-0") == ("Default", "Short")
    rig.unprepare(FIRST)
    assert rig.setting("gpu-0") == ("Prohibited", "Default")
    assert rig.files() == []
