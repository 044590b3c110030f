"""What the edge counts and logs tells an operator what became of every claim."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from plugin.preparer import ClaimReference, Deadline, PreparedDevice, PrepareFailed
from plugin.rpc.telemetry import OPERATIONS, OUTCOMES, PREFIX
from tests.plugin.rpc_kubelet import (
    PREPARE,
    UNPREPARE,
    Gate,
    Served,
    beta,
    claim,
    device_of,
    serving,
)


@pytest.fixture
def served() -> Iterator[Served]:
    with (
        tempfile.TemporaryDirectory(prefix="rpc") as folder,
        serving(Path(folder)) as one,
    ):
        yield one


def test_every_counter_of_claims_is_there_before_the_first_claim(served: Served) -> None:
    for operation in OPERATIONS:
        for outcome in OUTCOMES:
            labels = {"operation": operation, "outcome": outcome}
            assert served.sample("claims_total", **labels) == 0
        assert served.sample("claim_retries_total", operation=operation) == 0
        assert served.sample("claims_running", operation=operation) == 0


def test_all_names_bear_the_plugins_prefix(served: Served) -> None:
    text = generate_latest(served.registry).decode()
    names = {family.name for family in text_string_to_metric_families(text)}
    assert len(names) > 8
    assert {name for name in names if not name.startswith(PREFIX)} == set()


def test_calls_and_claims_are_counted_by_what_became_of_them(served: Served) -> None:
    """D55: the reference driver leaves failed requests out of its totals and durations."""

    def prepare(reference: ClaimReference, deadline: Deadline) -> tuple[PreparedDevice, ...]:
        if reference.uid == "uid-2":
            raise PrepareFailed("No.", permanent=True)
        return device_of(reference, deadline)

    served.preparer.on_prepare = prepare
    served.kubelet.call(PREPARE, claim(1), claim(2))
    served.kubelet.call_beta(PREPARE, *beta([claim(3)]))
    served.kubelet.call(UNPREPARE, claim(1))
    served.kubelet.get_info()
    served.kubelet.notify()
    for method, count in (
        ("prepare", 2),
        ("unprepare", 1),
        ("get_info", 1),
        ("notify_registration_status", 1),
    ):
        assert served.sample("requests_total", method=method, code="OK") == count
        assert served.sample("request_duration_seconds_count", method=method) == count
        assert served.sample("requests_in_flight", method=method) == 0
    assert served.sample("claims_total", operation="prepare", outcome="success") == 2
    assert served.sample("claims_total", operation="prepare", outcome="refused") == 1
    assert served.sample("claims_total", operation="unprepare", outcome="success") == 1
    assert served.sample("claim_duration_seconds_count", operation="prepare") == 3


def test_what_is_under_way_can_be_seen(served: Served) -> None:
    """D55: the reference driver's gauge is raised after the lock, so it never exceeds 1."""
    gate = Gate()

    def prepare(reference: ClaimReference, deadline: Deadline) -> tuple[PreparedDevice, ...]:
        gate.pass_through()
        return device_of(reference, deadline)

    served.preparer.on_prepare = prepare
    call = served.kubelet.future(PREPARE, claim(1), claim(2))
    try:
        gate.wait_arrived(2)
        assert served.sample("requests_in_flight", method="prepare") == 1
        assert served.sample("claims_running", operation="prepare") == 2
    finally:
        gate.open()
    call.result()
    assert served.sample("requests_in_flight", method="prepare") == 0
    assert served.sample("claims_running", operation="prepare") == 0


def test_one_line_for_each_claim_with_its_uid_and_what_became_of_it(served: Served) -> None:
    def prepare(reference: ClaimReference, deadline: Deadline) -> tuple[PreparedDevice, ...]:
        if reference.uid == "uid-2":
            raise PrepareFailed("GPU 4 is held by claim a/b.", permanent=True)
        return device_of(reference, deadline)

    served.preparer.on_prepare = prepare
    served.kubelet.call(PREPARE, claim(1), claim(2))
    (good,) = served.lines.about(claimUID="uid-1")
    assert good["message"] == "prepare of a claim ended"
    assert (good["claim"], good["outcome"]) == ("default/claim-1", "success")
    assert good["milliseconds"] > 0
    assert "error" not in good
    (bad,) = served.lines.about(claimUID="uid-2")
    assert (bad["outcome"], bad["error"]) == ("refused", "GPU 4 is held by claim a/b.")
    assert json.dumps(bad)
