"""A test run that is killed leaves nothing on the machine, after the next start at the latest."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.binaries import Settings
from tests.cluster.cleanup import cgroup_hierarchies, repair, started_at
from tests.cluster.host import KERNEL_SETTINGS
from tests.cluster.node import Node
from tests.cluster.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]

KILLED_RUN = """
import json, threading
from pathlib import Path

def test_until_killed(FIXTURE):
    rig = FIXTURE.rig
    found = {
        "root": str(rig.root),
        "pid": rig.namespaces.pid,
        "started": rig.namespaces.started,
        "watchdog": rig._watchdog.pid,
        "record": str(rig.record.path),
        "interface": f"dra{rig.number}",
    }
    if hasattr(FIXTURE, "kubelet"):
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "left"},
            "spec": {
                "containers": [
                    {"name": "c", "image": "rig.local/env:1", "imagePullPolicy": "Never"}
                ]
            },
        }
        pods = "/api/v1/namespaces/default/pods"
        FIXTURE.client.create(pods, pod)
        FIXTURE.client.wait(
            f"{pods}/left", lambda one: one["status"]["phase"] == "Running", seconds=60
        )
    Path("ready.new").write_text(json.dumps(found))
    Path("ready.new").rename("ready.json")
    threading.Event().wait()
"""

FAILING_RUN = """
def test_that_fails(api_server):
    api_server.client.get("/apis/unheard-of")
"""


def pytest_command(*arguments: str) -> list[str]:
    return [
        *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider"),
        *("-c", os.devnull, "-p", "tests.cluster.fixtures", *arguments),
    ]


def environment(**more: str) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT)} | more


@contextmanager
def run_that_waits(folder: Path, fixture: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Start a test run of its own; yield its pid and what it tells of its rig."""
    (folder / "test_killed.py").write_text(
        KILLED_RUN.replace("FIXTURE", fixture), encoding="utf-8"
    )
    ready = folder / "ready.json"
    with (
        (folder / "output").open("w") as output,
        subprocess.Popen(
            pytest_command("test_killed.py"),
            cwd=folder,
            env=environment(),
            stdout=output,
            stderr=output,
        ) as run,
    ):
        try:
            wait_until(
                lambda: ready.exists() or run.poll() is not None,
                seconds=120,
                otherwise=lambda: "the run is not ready",
            )
            assert ready.exists(), (folder / "output").read_text(encoding="utf-8")
            yield run.pid, json.loads(ready.read_text(encoding="utf-8"))
        finally:
            run.kill()


def kernel_settings() -> dict[str, str]:
    return {name: Path("/proc/sys", name).read_text(encoding="ascii") for name in KERNEL_SETTINGS}


def written_on_the_host(since: float) -> list[Path]:
    """Return what was made or changed where kubelets and containerd keep things by default."""
    folders = [
        *("/etc/cni", "/etc/kubernetes", "/opt/cni", "/opt/containerd"),
        *("/run/containerd", "/run/netns", "/usr/libexec/kubernetes"),
        *("/var/lib/cni", "/var/lib/containerd", "/var/lib/kubelet"),
        *("/var/log/containers", "/var/log/pods"),
    ]
    paths = [path for folder in folders for path in (Path(folder), *Path(folder).rglob("*"))]
    return [path for path in paths if path.exists() and path.lstat().st_ctime >= since]


def processes_below(root: str) -> list[str]:
    """Return the command lines of processes that name the rig's folder."""
    found: list[str] = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if f"{root}/" in command:
            found.append(command)
    return found


def leftovers(rig: dict[str, Any]) -> list[str]:
    """Return everything on the machine that belongs to a rig."""
    root = Path(rig["root"])
    mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8")
    groups = [hierarchy / root.name for hierarchy in cgroup_hierarchies()]
    checks = {
        "process 1": started_at(rig["pid"]) == rig["started"],
        "folder": root.exists(),
        "mount": root.name in mounts,
        "cgroup": any(group.exists() for group in groups),
        "interface": Path("/sys/class/net", rig["interface"]).exists(),
        "record": bool(Path(rig["record"]).read_bytes()),
    }
    return [name for name, there in checks.items() if there] + processes_below(rig["root"])


def test_a_killed_run_with_a_node_leaves_nothing_after_the_next_start(
    node: Node, tmp_path: Path, cluster_settings: Settings
) -> None:
    """Its watchdog is killed first, so nobody but the next start can put things right."""
    settings, before = kernel_settings(), tmp_path.stat().st_ctime
    with run_that_waits(tmp_path, "node") as (pid, rig):
        assert {"process 1", "folder", "cgroup", "interface", "record"} <= set(leftovers(rig))
        assert kernel_settings() == settings
        os.kill(rig["watchdog"], signal.SIGKILL)
        os.kill(pid, signal.SIGKILL)
    wait_until(
        lambda: started_at(rig["pid"]) != rig["started"],
        seconds=20,
        otherwise=lambda: "process 1 runs on",
    )
    assert {"folder", "cgroup", "record"} <= set(leftovers(rig))
    repair(cluster_settings.cache / "rigs")
    assert leftovers(rig) == []
    assert kernel_settings() == settings
    assert written_on_the_host(before) == []
    assert node.rig.root.exists(), "the rig of a living run is left alone"
    assert node.client.ready()


@pytest.mark.usefixtures("api_server")
def test_a_killed_run_is_put_right_by_its_watchdog(tmp_path: Path) -> None:
    with run_that_waits(tmp_path, "api_server") as (pid, rig):
        assert {"process 1", "folder", "record"} <= set(leftovers(rig))
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not leftovers(rig), seconds=30, otherwise=lambda: f"left: {leftovers(rig)}")


@pytest.mark.usefixtures("api_server")
def test_a_failure_names_the_folder_with_the_logs_of_its_test(tmp_path: Path) -> None:
    (tmp_path / "test_failing.py").write_text(FAILING_RUN, encoding="utf-8")
    run = subprocess.run(
        pytest_command("test_failing.py"),
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1, run.stdout
    _, _, after = run.stdout.partition("logs of api_server during this test")
    kept = Path(after.splitlines()[1])
    audit = (kept / "audit.log").read_text(encoding="utf-8")
    assert "/apis/unheard-of" in audit
    assert {"etcd.log", "kube-apiserver.log"} <= {path.name for path in kept.iterdir()}
