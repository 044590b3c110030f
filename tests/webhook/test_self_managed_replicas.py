"""Several replicas, interleaved at every request: none ever serves what the API server doubts."""

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, TypeAlias, TypeVar

from cryptography import x509
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from kube.errors import KubeError, UnreachableError
from tests.webhook.cluster_objects import NAMES, StoredObjects
from tests.webhook.test_self_managed_keeper import DAY, POLICY, START, Replica
from webhook.self_managed.cluster import SecretContents, WebhookConfiguration
from webhook.self_managed.contents import authorities_in, signed_by

Fate: TypeAlias = Literal["answered", "refused", "answer lost", "killed"]
Answer = TypeVar("Answer")
REPLICAS = 3
MOST_SPOILT = 5


class KilledError(BaseException):
    """The replica's process ends at this request."""


class Look:
    """One look in a thread of its own that stops before each request until it is let on."""

    def __init__(self, look: Callable[[], None], gate: "Gate") -> None:
        self.ended = False
        self._stopped = threading.Semaphore(0)
        self._go_on = threading.Semaphore(0)
        self._fate: Fate = "answered"
        self._look = look
        gate.look = self
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._stopped.acquire()

    def _run(self) -> None:
        try:
            self._look()
        except (KubeError, KilledError):
            pass
        finally:
            self.ended = True
            self._stopped.release()

    def before_request(self) -> Fate:
        self._stopped.release()
        self._go_on.acquire()
        return self._fate

    def let_on(self, fate: Fate = "answered") -> None:
        self._fate = fate
        self._go_on.release()
        self._stopped.acquire()

    def finish(self) -> None:
        while not self.ended:
            self.let_on()
        self._thread.join()


class Gate:
    """The objects as one replica reaches them."""

    def __init__(self, stored: StoredObjects) -> None:
        self._stored = stored
        self.look: Look | None = None

    def _ask(self, request: Callable[[], Answer]) -> Answer:
        assert self.look is not None
        match self.look.before_request():
            case "answered":
                return request()
            case "refused":
                raise UnreachableError("no connection")
            case "answer lost":
                request()
                raise UnreachableError("the connection broke")
            case "killed":
                raise KilledError

    def read_configuration(self) -> WebhookConfiguration:
        return self._ask(self._stored.read_configuration)

    def read_secret(self) -> SecretContents:
        return self._ask(self._stored.read_secret)

    def patch_secret(self, entries: Mapping[str, bytes], resource_version: str) -> None:
        self._ask(lambda: self._stored.patch_secret(entries, resource_version))

    def patch_configuration(
        self, ca_bundle: bytes, webhooks: Sequence[str], resource_version: str
    ) -> None:
        self._ask(lambda: self._stored.patch_configuration(ca_bundle, webhooks, resource_version))


class Pod:
    """A replica, the gate it asks through, and the look it is in the middle of."""

    def __init__(self, folder: Path, stored: StoredObjects) -> None:
        self._folder = folder
        self._stored = stored
        folder.mkdir()
        self.start()

    def start(self) -> None:
        """Start anew, with the file that is there and no memory."""
        self.gate = Gate(self._stored)
        self.replica = Replica(self._folder, self._stored, reached=self.gate)
        self.look: Look | None = None

    def go_on(self, fate: Fate) -> None:
        """Begin a look or let the present one do one more request."""
        if self.look is None or self.look.ended:
            self.look = Look(self.replica.keeper.look, self.gate)
        else:
            self.look.let_on(fate)
            if fate == "killed":
                self.look.finish()
                self.start()

    def finish(self) -> None:
        if self.look is not None:
            self.look.finish()

    def served(self) -> x509.Certificate | None:
        return self.replica.in_file() if self.replica.file.exists() else None


class Replicas(RuleBasedStateMachine):
    """Pods, the objects, and a clock that all share."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = TemporaryDirectory()
        self.stored = StoredObjects()
        self.now = START
        self.pods = [Pod(Path(self._folder.name, str(n)), self.stored) for n in range(REPLICAS)]
        self.history: list[tuple[timedelta, dict[str, bytes]]] = []
        self.wounded = True
        self.spoilt = 0

    @initialize()
    def install(self) -> None:
        self.calm_down()

    @rule(
        pod=st.integers(0, REPLICAS - 1),
        fate=st.sampled_from(["answered"] * 6 + ["refused", "answer lost", "killed"]),
    )
    def go_on(self, pod: int, fate: Fate) -> None:
        self.pods[pod].go_on(fate)
        self.pods[pod].replica.now = self.now

    @rule(pod=st.integers(0, REPLICAS - 1))
    def finish(self, pod: int) -> None:
        self.pods[pod].go_on("answered")
        self.pods[pod].finish()

    @rule(step=st.sampled_from([timedelta(seconds=4), timedelta(seconds=9), DAY, 25 * DAY]))
    def wait(self, step: timedelta) -> None:
        self.now += step
        for pod in self.pods:
            pod.replica.now = self.now

    @precondition(lambda self: self.spoilt < MOST_SPOILT)
    @rule(entry=st.sampled_from(["ca.crt", "ca.key", "tls.crt", "tls.key", "all"]))
    def spoil_the_secret(self, entry: str) -> None:
        self.spoilt += 1
        secret = self.stored.secret or {}
        self.stored.set_secret({} if entry == "all" else {**secret, entry: b"spoilt"})

    @rule(webhook=st.sampled_from(NAMES))
    def wipe_a_bundle(self, webhook: str) -> None:
        self.wounded = True
        self.stored.set_bundles({**(self.stored.bundle_by_webhook or {}), webhook: b""})

    @rule()
    def calm_down(self) -> None:
        """Left alone for a while, all replicas agree and have nothing more to do."""
        for pod in self.pods:
            pod.finish()
        for _ in range(4):
            for pod in self.pods:
                pod.replica.now = self.now
                pod.go_on("answered")
                pod.finish()
            self.wait(POLICY.settling)
        self.stored.writes.clear()
        for pod in self.pods:
            pod.go_on("answered")
            pod.finish()
        assert self.stored.writes == []
        assert self.stored.secret is not None
        for pod in self.pods:
            assert pod.replica.file.read_bytes() == (
                self.stored.secret["tls.key"] + self.stored.secret["tls.crt"]
            )
            certificate = pod.served()
            assert certificate is not None
            assert certificate.not_valid_after_utc > self.now
        assert self.stored.bundle_by_webhook is not None
        assert set(self.stored.bundle_by_webhook.values()) == {self.stored.secret["ca.crt"]}
        self.history.clear()
        self.wounded = False

    @invariant()
    def what_is_served_is_trusted(self) -> None:
        """Also by an API server that has not heard of the last change to the configuration yet."""
        bundles = self.stored.bundle_by_webhook
        assert bundles is not None
        since_start = self.now - START
        if not self.history or self.history[-1][1] != bundles:
            self.history.append((since_start, bundles))
        # A state counts until what came after it is as old as an API server may lag behind.
        while len(self.history) > 1 and since_start - self.history[1][0] >= POLICY.settling:
            del self.history[0]
        if self.wounded:
            return
        for pod in self.pods:
            certificate = pod.served()
            assert certificate is not None
            if certificate.not_valid_after_utc <= self.now:
                continue
            for _, known in self.history:
                for bundle in known.values():
                    issuers = authorities_in(bundle)
                    assert any(signed_by(certificate, issuer) for issuer in issuers)

    def teardown(self) -> None:
        for pod in self.pods:
            pod.finish()
        self._folder.cleanup()


TestReplicas = Replicas.TestCase
TestReplicas.settings = settings(max_examples=60, stateful_step_count=40)
