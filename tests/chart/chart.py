"""The chart as helm renders it, in the words of the tests."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

Json = dict[str, Any]

CHART = Path(__file__).resolve().parents[2] / "charts" / "dra-config"
NAMESPACE = "gpu-system"
RELEASE = "dra-config"
APIS = ("cert-manager.io/v1", "monitoring.coreos.com/v1", "resource.k8s.io/v1")
"""What the cluster serves beside its own, as far as the chart knows it."""

CA_BUNDLE = "-----BEGIN CERTIFICATE-----\nZXhhbXBsZQ==\n-----END CERTIFICATE-----\n"
SECRET_MODE: Json = {"mode": "secret", "secret": {"name": "own-tls", "caBundle": CA_BUNDLE}}
TLS_BY_MODE: dict[str, Json] = {
    "cert-manager": {"mode": "cert-manager"},
    "secret": SECRET_MODE,
    "self-managed": {"mode": "self-managed"},
}
NEW_ENOUGH = "1.36.3"
"""The version of Kubernetes that helm is told, since each helm has an idea of its own."""

EVERYTHING: Json = {
    "featureGates": {"PassthroughSupport": True, "MPSSupport": True},
    "plugin": {
        "serviceMonitor": {"enabled": True},
        "prometheusRule": {"enabled": True},
    },
    "webhook": {
        "autoscaling": {"enabled": True},
        "serviceMonitor": {"enabled": True},
        "prometheusRule": {"enabled": True},
    },
}
"""Values with which every object is rendered that has a switch."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """The objects of a release."""

    objects: tuple[Json, ...]

    def of(self, kind: str) -> list[Json]:
        """Return the objects of *kind*."""
        return [one for one in self.objects if one["kind"] == kind]

    def part(self, component: str) -> "Rendered":
        """Return the objects of one component: `webhook` or `plugin`."""
        label = "app.kubernetes.io/component"
        return Rendered(
            tuple(
                one
                for one in self.objects
                if one["metadata"].get("labels", {}).get(label) == component
            )
        )

    def one(self, kind: str) -> Json:
        """Return the only object of *kind*."""
        (found,) = self.of(kind)
        return found

    def pod(self) -> Json:
        """Return the spec of the webhook's pods."""
        spec: Json = self.one("Deployment")["spec"]["template"]["spec"]
        return spec

    def plugin_pod(self) -> Json:
        """Return the spec of the plugin's pods."""
        spec: Json = self.one("DaemonSet")["spec"]["template"]["spec"]
        return spec

    def plugin_container(self) -> Json:
        """Return the only container of the plugin's pods."""
        (container,) = self.plugin_pod()["containers"]
        found: Json = container
        return found

    def arguments(self) -> list[str]:
        """Return the arguments of the webhook."""
        (container,) = self.pod()["containers"]
        found: list[str] = container["args"]
        return found


class NotRendered(Exception):  # noqa: N818 - it is what the test asks for
    """Helm refuses; the text is what people see."""


@dataclass(frozen=True, slots=True)
class Helm:
    """One version of helm."""

    program: Path

    def run(self, *arguments: str | Path, text: str = "") -> subprocess.CompletedProcess[str]:
        """Run helm to its end."""
        return subprocess.run(
            [self.program, *arguments], input=text, capture_output=True, text=True, check=False
        )

    def render(
        self,
        values: Json | None = None,
        *,
        release: str = RELEASE,
        namespace: str = NAMESPACE,
        apis: Sequence[str] = APIS,
        kubernetes: str = NEW_ENOUGH,
    ) -> Rendered:
        """Return the objects of a release with *values*.

        Raises:
            NotRendered: If helm refuses.
        """
        flags = (
            f"--namespace={namespace}",
            f"--kube-version={kubernetes}",
            *(f"--api-versions={api}" for api in apis),
        )
        return _rendered(self, json.dumps(values or {}), release, flags)


@cache
def _rendered(helm: Helm, values: str, release: str, flags: tuple[str, ...]) -> Rendered:
    """Render once what many tests look at; none of them changes it."""
    run = helm.run("template", release, CHART, "--values=-", *flags, text=values)
    if run.returncode != 0:
        raise NotRendered(run.stderr)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return Rendered(tuple(one for one in yaml.load_all(run.stdout, loader) if one))


def containers(pod: Json) -> Iterator[Json]:
    """Yield all containers of a pod."""
    for place in ("initContainers", "containers", "ephemeralContainers"):
        yield from pod.get(place, [])


def merged(*layers: Json) -> Json:
    """Return values with later *layers* on top of earlier ones."""
    result: Json = {}
    for layer in layers:
        for key, value in layer.items():
            before = result.get(key)
            if isinstance(before, dict) and isinstance(value, dict):
                result[key] = merged(before, value)
            else:
                result[key] = value
    return result


def with_plugin(*layers: Json) -> Json:
    """Return values under `plugin` with *layers* on top of each other, and a TLS mode."""
    return with_tls("self-managed", {"plugin": merged({}, *layers)})


def with_tls(mode: str, *layers: Json) -> Json:
    """Return values with a TLS mode and *layers* on top."""
    return merged({"webhook": {"tls": TLS_BY_MODE[mode]}}, *layers)
