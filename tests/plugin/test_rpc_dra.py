"""Every claim in every call gets exactly one result, whatever the core does."""

import json
import logging
import re
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from plugin.preparer import (
    ClaimReference,
    Deadline,
    PreparedDevice,
    PrepareFailed,
    UnprepareFailed,
)
from plugin.rpc.batch import answer_seconds
from plugin.rpc.runner import THREADS
from tests.plugin.rpc_kubelet import (
    PREPARE,
    SECONDS,
    UNPREPARE,
    Gate,
    ScriptedPreparer,
    Served,
    beta,
    claim,
    device_of,
    serving,
)


@pytest.fixture
def root() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="rpc") as folder:
        yield Path(folder)


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open()


@pytest.fixture
def served(root: Path) -> Iterator[Served]:
    with serving(root) as one:
        yield one


def without_figure(sentence: str) -> str:
    """Return the sentence without its number of seconds, which the load of the machine decides."""
    return re.sub(r"within [0-9.]+ seconds", "within N seconds", sentence)


def test_a_claim_gets_its_devices_in_both_versions(served: Served) -> None:
    for results in (
        served.kubelet.call(PREPARE, claim()),
        served.kubelet.call_beta(PREPARE, *beta([claim()])),
    ):
        (device,) = results["uid-1"].devices
        assert results["uid-1"].error == ""
        assert [*device.request_names] == ["gpu"]
        assert (device.pool_name, device.device_name) == ("node1", "claim-1")
        assert [*device.cdi_device_ids] == ["example.com/gpu=uid-1"]


def test_a_claim_is_unprepared_in_both_versions(served: Served) -> None:
    assert served.kubelet.call(UNPREPARE, claim(1))["uid-1"].error == ""
    assert served.kubelet.call_beta(UNPREPARE, *beta([claim(2)]))["uid-2"].error == ""
    assert served.preparer.unprepared == ["uid-1", "uid-2"]


def test_the_core_is_told_namespace_name_and_uid(served: Served) -> None:
    seen: list[ClaimReference] = []

    def prepare(reference: ClaimReference, _: Deadline) -> tuple[PreparedDevice, ...]:
        seen.append(reference)
        return ()

    served.preparer.on_prepare = prepare
    result = served.kubelet.call(PREPARE, claim())["uid-1"]
    assert (len(result.devices), result.error) == (0, "")
    assert seen == [ClaimReference("default", "claim-1", "uid-1")]


def test_requests_lose_their_subrequests_and_stay_in_order(served: Served) -> None:
    names = ("z/large", "a", "z/small")
    served.preparer.on_prepare = lambda *_: (PreparedDevice(names, "p", "d", ()),)
    (device,) = served.kubelet.call(PREPARE, claim())["uid-1"].devices
    assert [*device.request_names] == ["z", "a"]


def test_no_request_stays_no_request_which_means_all(served: Served) -> None:
    served.preparer.on_prepare = lambda *_: (PreparedDevice((), "p", "d", ()),)
    (device,) = served.kubelet.call(PREPARE, claim())["uid-1"].devices
    assert [*device.request_names] == []


@pytest.mark.parametrize("share", ["", "5c2f"])
def test_a_share_is_told_in_v1_and_unknown_to_v1beta1(served: Served, share: str) -> None:
    served.preparer.on_prepare = lambda *_: (PreparedDevice((), "p", "d", (), share),)
    (device,) = served.kubelet.call(PREPARE, claim())["uid-1"].devices
    assert (device.HasField("share_id"), device.share_id) == (True, share)
    (old,) = served.kubelet.call_beta(PREPARE, *beta([claim()]))["uid-1"].devices
    whole = type(old)(pool_name="p", device_name="d")
    # Not one byte more, not even in fields that v1beta1 does not know.
    assert old.SerializeToString() == whole.SerializeToString()


def test_a_device_without_a_share_has_none(served: Served) -> None:
    (device,) = served.kubelet.call(PREPARE, claim())["uid-1"].devices
    assert not device.HasField("share_id")


def test_a_call_without_claims_gets_an_empty_answer(served: Served) -> None:
    assert dict(served.kubelet.call(PREPARE)) == {}
    assert dict(served.kubelet.call(UNPREPARE)) == {}


def test_a_claim_sent_twice_is_prepared_once_and_answered(served: Served) -> None:
    results = served.kubelet.call(PREPARE, claim(1), claim(2), claim(1))
    assert {uid: result.error for uid, result in results.items()} == {"uid-1": "", "uid-2": ""}
    assert sorted(served.preparer.prepared) == ["uid-1", "uid-2"]


def test_two_claims_of_one_uid_are_refused_by_name_and_others_are_not(served: Served) -> None:
    results = served.kubelet.call(PREPARE, claim(1), claim(1, name="other"), claim(2))
    assert results["uid-1"].error == (
        "The kubelet sent several claims with the UID uid-1: default/claim-1 and default/other."
        " Nothing was prepared for it."
    )
    assert results["uid-2"].error == ""
    assert served.preparer.prepared == ["uid-2"]


@pytest.mark.parametrize("uid", ["", "../../etc/passwd", "a/b", ".hidden", "x" * 129, "a\nb"])
def test_what_is_no_uid_never_reaches_the_core(served: Served, uid: str) -> None:
    results = served.kubelet.call(PREPARE, claim(1, uid=uid), claim(2))
    assert f"{uid[:128]!r} as its UID, which is none" in results[uid].error
    assert results["uid-2"].error == ""
    # An error would keep a pod Terminating, and there can be nothing to undo.
    assert served.kubelet.call(UNPREPARE, claim(1, uid=uid))[uid].error == ""
    assert served.preparer.prepared == ["uid-2"]
    assert served.preparer.unprepared == []
    assert served.lines.about(message="nothing to unprepare", level=logging.WARNING)


def test_claims_of_one_call_are_prepared_at_the_same_time(served: Served) -> None:
    """D51: the reference driver takes them one by one."""
    together = threading.Barrier(5, timeout=SECONDS)

    def prepare(reference: ClaimReference, deadline: Deadline) -> tuple[PreparedDevice, ...]:
        together.wait()
        return device_of(reference, deadline)

    served.preparer.on_prepare = prepare
    results = served.kubelet.call(PREPARE, *map(claim, range(5)))
    assert {result.error for result in results.values()} == {""}


def test_no_more_claims_at_a_time_than_there_are_threads(served: Served, gate: Gate) -> None:
    def prepare(reference: ClaimReference, deadline: Deadline) -> tuple[PreparedDevice, ...]:
        gate.pass_through()
        return device_of(reference, deadline)

    served.preparer.on_prepare = prepare
    many = THREADS["prepare"] + 5
    call = served.kubelet.future(PREPARE, *map(claim, range(many)))
    gate.wait_arrived(THREADS["prepare"])
    # A second call is answered by the same thread of the edge, after all that the first began.
    served.kubelet.call(UNPREPARE, claim(999))
    assert len(served.preparer.prepared) == THREADS["prepare"]
    gate.open()
    assert {result.error for result in call.result().claims.values()} == {""}
    assert len(served.preparer.prepared) == many


def test_unprepare_does_not_wait_behind_prepares_that_wait_for_it(served: Served) -> None:
    released = threading.Event()

    def prepare(reference: ClaimReference, deadline: Deadline) -> tuple[PreparedDevice, ...]:
        assert released.wait(SECONDS)
        return device_of(reference, deadline)

    served.preparer.on_prepare = prepare
    served.preparer.on_unprepare = lambda *_: released.set()
    call = served.kubelet.future(PREPARE, *map(claim, range(2 * THREADS["prepare"])))
    assert served.kubelet.call(UNPREPARE, claim(999))["uid-999"].error == ""
    assert {result.error for result in call.result().claims.values()} == {""}


def test_what_did_not_begin_in_time_is_told_why(served: Served, gate: Gate) -> None:
    def prepare(_reference: ClaimReference, _deadline: Deadline) -> tuple[PreparedDevice, ...]:
        gate.pass_through()
        return ()

    served.preparer.on_prepare = prepare
    first = served.kubelet.future(PREPARE, *map(claim, range(THREADS["prepare"])))
    gate.wait_arrived(THREADS["prepare"])
    error = served.kubelet.call(PREPARE, claim(99), seconds=1.5)["uid-99"].error
    assert without_figure(error) == (
        "dra-config could not prepare claim default/claim-99 within N seconds. It has not"
        " begun, because 16 other claims were in its way. The kubelet asks again within a minute"
        " and a half."
    )
    assert "uid-99" not in served.preparer.prepared
    gate.open()
    first.result()
    assert served.kubelet.call(PREPARE, claim(99))["uid-99"].error == ""


def test_a_refusal_is_told_as_it_is_and_not_tried_again(served: Served) -> None:
    def prepare(reference: ClaimReference, deadline: Deadline) -> tuple[PreparedDevice, ...]:
        if reference.uid == "uid-1":
            raise PrepareFailed("No such GPU.", permanent=True)
        return device_of(reference, deadline)

    served.preparer.on_prepare = prepare
    results = served.kubelet.call(PREPARE, claim(1), claim(2))
    assert (results["uid-1"].error, [*results["uid-1"].devices]) == ("No such GPU.", [])
    assert results["uid-2"].error == ""
    assert served.preparer.prepared.count("uid-1") == 1


def test_a_refusal_without_a_word_is_still_an_error(served: Served) -> None:
    def unprepare(_reference: ClaimReference, _deadline: Deadline) -> None:
        raise UnprepareFailed("", permanent=True)

    served.preparer.on_unprepare = unprepare
    error = served.kubelet.call(UNPREPARE, claim())["uid-1"].error
    assert error == "Claim default/claim-1 failed without a reason (UnprepareFailed)."


def test_a_failure_that_passes_costs_the_pod_nothing(served: Served) -> None:
    def prepare(reference: ClaimReference, deadline: Deadline) -> tuple[PreparedDevice, ...]:
        if served.preparer.prepared.count("uid-1") < 3:
            raise PrepareFailed("The API server is away.", permanent=False)
        return device_of(reference, deadline)

    served.preparer.on_prepare = prepare
    assert served.kubelet.call(PREPARE, claim())["uid-1"].error == ""
    assert served.preparer.prepared == ["uid-1"] * 3
    assert served.sample("claim_retries_total", operation="prepare") == 2
    assert [line["tries"] for line in served.lines.about(message="a claim is tried again")] == [
        1,
        2,
    ]


def test_a_failure_that_does_not_pass_is_told_before_the_time_is_over(served: Served) -> None:
    def unprepare(_reference: ClaimReference, _deadline: Deadline) -> None:
        raise UnprepareFailed("The API server is away.", permanent=False)

    served.preparer.on_unprepare = unprepare
    error = served.kubelet.call(UNPREPARE, claim(), seconds=1.5)["uid-1"].error
    tries = len(served.preparer.unprepared)
    assert tries > 1
    assert error == (
        f"The API server is away. It was tried {tries} times. The kubelet asks again within a"
        " quarter of a minute."
    )


def test_a_defect_of_ours_costs_one_claim_and_is_logged_once(served: Served) -> None:
    """D53: over one claim the reference driver panics, and its process ends."""

    def prepare(reference: ClaimReference, deadline: Deadline) -> tuple[PreparedDevice, ...]:
        if reference.uid == "uid-1":
            raise KeyError("gpu-7")
        return device_of(reference, deadline)

    served.preparer.on_prepare = prepare
    results = served.kubelet.call(PREPARE, claim(1), claim(2))
    assert results["uid-1"].error == (
        "dra-config could not prepare claim default/claim-1 because of a defect of its own"
        " (KeyError: 'gpu-7'). Please report it with the lines of the plugin's log whose"
        " claimUID is uid-1."
    )
    assert results["uid-2"].error == ""
    (line,) = served.lines.about(claimUID="uid-1")
    assert line["level"] == logging.ERROR
    assert "KeyError: 'gpu-7'" in line["traceback"]
    assert served.sample("claims_total", operation="prepare", outcome="defect") == 1


@pytest.mark.parametrize(
    "error",
    [PrepareFailed("No file /x\udcff.", permanent=True), ValueError("No file /x\udcff.")],
    ids=["refusal", "defect"],
)
def test_an_error_that_cannot_be_sent_is_escaped(served: Served, error: Exception) -> None:
    def prepare(reference: ClaimReference, deadline: Deadline) -> tuple[PreparedDevice, ...]:
        if reference.uid == "uid-1":
            raise error
        return device_of(reference, deadline)

    served.preparer.on_prepare = prepare
    results = served.kubelet.call(PREPARE, claim(1), claim(2))
    assert r"No file /x\udcff." in results["uid-1"].error
    assert results["uid-2"].error == ""
    (line,) = served.lines.about(claimUID="uid-1")
    assert json.dumps(line, ensure_ascii=False).encode()


def test_a_device_that_cannot_be_sent_is_a_defect_of_one_claim(served: Served) -> None:
    def prepare(reference: ClaimReference, deadline: Deadline) -> tuple[PreparedDevice, ...]:
        if reference.uid == "uid-1":
            return (PreparedDevice((), "p", "\ud800", ()),)
        return device_of(reference, deadline)

    served.preparer.on_prepare = prepare
    results = served.kubelet.call(PREPARE, claim(1), claim(2))
    assert "a defect of its own" in results["uid-1"].error
    assert results["uid-2"].error == ""


def test_a_thread_that_cannot_be_started_costs_one_claim(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start
    refused: list[threading.Thread] = []

    def refuse(thread: threading.Thread) -> None:
        if thread.name == "claim" and not refused:
            refused.append(thread)
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    results = served.kubelet.call(PREPARE, claim(1), claim(2))
    assert results["uid-1"].error == (
        "dra-config could not start a thread for claim default/claim-1 (can't start new thread);"
        " its limit of processes may be reached. The kubelet asks again within a minute and a"
        " half."
    )
    assert results["uid-2"].error == ""
    monkeypatch.undo()
    assert served.kubelet.call(PREPARE, claim(1))["uid-1"].error == ""


def test_work_that_hangs_is_answered_in_time_and_taken_up_when_it_ends(
    served: Served, gate: Gate
) -> None:
    def prepare(reference: ClaimReference, deadline: Deadline) -> tuple[PreparedDevice, ...]:
        if reference.uid == "uid-1":
            gate.pass_through()
            assert deadline.cancelled
        return device_of(reference, deadline)

    served.preparer.on_prepare = prepare
    results = served.kubelet.call(PREPARE, claim(1), claim(2), seconds=1.5)
    assert results["uid-2"].error == ""
    assert without_figure(results["uid-1"].error) == (
        "dra-config could not prepare claim default/claim-1 within N seconds. It was called"
        " off. The kubelet asks again within a minute and a half."
    )
    # The kubelet asks again; nobody else works on the claim meanwhile, nor takes a thread.
    again = served.kubelet.call(PREPARE, claim(1), seconds=1.5)["uid-1"].error
    assert "An earlier attempt at it has not ended yet." in again
    undo = served.kubelet.call(UNPREPARE, claim(1), seconds=1.5)["uid-1"].error
    assert "An earlier attempt at it has not ended yet." in undo
    assert served.preparer.prepared.count("uid-1") == 1
    assert served.sample("claims_running", operation="prepare") == 1
    served.preparer.on_prepare = device_of
    waiting = served.kubelet.future(PREPARE, claim(1))
    gate.open()
    assert waiting.result().claims["uid-1"].error == ""
    assert served.lines.about(claimUID="uid-1", late=True, outcome="success")


def test_a_call_that_the_kubelet_cancels_is_called_off(served: Served) -> None:
    """D51: the reference driver's waits ignore that the kubelet has given up."""
    noticed = threading.Event()
    begun = threading.Event()

    def prepare(_reference: ClaimReference, deadline: Deadline) -> tuple[PreparedDevice, ...]:
        begun.set()
        deadline.wait(SECONDS)
        if deadline.cancelled:
            noticed.set()
        raise PrepareFailed("The GPU is not free.", permanent=False)

    served.preparer.on_prepare = prepare
    call = served.kubelet.future(PREPARE, claim())
    assert begun.wait(SECONDS)
    call.cancel()
    assert noticed.wait(SECONDS)
    served.wait_sample(1, "claims_total", operation="prepare", outcome="cancelled")
    served.wait_sample(1, "requests_total", method="prepare", code="Canceled")
    served.wait_sample(0, "requests_in_flight", method="prepare")
    # The thread ends and is not tried again.
    served.wait_sample(0, "claims_running", operation="prepare")
    assert served.preparer.prepared == ["uid-1"]
    # Unprepare follows, as from the kubelet.
    assert served.kubelet.call(UNPREPARE, claim())["uid-1"].error == ""


def test_a_cancelled_claim_that_waits_for_a_thread_leaves_the_queue(
    served: Served, gate: Gate
) -> None:
    def prepare(reference: ClaimReference, deadline: Deadline) -> tuple[PreparedDevice, ...]:
        gate.pass_through()
        return device_of(reference, deadline)

    served.preparer.on_prepare = prepare
    first = served.kubelet.future(PREPARE, *map(claim, range(THREADS["prepare"])))
    gate.wait_arrived(THREADS["prepare"])
    queued = served.kubelet.future(PREPARE, claim(99))
    served.wait_sample(2, "requests_in_flight", method="prepare")
    queued.cancel()
    served.wait_sample(1, "requests_in_flight", method="prepare")
    gate.open()
    first.result()
    assert served.kubelet.call(PREPARE, claim(99))["uid-99"].error == ""
    assert served.preparer.prepared.count("uid-99") == 1


def test_the_core_has_less_time_than_the_edge_and_the_edge_less_than_the_kubelet(
    served: Served,
) -> None:
    left: list[float] = []

    def prepare(_reference: ClaimReference, deadline: Deadline) -> tuple[PreparedDevice, ...]:
        left.append(deadline.remaining_seconds())
        return ()

    served.preparer.on_prepare = prepare
    for seconds in (45.0, 25.0, None):
        served.kubelet.future(PREPARE, claim(), seconds=seconds).result()
    for found, most in zip(left, (38.0, 19.0, 38.0), strict=True):
        # gRPC rounds up what it sends.
        assert 0 < found < most + 0.5


@pytest.mark.parametrize(
    ("remaining", "expected"),
    [(45.0, 40.0), (44.0, 39.0), (8.0, 4.0), (600.0, 40.0), (None, 40.0)],
)
def test_an_answer_comes_five_seconds_before_the_kubelet_gives_up(
    remaining: float | None, expected: float
) -> None:
    assert answer_seconds(remaining) == pytest.approx(expected)


def test_a_method_that_does_not_exist_is_unimplemented(served: Served) -> None:
    method = served.kubelet._method(served.places.dra, "/v1alpha3.Node/X", type(claim()))
    with pytest.raises(grpc.RpcError) as caught:
        method(claim(), timeout=SECONDS)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_an_edge_with_nothing_to_prepare_starts_and_stops(root: Path) -> None:
    with serving(root, ScriptedPreparer()) as one:
        assert one.edge.stop(0)
