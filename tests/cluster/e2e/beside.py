"""The webhook as a process beside an API server, which asks it as the chart says."""

import base64
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.chart.chart import Helm, Json, merged
from tests.cluster.api_server import ApiServer
from tests.cluster.client import Client, Refusal, path_of
from tests.cluster.control_plane import free_port
from tests.cluster.e2e.bodies import BAD, BAD_RULES, body, path
from tests.cluster.waiting import wait_until

ROOT = Path(__file__).resolve().parents[3]
PATIENCE_SECONDS = 60.0
NAME = "beside"
CONFIGURATION = path_of("admissionregistration.k8s.io/v1", "validatingwebhookconfigurations", NAME)
REVIEWS = "/validate-resource-claim-parameters"


class Beside:
    """A webhook on the loopback address.

    Attributes:
        server: The API server that asks it.
        namespace: A namespace for claims and templates.
    """

    namespace = "default"

    def __init__(self, server: ApiServer, helm: Helm) -> None:
        """Start nothing yet."""
        self.server = server
        self._helm = helm
        self._port, self._probe_port = free_port(), free_port()
        self._authority = server.control_plane.authority
        leaf = self._authority.leaf(NAME, NAME, addresses=["127.0.0.1"])
        self._arguments = [
            *(sys.executable, "-m", "webhook", "--bind-address=127.0.0.1"),
            *(f"--port={self._port}", f"--probe-port={self._probe_port}"),
            *(f"--tls-cert-file={leaf.certificate}", f"--tls-private-key-file={leaf.key}"),
            "--shutdown-delay=0",
        ]
        self._started: list[str] = []

    @property
    def client(self) -> Client:
        """A client that may do everything."""
        return self.server.client

    def start(self, gates: str = "") -> None:
        """Start the webhook, with *gates* on top of the defaults.

        Raises:
            RigError: It does not become ready.
        """
        component = self.server.rig.start(
            NAME,
            [*self._arguments, f"--feature-gates={gates}"],
            environment={"PYTHONPATH": str(ROOT)},
        )
        component.wait_ready(self._ready)

    def _ready(self) -> bool:
        try:
            answer = httpx.get(f"http://127.0.0.1:{self._probe_port}/readyz", trust_env=False)
        except httpx.TransportError:
            return False
        return answer.is_success

    def stop(self) -> None:
        """End the webhook."""
        self.server.rig.components[NAME].stop()

    def restart(self, gates: str = "") -> None:
        """Start it anew with other gates."""
        self.stop()
        self.start(gates)

    def ask(self, values: Json | None = None) -> None:
        """Have the API server ask the webhook as the chart with *values* says.

        Raises:
            RigError: It does not heed that in time.
        """
        self.ask_meanwhile(values or {}, *BAD_RULES)

    def ask_meanwhile(self, values: Json, *words: str) -> None:
        """Do so whether the webhook answers or not, until a bad claim is refused with *words*.

        Raises:
            RigError: It does not heed that in time.
        """
        self.client.apply(CONFIGURATION, self._configuration(values))
        self.wait_for_answer(*words, otherwise="the API server does not heed that")

    def _configuration(self, values: Json) -> Json:
        bundle = base64.b64encode(self._authority.pem).decode()
        tls = {"mode": "secret", "secret": {"name": NAME, "caBundle": bundle}}
        layers = {"fullnameOverride": NAME, "webhook": {"tls": tls}}
        rendered = self._helm.render(merged(layers, values))
        found = rendered.one("ValidatingWebhookConfiguration")
        url = f"https://127.0.0.1:{self._port}{REVIEWS}"
        asked = {"url": url, "caBundle": bundle}
        return found | {
            "webhooks": [webhook | {"clientConfig": asked} for webhook in found["webhooks"]]
        }

    def ask_no_more(self) -> None:
        """Have the API server ask nobody.

        Raises:
            RigError: It goes on asking.
        """
        self.client.delete(CONFIGURATION)
        self.wait_for_answer("", otherwise="the API server goes on asking")

    def refusal(self, parameters: Json = BAD) -> str:
        """Return the sentence with which a new claim is refused; none if it is not."""
        claims = path("ResourceClaim", namespace=self.namespace)
        try:
            self.client.create(claims, body("ResourceClaim", "try", parameters), dryRun="All")
        except Refusal as refusal:
            return refusal.message
        return ""

    def wait_judging(self) -> None:
        """Wait until a bad claim is refused with our sentences.

        Raises:
            RigError: It is not.
        """
        self.wait_for_answer(*BAD_RULES, otherwise="the API server does not ask")

    def wait_for_answer(self, *words: str, otherwise: str) -> None:
        """Wait until a bad claim is refused with all *words*, or let in where that is "".

        Raises:
            RigError: It is not.
        """

        def heard() -> bool:
            sentence = self.refusal()
            return all(word in sentence for word in words) and bool(sentence) == any(words)

        wait_until(
            heard, seconds=PATIENCE_SECONDS, otherwise=lambda: f"{otherwise}: {self.refusal()!r}"
        )

    def names(self, kind: str) -> Sequence[str]:
        """Return the names of the stored objects of *kind*."""
        objects = path(kind, namespace=self.namespace)
        return [one["metadata"]["name"] for one in self.client.list(objects)]


@contextmanager
def beside(server: ApiServer, helm: Helm) -> Iterator[Beside]:
    """Run a webhook that the API server asks, until told to stop."""
    made = Beside(server, helm)
    made.start()
    try:
        made.ask()
        yield made
    finally:
        if server.client.find(CONFIGURATION) is not None:
            made.ask_no_more()
        made.stop()
