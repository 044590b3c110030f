"""etcd and kube-apiserver in a rig, with the certificates and the first clients of both."""

import json
import random
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.cluster.binaries import FLAGS, Binaries
from tests.cluster.client import Client
from tests.cluster.component import Component
from tests.cluster.pki import Authority
from tests.cluster.rig import RUN_SECONDS, Finished, Rig
from tests.cluster.waiting import RigError

SERVICE_RANGE = "10.96.0.0/16"
SERVICE_ADDRESS = "10.96.0.1"
"""The first of the range: the Service `kubernetes`."""

PORTS = range(20000, 32000)
"""Below the ports that Linux hands out to clients, so that a free one stays free for a while."""

RESTART_SECONDS = 30.0

AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}],
}


def free_port() -> int:
    """Return a port of the loopback address that nobody listens on.

    Raises:
        RigError: There is none.
    """
    for port in random.sample(PORTS, k=len(PORTS)):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            # As a server does: a port with old connections is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RigError(f"no free port from {PORTS.start} to {PORTS.stop - 1} on 127.0.0.1")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the API server listens, and where it says that it does."""

    bind_address: str
    advertise_address: str
    port: int
    addresses: tuple[str, ...]
    """All addresses that it answers at; its certificate holds them."""


def start_etcd(rig: Rig, binaries: Binaries) -> Component:
    """Start etcd on a socket in the rig's folder, which nobody else can enter.

    Raises:
        RigError: It does not become healthy.
    """
    entry = rig.root / "etcd.sock"
    # Nobody asks for these addresses: it is alone, and its client uses the socket.
    nowhere = "http://127.0.0.1:1"
    etcd = rig.start(
        "etcd",
        [
            binaries.etcd,
            f"--data-dir={rig.root / 'etcd'}",
            "--name=rig",
            f"--listen-client-urls=unix://{entry}",
            f"--advertise-client-urls={nowhere}",
            f"--listen-peer-urls=unix://{rig.root / 'peer.sock'}",
            f"--initial-advertise-peer-urls={nowhere}",
            f"--initial-cluster=rig={nowhere}",
            "--unsafe-no-fsync",  # what a crash of the machine loses was a test's
            "--log-level=warn",
        ],
    )
    transport = httpx.HTTPTransport(uds=str(entry))
    with httpx.Client(transport=transport, trust_env=False) as client:

        def healthy() -> bool:
            # The client does not close what it could not connect.
            if not entry.exists():
                return False
            try:
                answer = client.get("http://etcd/health")
            except httpx.TransportError:
                return False
            return answer.is_success and answer.json()["health"] == "true"

        etcd.wait_ready(healthy)
    return etcd


class ControlPlane:
    """A running kube-apiserver with its etcd.

    Attributes:
        url: Where it answers, from the test process.
        authority: Signs its certificates; signs more for tests.
        client: A client that may do everything.
        kubeconfig: The same for kubectl and helm.
        service_account_key: Signs the tokens of service accounts.
        etcd: The process of etcd.
        process: The process of kube-apiserver.
        audit_log: One JSON object a line for each request, at level Metadata.
    """

    def __init__(self, rig: Rig, binaries: Binaries, endpoint: Endpoint) -> None:
        """Start both and wait until the API server is ready.

        Raises:
            RigError: One of them does not become ready.
        """
        self._rig = rig
        self.audit_log = rig.logs / "audit.log"
        self.authority = Authority(rig.folder("pki"))
        self.etcd = start_etcd(rig, binaries)
        admin = self.authority.leaf("admin", "admin", organizations=["system:masters"])
        self.url = f"https://{endpoint.addresses[0]}:{endpoint.port}"
        self.kubeconfig = self.authority.kubeconfig("admin", server=self.url, leaf=admin)
        self.client = Client(self.url, authority=self.authority.certificate, leaf=admin)
        self.service_account_key, public_key = self.authority.signing_pair("sa")
        serving = self.authority.leaf(
            "apiserver",
            "kube-apiserver",
            addresses=endpoint.addresses,
            dns_names=["localhost", "kubernetes", "kubernetes.default.svc"],
        )
        policy = rig.root / "audit.yaml"
        policy.write_text(json.dumps(AUDIT_POLICY), encoding="utf-8")
        self.process = rig.start(
            "kube-apiserver",
            [
                binaries.kube_apiserver,
                f"--etcd-servers=unix://{rig.root / 'etcd.sock'}",
                f"--bind-address={endpoint.bind_address}",
                f"--advertise-address={endpoint.advertise_address}",
                f"--secure-port={endpoint.port}",
                # Webhooks behind a Service are reached at its endpoints, without kube-proxy.
                "--enable-aggregator-routing=true",
                f"--service-cluster-ip-range={SERVICE_RANGE}",
                f"--cert-dir={rig.folder('apiserver')}",
                f"--tls-cert-file={serving.certificate}",
                f"--tls-private-key-file={serving.key}",
                f"--client-ca-file={self.authority.certificate}",
                f"--kubelet-client-certificate={admin.certificate}",
                f"--kubelet-client-key={admin.key}",
                f"--kubelet-certificate-authority={self.authority.certificate}",
                "--kubelet-preferred-address-types=InternalIP",
                f"--service-account-key-file={public_key}",
                f"--service-account-signing-key-file={self.service_account_key}",
                "--service-account-issuer=https://kubernetes.default.svc",
                "--authorization-mode=Node,RBAC",
                "--enable-admission-plugins=NodeRestriction",
                "--allow-privileged=true",
                "--profiling=false",
                # Otherwise open watches hold up an orderly stop for a minute.
                "--shutdown-watch-termination-grace-period=1s",
                f"--audit-policy-file={policy}",
                f"--audit-log-path={self.audit_log}",
                "--audit-log-maxsize=4096",  # megabytes; no test's log is cut in two
                *FLAGS[binaries.kubernetes].apiserver_flags,
            ],
        )
        self.wait_ready()

    def wait_ready(self) -> None:
        """Wait until the API server is ready.

        Raises:
            RigError: It is not, within a minute.
        """
        self.process.wait_ready(self.client.ready)

    def restart(self) -> None:
        """Stop the API server, start it with its present arguments, and wait until it is ready.

        Raises:
            RigError: It does not become ready.
        """
        self.process.stop(seconds=RESTART_SECONDS)
        self.process.start()
        self.wait_ready()

    def client_of(self, user: str, *groups: str) -> Client:
        """Return a client with a certificate for *user* in *groups*; the caller closes it."""
        name = "".join(letter if letter.isalnum() else "-" for letter in user)
        leaf = self.authority.leaf(name, user, organizations=groups)
        return Client(self.url, authority=self.authority.certificate, leaf=leaf)

    def client_with_token(self, token: str) -> Client:
        """Return a client with a bearer token; the caller closes it."""
        return Client(self.url, authority=self.authority.certificate, token=token)

    def audit(self) -> list[dict[str, Any]]:
        """Return the audit events so far, in order: who asked for what with which verb.

        Whoever could not be told, as with a bad token, has no `username`.
        """
        lines = self.audit_log.read_bytes().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith(b"\n")]

    def run(
        self,
        *arguments: str | Path,
        text: str = "",
        environment: Mapping[str, str] | None = None,
        seconds: float = RUN_SECONDS,
        check: bool = True,
    ) -> Finished:
        """Run a program such as kubectl or helm, as one who may do everything.

        The arguments and errors are those of `Rig.run`.
        """
        return self._rig.run(
            *arguments,
            text=text,
            environment={"KUBECONFIG": str(self.kubeconfig)} | dict(environment or {}),
            seconds=seconds,
            check=check,
        )

    def stop(self) -> None:
        """Stop the API server while etcd still runs, without which it hangs; then etcd."""
        self.client.close()
        self.process.stop()
        self.etcd.stop()
