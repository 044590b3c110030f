"""Whole webhooks that look after their TLS on a real API server."""

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.api_server import ApiServer
from tests.cluster.client import Refusal, path_of
from tests.webhook.installed import (
    CLAIMS,
    CONFIGURATION,
    NAME,
    RBAC,
    SECRET,
    SECRET_RULE,
    Installed,
    Stream,
    claim,
    keeper_pid,
    kill_keeper,
)
from tests.webhook.served import Served, until
from webhook.self_managed.contents import Served as ServedCertificate

ACCOUNT = f"system:serviceaccount:{NAME}:{NAME}"
SHORT = ("--self-managed-certificate-lifetime=8s", "--self-managed-authority-lifetime=24s")


@pytest.fixture
def installed(api_server: ApiServer, tmp_path: Path) -> Iterator[Installed]:
    namespace = path_of("v1", "namespaces", NAME)
    made = Installed(api_server, tmp_path)
    try:
        yield made
    finally:
        made.remove()
        # Nothing here ends a namespace, so its finalizer is taken away by hand.
        api_server.client.delete(namespace)
        left = api_server.client.get(namespace)
        api_server.client.replace(f"{namespace}/finalize", {**left, "spec": {"finalizers": []}})


def wait_for_line(webhook: Served, text: str, *, reason: str = "", count: int = 1) -> None:
    webhook.line(
        lambda line: line["message"] == text and reason in line.get("reason", ""), count=count
    )


def counted(webhook: Served, series: str) -> float:
    return webhook.metrics().get(series, 0)


def test_two_replicas_agree_and_the_api_server_lets_only_good_claims_through(
    installed: Installed,
) -> None:
    installed.start(0)
    installed.start(1, "--workers=2")
    until(installed.ready)
    # Readiness says that every webhook of the configuration has been told whom to trust.
    assert installed.trusted() == 1
    assert set(installed.bundles()) == {installed.contents().bundle}
    until(installed.accepts)
    installed.client.create(CLAIMS, claim("good"))
    with pytest.raises(Refusal, match="DRA101"):
        installed.client.create(CLAIMS, claim("bad", sharing={"strategy": "Sometimes"}))
    stored = [found["metadata"]["name"] for found in installed.client.list(CLAIMS)]
    assert stored == ["good"]
    served = installed.contents().served
    assert isinstance(served, ServedCertificate)
    assert served.names == (f"{NAME}.{NAME}.svc", "127.0.0.1")
    for index, webhook in enumerate(installed.webhooks):
        # Workers need no X.509 library, whose memory each of them would pay for.
        assert keeper_pid(webhook) != webhook.process.pid
        folder = installed.folder / str(index) / "pair"
        assert (folder / "tls.pem").read_bytes() == served.pem
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((folder / "tls.pem").stat().st_mode) == 0o600
        assert counted(webhook, "self_managed_failures_total") == 0
        assert counted(webhook, "certificate_reload_errors_total") == 0
        assert counted(webhook, "self_managed_last_success_seconds") > 0
        assert counted(webhook, "certificate_not_after_seconds") == served.not_after.timestamp()
    assert {webhook.stop() for webhook in installed.webhooks} == {0}
    assert asked_for(installed) == {
        ("get", "secrets", NAME),
        ("patch", "secrets", NAME),
        ("get", "validatingwebhookconfigurations", NAME),
        ("patch", "validatingwebhookconfigurations", NAME),
    }


def asked_for(installed: Installed) -> set[tuple[str, str, str]]:
    """Return verb, resource and name of all that the service account has asked for."""
    return {
        (event["verb"], event["objectRef"]["resource"], event["objectRef"]["name"])
        for event in installed.server.control_plane.audit()
        if event["user"].get("username") == ACCOUNT
    }


def test_no_claim_fails_while_certificate_and_authority_are_replaced(
    installed: Installed,
) -> None:
    installed.start_all(*SHORT)
    until(installed.ready)
    until(installed.accepts)
    stream = Stream(installed)
    with stream.running():
        for webhook in installed.webhooks:
            wait_for_line(webhook, "certificate taken over", count=5)
        until(lambda: told(installed, "authority made", "nears its end") >= 1)
        until(lambda: told(installed, "certificate made", "there is a new authority") >= 1)
        until(lambda: told(installed, "authorities listed anew", "") >= 1)
    assert stream.wrong == []
    assert stream.sent > 100
    for webhook in installed.webhooks:
        assert counted(webhook, "certificate_reload_errors_total") == 0
        assert counted(webhook, "self_managed_failures_total") == 0


def told(installed: Installed, text: str, reason: str) -> int:
    return sum(
        line["message"] == text and reason in line["reason"]
        for webhook in installed.webhooks
        for line in list(webhook.lines)
    )


def test_a_bundle_that_is_taken_away_is_put_back(installed: Installed) -> None:
    installed.start_all()
    until(installed.ready)
    until(installed.accepts)
    before = installed.bundles()
    installed.wipe_bundles()
    until(lambda: installed.bundles() == before)
    until(installed.accepts)
    # Only the caBundle is ours, and the API server knows it.
    managed = installed.client.get(CONFIGURATION)["metadata"]["managedFields"]
    (ours,) = (owner for owner in managed if owner["manager"] == "dra-config-webhook")
    webhooks = ours["fieldsV1"]["f:webhooks"]
    owned = {name for entry in webhooks.values() for name in entry["f:clientConfig"]}
    assert owned == {"f:caBundle"}


def test_a_secret_that_is_deleted_is_missed_and_made_good_once_it_is_there_again(
    installed: Installed,
) -> None:
    installed.start_all()
    until(installed.ready)
    until(installed.accepts)
    stream = Stream(installed)
    with stream.running():
        installed.client.delete(SECRET)
        for webhook in installed.webhooks:
            wait_for_line(webhook, "self-managed TLS cannot be looked after", reason="not found")
            assert webhook.probe("/readyz").status_code == 200
            assert counted(webhook, "self_managed_failures_total") > 0
        installed.client.create(
            path_of("v1", "secrets", namespace=NAME),
            {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": {"name": NAME}},
        )
        for webhook in installed.webhooks:
            wait_for_line(webhook, "self-managed TLS is looked after again")
            wait_for_line(webhook, "certificate taken over", count=2)
        # What was trusted before stays so, since it was being served until now.
        assert installed.trusted() == 2
    assert stream.wrong == []


def test_an_api_server_that_restarts_leaves_nothing_to_do(installed: Installed) -> None:
    installed.start_all()
    until(installed.ready)
    until(installed.accepts)
    before = installed.contents().bundle
    installed.server.control_plane.restart()
    until(installed.accepts)
    installed.wipe_bundles()
    until(installed.accepts)
    assert installed.contents().bundle == before
    assert installed.ready()


def test_a_pod_starts_with_the_pair_of_others_and_without_an_api_server_with_its_own(
    installed: Installed,
) -> None:
    first = installed.start(0)
    until(installed.ready)
    assert first.stop() == 0
    installed.server.control_plane.process.stop()
    try:
        again = installed.start(0)
        wait_for_line(again, "self-managed TLS cannot be looked after", reason="refused")
        assert again.probe("/readyz").status_code == 200
        late = installed.start(1)
        wait_for_line(late, "self-managed TLS cannot be looked after", reason="refused")
        assert late.probe("/readyz").status_code == 503
        assert late.probe("/livez").status_code == 200
    finally:
        installed.server.control_plane.process.start()
        installed.server.control_plane.wait_ready()
    until(lambda: late.probe("/readyz").status_code == 200)
    until(installed.accepts)
    assert len({(installed.folder / n / "pair" / "tls.pem").read_bytes() for n in "01"}) == 1


def test_a_token_is_read_anew_and_a_right_that_is_missing_is_named(installed: Installed) -> None:
    webhook = installed.start(0)
    until(installed.ready)
    token = installed.account / "token"
    token.write_text("expired")
    wait_for_line(webhook, "self-managed TLS cannot be looked after", reason="401")
    installed.renew_token()
    wait_for_line(webhook, "self-managed TLS is looked after again")
    role = path_of(RBAC, "roles", NAME, namespace=NAME)
    installed.client.patch(role, {"rules": [{**SECRET_RULE, "verbs": ["get"]}]})
    installed.client.patch(SECRET, {"data": {"tls.crt": None}})
    wait_for_line(webhook, "self-managed TLS cannot be looked after", reason="cannot patch")
    assert webhook.probe("/readyz").status_code == 200


def test_a_keeper_that_is_killed_is_started_again_and_no_request_notices(
    installed: Installed,
) -> None:
    installed.start_all()
    until(installed.ready)
    until(installed.accepts)
    stream = Stream(installed)
    with stream.running():
        for webhook in installed.webhooks:
            kill_keeper(webhook)
            wait_for_line(webhook, "a worker died and is started again")
        sent = stream.sent
        until(lambda: stream.sent > sent + 10)
    assert stream.wrong == []
    installed.wipe_bundles()
    until(installed.accepts)
