"""The sockets appear ready and in order, are never taken from the living, and go in order."""

import socket
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from plugin.preparer import ClaimReference, Deadline, PreparedDevice, PrepareFailed
from plugin.rpc.sockets import LONGEST_PATH_BYTES, BoundSocket, EdgeError, Places, answers
from tests.cluster.waiting import wait_until
from tests.plugin.rpc_kubelet import (
    DRIVER,
    PREPARE,
    SECONDS,
    UNPREPARE,
    Gate,
    claim,
    device_of,
    places_in,
    serve_until_killed,
    serving,
)

ROOT = Path(__file__).resolve().parents[2]
UIDS = ("6f1ae0cb-3d0b-4e7e-8c56-0b8f3f6ae001", "6f1ae0cb-3d0b-4e7e-8c56-0b8f3f6ae002")


@pytest.fixture
def root() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="rpc") as folder:
        yield Path(folder)


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open()


def files(root: Path) -> set[str]:
    """Return the names of all files below *root*, hidden ones included."""
    return {path.name for path in root.rglob("*") if not path.is_dir()}


def leave_dead(path: Path) -> None:
    """Leave a socket file as a killed process does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(path))


def test_only_the_owner_may_use_the_sockets(root: Path) -> None:
    with serving(root) as one:
        for path in (one.places.registration, one.places.dra):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(one.places.folder.stat().st_mode) == 0o750


def test_a_folder_that_is_too_open_is_closed(root: Path) -> None:
    folder = places_in(root).folder
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    with serving(root):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o750


@pytest.mark.parametrize(
    ("pod_uid", "names"),
    [
        ("", {f"{DRIVER}-reg.sock", "dra.sock"}),
        (UIDS[0], {f"{DRIVER}-{UIDS[0]}-reg.sock", f"dra-{UIDS[0]}.sock"}),
    ],
)
def test_the_names_are_those_that_the_kubelet_knows(
    root: Path, pod_uid: str, names: set[str]
) -> None:
    with serving(root, pod_uid=pod_uid):
        assert files(root) == names


def test_the_registration_appears_last_and_everything_that_appears_answers(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, bool, bool, int]] = []
    show = BoundSocket.show

    def note(one: BoundSocket) -> None:
        dra = places_in(root).dra
        listens = answers(one.hidden)
        show(one)
        mode = stat.S_IMODE(one.path.stat().st_mode)
        seen.append((one.path.name, listens, answers(dra), mode))

    monkeypatch.setattr(BoundSocket, "show", note)
    with serving(root):
        assert seen == [
            ("dra.sock", True, True, 0o600),
            (f"{DRIVER}-reg.sock", True, True, 0o600),
        ]


@pytest.mark.parametrize("excess", [0, 1])
def test_a_path_of_107_bytes_is_served_and_a_longer_one_is_explained(
    root: Path, excess: int
) -> None:
    tail = len(f"/plugins_registry/{DRIVER}-reg.sock")
    deep = root / ("x" * (LONGEST_PATH_BYTES + excess - tail - len(str(root)) - 1))
    deep.mkdir()
    registration = places_in(deep).registration
    assert len(str(registration)) == LONGEST_PATH_BYTES + excess
    if not excess:
        with serving(deep) as one:
            assert one.kubelet.get_info().name == DRIVER
        return
    with pytest.raises(EdgeError) as caught, serving(deep):
        pass
    assert str(caught.value) == (
        f"The socket path {registration} has 108 bytes, and Linux takes 107; give the kubelet a"
        " shorter root directory."
    )
    assert files(root) == set()


def test_a_kubelet_root_without_the_kubelets_folder_is_explained(root: Path) -> None:
    places = places_in(root)
    places.registry.rmdir()
    with pytest.raises(EdgeError, match="see that the kubelet's root directory is the one"):
        places.check()
    assert not places.folder.exists()


@pytest.mark.parametrize(
    ("driver", "pod_uid", "registry", "sentence"),
    [
        ("../x", "", "/r", r"The driver name '\.\./x' cannot be part of a socket's name\."),
        (DRIVER, "a/b", "/r", "The pod UID 'a/b' cannot be part of a socket's name"),
        (DRIVER, "", "r", r"The socket path r/gpu\.example\.com-reg\.sock is not absolute"),
    ],
)
def test_a_name_or_path_that_cannot_be_used_is_explained(
    driver: str, pod_uid: str, registry: str, sentence: str
) -> None:
    with pytest.raises(EdgeError, match=sentence):
        Places(driver, Path(registry), Path("/p"), pod_uid).check()


def test_a_folder_that_cannot_be_made_is_explained(root: Path) -> None:
    (root / "plugins").touch()
    with (
        pytest.raises(EdgeError, match="cannot be made: Not a directory"),
        serving(root),
    ):
        pass


def test_what_a_killed_instance_left_is_removed_and_named(root: Path) -> None:
    dead = places_in(root)
    for path in (dead.registration, dead.dra):
        leave_dead(path)
    with serving(root) as one:
        assert one.kubelet.get_info().name == DRIVER
        removed = one.lines.about(message="removed the socket of a dead instance")
        assert {line["path"] for line in removed} == {str(dead.registration), str(dead.dra)}
    assert files(root) == set()


def test_an_instance_that_was_killed_while_it_started_is_cleared_away(root: Path) -> None:
    for path in (places_in(root).registration, places_in(root).dra):
        leave_dead(BoundSocket(path).hidden)
    with serving(root) as one:
        assert one.kubelet.get_info().name == DRIVER
    assert files(root) == set()


def test_other_pods_dead_sockets_go_and_other_drivers_stay(root: Path) -> None:
    dead = places_in(root, pod_uid=UIDS[0])
    for path in (dead.registration, dead.dra):
        leave_dead(path)
    foreign = [
        root / "plugins_registry" / name
        for name in (f"{DRIVER}.evil-reg.sock", f"{DRIVER}-x-reg.sock", "gpuXexample.com-reg.sock")
    ]
    foreign += [dead.folder / "mps.sock", dead.folder / "dra-x.sock"]
    for path in foreign:
        leave_dead(path)
    with serving(root, pod_uid=UIDS[1]):
        left = files(root)
    assert left == {
        *(path.name for path in foreign),
        f"{DRIVER}-{UIDS[1]}-reg.sock",
        f"dra-{UIDS[1]}.sock",
    }


def test_a_living_instance_keeps_its_sockets_and_the_second_says_so(root: Path) -> None:
    with serving(root) as first:
        with (
            pytest.raises(EdgeError, match="Another instance of the driver answers at"),
            serving(root),
        ):
            pass
        assert first.kubelet.get_info().name == DRIVER
        assert first.kubelet.call(PREPARE, claim())["uid-1"].error == ""


def test_a_living_instance_is_known_even_when_its_queue_is_full(root: Path) -> None:
    path = places_in(root).registration
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as busy:
        busy.bind(str(path))
        busy.listen(0)
        waiting = [socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) for _ in range(3)]
        for one in waiting:
            one.settimeout(0)
            one.connect_ex(str(path))
        assert answers(path)
        for one in waiting:
            one.close()
    assert not answers(path)


def test_a_file_in_the_way_is_left_alone_and_named(root: Path) -> None:
    path = places_in(root).registration
    path.write_text("precious", encoding="utf-8")
    with pytest.raises(EdgeError, match="is in the way: it is no socket"), serving(root):
        pass
    assert path.read_text(encoding="utf-8") == "precious"
    assert files(root) == {path.name}


def test_a_failure_half_way_leaves_nothing_behind(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    show = BoundSocket.show

    def fail(one: BoundSocket) -> None:
        if "reg" in one.path.name:
            raise OSError(28, "No space left on device")
        show(one)

    monkeypatch.setattr(BoundSocket, "show", fail)
    with pytest.raises(EdgeError, match=r"-reg\.sock cannot be made: .*No space"), serving(root):
        pass
    assert files(root) == set()


def test_two_instances_of_a_rolling_update_serve_side_by_side(root: Path) -> None:
    """D56: the reference driver's sockets carry no pod UID, so an update leaves the node without a
    plugin.
    """
    with serving(root, pod_uid=UIDS[0]) as old, serving(root, pod_uid=UIDS[1]) as new:
        for one in (old, new):
            assert one.kubelet.get_info().endpoint == str(one.places.dra)
            assert one.kubelet.call(PREPARE, claim())["uid-1"].error == ""
        old.edge.stop(0)
        assert files(root) == {new.places.registration.name, new.places.dra.name}
        assert new.kubelet.call(UNPREPARE, claim())["uid-1"].error == ""
    assert files(root) == set()


@pytest.mark.parametrize("pod_uid", ["", UIDS[0]])
def test_after_sigkill_the_next_instance_takes_over(root: Path, pod_uid: str) -> None:
    places = places_in(root, pod_uid=pod_uid)
    program = f"from tests.plugin.rpc_kubelet import {serve_until_killed.__name__} as serve"
    with subprocess.Popen(
        [sys.executable, "-c", f"{program}; serve({str(root)!r}, {pod_uid!r})"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    ) as killed:
        try:
            assert killed.stdout is not None
            assert killed.stdout.readline() == b"serving\n"
            assert answers(places.registration)
        finally:
            killed.kill()
    assert files(root) == {places.registration.name, places.dra.name}
    with serving(root, pod_uid="next") as one:
        assert one.kubelet.call(PREPARE, claim())["uid-1"].error == ""
        assert files(root) == {one.places.registration.name, one.places.dra.name}


def test_a_stop_closes_the_registration_and_lets_calls_in_flight_end(
    root: Path, gate: Gate
) -> None:
    with serving(root) as one:

        def prepare(reference: ClaimReference, deadline: Deadline) -> tuple[PreparedDevice, ...]:
            gate.pass_through()
            return device_of(reference, deadline)

        one.preparer.on_prepare = prepare
        call = one.kubelet.future(PREPARE, claim())
        gate.wait_arrived()
        ended: list[bool] = []
        stop = threading.Thread(target=lambda: ended.append(one.edge.stop(SECONDS)))
        stop.start()
        wait_until(
            lambda: not one.places.registration.exists() and not one.places.dra.exists(),
            seconds=SECONDS,
            otherwise=lambda: f"these files stay: {files(root)}",
        )
        with pytest.raises(grpc.RpcError) as refused:
            one.kubelet.call(PREPARE, claim(2))
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        assert not call.done()
        gate.open()
        assert call.result().claims["uid-1"].error == ""
        stop.join()
        assert ended == [True]
    assert files(root) == set()


def test_a_second_stop_gives_the_answer_of_the_first(root: Path) -> None:
    with serving(root) as one:
        assert one.edge.stop(0)
        assert one.edge.stop(0)
        assert len(one.lines.about(message="the edge has stopped")) == 1


def test_the_registration_goes_before_the_service(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[set[str]] = []
    remove = BoundSocket.remove

    def note(one: BoundSocket) -> None:
        left.append(files(root))
        remove(one)

    monkeypatch.setattr(BoundSocket, "remove", note)
    with serving(root):
        pass
    assert left == [{f"{DRIVER}-reg.sock", "dra.sock"}, {"dra.sock"}]


def test_calls_that_outlast_the_grace_are_called_off(root: Path) -> None:
    begun = threading.Event()

    def prepare(_reference: ClaimReference, deadline: Deadline) -> tuple[PreparedDevice, ...]:
        begun.set()
        deadline.wait(SECONDS)
        raise PrepareFailed("It is not free.", permanent=False)

    with serving(root) as one:
        one.preparer.on_prepare = prepare
        call = one.kubelet.future(PREPARE, claim())
        assert begun.wait(SECONDS)
        assert one.edge.stop(0.1)
        with pytest.raises(grpc.RpcError):
            call.result()
        assert one.lines.about(claimUID="uid-1", outcome="cancelled")
        assert one.preparer.prepared == ["uid-1"]


def test_a_stop_tells_that_a_thread_still_hangs(root: Path, gate: Gate) -> None:
    with serving(root) as one:
        ended = threading.Event()

        def prepare(_reference: ClaimReference, _: Deadline) -> tuple[PreparedDevice, ...]:
            gate.pass_through()
            ended.set()
            return ()

        one.preparer.on_prepare = prepare
        call = one.kubelet.future(PREPARE, claim())
        gate.wait_arrived()
        assert one.edge.stop(0.1) is False
        assert call.exception() is not None
        gate.open()
        assert ended.wait(SECONDS)
        # A thread that ends after the edge must not die of it: that would be a warning.
        for thread in threading.enumerate():
            if thread.name == "claim-uid-1":
                thread.join(SECONDS)
