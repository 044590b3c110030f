"""The chart on a node: installed by helm, with the webhook in pods of the real image."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from prometheus_client.parser import text_string_to_metric_families

from tests.chart.chart import CHART, Json, merged
from tests.cluster.client import Client, Refusal, path_of
from tests.cluster.e2e.bodies import BAD, BAD_RULES, body, path
from tests.cluster.node import Node
from tests.cluster.waiting import wait_until

PATIENCE_SECONDS = 120.0
SELECTOR = "app.kubernetes.io/component=webhook"


class Release:
    """A release on the node.

    Attributes:
        name: The name of the release and of its ValidatingWebhookConfiguration.
        namespace: Where it is installed.
        claims: A namespace for claims, which no rule excludes.
        values: What it was installed or upgraded with last.
    """

    def __init__(self, node: Node, name: str, image: str) -> None:
        """Install nothing yet; *image* is what the node calls the webhook's."""
        self._node = node
        self.name = name
        registry, _, rest = image.partition("/")
        repository, _, tag = rest.rpartition(":")
        chosen = {"registry": registry, "repository": repository, "tag": tag}
        self.values: Json = {
            "fullnameOverride": name,
            "webhook": {
                "image": chosen | {"pullPolicy": "Never"},
                # The default is for larger clusters, whose parts hear of changes later.
                "shutdownDelaySeconds": 3,
            },
        }
        self.namespace = f"{name}-system"
        self.claims = f"{name}-claims"
        self.service = f"{name}-webhook.{self.namespace}.svc"
        self.deployment = path_of(
            "apps/v1", "deployments", f"{name}-webhook", namespace=self.namespace
        )
        self.configuration = path_of(
            "admissionregistration.k8s.io/v1", "validatingwebhookconfigurations", name
        )
        self.secret = path_of("v1", "secrets", f"{name}-webhook-tls", namespace=self.namespace)

    @property
    def as_deployment(self) -> tuple[str, str]:
        """What kubectl takes to find the Deployment."""
        return f"deployment/{self.name}-webhook", f"--namespace={self.namespace}"

    @property
    def client(self) -> Client:
        """A client that may do everything."""
        return self._node.client

    def helm(self, *words: str, text: str = "") -> str:
        """Run helm for this release and return what it prints."""
        command, *more = words
        run = self._node.run(
            *("helm", command, self.name, *more, f"--namespace={self.namespace}"),
            text=text,
            seconds=PATIENCE_SECONDS,
        )
        return run.output

    def bring(self, command: str, values: Json) -> None:
        """Install or upgrade with *values* and wait until the new pods are ready."""
        self.values = merged(self.values, values)
        self.helm(command, str(CHART), "--values=-", text=json.dumps(self.values))
        self.wait_rolled_out()

    def change(self, values: Json) -> None:
        """Upgrade to what is installed with *values* on top."""
        self.bring("upgrade", values)

    def uninstall(self) -> None:
        """Remove the release; once more does no harm."""
        self.helm("uninstall", "--ignore-not-found")

    def wait_rolled_out(self) -> None:
        """Wait until all pods are of the newest sort, and ready.

        Raises:
            RigError: They are not, after two minutes.
        """

        def whole(found: Json | None) -> bool:
            if found is None:
                return False
            status, wanted = found["status"], found["spec"]["replicas"]
            return status.get("observedGeneration") == found["metadata"]["generation"] and all(
                status.get(count, 0) == wanted
                for count in ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
            )

        self.client.wait(self.deployment, whole, seconds=PATIENCE_SECONDS)

    def bundles(self) -> set[str]:
        """Return the authorities that the entries of the configuration trust, in base64."""
        webhooks: list[Json] = self.client.get(self.configuration)["webhooks"]
        return {webhook["clientConfig"].get("caBundle", "") for webhook in webhooks}

    def pods(self) -> list[Json]:
        """Return the webhook's pods that are not about to end."""
        pods = path_of("v1", "pods", namespace=self.namespace)
        found = self.client.list(pods, labelSelector=SELECTOR)
        return [one for one in found if "deletionTimestamp" not in one["metadata"]]

    def refusal(self, parameters: Json = BAD) -> Refusal | None:
        """Return how a claim with *parameters* is refused; None if it is not."""
        claims = path("ResourceClaim", namespace=self.claims)
        try:
            self.client.create(claims, body("ResourceClaim", "try", parameters), dryRun="All")
        except Refusal as refusal:
            return refusal
        return None

    def wait_judging(self) -> None:
        """Wait until the API server refuses a bad claim with our sentences.

        Raises:
            RigError: It does not within two minutes.
        """

        def judged() -> bool:
            refusal = self.refusal()
            return refusal is not None and all(rule in refusal.message for rule in BAD_RULES)

        wait_until(
            judged, seconds=PATIENCE_SECONDS, otherwise=lambda: f"refused: {self.refusal()}"
        )

    def series(self, name: str) -> list[float]:
        """Return the value of a metric without labels, of each pod."""
        values: list[float] = []
        for pod in self.pods():
            address = path_of(
                "v1", "pods", f"{pod['metadata']['name']}:6080", namespace=self.namespace
            )
            text = self.client.send("GET", f"{address}/proxy/metrics").text
            values += [
                float(sample.value)
                for family in text_string_to_metric_families(text)
                for sample in family.samples
                if sample.name == f"dra_config_webhook_{name}"
            ]
        return values

    def expiries(self) -> set[float]:
        """Return when the certificates end that the pods serve, as Unix time."""
        return set(self.series("certificate_not_after_seconds"))

    def wait_certificate_after(self, before: set[float]) -> None:
        """Wait until all pods serve one certificate that none of them served *before*.

        Raises:
            RigError: They do not within two minutes.
        """

        def changed() -> bool:
            now = self.expiries()
            return len(now) == 1 and not now & before

        wait_until(
            changed,
            seconds=PATIENCE_SECONDS,
            otherwise=lambda: f"the pods serve {self.expiries()}, before {before}",
            pause_seconds=0.5,
        )


@contextmanager
def namespace(client: Client, name: str) -> Iterator[str]:
    """Make a namespace with all that the controllers put into it, and remove it at the end."""
    own = path_of("v1", "namespaces", name)
    head: Json = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    client.create(path_of("v1", "namespaces"), head)
    try:
        for resource, made in (("serviceaccounts", "default"), ("configmaps", "kube-root-ca.crt")):
            place = path_of("v1", resource, made, namespace=name)
            client.wait(place, partial(_exists), seconds=PATIENCE_SECONDS)
        yield name
    finally:
        client.delete(own)
        client.wait_gone(own, seconds=PATIENCE_SECONDS)


def _exists(found: Json | None) -> bool:
    return found is not None
