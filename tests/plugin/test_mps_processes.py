"""MPS daemons as processes of this machine, with the simulated control program of the driver."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dra_config.scheme import GPU_DRIVER
from plugin.hardware.fake import FakeMachine
from plugin.hardware.simulation.ledger import Ledger
from plugin.mps.daemon import Options, commands
from plugin.mps.description import MpsDaemon, daemon_id
from plugin.mps.errors import MpsError
from plugin.mps.folders import MpsPlaces, make_folders
from plugin.mps.processes import ProcessLauncher
from plugin.prepare import AbandonedClaims, ClaimGone
from plugin.prepare.abandoned import APART_SECONDS
from plugin.preparer import ClaimFailed, Deadline
from tests.plugin.machine_rigs import profile
from tests.plugin.mps_rig import MpsRig, mps
from tests.plugin.prepare_rig import BOOT, LONG_SECONDS, claim, opaque, result

FIRST = claim(1)
RESTING = ("Default", "Default")


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[MpsRig]:
    rig = MpsRig(tmp_path)
    rig.use(ProcessLauncher(rig.places, driver_root=rig.machine.trees.driver_root))
    yield rig
    for daemon in rig.daemons():
        rig.launcher.stop(daemon, Deadline(LONG_SECONDS))


def allocate(rig: MpsRig, **config: object) -> None:
    rig.allocate(FIRST, [result("gpu-0"), result("gpu-1")], [opaque(sharing=mps(**config))])


def told(rig: MpsRig) -> list[str]:
    """Return what the control program was told."""
    return (rig.daemon(FIRST).log / "commands").read_text().splitlines()


def marked(daemon: MpsDaemon) -> list[int]:
    """Return the processes whose environment names a folder of a daemon."""
    found: list[int] = []
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            try:
                environment = (path / "environ").read_text(errors="replace").split("\0")
            except OSError:
                continue
            names = (daemon.folder, str(daemon.short_pipe))
            if any(one.partition("=")[2] in names for one in environment):
                found.append(int(path.name))
    return found


def wait_for(condition: Callable[[], bool]) -> None:
    patience = Deadline(60)
    while not condition():
        assert patience.wait(0.02)


def refuse(rig: MpsRig, start: str, reason: str) -> None:
    program = rig.machine.trees.driver_root / "usr/bin/mps-refusal"
    program.write_text(f"{start}\n{reason}\n")


def test_the_daemon_is_told_the_limits_of_each_device_before_clients_come(rig: MpsRig) -> None:
    allocate(
        rig,
        defaultActiveThreadPercentage=50,
        defaultPinnedDeviceMemoryLimit="1Gi",
        defaultPerDevicePinnedMemoryLimit={"0": "5Mi"},
    )
    assert rig.prepare(FIRST)
    first, second = rig.daemon(FIRST).devices
    assert told(rig) == [
        f"start -d {first},{second}",
        "set_default_active_thread_percentage 50",
        f"set_default_device_pinned_mem_limit {first} 5M",
        f"set_default_device_pinned_mem_limit {second} 1024M",
    ]


def test_a_daemon_for_several_users_is_started_as_such(rig: MpsRig) -> None:
    allocate(rig, multiUser=True)
    assert rig.prepare(FIRST)
    assert [one.split()[:3] for one in told(rig)] == [["start", "-d", "-M"]]


def test_a_daemon_outlives_the_plugin_and_ends_with_its_claim(rig: MpsRig) -> None:
    allocate(rig)
    devices = rig.prepare(FIRST)
    daemon = rig.daemon(FIRST)
    before = marked(daemon)
    assert len(before) == 2
    rig.use(ProcessLauncher(rig.places, driver_root=rig.machine.trees.driver_root))
    assert rig.prepare(FIRST) == devices
    assert marked(daemon) == before
    rig.unprepare(FIRST)
    assert marked(daemon) == []
    assert rig.left() == []
    assert rig.setting("gpu-0") == RESTING


def test_the_daemon_is_let_quit_before_it_is_killed(rig: MpsRig) -> None:
    allocate(rig)
    rig.prepare(FIRST)
    daemon = rig.daemon(FIRST)
    rig.launcher.stop(daemon.id, Deadline(LONG_SECONDS))
    assert told(rig)[-1] == "quit"
    assert not daemon.ready.exists()
    rig.launcher.stop(daemon.id, Deadline(LONG_SECONDS))


def test_what_a_killed_program_left_running_is_killed(rig: MpsRig) -> None:
    allocate(rig)
    rig.prepare(FIRST)
    daemon = rig.daemon(FIRST)
    program = int(daemon.ready.read_text())
    os.kill(program, signal.SIGKILL)
    wait_for(lambda: program not in marked(daemon))
    assert len(marked(daemon)) == 1
    assert rig.daemons() == [daemon.id]
    rig.unprepare(FIRST)
    assert marked(daemon) == []
    assert rig.left() == []


def test_a_daemon_that_died_is_started_again_by_the_next_prepare(rig: MpsRig) -> None:
    allocate(rig)
    devices = rig.prepare(FIRST)
    daemon = rig.daemon(FIRST)
    control = int((daemon.pipe / "nvidia-cuda-mps-control.pid").read_text())
    os.kill(control, signal.SIGKILL)
    # The program ends with it, and takes back its word that the daemon is ready.
    wait_for(lambda: marked(daemon) == [])
    assert not daemon.ready.exists()
    assert rig.prepare(FIRST) == devices
    assert [one.split()[0] for one in told(rig)].count("start") == 2
    assert control not in marked(daemon)


@pytest.mark.parametrize(
    ("start", "shown"),
    [
        ("start", "-d failed"),
        ("set_default_active", "(set_default_active_thread_percentage 50) failed"),
    ],
)
def test_a_control_program_that_refuses_fails_prepare_with_its_words(
    rig: MpsRig, start: str, shown: str
) -> None:
    """D28: and nothing of it is left behind."""
    refuse(rig, start, "The GPU says no.")
    allocate(rig, defaultActiveThreadPercentage=50)
    with pytest.raises(ClaimFailed) as caught:
        rig.prepare(FIRST)
    assert not caught.value.permanent
    assert shown in caught.value.sentence
    assert "The GPU says no." in caught.value.sentence
    assert rig.left() == []
    assert rig.setting("gpu-0") == RESTING


def test_daemons_of_no_claim_are_ended(rig: MpsRig) -> None:
    """D49: also when their folders are gone."""
    allocate(rig)
    rig.prepare(FIRST)
    daemon = rig.daemon(FIRST)
    rig.checkpoint.forget(FIRST.uid)
    rig.places.remove(daemon.id)
    assert rig.sweep() == ()
    assert marked(daemon) == []


def test_a_second_daemon_of_the_same_id_is_not_started(rig: MpsRig) -> None:
    allocate(rig)
    rig.prepare(FIRST)
    with pytest.raises(MpsError, match="still there"):
        rig.launcher.start(rig.daemon(FIRST), Deadline(LONG_SECONDS))


def test_a_driver_that_is_a_system_of_its_own_needs_a_pod(tmp_path: Path) -> None:
    (tmp_path / "root/bin").mkdir(parents=True)
    (tmp_path / "root/bin/sh").touch()
    places = MpsPlaces(folder=tmp_path / "mps", shared_memory=tmp_path / "shm")
    launcher = ProcessLauncher(places, driver_root=tmp_path / "root")
    with pytest.raises(MpsError, match="as Pods") as caught:
        launcher.start(a_daemon(places), Deadline(LONG_SECONDS))
    assert not caught.value.transient


def test_the_servers_of_a_daemon_keep_no_claim_that_is_gone(tmp_path: Path) -> None:
    """They stay on the GPU once a client came, and end with the daemon, so with the claim."""
    rig = MpsRig(tmp_path)
    allocate(rig)
    rig.prepare(FIRST)
    now = [0.0]
    claims = AbandonedClaims(
        rig.node,
        rig,
        driver=GPU_DRIVER,
        monotonic=lambda: now[0],
        tell=lambda of, sentence: rig.told.append(f"{of}: {sentence}"),
    )
    rig.claims[FIRST.uid] = ClaimGone("It is gone.")
    server, client = tmp_path / "nvidia-cuda-mps-server", tmp_path / "program"
    for program in (server, client):
        shutil.copy("/bin/sleep", program)
    with subprocess.Popen([server, "600"]) as on_gpu, subprocess.Popen([client, "600"]) as other:
        with Ledger(rig.folder / "machine", boot_id=BOOT).change() as record:
            record.processes[rig.gpu("gpu-0").uuid] = {on_gpu.pid, other.pid}
        claims.look(lambda: Deadline(LONG_SECONDS))
        now[0] += APART_SECONDS
        (sentence,) = claims.look(lambda: Deadline(LONG_SECONDS))
        assert f" {other.pid}." in sentence
        assert str(on_gpu.pid) not in sentence
        with Ledger(rig.folder / "machine", boot_id=BOOT).change() as record:
            record.processes[rig.gpu("gpu-0").uuid] = {on_gpu.pid}
        assert claims.look(lambda: Deadline(LONG_SECONDS)) == ()
        assert rig.left() == []
        for process in (on_gpu, other):
            process.kill()


# ------------------------------------------------------------------- the program by itself


def a_daemon(places: MpsPlaces) -> MpsDaemon:
    of_daemon = daemon_id(FIRST.uid, ["GPU-1"])
    return MpsDaemon(
        id=of_daemon,
        claim=FIRST,
        devices=("GPU-1",),
        active_thread_percentage=None,
        pinned_memory_limits=(),
        multi_user=False,
        folder=str(places.folder / of_daemon),
        shared_memory=str(places.shared_memory / of_daemon),
    )


def run(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    places = MpsPlaces(folder=tmp_path / "mps", shared_memory=tmp_path / "shm")
    daemon = a_daemon(places)
    make_folders(daemon)
    return subprocess.run(
        [
            *(sys.executable, "-m", "plugin.mps.daemon"),
            *(f"--pipe-folder={daemon.pipe}", f"--log-folder={daemon.log}", "--device=GPU-1"),
            *arguments,
        ],
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_driver_without_the_program_is_a_failure_with_a_sentence(tmp_path: Path) -> None:
    finished = run(tmp_path, f"--root={tmp_path}")
    assert finished.returncode == 1
    assert "'nvidia-cuda-mps-control' is in none of" in finished.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may change its root folder")
def test_the_programs_of_a_driver_that_is_a_system_run_inside_it(tmp_path: Path) -> None:
    """A folder without a program shows where it is looked for, and that no path leads out."""
    finished = run(tmp_path, f"--root={tmp_path}", "--inside")
    assert finished.returncode == 1
    assert "cannot be started" in finished.stderr
    assert "No such file" in finished.stderr


def test_the_program_loads_nothing_but_the_standard_library() -> None:
    """One runs for each claim, in a Pod of its own."""
    program = (
        "import sys, plugin.mps.daemon\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules} "
        "- set(sys.stdlib_module_names)))"
    )
    finished = subprocess.run(
        [sys.executable, "-S", "-c", program],
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert finished.stdout.split() == ["__main__", "plugin"]


def test_without_limits_the_daemon_is_told_nothing() -> None:
    options = Options(
        root=Path("/"),
        inside=False,
        pipe=Path("/pipe"),
        log=Path("/log"),
        devices=("GPU-1",),
        active_thread_percentage=None,
        pinned_memory_limits=(),
        multi_user=False,
        background=False,
    )
    assert list(commands(options)) == []


@pytest.mark.parametrize(
    ("text", "accepted"),
    [
        ("set_default_active_thread_percentage 100", True),
        ("set_default_active_thread_percentage 101", False),
        ("set_default_device_pinned_mem_limit GPU-1 1M", True),
        ("set_default_device_pinned_mem_limit GPU-2 1M", False),
        ("set_default_device_pinned_mem_limit GPU-1 0M", False),
        ("set_default_device_pinned_mem_limit GPU-1 1G", False),
        ("get_server_list", False),
    ],
)
def test_the_simulated_program_refuses_what_the_plugin_never_sends(
    tmp_path: Path, text: str, *, accepted: bool
) -> None:
    machine = FakeMachine(
        profile("h100"), tmp_path / "machine", boot_id="boot", deadline_seconds=60
    )
    program = machine.trees.driver_root / "usr/bin/nvidia-cuda-mps-control"
    environment = {
        "CUDA_MPS_PIPE_DIRECTORY": str(tmp_path),
        "CUDA_MPS_LOG_DIRECTORY": str(tmp_path),
        "CUDA_VISIBLE_DEVICES": "GPU-1",
    }

    def control(*arguments: str, text: str = "") -> int:
        return subprocess.run(
            [program, *arguments],
            env=environment,
            input=text,
            text=True,
            stdout=subprocess.DEVNULL,
            check=False,
        ).returncode

    assert control(text="quit\n") == 1
    assert control("-d") == 0
    assert control("-d") == 1
    assert control(text=f"{text}\n") == (0 if accepted else 1)
    assert control(text="quit\n") == 0
    machine.close()
