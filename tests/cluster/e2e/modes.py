"""The three ways in which the webhook gets its certificate, and how each is renewed."""

import base64
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

from tests.chart.chart import Json
from tests.chart.installed import custom_resources
from tests.cluster.client import path_of
from tests.cluster.e2e.census import wait_not_served
from tests.cluster.e2e.release import Release
from tests.cluster.node import Node
from tests.cluster.pki import Authority


class Mode(ABC):
    """One value of `webhook.tls.mode`."""

    name: ClassVar[str]

    def __init__(self, node: Node, folder: Path) -> None:
        """Use *folder* for files."""
        self._node = node
        self._folder = folder

    @contextmanager
    def surroundings(self) -> Iterator[None]:
        """Have what the mode needs in the cluster, whatever is installed."""
        yield

    def values(self, release: Release) -> Json:
        """Return the values under `webhook.tls`, and make what must be there before."""
        del release
        return {"mode": self.name}

    @abstractmethod
    def rotate(self, release: Release) -> None:
        """Have every pod serve another certificate."""


class CertManager(Mode):
    """cert-manager issues, injects and renews."""

    name = "cert-manager"

    @contextmanager
    def surroundings(self) -> Iterator[None]:
        """Run cert-manager."""
        binaries, plane = self._node.binaries, self._node.control_plane
        with custom_resources(self._node.client, binaries.cert_manager_crds):
            component = self._node.rig.start(
                "cert-manager", [binaries.cert_manager, f"--kubeconfig={plane.kubeconfig}"]
            )
            try:
                yield
            finally:
                component.stop()
        wait_not_served(self._node.client, "cert-manager.io")

    def rotate(self, release: Release) -> None:
        """Ask for it as `cmctl renew` does."""
        certificate = path_of(
            "cert-manager.io/v1",
            "certificates",
            f"{release.name}-webhook-tls",
            namespace=release.namespace,
        )
        before = release.expiries()
        found = release.client.get(certificate)
        found["status"]["conditions"].append(
            {
                "type": "Issuing",
                "status": "True",
                "reason": "ManuallyTriggered",
                "message": "the test wants another one",
                "observedGeneration": found["metadata"]["generation"],
            }
        )
        release.client.replace(f"{certificate}/status", found)
        release.wait_certificate_after(before)


class OwnSecret(Mode):
    """The user brings a Secret, and changes authority and certificate."""

    name = "secret"

    def __init__(self, node: Node, folder: Path) -> None:
        """Have two authorities: the old one, and one that is valid for a minute longer."""
        super().__init__(node, folder)
        now = datetime.now(tz=UTC)  # the wall clock of the machine under test
        self._old, self._new = (
            self._authority(name, now + later)
            for name, later in (("old", timedelta()), ("new", timedelta(minutes=1)))
        )

    def _authority(self, name: str, now: datetime) -> Authority:
        folder = self._folder / name
        folder.mkdir()
        return Authority(folder, now=now)

    def _secret(self, release: Release, authority: Authority) -> Json:
        leaf = authority.leaf("webhook", "webhook", dns_names=[release.service])
        pair = {"tls.crt": leaf.certificate, "tls.key": leaf.key}
        entries = {
            name: base64.b64encode(file.read_bytes()).decode() for name, file in pair.items()
        }
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/tls",
            "metadata": {"name": "own-tls"},
            "data": entries,
        }

    def _tls(self, *authorities: Authority) -> Json:
        bundle = b"".join(authority.pem for authority in authorities).decode()
        return {"mode": self.name, "secret": {"name": "own-tls", "caBundle": bundle}}

    def values(self, release: Release) -> Json:
        """Make the Secret, and trust the old authority."""
        secrets = path_of("v1", "secrets", namespace=release.namespace)
        release.client.create(secrets, self._secret(release, self._old))
        return self._tls(self._old)

    def rotate(self, release: Release) -> None:
        """Trust both authorities, change the pair, and then trust the new one alone."""
        secret = path_of("v1", "secrets", "own-tls", namespace=release.namespace)
        before = release.expiries()
        release.change({"webhook": {"tls": self._tls(self._old, self._new)}})
        release.client.replace(secret, self._secret(release, self._new))
        release.wait_certificate_after(before)
        release.change({"webhook": {"tls": self._tls(self._new)}})


class SelfManaged(Mode):
    """The webhook is its own authority."""

    name = "self-managed"

    def rotate(self, release: Release) -> None:
        """Lose the authority's key, so that there must be a new authority and a new pair."""
        before = release.expiries()
        bundles = release.bundles()
        release.client.patch(release.secret, {"data": {"ca.key": ""}})
        release.wait_certificate_after(before)
        assert len(release.bundles()) == 1
        assert release.bundles() != bundles


MODES: dict[str, type[Mode]] = {mode.name: mode for mode in (CertManager, OwnSecret, SelfManaged)}
