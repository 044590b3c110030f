"""What a rig promises of the processes in it, whichever they are."""

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import machine
from tests.cluster.binaries import Settings
from tests.cluster.cleanup import started_at
from tests.cluster.component import Component
from tests.cluster.fixtures import missing
from tests.cluster.rig import LONGEST_ROOT, Rig, fresh_root
from tests.cluster.waiting import RigError, wait_until

pytestmark = pytest.mark.cluster


@pytest.fixture
def rig(cluster_settings: Settings) -> Iterator[Rig]:
    obstacles = machine.obstacles()
    if obstacles:
        missing(" ".join(obstacles))
    rig = Rig(cluster_settings.cache, own_network=True)
    try:
        yield rig
    finally:
        rig.close()


def shell(rig: Rig, name: str, script: str) -> Component:
    return rig.start(name, ["sh", "-c", script])


def log_has(component: Component, text: str) -> None:
    component.wait_ready(lambda: text in component.log.read_text(encoding="utf-8"))


def test_a_process_that_ends_early_is_named_with_its_code_and_its_last_lines(rig: Rig) -> None:
    broken = shell(rig, "broken", "echo first; echo 'cannot find the flag' >&2; exit 3")
    with pytest.raises(RigError) as error:
        broken.wait_ready(lambda: False)
    assert str(error.value) == "broken has ended with code 3:\nfirst\ncannot find the flag"


def test_a_process_that_is_never_ready_is_named_with_its_last_lines(rig: Rig) -> None:
    slow = shell(rig, "slow", "echo still loading; exec sleep 1000")
    log_has(slow, "still loading")
    with pytest.raises(RigError, match="slow is not ready; its log ends with:\nstill loading"):
        slow.wait_ready(lambda: False, seconds=0)


def test_a_process_is_asked_to_end(rig: Rig) -> None:
    polite = shell(
        rig, "polite", "trap 'echo leaving; exit 0' TERM; echo up; while :; do sleep 0.05; done"
    )
    log_has(polite, "up")
    polite.stop()
    assert (polite.exit_code(), polite.tail()) == (0, "up\nleaving")


def test_a_process_that_will_not_end_is_killed(rig: Rig) -> None:
    stubborn = shell(rig, "stubborn", "trap '' TERM; echo up; while :; do sleep 0.05; done")
    log_has(stubborn, "up")
    stubborn.stop(seconds=0.2)
    assert stubborn.exit_code() == -signal.SIGKILL


def test_a_stopped_process_starts_again_and_adds_to_its_log(rig: Rig) -> None:
    twice = shell(rig, "twice", "echo up; exec sleep 1000")
    log_has(twice, "up\n")
    first = twice.pid
    twice.stop()
    twice.start()
    log_has(twice, "up\nup\n")
    assert twice.pid != first
    assert twice.exit_code() is None


def test_a_program_that_does_not_exist_is_named(rig: Rig) -> None:
    with pytest.raises(RigError, match="there is no program 'no-such-program' in "):
        rig.start("nothing", ["no-such-program"])


def test_a_program_that_is_none_is_named(rig: Rig) -> None:
    text = rig.root / "text"
    text.write_bytes(b"\0 no program")
    text.chmod(0o755)
    with pytest.raises(RigError, match=r"text: Exec format error"):
        rig.start("text", [text])


def test_a_program_gets_its_input_and_nothing_of_the_environment_of_the_tests(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    assert rig.run("cat", text="grün").output == "grün"
    names = {line.partition("=")[0] for line in rig.run("env").output.splitlines()}
    assert names == {"PATH", "HOME"}
    assert rig.run("env", environment={"COLOUR": "green"}).output.count("COLOUR=green") == 1


def test_a_program_that_takes_too_long_is_killed_with_its_last_words(rig: Rig) -> None:
    with pytest.raises(RigError, match="runs on: so far\n"):
        rig.run("sh", "-c", "echo so far >&2; exec sleep 1000", seconds=0.3)
    assert "sleep" not in rig.run("ps", "ax", "-o", "comm").output.split()


def test_processes_of_a_rig_see_neither_the_host_nor_its_network(rig: Rig) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        code = f"import socket; socket.create_connection(('127.0.0.1', {port}), 1)"
        assert rig.run("python3", "-c", code, check=False).code == 1
    assert int(rig.run("sh", "-c", "echo $$").output) < 1000


def test_whatever_is_left_ends_with_the_rig(rig: Rig) -> None:
    """A daemon left its parent, its group and its session, and listens to no signal."""
    script = (
        "trap '' TERM HUP INT; setsid sh -c 'trap \"\" TERM HUP; echo up; sleep 1000' & "
        f"until grep -q up {rig.logs / 'daemon.log'}; do sleep 0.01; done"
    )
    daemon = shell(rig, "daemon", script)
    assert daemon.wait(seconds=10) == 0
    mount = rig.folder("mounted")
    rig.run("mount", "-t", "tmpfs", "tmpfs", mount)
    (pid, start) = (rig.namespaces.pid, rig.namespaces.started)
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()
    assert children
    rig.close()
    assert started_at(pid) != start
    assert [child for child in children if started_at(int(child))] == []
    assert not rig.root.exists()
    assert rig.record.path.read_bytes() == b""


def test_a_keeper_that_dies_takes_everything_along_and_is_missed(rig: Rig) -> None:
    sleeper = shell(rig, "sleeper", "exec sleep 1000")
    os.kill(rig.namespaces.pid, signal.SIGKILL)
    with pytest.raises(RigError, match="the keeper of the rig's namespaces has ended"):
        sleeper.wait(seconds=20)


def test_two_rigs_have_two_numbers(rig: Rig, cluster_settings: Settings) -> None:
    second = Rig(cluster_settings.cache, own_network=False)
    try:
        assert second.number != rig.number
        assert second.root != rig.root
    finally:
        second.close()


def test_a_folder_that_is_too_long_for_sockets_is_refused_with_the_reason(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 5)
    folder.mkdir()
    with pytest.raises(RigError, match=rf"and may have {LONGEST_ROOT}, because a socket's path"):
        fresh_root(folder)
    assert list(folder.iterdir()) == []


def test_a_wait_asks_once_more_after_its_time_is_over() -> None:
    asked: list[bool] = []

    def second_time() -> bool:
        asked.append(True)
        return len(asked) > 1

    with pytest.raises(RigError, match=r"nothing came \(after 0 seconds\)"):
        wait_until(lambda: False, seconds=0, otherwise=lambda: "nothing came")
    wait_until(second_time, seconds=60, otherwise=str, pause_seconds=0)
    assert len(asked) == 2
