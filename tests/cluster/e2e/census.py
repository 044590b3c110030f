"""All objects of a cluster, to tell what an install adds and an uninstall leaves."""

from http import HTTPStatus

from tests.chart.chart import CHART
from tests.chart.installed import everything
from tests.cluster.client import Client, Refusal, path_of
from tests.cluster.waiting import wait_until

PATIENCE_SECONDS = 60.0

CRDS = {
    path_of("apiextensions.k8s.io/v1", "customresourcedefinitions", f"{plural}.{group}")
    for group, _, plural in (file.stem.partition("_") for file in (CHART / "crds").glob("*.yaml"))
}
LEFT = CRDS | {path_of("apiregistration.k8s.io/v1", "apiservices", "v1beta1.resource.nvidia.com")}
"""What an uninstall leaves: helm never deletes CRDs, and with them everybody's objects.

The API server makes an APIService for their group by itself, and takes it away with them.
"""


def census(client: Client) -> set[str]:
    """Return the path of every object but events and leases.

    A CRD that is new, or whose API server is, answers 429 for a moment; the group of one that has
    gone is listed for a moment more, and answers 404.

    Raises:
        RigError: Some objects cannot be listed.
    """
    found: list[set[str]] = []
    refused: list[Refusal] = []

    def counted() -> bool:
        try:
            found.append(everything(client))
        except Refusal as refusal:
            if refusal.code not in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.NOT_FOUND}:
                raise
            refused.append(refusal)
        return bool(found)

    wait_until(counted, seconds=PATIENCE_SECONDS, otherwise=lambda: f"{refused[-1]}")
    return found[0]


def wait_not_served(client: Client, ending: str) -> None:
    """Wait until the API server has forgotten all groups whose name ends with *ending*.

    Raises:
        RigError: It still knows one.
    """
    services = path_of("apiregistration.k8s.io/v1", "apiservices")

    def known() -> list[str]:
        groups = [group["name"] for group in client.get("/apis")["groups"]]
        groups += [service["spec"].get("group", "") for service in client.list(services)]
        return [group for group in groups if group.endswith(ending)]

    wait_until(
        lambda: not known(),
        seconds=PATIENCE_SECONDS,
        otherwise=lambda: f"the API server still knows {known()}",
    )


def remove_crds(client: Client) -> None:
    """Remove the CRDs of the chart, and with them all their objects.

    Raises:
        RigError: One stays.
    """
    for crd in CRDS:
        if client.find(crd) is not None:
            client.delete(crd)
    wait_not_served(client, "resource.nvidia.com")
