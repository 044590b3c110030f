"""What people see who write claims, templates and classes with a real kubectl."""

import json
from collections.abc import Iterator

import pytest

from tests.chart.chart import Helm, Json
from tests.cluster.api_server import ApiServer
from tests.cluster.binaries import Settings, provide
from tests.cluster.e2e.beside import Beside, beside
from tests.cluster.e2e.bodies import BAD, GOOD, KINDS, OLD, PLURALS, VERSIONS, body, path
from tests.cluster.rig import Finished

CONFIGS = {
    "ResourceClaim": "spec.devices.config",
    "ResourceClaimTemplate": "spec.spec.devices.config",
    "DeviceClass": "spec.config",
}


@pytest.fixture(scope="module")
def webhook(api_server: ApiServer, cluster_settings: Settings) -> Iterator[Beside]:
    helm = Helm(provide(cluster_settings, only=("helm",)).helm)
    with beside(api_server, helm) as running:
        yield running


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


class Kubectl:
    """A person at a shell, with objects of one kind in one version."""

    def __init__(self, webhook: Beside, kind: str, version: str) -> None:
        self._webhook = webhook
        self.kind = kind
        self.version = version
        self.resource = f"{PLURALS[kind]}.{version}.resource.k8s.io"

    def __call__(self, *words: str, text: str = "") -> Finished:
        """Run kubectl."""
        return self._webhook.server.run("kubectl", *words, text=text, check=False)

    def send(self, verb: str, name: str, *parameters: Json, labels: str = "") -> Finished:
        """Send an object with *parameters*; the verb may carry options."""
        one = body(self.kind, name, *parameters, version=self.version)
        if labels:
            one["metadata"]["labels"] = {"changed": labels}
        return self(*verb.split(), "-f", "-", text=json.dumps(one))

    def stored(self, name: str) -> Json | None:
        """Return the stored object, in the version that was sent."""
        return self._webhook.client.find(
            path(self.kind, name, namespace="default", version=self.version)
        )


@pytest.fixture
def kubectl(webhook: Beside, kind: str, version: str) -> Iterator[Kubectl]:
    yield Kubectl(webhook, kind, version)
    webhook.client.delete(path(kind, namespace="default"))


def said(run: Finished) -> list[str]:
    """Return the lines on standard error, but for what the API server says of old versions."""
    return [line for line in run.errors.splitlines() if " is deprecated in " not in line]


def assert_every_violation_is_readable(run: Finished, kind: str) -> None:
    """Each violation has a line of its own, which names field, fault, webhook and rule."""
    parameters = f"{CONFIGS[kind]}[0].opaque.parameters"
    expected = {
        f"{parameters}.sharing.strategy": "DRA101",
        f"{parameters}.colour": "DRA010",
    }
    assert run.code == 1, run
    assert f"The {kind} " in run.errors
    for field, rule in expected.items():
        (line,) = (line for line in run.errors.splitlines() if f"{field}: " in line)
        assert line.startswith("* ")
        assert line.endswith(f"(dra-config webhook, {rule})")


@pytest.mark.parametrize(
    "verb",
    [
        "create",
        "apply",
        "apply --server-side",
        "create --dry-run=server",
        "apply --dry-run=server",
    ],
)
def test_what_is_refused_is_told_and_not_stored(kubectl: Kubectl, verb: str) -> None:
    run = kubectl.send(verb, "bad", BAD)
    assert_every_violation_is_readable(run, kubectl.kind)
    assert kubectl.stored("bad") is None


@pytest.mark.parametrize("verb", ["create", "apply", "apply --server-side"])
def test_what_is_accepted_is_stored_and_deleted_again(kubectl: Kubectl, verb: str) -> None:
    run = kubectl.send(verb, "good", GOOD)
    assert (run.code, said(run)) == (0, [])
    stored = kubectl.stored("good")
    assert stored is not None
    sent = body(kubectl.kind, "good", GOOD, version=kubectl.version)
    assert json.dumps(GOOD)[1:-1] in json.dumps(stored["spec"])
    assert stored["apiVersion"] == sent["apiVersion"]
    assert kubectl("delete", kubectl.resource, "good").code == 0
    assert kubectl.stored("good") is None


@pytest.mark.parametrize("verb", ["create", "apply", "apply --server-side"])
def test_a_dry_run_stores_nothing(kubectl: Kubectl, verb: str) -> None:
    run = kubectl.send(f"{verb} --dry-run=server", "good", GOOD)
    assert (run.code, said(run)) == (0, [])
    assert "(server dry run)" in run.output
    assert kubectl.stored("good") is None


@pytest.mark.parametrize("verb", ["create", "apply", "create --dry-run=server"])
def test_a_warning_is_shown(kubectl: Kubectl, verb: str) -> None:
    run = kubectl.send(verb, "old", OLD)
    assert run.code == 0
    (line,) = said(run)
    assert line.startswith(f"Warning: DRA015 {CONFIGS[kubectl.kind]}[0].opaque.parameters")
    assert "dra-config convert" in line
    assert (kubectl.stored("old") is None) == ("dry-run" in verb)


@pytest.mark.parametrize("verb", ["replace", "apply"])
def test_an_update_changes_what_it_may(kubectl: Kubectl, verb: str) -> None:
    assert kubectl.send("apply", "kept", GOOD).code == 0
    run = kubectl.send(verb, "kept", GOOD, labels="yes")
    assert (run.code, said(run)) == (0, [])
    stored = kubectl.stored("kept")
    assert stored is not None
    assert stored["metadata"]["labels"] == {"changed": "yes"}


@pytest.mark.parametrize("verb", ["replace", "apply"])
def test_an_update_to_a_bad_config_changes_nothing(kubectl: Kubectl, verb: str) -> None:
    assert kubectl.send("apply", "kept", GOOD).code == 0
    before = kubectl.stored("kept")
    run = kubectl.send(verb, "kept", BAD, labels="yes")
    assert run.code == 1
    if kubectl.kind == "DeviceClass":
        assert_every_violation_is_readable(run, kubectl.kind)
    else:
        # Nobody may change the spec of a stored claim, so the server does not even ask.
        assert "field is immutable" in run.errors
    assert kubectl.stored("kept") == before
