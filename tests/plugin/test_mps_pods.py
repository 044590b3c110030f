"""MPS daemons as Pods of a real API server, where the tests play the kubelet."""

import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import pytest

from kube.client import Client as OurClient
from kube.credentials import from_kubeconfig
from plugin.mps.description import MpsDaemon, daemon_id
from plugin.mps.errors import MpsError
from plugin.mps.pod_shape import PodShape
from plugin.mps.pod_sight import sight_of
from plugin.mps.pods import MpsOptions, PodLauncher
from plugin.preparer import ClaimFailed, Deadline, PreparedDevice
from tests.cluster.api_server import ApiServer
from tests.cluster.client import Client, Refusal, path_of
from tests.plugin.mps_rig import MpsRig, Ticking, mps
from tests.plugin.prepare_rig import Json, claim, opaque, result

FIRST, SECOND = claim(1), claim(2)
DRIVER_ROOT = PurePosixPath("/run/nvidia/driver")


def options(namespace: str, node: str, *, privileged: bool = True) -> MpsOptions:
    return MpsOptions(
        namespace=namespace,
        node_name=node,
        image="localhost/dra-config-plugin:1",
        image_pull_policy="IfNotPresent",
        image_pull_secrets=("registry",),
        service_account="mps",
        priority_class="system-node-critical",
        tolerations=({"operator": "Exists"},),
        privileged=privileged,
        driver_root=DRIVER_ROOT,
    )


@dataclass
class Site:
    """A namespace and a node of one test, and the hand of its kubelet."""

    client: Client
    kubeconfig: Path
    namespace: str
    node: str
    reason: Json | None = None
    """The status of Pods that do not start; None for those that do."""
    lets_go: bool = True

    @property
    def pods_path(self) -> str:
        return path_of("v1", "pods", namespace=self.namespace)

    def pods(self) -> list[Json]:
        return self.client.list(self.pods_path)

    def play_kubelet(self, waited_seconds: float = 0) -> None:
        """Do what the kubelet of the node does with its Pods."""
        del waited_seconds
        for pod in self.client.list(self.pods_path, fieldSelector=f"spec.nodeName={self.node}"):
            name = pod["metadata"]["name"]
            path = path_of("v1", "pods", name, namespace=self.namespace)
            if "deletionTimestamp" in pod["metadata"]:
                if self.lets_go:
                    self.client.send("DELETE", path, {"gracePeriodSeconds": 0})
            elif self.reason is not None:
                self.client.patch(f"{path}/status", {"status": self.reason})
            else:
                outer = {one["name"]: one["hostPath"]["path"] for one in pod["spec"]["volumes"]}
                Path(outer["log"], "ready").touch()

    def deadline(self, seconds: float = 38) -> Ticking:
        return Ticking(seconds, self.play_kubelet)

    def prepare(self, rig: MpsRig, number: int = 1) -> tuple[PreparedDevice, ...]:
        return rig.prepare(claim(number), self.deadline())

    def unprepare(self, rig: MpsRig, number: int = 1) -> None:
        rig.preparer.unprepare(claim(number), self.deadline())


@pytest.fixture
def site(api_server: ApiServer) -> Iterator[Site]:
    name = f"mps-{uuid.uuid4().hex[:8]}"
    client = api_server.client
    client.create(path_of("v1", "nodes"), {"kind": "Node", "metadata": {"name": name}})
    client.create(path_of("v1", "namespaces"), {"metadata": {"name": name}})
    accounts = path_of("v1", "serviceaccounts", namespace=name)
    client.create(accounts, {"metadata": {"name": "mps"}})
    yield Site(client, api_server.control_plane.kubeconfig, name, name)
    client.delete(path_of("v1", "pods", namespace=name), gracePeriodSeconds="0")
    client.delete(path_of("v1", "nodes", name))
    client.delete(path_of("v1", "namespaces", name))


@pytest.fixture
def rig(tmp_path: Path, site: Site) -> Iterator[MpsRig]:
    rig = MpsRig(tmp_path)
    client = OurClient(from_kubeconfig(site.kubeconfig), user_agent="test-mps")
    root = rig.machine.trees.driver_root
    rig.use(PodLauncher(client, options(site.namespace, site.node), driver_root_mount=root))
    for of, device in ((FIRST, "gpu-0"), (SECOND, "gpu-1")):
        sharing = mps(defaultActiveThreadPercentage=50, defaultPinnedDeviceMemoryLimit="1Gi")
        rig.allocate(of, [result(device)], [opaque(sharing=sharing)])
    yield rig
    client.close()


def refused(act: Callable[[], object], *words: str) -> str:
    with pytest.raises(ClaimFailed) as caught:
        act()
    for word in words:
        assert word in caught.value.sentence
    assert not caught.value.permanent
    return caught.value.sentence


# --------------------------------------------------------------------------- its life


def test_the_pod_is_pinned_owned_and_cannot_be_pushed_away(rig: MpsRig, site: Site) -> None:
    """D33: owner, tolerations, requests and priority; D117: a bare Pod on the node itself."""
    assert site.prepare(rig)
    (pod,) = site.pods()
    daemon = rig.daemon(FIRST)
    metadata, spec = pod["metadata"], pod["spec"]
    node = site.client.get(path_of("v1", "nodes", site.node))
    assert metadata["name"] == f"dra-config-mps-{daemon.id}"
    assert metadata["labels"] == {
        "app.kubernetes.io/name": "dra-config-mps",
        "dra-config.dev/claim-uid": FIRST.uid,
    }
    (owner,) = metadata["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == ("Node", node["metadata"]["uid"])
    assert spec["nodeName"] == site.node
    assert {"operator": "Exists"} in spec["tolerations"]
    assert spec["priorityClassName"] == "system-node-critical"
    assert spec["priority"] > 10**9
    assert (spec["serviceAccountName"], spec["automountServiceAccountToken"]) == ("mps", False)
    (container,) = spec["containers"]
    assert container["resources"]["requests"] == {"cpu": "10m", "memory": "64Mi"}
    (uid,) = daemon.devices
    assert f"--pinned-memory-limit={uid}=1024M" in container["args"]


def test_nothing_is_left_when_the_claim_is_unprepared(rig: MpsRig, site: Site) -> None:
    """D32: the Pod is gone from the API, so its processes have ended, before the mode is back."""
    site.prepare(rig)
    site.lets_go = False
    refused(lambda: site.unprepare(rig), "still being deleted", site.namespace)
    assert rig.setting("gpu-0") == ("ExclusiveProcess", "Default")
    site.lets_go = True
    site.unprepare(rig)
    assert site.pods() == []
    assert rig.left() == []
    assert rig.setting("gpu-0") == ("Default", "Default")
    site.unprepare(rig)


def test_a_pod_that_does_not_start_fails_prepare_with_the_reason_and_is_removed(
    rig: MpsRig, site: Site
) -> None:
    """D28: a failed prepare leaves no privileged Pod behind."""
    waiting = {"reason": "ImagePullBackOff", "message": "Back-off pulling image."}
    site.reason = {
        "phase": "Pending",
        "containerStatuses": [container_status({"waiting": waiting})],
    }
    words = ("dra-config-mps-", site.namespace, "Pending", "ImagePullBackOff", "Back-off pulling")
    refused(lambda: site.prepare(rig), *words)
    assert site.pods() == []
    assert rig.left() == []
    assert rig.setting("gpu-0") == ("Default", "Default")
    site.reason = None
    assert site.prepare(rig)


def container_status(state: Json, last: Json | None = None) -> Json:
    return {
        "name": "mps",
        "image": "localhost/dra-config-plugin:1",
        "imageID": "",
        "ready": False,
        "restartCount": 1,
        "state": state,
        "lastState": last or {},
    }


def test_a_pod_that_the_kubelet_refused_is_not_waited_for(rig: MpsRig, site: Site) -> None:
    site.reason = {"phase": "Failed", "reason": "OutOfcpu", "message": "Node has no cpu left."}
    deadline = site.deadline()
    refused(lambda: rig.prepare(FIRST, deadline), "has ended", "OutOfcpu", "no cpu left")
    assert deadline.waited_seconds < 10
    assert site.pods() == []


def test_a_pod_that_somebody_deleted_is_made_again(rig: MpsRig, site: Site) -> None:
    devices = site.prepare(rig)
    (pod,) = site.pods()
    path = path_of("v1", "pods", pod["metadata"]["name"], namespace=site.namespace)
    site.client.send("DELETE", path, {"gracePeriodSeconds": 0})
    assert site.prepare(rig) == devices
    (again,) = site.pods()
    assert again["metadata"]["uid"] != pod["metadata"]["uid"]
    assert again["metadata"]["name"] == pod["metadata"]["name"]


def test_a_pod_of_other_settings_is_replaced_and_one_of_the_same_is_kept(
    rig: MpsRig, site: Site
) -> None:
    """D29: that one of this name exists says nothing about what it is."""
    site.prepare(rig)
    (pod,) = site.pods()
    rig.checkpoint.forget(FIRST.uid)
    rig.cdi.remove(FIRST.uid)
    site.prepare(rig)
    assert [one["metadata"]["uid"] for one in site.pods()] == [pod["metadata"]["uid"]]
    rig.checkpoint.forget(FIRST.uid)
    rig.cdi.remove(FIRST.uid)
    rig.allocate(FIRST, [result("gpu-0")], [opaque(sharing=mps(multiUser=True))])
    site.prepare(rig)
    (again,) = site.pods()
    assert "--multi-user" in again["spec"]["containers"][0]["args"]


def test_pods_of_no_claim_are_swept_from_this_node_and_from_no_other(
    rig: MpsRig, site: Site
) -> None:
    """D29: they would live for ever."""
    site.prepare(rig)
    site.prepare(rig, 2)
    elsewhere = options(site.namespace, "elsewhere")
    shape = PodShape(elsewhere, driver_root_mount=rig.machine.trees.driver_root)
    daemon = replace(rig.daemon(FIRST), id=f"{FIRST.uid}-fffff")
    other = shape.pod(daemon, node_uid=str(uuid.uuid4()))
    site.client.create(site.pods_path, other)
    for of in (FIRST, SECOND):
        rig.cdi.remove(of.uid)
    rig.places.remove(rig.daemon(FIRST).id)
    rig.checkpoint.forget(FIRST.uid)
    sweep = rig.sweeper(site.deadline)
    # At the start of a cluster all nodes would ask at once.
    assert sweep(frozenset({SECOND.uid})) == ()
    assert len(site.pods()) == 3
    assert sweep(frozenset({SECOND.uid})) == ()
    names = {pod["metadata"]["name"] for pod in site.pods()}
    assert names == {f"dra-config-mps-{rig.daemon(SECOND).id}", other["metadata"]["name"]}


def test_a_server_that_is_away_or_refuses_fails_prepare_with_its_words(
    rig: MpsRig, site: Site
) -> None:
    site.client.delete(path_of("v1", "serviceaccounts", "mps", namespace=site.namespace))
    refused(lambda: site.prepare(rig), "serviceaccount", "mps")
    assert rig.setting("gpu-0") == ("Default", "Default")
    assert rig.left() == []
    with pytest.raises(MpsError, match="no time left"):
        rig.launcher.ids(Deadline(0))


def test_without_an_image_the_sentence_names_the_setting(site: Site, tmp_path: Path) -> None:
    given = replace(options(site.namespace, site.node), image="")
    client = OurClient(from_kubeconfig(site.kubeconfig), user_agent="test-mps")
    launcher = PodLauncher(client, given, driver_root_mount=tmp_path)
    with pytest.raises(MpsError, match="--mps-image") as caught:
        launcher.start(a_daemon(tmp_path), site.deadline())
    assert not caught.value.transient
    client.close()


def test_a_second_pod_of_one_daemon_is_not_made(rig: MpsRig, site: Site) -> None:
    site.prepare(rig)
    with pytest.raises(MpsError, match="still there"):
        rig.launcher.start(rig.daemon(FIRST), site.deadline())


# -------------------------------------------------------------------------- its shape


def a_daemon(tmp_path: Path) -> MpsDaemon:
    of_daemon = daemon_id(FIRST.uid, ["GPU-1"])
    return MpsDaemon(
        id=of_daemon,
        claim=FIRST,
        devices=("GPU-1",),
        active_thread_percentage=None,
        pinned_memory_limits=(),
        multi_user=False,
        folder=str(tmp_path / "mps" / of_daemon),
        shared_memory=str(tmp_path / "shm" / of_daemon),
    )


@pytest.mark.parametrize("privileged", [True, False])
@pytest.mark.parametrize("system", [True, False])
def test_every_shape_is_accepted_as_it_is(
    site: Site, tmp_path: Path, *, privileged: bool, system: bool
) -> None:
    if system:
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin/sh").touch()
        (tmp_path / "dev/shm").mkdir(parents=True)
    given = options(site.namespace, site.node, privileged=privileged)
    pod = PodShape(given, driver_root_mount=tmp_path).pod(
        a_daemon(tmp_path), node_uid=str(uuid.uuid4())
    )
    try:
        site.client.create(site.pods_path, pod, fieldValidation="Strict", dryRun="All")
    except Refusal as refusal:
        pytest.fail(refusal.message)
    spec = pod["spec"]
    (container,) = spec["containers"]
    places = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
    root = "/driver-root" if system else ""
    assert places["shared-memory"] == f"{root}/dev/shm"  # noqa: S108 - of the container
    assert places["pipe"].startswith(f"{root}/")
    assert ("--inside" in container["args"]) is system
    assert spec.get("hostPID", False) is privileged
    assert container["securityContext"].get("privileged", False) is privileged
    assert not spec.keys() & {"hostNetwork", "hostIPC", "initContainers"}
    # Containers of the claim get the pipe, and no folder that holds more than their own.
    outer = {one["name"]: one["hostPath"]["path"] for one in spec["volumes"]}
    assert Path(outer["pipe"]).parent.name == Path(outer["shared-memory"]).name


@pytest.mark.parametrize(
    ("status", "alive", "words"),
    [
        (None, False, ["no Pod dra-config/one"]),
        ({}, True, ["Pending", "has not started it yet"]),
        ({"phase": "Running"}, True, ["Running", "has not become ready"]),
        ({"phase": "Failed", "reason": "Evicted"}, False, ["Evicted"]),
        (
            {
                "conditions": [
                    {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
                ]
            },
            True,
            ["Unschedulable"],
        ),
        (
            {
                "phase": "Running",
                "containerStatuses": [
                    container_status(
                        {"waiting": {"reason": "CrashLoopBackOff"}},
                        {
                            "terminated": {
                                "reason": "Error",
                                "exitCode": 1,
                                "message": "nvidia-cuda-mps-control -d failed: no GPU\n",
                            }
                        },
                    )
                ],
            },
            True,
            ["CrashLoopBackOff", "Error 1", "nvidia-cuda-mps-control -d failed: no GPU"],
        ),
    ],
)
def test_the_sentence_names_the_pod_and_what_keeps_it(
    status: Json | None, words: list[str], *, alive: bool
) -> None:
    pod = {"metadata": {}, "spec": {"containers": [{"args": ["--a"]}]}, "status": status}
    sight = sight_of(None if status is None else pod, "dra-config/one", ["--a"])
    assert sight.alive is alive
    assert sight.present is (status is not None)
    for word in ("dra-config/one", *words):
        assert word in sight.sentence
    assert sight.sentence.endswith(".")
    assert "\n" not in sight.sentence


def test_the_control_program_of_a_driver_that_is_a_system_runs_inside_it(tmp_path: Path) -> None:
    """The program is linked without libraries, so that it runs where there is nothing else."""
    root = tmp_path / "root"
    (root / "usr/bin").mkdir(parents=True)
    for name in ("pipe", "log"):
        (root / name).mkdir()
    compiler = shutil.which("gcc")
    if compiler is None or os.geteuid() != 0:
        pytest.skip("needs gcc (package gcc), and root, who may change the root folder")
    source, program = Path(__file__).with_name("mps_control.c"), "nvidia-cuda-mps-control"
    command: list[str | Path] = [
        compiler,
        "-static",
        "-Wall",
        "-Werror",
        "-o",
        root / "usr/bin" / program,
        source,
    ]
    subprocess.run(command, check=True)
    finished = subprocess.run(
        [
            *(sys.executable, "-m", "plugin.mps.daemon", f"--root={root}", "--inside"),
            *(f"--pipe-folder={root}/pipe", f"--log-folder={root}/log", "--device=GPU-1"),
            "--active-thread-percentage=20",
        ],
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "ended by itself" in finished.stderr
    assert finished.returncode == 1
    assert (root / "log/commands").read_text().splitlines() == [
        "/pipe -d",
        "/pipe set_default_active_thread_percentage 20",
        "/pipe quit",
    ]
