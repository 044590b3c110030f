"""The service that is shipped: ``python -m webhook`` with its own verdict, over real TLS."""

import http.client
import json
import os
import ssl
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import cycle
from pathlib import Path
from typing import Any, ClassVar

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.webhook.asked import a_review, an_object, config, domain_entry, entry, rules, warned
from tests.webhook.conftest import Serve
from tests.webhook.rotating import mount, serial, served_serial
from tests.webhook.served import JSON_HEADERS, PATH, PATIENCE_SECONDS, ROOT, Served, until

UID = "0c9f3d52-6a1b-4e7d-b8c4-5e2f90a1d376"
CHANNEL = {"kind": "ComputeDomainChannelConfig", "domainID": UID}
GOOD = a_review(an_object([entry(config()), domain_entry(config(**CHANNEL))]))
MPS = a_review(an_object([entry(config(sharing={"strategy": "MPS"}))]))
FABRIC = a_review(an_object([entry(config(fabricTopologyConfig={"strategy": "Auto"}))]))
BAD = a_review(
    an_object(
        [
            entry(config(sharing={"strategy": "Sometimes"}, profile="1g.5gb")),
            domain_entry(config("ComputeDomainDaemonConfig", domainID="../x")),
        ],
        kind="DeviceClass",
    ),
    kind="DeviceClass",
)
OLD = a_review(an_object([entry({"apiVersion": "gpu.nvidia.com/v1alpha1", "kind": "GpuConfig"})]))


class Whole(Served):
    """The service as it is shipped."""

    program: ClassVar[tuple[str, ...]] = ("-m", "webhook")


@pytest.fixture
def whole(pair_folder: Path, trust: ssl.SSLContext) -> Iterator[Serve]:
    with ExitStack() as stack:

        def start(*arguments: str, folder: Path | None = None, **environment: str) -> Served:
            served = Whole(folder or pair_folder, trust, *arguments, **environment)
            stack.callback(served.stop)
            return served

        yield start


def ask(webhook: Served, body: bytes) -> dict[str, Any]:
    with webhook.client() as client:
        reply = client.post(PATH, content=body, headers=JSON_HEADERS)
    assert reply.status_code == 200
    response: dict[str, Any] = reply.json()["response"]
    return response


def test_claims_and_classes_are_judged_counted_and_logged(whole: Serve) -> None:
    webhook = whole()
    assert ask(webhook, GOOD) == {"uid": "uid-1", "allowed": True}
    refused = ask(webhook, BAD)
    assert rules(refused) == ["DRA101", "DRA010", "DRA802"]
    assert [cause["field"] for cause in refused["status"]["details"]["causes"]] == [
        "spec.config[0].opaque.parameters.sharing.strategy",
        "spec.config[0].opaque.parameters.profile",
        "spec.config[1].opaque.parameters.domainID",
    ]
    assert warned(ask(webhook, OLD)) == ["DRA015"]

    metrics = webhook.metrics()
    ours = 'operation="CREATE",resource="{}",version="v1"'
    allowed = f'requests_total{{allowed="true",{ours.format("resourceclaims")}}}'
    denied = f'requests_total{{allowed="false",{ours.format("deviceclasses")}}}'
    assert (metrics[allowed], metrics[denied]) == (2, 1)
    rejected = {
        name.partition("{")[2]: number
        for name, number in metrics.items()
        if name.startswith("rejected_configs_total") and number
    }
    daemon = 'driver="compute-domain.nvidia.com",kind="ComputeDomainDaemonConfig"'
    assert rejected == {
        'driver="gpu.nvidia.com",kind="GpuConfig",rule="DRA010"}': 1,
        'driver="gpu.nvidia.com",kind="GpuConfig",rule="DRA101"}': 1,
        f'{daemon},rule="DRA802"}}': 1,
    }
    assert metrics["panics_total"] == metrics["in_flight"] == 0

    webhook.line(lambda line: line["message"] == "reviewed", count=3)
    logged = [line for line in webhook.lines if line["message"] == "reviewed"]
    assert [(line["kind"], line["verdict"], line["rules"]) for line in logged] == [
        ("ResourceClaim", "allowed", []),
        ("DeviceClass", "denied", ["DRA101", "DRA010", "DRA802"]),
        ("ResourceClaim", "allowed", ["DRA015"]),
    ]
    assert not any("Sometimes" in json.dumps(line) for line in webhook.lines)


def test_the_gates_of_the_flag_decide(whole: Serve) -> None:
    webhook = whole("--feature-gates=MPSSupport=true")
    assert ask(webhook, MPS)["allowed"]
    assert rules(ask(webhook, FABRIC)) == ["DRA401"]


def test_the_gates_of_the_environment_decide(whole: Serve) -> None:
    webhook = whole(FABRIC_TOPOLOGY_SUPPORT="true", FEATURE_GATES="TimeSlicingSettings=true")
    assert ask(webhook, FABRIC)["allowed"]
    assert rules(ask(webhook, MPS)) == ["DRA102"]


def test_only_the_drivers_that_were_named_are_judged(whole: Serve) -> None:
    webhook = whole("--drivers=compute-domain.nvidia.com")
    assert rules(ask(webhook, BAD)) == ["DRA802"]


@pytest.mark.parametrize(
    ("arguments", "environment", "sentence"),
    [
        (
            ["--feature-gates=MPSSupport=true,DynamicMIG=true"],
            {},
            "feature gates DynamicMIG and MPSSupport exclude each other",
        ),
        (["--feature-gates=MpsSupport=true"], {}, "the nearest one is MPSSupport"),
        ([], {"FEATURE_GATES": "AllAlpha=true"}, "AllAlpha=true switches on gates that exclude"),
        ([], {"FABRIC_TOPOLOGY_SUPPORT": "on"}, "FABRIC_TOPOLOGY_SUPPORT takes true or false"),
        (["--config-scope=requests"], {}, "no rule judges the requests of a claim yet"),
    ],
    ids=["exclusive", "unknown", "all alpha", "fabric variable", "scope"],
)
def test_settings_that_cannot_work_end_the_start_with_2_and_a_sentence(
    arguments: list[str], environment: dict[str, str], sentence: str
) -> None:
    """D14: the reference driver's webhook takes gates with which its plugin cannot start."""
    ended = subprocess.run(
        [sys.executable, "-m", "webhook", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith("webhook: ")
    assert sentence in ended.stderr
    assert ended.stderr.count("\n") == 1


class Client(threading.Thread):
    """Sends one review after the other over one connection that it never opens again."""

    def __init__(self, webhook: Served, stop: threading.Event) -> None:
        super().__init__()
        self._connection = http.client.HTTPSConnection(
            "localhost", webhook.port, context=webhook.trust, timeout=PATIENCE_SECONDS
        )
        self._connection.connect()
        self._connection.auto_open = False
        self._told = stop
        self.answered: Counter[bool] = Counter()
        self.sent_away = False
        """Whether the service said that it closes the connection."""
        self.failure = ""

    def run(self) -> None:
        try:
            for body, allowed in cycle([(GOOD, True), (BAD, False), (OLD, True)]):
                if self._told.is_set() or self.sent_away:
                    break
                self._send(body, allowed=allowed)
        except (OSError, http.client.HTTPException, AssertionError) as error:
            self.failure = repr(error)
        finally:
            self._connection.close()

    def _send(self, body: bytes, *, allowed: bool) -> None:
        self._connection.request("POST", PATH, body, JSON_HEADERS)
        reply = self._connection.getresponse()
        response = json.loads(reply.read())["response"]
        assert (reply.status, response["allowed"]) == (200, allowed)
        self.answered[allowed] += 1
        self.sent_away = reply.getheader("connection") == "close"


CONNECTIONS = 8


def begin(webhook: Served, stop: threading.Event) -> list[Client]:
    """Return clients at work, each of which has got an answer already."""
    clients = [Client(webhook, stop) for _ in range(CONNECTIONS)]
    for client in clients:
        client.start()
    until(lambda: all(client.answered for client in clients))
    return clients


def total(clients: list[Client]) -> int:
    return sum(client.answered.total() for client in clients)


def counted(metrics: dict[str, float]) -> float:
    return sum(number for name, number in metrics.items() if name.startswith("requests_total"))


def shows_rsa(webhook: Served) -> bool:
    with webhook.connect() as connection:
        shown = connection.getpeercert(binary_form=True)
    assert shown is not None
    return isinstance(x509.load_der_x509_certificate(shown).public_key(), rsa.RSAPublicKey)


def test_no_request_is_lost_while_the_certificate_rotates_five_times(
    whole: Serve, authority: trustme.CA, tmp_path: Path
) -> None:
    """D8: kept connections go on, new ones get the new certificate, a broken one is passed over.

    The second to last pair brings another kind of key, which a context in use would not take.
    """
    pairs = [authority.issue_cert("localhost", key_type=trustme.KeyType.ECDSA) for _ in range(4)]
    other_key = authority.issue_cert("localhost", key_type=trustme.KeyType.RSA)
    mount(tmp_path, "0", pairs[0])
    webhook = whole(folder=tmp_path)
    stop = threading.Event()
    clients = begin(webhook, stop)
    try:
        assert served_serial(webhook) == serial(pairs[0])
        swaps = [pairs[1], None, pairs[2], other_key, pairs[3]]
        for generation, swap in enumerate(swaps, 1):
            before = total(clients)
            mount(tmp_path, str(generation), swap)
            if swap is None:
                webhook.line(lambda line: line["message"] == "certificate unusable")
                assert served_serial(webhook) == serial(pairs[1])
                assert webhook.probe("/readyz").status_code == 200
            else:
                wanted = serial(swap)
                until(lambda wanted=wanted: served_serial(webhook) == wanted)  # type: ignore[misc]
                assert shows_rsa(webhook) is (swap is other_key)
            until(lambda before=before: total(clients) > before + CONNECTIONS)  # type: ignore[misc]
    finally:
        stop.set()
        for client in clients:
            client.join(PATIENCE_SECONDS)
    assert [client.failure for client in clients] == [""] * CONNECTIONS
    assert not any(client.sent_away for client in clients)
    metrics = webhook.metrics()
    assert counted(metrics) == total(clients)
    assert metrics["certificate_reloads_total"] == 5
    assert metrics["certificate_reload_errors_total"] >= 1
    assert metrics["panics_total"] == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_no_request_is_lost_when_the_service_is_stopped_under_load(
    whole: Serve, workers: int
) -> None:
    """Whoever is connected is told to go elsewhere, with an answer and before the door closes."""
    webhook = whole("--shutdown-delay=10", f"--workers={workers}")
    clients = begin(webhook, threading.Event())
    webhook.process.terminate()
    for client in clients:
        client.join(PATIENCE_SECONDS)
    assert [client.failure for client in clients] == [""] * CONNECTIONS
    assert all(client.sent_away for client in clients)
    assert counted(webhook.metrics()) == total(clients)
    # An operator at a terminal does not wait for the delay.
    webhook.process.send_signal(2)
    assert webhook.process.wait(PATIENCE_SECONDS) == 0
    until(lambda: any(line["message"] == "stopped" for line in webhook.lines))
    logged = [line for line in webhook.lines if line["message"] == "reviewed"]
    assert len(logged) == total(clients)
