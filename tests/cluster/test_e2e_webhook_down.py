"""What becomes of claims while the webhook is away is what the values of the chart say."""

from collections.abc import Iterator

import pytest

from tests.chart.chart import Helm
from tests.cluster.api_server import ApiServer
from tests.cluster.binaries import Settings, provide
from tests.cluster.client import Refusal
from tests.cluster.e2e.beside import Beside, beside
from tests.cluster.e2e.bodies import BAD, GOOD, KINDS, VERSIONS, body, path
from tests.cluster.e2e.stream import claims_without_a_pause

CANNOT_CALL = "failed calling webhook"


@pytest.fixture(scope="module")
def webhook(api_server: ApiServer, cluster_settings: Settings) -> Iterator[Beside]:
    helm = Helm(provide(cluster_settings, only=("helm",)).helm)
    with beside(api_server, helm) as running:
        yield running


@pytest.fixture
def stopped(webhook: Beside) -> Iterator[Beside]:
    webhook.stop()
    yield webhook
    webhook.start()
    webhook.ask()


@pytest.mark.parametrize("kind", KINDS)
def test_under_fail_what_carries_a_config_of_ours_has_to_wait(stopped: Beside, kind: str) -> None:
    for version in VERSIONS:
        objects = path(kind, namespace="default", version=version)
        for parameters in (GOOD, BAD):
            with pytest.raises(Refusal, match=CANNOT_CALL):
                stopped.client.create(objects, body(kind, "waits", parameters, version=version))
        # Nobody else's objects wait for us.
        stopped.client.create(objects, body(kind, "others", version=version), dryRun="All")
    assert "waits" not in stopped.names(kind)


@pytest.mark.parametrize("kind", KINDS)
def test_under_ignore_everything_is_let_in(stopped: Beside, kind: str) -> None:
    stopped.ask_meanwhile({"webhook": {"failurePolicy": "Ignore"}}, "")
    for version in VERSIONS:
        objects = path(kind, namespace="default", version=version)
        for parameters in (GOOD, BAD):
            stopped.client.create(
                objects, body(kind, "unjudged", parameters, version=version), dryRun="All"
            )


def test_under_ignore_a_webhook_that_answers_refuses_all_the_same(webhook: Beside) -> None:
    webhook.ask({"webhook": {"failurePolicy": "Ignore"}})
    try:
        assert not webhook.refusal(GOOD)
        assert "denied the request" in webhook.refusal()
    finally:
        webhook.ask()


def test_a_webhook_that_comes_back_is_asked_at_once(webhook: Beside) -> None:
    webhook.stop()
    assert CANNOT_CALL in webhook.refusal(GOOD)
    webhook.start()
    assert not webhook.refusal(GOOD)
    with claims_without_a_pause(webhook.server.control_plane, webhook.namespace):
        pass
