"""The parts of a rig that need no cluster: addresses, images, certificates, records, logs."""

import json
import os
import signal
import ssl
import subprocess
import tarfile
from pathlib import Path

import pytest
from cryptography import x509

from tests.cluster import cleanup
from tests.cluster.cleanup import LeftoverError, claim, locked, put_right, repair
from tests.cluster.client import path_of
from tests.cluster.fixtures import missing
from tests.cluster.images import write_archive
from tests.cluster.kept_logs import MOST_KEPT, keep, sizes
from tests.cluster.network import addresses, routed
from tests.cluster.node import is_ready
from tests.cluster.pki import Authority

HEAD = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
DEFAULT = "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
# 198.18.0.0/16, as an x86 or Arm processor keeps it in memory.
LABORATORY = "eth1\t000012C6\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"


def test_the_routes_of_the_kernel_are_read_without_the_default_route() -> None:
    assert [str(network) for network in routed(HEAD + DEFAULT + LABORATORY)] == ["198.18.0.0/16"]


def test_a_node_takes_no_address_that_the_host_routes_elsewhere() -> None:
    free = addresses(7, HEAD + DEFAULT)
    other = addresses(7, HEAD + DEFAULT + LABORATORY)
    assert free is not None
    assert other is not None
    assert (free.node, free.host, free.gateway) == ("198.18.7.1", "198.18.7.254", "198.18.7.253")
    assert other.node == "198.19.7.1"


def test_a_node_without_a_free_address_says_so() -> None:
    everything = "eth1\t00000000\t00000000\t0001\t0\t0\t0\t00000080\t0\t0\t0\n"
    upper = "eth1\t00000080\t00000000\t0001\t0\t0\t0\t00000080\t0\t0\t0\n"
    assert addresses(7, HEAD + everything + upper) is None


@pytest.mark.parametrize(
    ("taints", "ready", "takes_pods"),
    [
        ([], "True", True),
        ([], "False", False),
        ([{"key": "node.kubernetes.io/not-ready"}], "True", False),
        ([{"key": "another"}], "True", True),
    ],
)
def test_a_node_takes_pods_when_it_is_ready_and_has_lost_its_taint(
    taints: list[dict[str, str]], ready: str, *, takes_pods: bool
) -> None:
    node = {
        "spec": {"taints": taints},
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    }
    assert is_ready(node) is takes_pods


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (path_of("v1", "nodes"), "/api/v1/nodes"),
        (path_of("v1", "pods", "a", namespace="b"), "/api/v1/namespaces/b/pods/a"),
        (path_of("apps/v1", "deployments"), "/apis/apps/v1/deployments"),
    ],
)
def test_a_path_is_the_one_of_the_kubernetes_api(path: str, expected: str) -> None:
    assert path == expected


def test_an_image_archive_holds_one_layer_and_names_it_by_its_hash(tmp_path: Path) -> None:
    archive, again = tmp_path / "one.tar", tmp_path / "two.tar"
    for path in (archive, again):
        write_archive(path, "rig.local/a:1", {"/bin/a": b"program"}, ["/bin/a"])
    assert archive.read_bytes() == again.read_bytes()
    with tarfile.open(archive) as tar:
        members = {member.name: member for member in tar.getmembers()}
        manifest = json.load(tar.extractfile("manifest.json") or pytest.fail("no manifest"))
        (image,) = manifest
        assert image["RepoTags"] == ["rig.local/a:1"]
        assert {image["Config"], *image["Layers"], "manifest.json"} == set(members)
        config = json.load(tar.extractfile(image["Config"]) or pytest.fail("no config"))
        assert config["config"]["Entrypoint"] == ["/bin/a"]
        assert config["rootfs"]["diff_ids"][0].startswith("sha256:")


def test_private_files_are_private_and_clients_trust_the_certificates(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    leaf = authority.leaf(
        "server", "kube-apiserver", organizations=["system:masters"], addresses=["127.0.0.1"]
    )
    certificate = x509.load_pem_x509_certificate(leaf.certificate.read_bytes())
    assert certificate.subject.rfc4514_string() == "CN=kube-apiserver,O=system:masters"
    assert leaf.key.stat().st_mode & 0o777 == 0o600
    kubeconfig = authority.kubeconfig("admin", server="https://127.0.0.1:1", leaf=leaf)
    assert kubeconfig.stat().st_mode & 0o777 == 0o600
    context = ssl.create_default_context(cafile=str(authority.certificate))
    context.load_cert_chain(leaf.certificate, leaf.key)
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.pem))


def test_a_record_of_a_living_rig_is_left_alone(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    record = claim(tmp_path / "rigs", usable=lambda _number: True)
    record.add(root=str(kept))
    repair(tmp_path / "rigs")
    assert kept.exists()
    record.close()
    repair(tmp_path / "rigs")
    assert not kept.exists()


def test_a_record_without_a_living_rig_is_used_again_for_the_same_number(tmp_path: Path) -> None:
    first = claim(tmp_path, usable=lambda number: number > 2)
    second = claim(tmp_path, usable=lambda number: number > 2)
    assert (first.number, second.number) == (3, 4)
    first.close()
    third = claim(tmp_path, usable=lambda number: number > 2)
    assert third.number == 3
    second.close()
    third.close()


def test_a_line_that_was_cut_short_names_nothing(tmp_path: Path) -> None:
    path = tmp_path / "1.json"
    path.write_bytes(b'{"root": "/a", "boot": "b"}\n{"cgroup": "dr')
    record = locked(path)
    assert record is not None
    assert record.read() == {"root": "/a", "boot": "b"}
    record.close()


def test_a_process_of_another_boot_is_not_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its pid may be anybody's by now; here it is this process's own."""
    record = claim(tmp_path, usable=lambda _number: True)
    monkeypatch.setattr(cleanup, "boot_id", lambda: "another")
    record.add(pid=os.getpid(), start=cleanup.started_at(os.getpid()))
    monkeypatch.undo()
    put_right(record)
    assert record.read() == {}
    record.close()


def test_the_process_on_record_is_killed_and_its_end_awaited(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "1000"]) as process:
        record = claim(tmp_path, usable=lambda _number: True)
        record.add(pid=process.pid, start=cleanup.started_at(process.pid))
        put_right(record)
        assert cleanup.started_at(process.pid) is None
        assert process.wait() == -signal.SIGKILL
    record.close()


def test_a_pid_that_was_given_to_another_process_is_not_killed(tmp_path: Path) -> None:
    record = claim(tmp_path, usable=lambda _number: True)
    record.add(pid=os.getpid(), start="1")
    put_right(record)
    assert record.read() == {}
    record.close()


def test_what_cannot_be_removed_stays_on_record_and_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = tmp_path / "hierarchy" / "dra-busy" / "kubepods"
    busy.mkdir(parents=True)
    (busy / "in-the-way").touch()
    monkeypatch.setattr(cleanup, "cgroup_hierarchies", lambda: [tmp_path / "hierarchy"])
    monkeypatch.setattr(cleanup, "PATIENCE_SECONDS", 0)
    record = claim(tmp_path / "rigs", usable=lambda _number: True)
    record.add(cgroup="dra-busy")
    with pytest.raises(LeftoverError, match=r"cgroup .*/hierarchy/dra-busy is still there"):
        put_right(record)
    (busy / "in-the-way").unlink()
    put_right(record)
    assert list((tmp_path / "hierarchy").iterdir()) == []
    record.close()


def test_kept_logs_begin_where_the_test_began(tmp_path: Path) -> None:
    logs = tmp_path / "log"
    (logs / "pods").mkdir(parents=True)
    (logs / "etcd.log").write_text("before\n", encoding="utf-8")
    since = sizes(logs)
    with (logs / "etcd.log").open("a", encoding="utf-8") as file:
        file.write("during\n")
    (logs / "pods" / "a.log").write_text("pod\n", encoding="utf-8")
    kept = keep(logs, tmp_path / "failed", "test_a[b/c]-node", since=since)
    assert kept.name.startswith("test_a-b-c-node-")
    assert (kept / "etcd.log").read_text(encoding="utf-8") == "during\n"
    assert (kept / "pods" / "a.log").read_text(encoding="utf-8") == "pod\n"


def test_only_the_newest_logs_are_kept(tmp_path: Path) -> None:
    kept = [keep(tmp_path, tmp_path / "failed", str(i), since={}) for i in range(MOST_KEPT)]
    os.utime(kept[7], (0, 0))
    newest = keep(tmp_path, tmp_path / "failed", "newest", since={})
    left = set((tmp_path / "failed").iterdir())
    assert len(left) == MOST_KEPT
    assert newest in left
    assert kept[7] not in left


def test_a_machine_without_a_cluster_skips_and_one_that_promised_it_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"cannot run: It needs root\."):
        missing("It needs root.")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match=r"^CI=true, and .* It needs root\."):
        missing("It needs root.")
