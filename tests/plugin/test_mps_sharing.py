"""Claims shared through MPS, prepared and unprepared on a simulated machine with real files."""

from collections.abc import Callable
from pathlib import Path

import pytest

from plugin.checkpoint import Phase, gpu_key
from plugin.hardware.facts import ComputeMode
from plugin.mps.errors import MpsError
from plugin.preparer import ClaimFailed, Deadline
from tests.plugin.mps_rig import MPS, MpsRig, Ticking, mps
from tests.plugin.prepare_rig import claim, opaque, result

FIRST, SECOND = claim(1), claim(2)
EXCLUSIVE = ("ExclusiveProcess", "Default")
RESTING = ("Default", "Default")


@pytest.fixture
def rig(tmp_path: Path) -> MpsRig:
    return MpsRig(tmp_path)


@pytest.fixture
def sevenths(tmp_path: Path) -> tuple[MpsRig, list[str]]:
    """Return a node with a GPU in sevenths, and the names of those."""
    rig = MpsRig(tmp_path, "h100-mig")
    return rig, [name for name in rig.found if name.startswith("gpu-0-mig-")]


def refused(act: Callable[[], object], *words: str, permanent: bool) -> ClaimFailed:
    with pytest.raises(ClaimFailed) as caught:
        act()
    for word in words:
        assert word in caught.value.sentence
    assert caught.value.permanent is permanent
    return caught.value


def uuids(rig: MpsRig, *names: str) -> list[str]:
    return sorted(rig.gpu(name).uuid for name in names)


# ------------------------------------------------------------------------ what is set up


def test_a_claim_gets_a_daemon_for_all_devices_of_its_config(rig: MpsRig) -> None:
    rig.allocate(FIRST, [result("gpu-0"), result("gpu-1")], [opaque(sharing=MPS)])
    rig.prepare(FIRST)
    daemon = rig.daemon(FIRST)
    assert rig.daemons() == [daemon.id]
    assert [*daemon.devices] == uuids(rig, "gpu-0", "gpu-1")
    assert (daemon.active_thread_percentage, daemon.multi_user) == (50, False)
    assert daemon.pinned_memory_limits == ()
    assert rig.setting("gpu-0") == rig.setting("gpu-1") == EXCLUSIVE
    assert rig.setting("gpu-2") == RESTING


def test_containers_get_the_pipe_and_the_shared_memory_of_their_own_daemon(rig: MpsRig) -> None:
    configs = [opaque(sharing=MPS, requests=["shared"])]
    rig.allocate(FIRST, [result("gpu-0", "shared"), result("gpu-1", "own")], configs)
    rig.prepare(FIRST)
    daemon = rig.daemon(FIRST)
    shared, own = rig.mps_mounts(FIRST)
    assert shared == {
        "/tmp/nvidia-mps": str(daemon.pipe),  # noqa: S108 - of the container
        "/dev/shm": daemon.shared_memory,  # noqa: S108 - of the container
    }
    assert own == {}
    edits = [device["containerEdits"].get("env", []) for device in rig.cdi_file(FIRST)["devices"]]
    assert edits == [["CUDA_MPS_PIPE_DIRECTORY=/tmp/nvidia-mps"], []]


def test_processes_of_any_user_may_use_the_shared_memory_and_none_may_change_the_pipe(
    rig: MpsRig,
) -> None:
    rig.allocate(FIRST, [result("gpu-0")], [opaque(sharing=MPS)])
    rig.prepare(FIRST)
    daemon = rig.daemon(FIRST)
    assert Path(daemon.shared_memory).stat().st_mode & 0o7777 == 0o1777
    assert daemon.pipe.stat().st_mode & 0o7777 == 0o755


def test_each_config_of_a_claim_gets_a_daemon_of_its_own(rig: MpsRig) -> None:
    configs = [
        opaque(sharing=MPS, requests=["one"]),
        opaque(sharing=mps(defaultActiveThreadPercentage=10), requests=["two"]),
    ]
    rig.allocate(FIRST, [result("gpu-0", "one"), result("gpu-1", "two")], configs)
    rig.prepare(FIRST)
    assert len(rig.daemons()) == 2
    percentages = [rig.daemon(FIRST, number).active_thread_percentage for number in (0, 1)]
    assert percentages == [50, 10]
    first, second = rig.mps_mounts(FIRST)
    assert set(first.values()).isdisjoint(second.values())


@pytest.mark.parametrize("before", [ComputeMode.DEFAULT, ComputeMode.EXCLUSIVE_PROCESS])
def test_unprepare_leaves_nothing_and_restores_the_mode_before(
    rig: MpsRig, before: ComputeMode
) -> None:
    """D32: EXCLUSIVE_PROCESS does not outlive the claim that asked for it."""
    rig.set_mode("gpu-0", before)
    rig.allocate(FIRST, [result("gpu-0")], [opaque(sharing=MPS)])
    rig.prepare(FIRST)
    for _ in range(2):
        rig.unprepare(FIRST)
        assert rig.left() == []
        assert rig.setting("gpu-0") == (before, "Default")


def test_a_gpu_without_compute_modes_has_a_daemon_all_the_same(rig: MpsRig) -> None:
    rig.refuse("gpu-0", "compute_mode", "not-supported")
    rig.allocate(FIRST, [result("gpu-0")], [opaque(sharing=MPS)])
    rig.prepare(FIRST)
    assert len(rig.daemons()) == 1
    rig.repair()
    assert rig.setting("gpu-0") == RESTING


def test_mig_devices_have_daemons_and_no_compute_mode(
    sevenths: tuple[MpsRig, list[str]],
) -> None:
    rig, names = sevenths
    config = opaque("MigDeviceConfig", sharing=MPS)
    rig.allocate(FIRST, [result(names[0]), result(names[1])], [config])
    rig.allocate(SECOND, [result(names[2])], [config])
    rig.prepare(FIRST)
    rig.prepare(SECOND)
    assert len(rig.daemons()) == 2
    assert all(uuid.startswith("MIG-") for uuid in rig.daemon(FIRST).devices)
    assert rig.setting(names[0]) == RESTING
    rig.unprepare(FIRST)
    assert rig.daemons() == [rig.daemon(SECOND).id]


# ----------------------------------------------------------------------------- limits


def test_limits_are_for_all_devices_and_then_for_single_ones(rig: MpsRig) -> None:
    """D34: an index counts the sorted UUIDs; D35: whole MiB are rounded down, and one stays."""
    first, second, third = uuids(rig, "gpu-0", "gpu-1", "gpu-2")
    config = mps(
        defaultPinnedDeviceMemoryLimit="1.9Gi",
        defaultPerDevicePinnedMemoryLimit={"1": "5Mi", third: "1.9Mi"},
    )
    results = [result("gpu-2"), result("gpu-0"), result("gpu-1")]
    rig.allocate(FIRST, results, [opaque(sharing=config)])
    rig.prepare(FIRST)
    limits = {first: 1945, second: 5, third: 1}
    assert rig.daemon(FIRST).pinned_memory_limits == tuple(sorted(limits.items()))


def test_a_device_without_a_limit_has_none(rig: MpsRig) -> None:
    (uuid,) = uuids(rig, "gpu-0")
    config = mps(defaultPerDevicePinnedMemoryLimit={uuid: "5Mi"})
    rig.allocate(FIRST, [result("gpu-0"), result("gpu-1")], [opaque(sharing=config)])
    rig.prepare(FIRST)
    assert rig.daemon(FIRST).pinned_memory_limits == ((uuid, 5),)


def test_a_limit_for_a_device_that_is_not_there_is_refused_with_the_order(rig: MpsRig) -> None:
    """D34: nobody can know the order in advance, so the sentence tells it."""
    first, second = uuids(rig, "gpu-0", "gpu-1")
    results = [result("gpu-0"), result("gpu-1")]
    for key in ("2", uuids(rig, "gpu-2")[0]):
        config = mps(defaultPerDevicePinnedMemoryLimit={key: "5Mi"})
        rig.allocate(FIRST, results, [opaque(sharing=config)])
        refused(
            lambda: rig.prepare(FIRST),
            f"'{key}'",
            f"0 is {first}",
            f"1 is {second}",
            permanent=True,
        )
    config = mps(defaultPerDevicePinnedMemoryLimit={"0": "5Mi", first: "6Mi"})
    rig.allocate(FIRST, results, [opaque(sharing=config)])
    refused(lambda: rig.prepare(FIRST), "two limits", "'0'", first, permanent=True)
    assert rig.left() == []


# ---------------------------------------------------------------- admin access, multiUser


def test_admin_access_starts_no_daemon_and_ends_none(rig: MpsRig) -> None:
    """D26: whoever looks at a GPU in use changes nothing on it."""
    rig.allocate(FIRST, [result("gpu-0")], [opaque(sharing=MPS)])
    rig.prepare(FIRST)
    of_class = opaque(sharing=mps(defaultActiveThreadPercentage=10), source="FromClass")
    rig.allocate(SECOND, [result("gpu-0", adminAccess=True)], [of_class])
    rig.prepare(SECOND)
    assert rig.daemons() == [rig.daemon(FIRST).id]
    assert rig.mps_mounts(SECOND) == [{}]
    rig.unprepare(SECOND)
    assert rig.daemons() == [rig.daemon(FIRST).id]
    assert rig.setting("gpu-0") == EXCLUSIVE
    rig.allocate(SECOND, [result("gpu-0", adminAccess=True)], [opaque(sharing=MPS)])
    refused(lambda: rig.prepare(SECOND), "(DRA124)", permanent=True)


def test_multi_user_is_refused_before_volta(tmp_path: Path) -> None:
    """D36: not when a second user comes, but at once."""
    rig = MpsRig(tmp_path, "mixed")
    (old,) = [name for name, one in rig.found.items() if one.gpu.compute_capability < (7, 0)]
    rig.allocate(FIRST, [result(old)], [opaque(sharing=mps(multiUser=True))])
    refused(lambda: rig.prepare(FIRST), old, "multiUser", "6.1", permanent=True)
    assert rig.left() == []
    rig.allocate(FIRST, [result(old)], [opaque(sharing=mps(multiUser=False))])
    assert rig.prepare(FIRST)


def test_multi_user_on_a_mig_device_is_judged_by_its_gpu(
    sevenths: tuple[MpsRig, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """D36: no GPU before Volta has MIG devices, so the capability is played."""
    rig, names = sevenths
    config = opaque("MigDeviceConfig", sharing=mps(multiUser=True))
    rig.allocate(FIRST, [result(names[0])], [config])
    with monkeypatch.context() as patched:
        patched.setattr("plugin.prepare.mps_sharing._FIRST_MULTI_USER", (99, 0))
        refused(lambda: rig.prepare(FIRST), names[0], "multiUser", permanent=True)
    rig.prepare(FIRST)
    assert rig.daemon(FIRST).multi_user


# ----------------------------------------------------------------------------- readiness


def test_a_daemon_that_is_not_ready_in_time_is_taken_back_and_its_reason_told(
    rig: MpsRig,
) -> None:
    """D28: no daemon, folder or compute mode is left behind, however often it is tried."""
    rig.allocate(FIRST, [result("gpu-0")], [opaque(sharing=MPS)])
    rig.played.ready_at_once = False
    for _ in range(2):
        deadline = Ticking(38)
        refused(
            lambda deadline=deadline: rig.prepare(FIRST, deadline),  # type: ignore[misc]
            "team/claim-1",
            "did not become ready",
            "Pod dra-config/one",
            "ErrImagePull",
            permanent=False,
        )
        assert 32 < deadline.waited_seconds <= 33.5
        assert rig.left() == []
        assert rig.setting("gpu-0") == RESTING
    assert rig.told == []
    rig.played.ready_at_once = True
    assert rig.prepare(FIRST)


def test_a_daemon_is_waited_for_35_seconds_at_most(rig: MpsRig) -> None:
    rig.allocate(FIRST, [result("gpu-0")], [opaque(sharing=MPS)])
    rig.played.ready_at_once = False
    deadline = Ticking(500)
    refused(lambda: rig.prepare(FIRST, deadline), permanent=False)
    assert 35 <= deadline.waited_seconds < 35.5


def test_what_could_not_be_waited_for_is_not_begun_and_the_reason_is_told_again(
    rig: MpsRig,
) -> None:
    """The edge tries again inside its deadline, and tells the last sentence that it got."""
    rig.allocate(FIRST, [result("gpu-0")], [opaque(sharing=MPS)])
    rig.played.ready_at_once = False
    refused(lambda: rig.prepare(FIRST, Ticking(4)), "no time left", permanent=False)
    refused(lambda: rig.prepare(FIRST, Ticking(38)), "ErrImagePull", permanent=False)
    rig.played.away = True
    refused(lambda: rig.prepare(FIRST, Ticking(4)), "ErrImagePull", permanent=False)
    assert rig.files() == []


def test_a_daemon_that_has_ended_is_not_waited_for(rig: MpsRig) -> None:
    rig.allocate(FIRST, [result("gpu-0")], [opaque(sharing=MPS)])
    rig.played.ready_at_once = False
    rig.played.reason = "Pod dra-config/one has ended: Evicted."

    def evict(_: float) -> None:
        for path in (rig.folder / "daemons").iterdir():
            path.unlink()

    deadline = Ticking(38, evict)
    refused(lambda: rig.prepare(FIRST, deadline), "Evicted", permanent=False)
    assert deadline.waited_seconds < 3
    assert rig.left() == []


def test_nobody_waits_for_a_daemon_of_another_claim(
    sevenths: tuple[MpsRig, list[str]],
) -> None:
    """D31: the GPU is not locked while its daemon starts, and yet its device is taken."""
    rig, names = sevenths
    config = opaque("MigDeviceConfig", sharing=MPS)
    rig.allocate(FIRST, [result(names[0])], [config])
    rig.allocate(SECOND, [result(names[1])], [])
    rig.allocate(claim(3), [result(names[0])], [])
    rig.played.ready_at_once = False
    came: list[str] = []

    def others(_: float) -> None:
        if not came:
            with rig.locks.hold([gpu_key(rig.gpu(names[0]).uuid)], Deadline(0)):
                came.append("locked")
            assert rig.preparer.prepare(SECOND, Deadline(600))
            refused(
                lambda: rig.prepare(claim(3), Ticking(3)), "still held", "claim-1", permanent=False
            )
            rig.daemon(FIRST).ready.touch()

    rig.prepare(FIRST, Ticking(38, others))
    assert came == ["locked"]


# --------------------------------------------------------------------- while it is prepared


def test_a_daemon_that_somebody_ended_is_started_again(rig: MpsRig) -> None:
    rig.allocate(FIRST, [result("gpu-0")], [opaque(sharing=MPS)])
    devices = rig.prepare(FIRST)
    pipe = rig.daemon(FIRST).pipe.stat().st_ino
    for again in (lambda: rig.prepare(FIRST), lambda: rig.sweep(FIRST)):
        (rig.folder / "daemons" / rig.daemon(FIRST).id).unlink()
        again()
        assert rig.daemons() == [rig.daemon(FIRST).id]
    assert rig.prepare(FIRST) == devices
    # Containers that run have this very folder.
    assert rig.daemon(FIRST).pipe.stat().st_ino == pipe


def test_a_prepared_claim_is_answered_while_the_api_server_is_away(rig: MpsRig) -> None:
    rig.allocate(FIRST, [result("gpu-0")], [opaque(sharing=MPS)])
    devices = rig.prepare(FIRST)
    rig.played.away = True
    assert rig.prepare(FIRST) == devices


@pytest.mark.parametrize("shared_memory", ["kept", "cleared"])
def test_after_a_reboot_everything_is_set_up_anew(rig: MpsRig, shared_memory: str) -> None:
    """D29: the compute mode and the folders as well, though the Pod is there again by itself."""
    rig.allocate(FIRST, [result("gpu-0")], [opaque(sharing=MPS)])
    devices = rig.prepare(FIRST)
    daemon = rig.daemon(FIRST)
    (Path(daemon.shared_memory) / "old").touch()
    rig.restart(boot_id="second-boot")
    if shared_memory == "cleared":
        (Path(daemon.shared_memory) / "old").unlink()
        Path(daemon.shared_memory).rmdir()
    assert rig.setting("gpu-0") == RESTING
    assert rig.prepare(FIRST) == devices
    assert rig.setting("gpu-0") == EXCLUSIVE
    assert list(Path(daemon.shared_memory).iterdir()) == []
    rig.unprepare(FIRST)
    assert rig.left() == []
    assert rig.setting("gpu-0") == RESTING


def test_after_a_reboot_a_claim_that_is_not_prepared_again_leaves_nothing(rig: MpsRig) -> None:
    """D29: its daemon would live for ever, and the mode is left as the machine booted."""
    rig.allocate(FIRST, [result("gpu-0")], [opaque(sharing=MPS)])
    rig.prepare(FIRST)
    rig.restart(boot_id="second-boot")
    rig.set_mode("gpu-0", ComputeMode.PROHIBITED)
    rig.unprepare(FIRST)
    assert rig.left() == []
    assert rig.setting("gpu-0") == ("Prohibited", "Default")


def test_a_record_lost_before_a_reboot_still_tells_of_the_daemon(rig: MpsRig) -> None:
    rig.allocate(FIRST, [result("gpu-0")], [opaque(sharing=MPS)])
    rig.prepare(FIRST)
    rig.checkpoint.forget(FIRST.uid)
    rig.restart(boot_id="second-boot")
    rig.unprepare(FIRST)
    assert rig.left() == []


def test_a_daemon_without_its_folders_is_never_taken_over(rig: MpsRig) -> None:
    """D29: after a reboot without record and CDI file the Pod waits for its folders for ever."""
    rig.allocate(FIRST, [result("gpu-0")], [opaque(sharing=MPS)])
    rig.prepare(FIRST)
    Path(rig.daemon(FIRST).shared_memory).rmdir()
    rig.checkpoint.forget(FIRST.uid)
    rig.cdi.remove(FIRST.uid)
    rig.restart(boot_id="second-boot")
    assert rig.prepare(FIRST)
    assert Path(rig.daemon(FIRST).shared_memory).is_dir()


# ----------------------------------------------------------------------------- teardown


def test_a_daemon_that_does_not_end_is_waited_for_before_the_mode_is_restored(
    rig: MpsRig,
) -> None:
    """D32: a new daemon never races the old one."""
    rig.allocate(FIRST, [result("gpu-0")], [opaque(sharing=MPS)])
    rig.allocate(SECOND, [result("gpu-0")], [opaque(sharing=MPS)])
    rig.prepare(FIRST)
    rig.played.stuck = True
    refused(lambda: rig.unprepare(FIRST), "still being deleted", permanent=False)
    record = rig.checkpoint.recall(FIRST.uid)
    assert record is not None
    assert record.phase is Phase.RELEASING
    assert rig.setting("gpu-0") == EXCLUSIVE
    refused(lambda: rig.prepare(SECOND, Ticking(3)), "still held", permanent=False)
    rig.played.stuck = False
    rig.unprepare(FIRST)
    assert rig.left() == []
    assert rig.setting("gpu-0") == RESTING


def test_a_lost_gpu_does_not_hold_up_a_release(rig: MpsRig) -> None:
    rig.allocate(FIRST, [result("gpu-0")], [opaque(sharing=MPS)])
    rig.prepare(FIRST)
    rig.ail("gpu-0", "lost")
    rig.unprepare(FIRST)
    assert rig.left() == []


# ------------------------------------------------------------------------------- sweeping


@pytest.mark.parametrize("lost", ["folders", "nothing", "daemon"])
def test_daemons_and_folders_of_no_claim_are_swept(rig: MpsRig, lost: str) -> None:
    """D29 and D49: nothing lives for ever because its claim is forgotten."""
    rig.allocate(FIRST, [result("gpu-0")], [opaque(sharing=MPS)])
    rig.allocate(SECOND, [result("gpu-1")], [opaque(sharing=MPS)])
    rig.prepare(FIRST)
    rig.prepare(SECOND)
    rig.cdi.remove(FIRST.uid)
    daemon = rig.daemon(FIRST)
    if lost == "folders":
        rig.places.remove(daemon.id)
    elif lost == "daemon":
        (rig.folder / "daemons" / daemon.id).unlink()
    rig.checkpoint.forget(FIRST.uid)
    assert rig.sweep(SECOND) == ()
    assert rig.daemons() == [rig.daemon(SECOND).id]
    assert rig.places.ids() == {rig.daemon(SECOND).id}


def test_a_claim_that_came_on_record_since_is_not_swept(rig: MpsRig) -> None:
    rig.allocate(FIRST, [result("gpu-0")], [opaque(sharing=MPS)])
    rig.prepare(FIRST)
    assert rig.sweep() == ()
    assert rig.daemons() == [rig.daemon(FIRST).id]


def test_what_cannot_be_swept_is_told_of(rig: MpsRig) -> None:
    rig.allocate(FIRST, [result("gpu-0")], [opaque(sharing=MPS)])
    rig.prepare(FIRST)
    daemon = rig.daemon(FIRST)
    rig.checkpoint.forget(FIRST.uid)
    rig.played.stuck = True
    (sentence,) = rig.sweep()
    assert daemon.id in sentence
    rig.played.away = True
    assert "The API server is away." in rig.sweep()


def test_a_folder_that_is_not_ours_is_no_daemon(rig: MpsRig) -> None:
    (rig.places.shared_memory / "somebody").mkdir(parents=True)
    assert rig.sweep() == ()
    assert (rig.places.shared_memory / "somebody").is_dir()


@pytest.mark.parametrize("name", ["..", ".", "", "somebody", "../claims-abcde"])
def test_marks_of_others_with_an_id_that_is_none_lead_nowhere(
    rig: MpsRig, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any process of the host may bear our marks, and what they name is removed in the end."""
    rig.allocate(FIRST, [result("gpu-0")], [opaque(sharing=MPS)])
    rig.prepare(FIRST)
    real = rig.played.ids
    monkeypatch.setattr(rig.played, "ids", lambda deadline: real(deadline) | {name})
    before = sorted(map(str, rig.folder.rglob("*")))
    assert rig.sweep(FIRST) == ()
    with pytest.raises(MpsError, match="is no id of an MPS daemon"):
        rig.places.remove(name)
    assert sorted(map(str, rig.folder.rglob("*"))) == before


def test_shared_memory_that_another_user_of_the_host_has_prepared_is_refused(
    rig: MpsRig, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    rig.places.shared_memory.symlink_to(tmp_path / "elsewhere")
    rig.allocate(FIRST, [result("gpu-0")], [opaque(sharing=MPS)])
    refused(lambda: rig.prepare(FIRST), "no folder of ours", permanent=True)
    assert rig.setting("gpu-0") == RESTING
