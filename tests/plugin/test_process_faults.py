"""What goes wrong around the plugin, as a process over a real API server.

A kill at every step is in `test_kills`; what only a real kubelet shows is in `tests/cluster`.
"""

import os
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest

from plugin.hardware.facts import ComputeMode
from plugin.rpc.stubs import kubelet_dra_v1_pb2 as v1
from tests.cluster.api_server import ApiServer
from tests.cluster.waiting import wait_until
from tests.plugin.altered_plugin import DEFECTIVE, HURRIED, UNDESCRIBABLE, UNREADABLE
from tests.plugin.cut_off import WayToServer, way_to
from tests.plugin.faulty_node import (
    ANSWER_SECONDS,
    SLICES,
    Caller,
    FaultyNode,
    calling,
    faulty_node,
    told_devices,
)
from tests.plugin.plugin_process import ROOT, SECONDS, Host, PluginProcess, running
from tests.plugin.prepare_rig import SHORT_SLICES, opaque
from tests.plugin.rpc_kubelet import PREPARE, UNPREPARE
from tests.plugin.small_disks import small_disks

GPUS = 8
SHARED = ("Default", "Short")
SHORT = opaque(sharing=SHORT_SLICES)
MPS = opaque(sharing={"strategy": "MPS"})
ROUNDS = 5


@pytest.fixture
def node(api_server: ApiServer) -> Iterator[FaultyNode]:
    with faulty_node(api_server) as found:
        yield found


def wait_offered(node: FaultyNode, *devices: str) -> None:
    wait_until(
        lambda: node.offered() == sorted(devices),
        seconds=SECONDS,
        otherwise=lambda: f"offered are {node.offered()}, not {sorted(devices)}",
    )


def wait_event(node: FaultyNode, name: str, reason: str, words: str) -> None:
    wait_until(
        lambda: any(found == reason and words in note for found, note in node.events_about(name)),
        seconds=SECONDS,
        otherwise=lambda: f"the Events of {name} are {node.events_about(name)}",
    )


def all_gpus(*, but: tuple[str, ...] = ()) -> list[str]:
    return [name for number in range(GPUS) if (name := f"gpu-{number}") not in but]


# ------------------------------------------------------------------ an API server that is away


@pytest.fixture
def way(api_server: ApiServer) -> Iterator[WayToServer]:
    """Return the way to the API server that the plugin of `far_node` takes."""
    port = urlsplit(api_server.url).port
    assert port is not None
    with way_to(port) as found:
        yield found


@pytest.fixture
def far_node(api_server: ApiServer, way: WayToServer) -> Iterator[FaultyNode]:
    authority = api_server.control_plane.authority
    leaf = authority.leaf("far", "far", organizations=["system:masters"])
    kubeconfig = authority.kubeconfig(
        f"far-{way.port}", server=f"https://127.0.0.1:{way.port}", leaf=leaf
    )
    with faulty_node(api_server, kubeconfig=kubeconfig) as found:
        yield found


@pytest.mark.parametrize(
    ("how", "seconds", "calls"),
    [
        ("refuses", 10.0, 1),
        ("is silent", 10.0, 1),
        # Each call of a kubelet lasts for two thirds of a minute.
        pytest.param("refuses", ANSWER_SECONDS, 2, marks=pytest.mark.deep),
        pytest.param("is silent", ANSWER_SECONDS, 2, marks=pytest.mark.deep),
    ],
)
def test_an_api_server_that_is_away_stops_new_claims_only(
    far_node: FaultyNode, way: WayToServer, how: str, seconds: float, calls: int
) -> None:
    node = far_node
    old, new = (node.claims.allocate(name, configs=[SHORT]) for name in ("gpu-0", "gpu-1"))
    with running(node.host) as plugin, calling(node.host) as caller:
        wait_offered(node, *all_gpus())
        devices = caller.prepare(old)
        (way.cut if how == "refuses" else way.block)()
        # The plugin cannot see it.
        node.client.delete(f"{SLICES}/{node.slices()[0]['metadata']['name']}")
        for _ in range(calls):
            assert caller.prepare(old) == devices
            error = caller.try_prepare(new, seconds=seconds).error
            assert f"The API server did not give claim default/{new.name}: " in error
            assert error.endswith(" The kubelet asks again within a minute and a half.")
        assert node.settings() == {"gpu-0": SHARED}
        caller.unprepare(old)
        expect_nothing_left(node)
        if how == "refuses":
            plugin.wait_line("the API server does not answer")
            assert "dra_config_plugin_api_server_reachable 0.0" in plugin.metrics().splitlines()
        way.open()
        caller.prepare(new)
        assert node.settings() == {"gpu-1": SHARED}
        wait_offered(node, *all_gpus())
        caller.unprepare(new)
        expect_nothing_left(node)


def test_a_claim_waits_for_an_api_server_that_comes_back_in_time(
    far_node: FaultyNode, way: WayToServer
) -> None:
    claim = far_node.claims.allocate("gpu-0")
    with running(far_node.host) as plugin, calling(far_node.host) as caller:
        wait_offered(far_node, *all_gpus())
        way.cut()
        answer = caller.kubelet.future(PREPARE, claim, seconds=ANSWER_SECONDS)
        assert plugin.wait_line("a claim is tried again")["claimUID"] == claim.uid
        way.open()
        assert answer.result().claims[claim.uid].error == ""
        caller.unprepare(claim)


def test_the_plugin_starts_and_releases_without_an_api_server(
    far_node: FaultyNode, way: WayToServer
) -> None:
    node = far_node
    old, gone = (node.claims.allocate(name, configs=[SHORT]) for name in ("gpu-0", "gpu-1"))
    with running(node.host) as plugin, calling(node.host) as caller:
        devices = caller.prepare(old)
        caller.prepare(gone)
        plugin.kill()
    way.cut()
    with running(node.host) as plugin, calling(node.host) as caller:
        assert caller.prepare(old) == devices
        caller.unprepare(gone)
        assert node.settings() == {"gpu-0": SHARED}
        way.open()
        wait_offered(node, *all_gpus())
        caller.unprepare(old)
        expect_nothing_left(node)


def expect_nothing_left(node: FaultyNode) -> None:
    assert node.left() == []
    assert node.settings() == {}


# ----------------------------------------------------------------------------- a full disk


@pytest.mark.parametrize("full", ["claims", "cdi", "both"])
def test_a_full_disk_refuses_new_claims_and_lets_go_of_old_ones(
    node: FaultyNode, full: str
) -> None:
    """D31: a release needs no space, also after a kill."""
    places = {"claims": node.host.folder / "claims", "cdi": node.host.cdi_root}
    wanted = places.values() if full == "both" else [places[full]]
    with small_disks(*wanted) as disks:
        node.root_seen = disks.root
        host = replace(node.host, program=(*disks.enter(ROOT), *node.host.program))
        old, new = (node.claims.allocate(name, configs=[SHORT]) for name in ("gpu-0", "gpu-1"))
        with running(host) as plugin, calling(host) as caller:
            devices = caller.prepare(old)
            held = node.left()
            disks.fill()
            error = caller.try_prepare(new, seconds=4.0).error
            what = "the CDI file of a claim" if full == "cdi" else "the record of another claim"
            assert f"There is no space left for {what}: " in error
            assert node.left() == held
            assert node.settings() == {"gpu-0": SHARED}
            plugin.kill()
        with running(host), calling(host) as caller:
            assert caller.prepare(old) == devices
            caller.unprepare(old)
            expect_nothing_left(node)
            disks.empty()
            caller.prepare(new)
            assert node.settings() == {"gpu-1": SHARED}
            caller.unprepare(new)
            expect_nothing_left(node)


def test_a_full_disk_lets_go_of_an_mps_daemon(node: FaultyNode) -> None:
    """Its program cannot even write that it ends."""
    folder = node.host.folder
    with small_disks(folder / "claims", node.host.cdi_root, folder / "mps") as disks:
        node.root_seen = disks.root
        host = replace(node.host, program=(*disks.enter(ROOT), *node.host.program))
        old, new = (node.claims.allocate(name, configs=[MPS]) for name in ("gpu-0", "gpu-1"))
        with running(host) as plugin, calling(host) as caller:
            caller.prepare(old)
            held = node.left()
            disks.fill()
            error = caller.try_prepare(new, seconds=4.0).error
            assert "There is no space left for the record of another claim: " in error
            assert node.left() == held
            plugin.kill()
        with running(host), calling(host) as caller:
            caller.unprepare(old)
            expect_nothing_left(node)
            disks.empty()
            disks.fill(folder / "mps")
            # Long enough to begin, and not to begin once more.
            error = caller.try_prepare(new, seconds=12.0).error
            assert "The folders of an MPS daemon cannot be made: [Errno 28] No space left" in error
            expect_nothing_left(node)
            disks.empty()
            caller.prepare(new)
            caller.unprepare(new)
            expect_nothing_left(node)


# ------------------------------------------------------------------------------- a reboot


NEXT_BOOT = ("--boot-id", "second-boot")


def lose_power(node: FaultyNode) -> None:
    """End every process, and remove what lies in memory only."""
    end_daemons(node)
    shutil.rmtree(node.host.cdi_root)
    shutil.rmtree(node.shared_memory, ignore_errors=True)


def end_daemons(node: FaultyNode) -> None:
    for process in node.daemon_processes():
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    wait_until(lambda: not node.daemons(), seconds=SECONDS, otherwise=lambda: "daemons stay")


def test_after_a_reboot_claims_are_prepared_anew_and_nothing_old_is_restored(
    node: FaultyNode,
) -> None:
    for name in ("gpu-0", "gpu-1", "gpu-2"):
        node.set_mode(name, ComputeMode.PROHIBITED)
    again, never = (node.claims.allocate(name, configs=[SHORT]) for name in ("gpu-0", "gpu-1"))
    shared = node.claims.allocate("gpu-2", configs=[MPS])
    with running(node.host) as plugin, calling(node.host) as caller:
        before = {one.uid: caller.prepare(one) for one in (again, never, shared)}
        records = node.records()
        plugin.kill()
    lose_power(node)
    with running(node.host, *NEXT_BOOT), calling(node.host) as caller:
        assert node.records() == records
        assert node.cdi_files() == node.daemons() == []
        assert node.settings("second-boot") == {}
        assert caller.prepare(again) == before[again.uid]
        assert caller.prepare(shared) == before[shared.uid]
        assert len(node.cdi_files()) == 2
        assert len(node.daemons()) == 1
        exclusive = ("ExclusiveProcess", "Default")
        assert node.settings("second-boot") == {"gpu-0": SHARED, "gpu-2": exclusive}
        caller.unprepare(never)
        assert node.settings("second-boot") == {"gpu-0": SHARED, "gpu-2": exclusive}
        caller.unprepare(again, shared)
        assert node.left() == []
        assert node.settings("second-boot") == {}


def test_after_a_reboot_what_nobody_claims_any_more_is_released(node: FaultyNode) -> None:
    """F5: the claims are gone, so the kubelet never asks."""
    node.set_mode("gpu-0", ComputeMode.PROHIBITED)
    slices = node.claims.allocate("gpu-0", configs=[SHORT])
    mps = node.claims.allocate("gpu-1", configs=[MPS])
    stays = node.claims.allocate("gpu-2", configs=[SHORT])
    with running(node.host) as plugin, calling(node.host) as caller:
        for one in (slices, mps, stays):
            caller.prepare(one)
        plugin.kill()
    lose_power(node)
    node.claims.delete(slices)
    node.claims.delete(mps)
    with running(altered(node, HURRIED), *NEXT_BOOT), calling(node.host) as caller:
        wait_until(
            lambda: node.left() == [f"{stays.uid}.record"],
            seconds=SECONDS,
            otherwise=lambda: f"left is {node.left()}",
        )
        assert node.settings("second-boot") == {}
        caller.unprepare(stays)
        assert node.left() == []


def altered(node: FaultyNode, how: str) -> Host:
    program = (sys.executable, "-m", "tests.plugin.altered_plugin", how)
    return replace(node.host, program=program)


# ------------------------------------------------------------------------- a rolling update


@contextmanager
def two_instances(node: FaultyNode, *options: str) -> Iterator[tuple[Caller, Caller]]:
    """Lend callers of two instances that serve the same node."""
    with ExitStack() as stack:
        hosts = (node.instance(1), node.instance(2))
        for host in hosts:
            stack.enter_context(running(host, *options))
        first, second = (stack.enter_context(calling(host)) for host in hosts)
        yield first, second


@pytest.fixture
def callers(node: FaultyNode) -> Iterator[tuple[Caller, Caller]]:
    with two_instances(node) as found:
        yield found


def results(*answers: Any, of: v1.Claim) -> list[Any]:
    return [answer.result().claims[of.uid] for answer in answers]


def test_a_new_instance_releases_what_the_old_one_prepared(node: FaultyNode) -> None:
    """D56: that an old one reads the records of a new one is in `test_checkpoint_records`."""
    node.set_mode("gpu-0", ComputeMode.PROHIBITED)
    before = node.settings()
    claim, other = (node.claims.allocate(name, configs=[SHORT]) for name in ("gpu-0", "gpu-1"))
    shared = node.claims.allocate("gpu-2", configs=[MPS])
    with running(node.instance(1)) as old, calling(node.instance(1)) as caller:
        devices = caller.prepare(claim)
        caller.prepare(shared)
        with running(node.instance(2)), calling(node.instance(2)) as new_caller:
            assert new_caller.prepare(claim) == devices
            new_caller.prepare(other)
            caller.unprepare(other)
            assert old.stop() == 0
            new_caller.unprepare(claim, shared)
            assert node.left() == []
            assert node.settings() == before


def test_one_claim_at_two_instances_at_once_has_one_effect(
    node: FaultyNode, callers: tuple[Caller, Caller]
) -> None:
    node.set_mode("gpu-0", ComputeMode.PROHIBITED)
    before = node.settings()
    for _ in range(ROUNDS):
        claim = node.claims.allocate("gpu-0", configs=[SHORT])
        node.forget_steps()
        answers = [one.kubelet.future(PREPARE, claim, seconds=SECONDS) for one in callers]
        first, second = results(*answers, of=claim)
        assert first == second
        assert first.error == ""
        made = [step for step in node.steps() if step.startswith("made: ")]
        assert made == ["made: ComputeMode", "made: TimeSlice"]
        node.forget_steps()
        answers = [one.kubelet.future(UNPREPARE, claim, seconds=SECONDS) for one in callers]
        assert [one.error for one in results(*answers, of=claim)] == ["", ""]
        assert node.steps().count("undone: ComputeMode") == 1
        assert node.left() == []
        assert node.settings() == before


def test_a_claim_that_is_prepared_and_unprepared_at_once_ends_as_one_of_both(
    node: FaultyNode, callers: tuple[Caller, Caller]
) -> None:
    first, second = callers
    for _ in range(ROUNDS):
        claim = node.claims.allocate("gpu-0", configs=[SHORT])
        first.prepare(claim)
        gone = second.kubelet.future(UNPREPARE, claim, seconds=SECONDS)
        here = first.kubelet.future(PREPARE, claim, seconds=SECONDS)
        assert [one.error for one in results(gone, here, of=claim)] == ["", ""]
        assert (node.settings(), len(node.left())) in [({}, 0), ({"gpu-0": SHARED}, 2)]
        second.unprepare(claim)
        expect_nothing_left(node)


def test_two_claims_of_one_gpu_at_two_instances_wait_for_each_other(
    node: FaultyNode, callers: tuple[Caller, Caller]
) -> None:
    """F10: the one that comes second waits until the kubelet has released the first."""
    for _ in range(ROUNDS):
        claims = [node.claims.allocate("gpu-0", configs=[SHORT]) for _ in callers]
        answers = [
            caller.kubelet.future(PREPARE, claim, seconds=ANSWER_SECONDS)
            for caller, claim in zip(callers, claims, strict=True)
        ]
        wait_until(
            lambda waited=answers: any(one.done() for one in waited),  # type: ignore[misc]
            seconds=SECONDS,
            otherwise=lambda: "neither is prepared",
        )
        winner = 0 if answers[0].done() else 1
        assert not answers[1 - winner].done()
        assert len(node.left()) == 2
        # The other instance releases it, as after an update.
        callers[1 - winner].unprepare(claims[winner])
        for answer, claim in zip(answers, claims, strict=True):
            assert answer.result().claims[claim.uid].error == ""
        assert node.settings() == {"gpu-0": SHARED}
        callers[winner].unprepare(claims[1 - winner])
        expect_nothing_left(node)


def test_two_shares_of_one_gpu_at_two_instances_are_one_effect(node: FaultyNode) -> None:
    """F12: the last claim that needs a setting restores what was before the first."""
    node.set_mode("gpu-0", ComputeMode.PROHIBITED)
    before = node.settings()
    gates = "TimeSlicingSettings=true,ConsumableShares=true"
    with two_instances(node, "--feature-gates", gates) as callers:
        for _ in range(ROUNDS):
            claims = [node.claims.allocate("gpu-0", configs=[SHORT], shared=True) for _ in callers]
            for method in (PREPARE, UNPREPARE):
                answers = [
                    caller.kubelet.future(method, claim, seconds=SECONDS)
                    for caller, claim in zip(callers, claims, strict=True)
                ]
                for answer, claim in zip(answers, claims, strict=True):
                    assert answer.result().claims[claim.uid].error == ""
                assert node.settings() == ({"gpu-0": SHARED} if method == PREPARE else before)
            assert node.left() == []


# ------------------------------------------------------------- defects and damaged records


def test_a_defect_in_one_claim_ends_neither_the_process_nor_the_others(node: FaultyNode) -> None:
    """D53: in the reference driver any panic ends the process."""
    node.set_mode("gpu-7", ComputeMode.PROHIBITED)
    before = node.settings()
    bad, good = (node.claims.allocate(name, configs=[SHORT]) for name in ("gpu-7", "gpu-0"))
    with running(altered(node, DEFECTIVE)) as plugin, calling(node.host) as caller:
        answers = caller.kubelet.call(PREPARE, bad, good, seconds=ANSWER_SECONDS)
        assert answers[good.uid].error == ""
        assert "because of a defect of its own (PlayedDefectError: " in answers[bad.uid].error
        (line,) = [line for line in plugin.lines if "PlayedDefectError" in str(line)]
        assert "Traceback" in str(line)
        assert caller.prepare(good) == list(answers[good.uid].devices)
        caller.unprepare(bad, good)
        assert node.left() == []
        assert node.settings() == before
        assert plugin.process.poll() is None


def test_a_defect_in_one_claim_keeps_no_other_from_a_start(node: FaultyNode) -> None:
    """D53: a claim that cannot be made right at the start is no crash loop."""
    node.set_mode("gpu-7", ComputeMode.PROHIBITED)
    before = node.settings()
    bad, good = (node.claims.allocate(name, configs=[SHORT]) for name in ("gpu-7", "gpu-0"))
    _, devices = prepared_and_killed(node, bad, good)
    with running(altered(node, UNDESCRIBABLE)) as plugin, calling(node.host) as caller:
        (line,) = plugin.about("recovered with something left to do")
        assert bad.uid in line["reason"]
        assert "PlayedDefectError" in line["reason"]
        assert told_devices(caller.prepare(good), good) == devices
        caller.unprepare(bad, good)
        assert node.left() == []
        assert node.settings() == before


def test_a_defect_in_one_claim_keeps_no_other_from_its_release(node: FaultyNode) -> None:
    """D53: the claims that are gone are looked for one by one."""
    bad, gone = (node.claims.allocate(name, configs=[SHORT]) for name in ("gpu-7", "gpu-0"))
    prepared_and_killed(node, bad, gone)
    node.claims.delete(gone)
    with running(altered(node, UNREADABLE)) as plugin, calling(node.host) as caller:
        wait_until(
            lambda: not any(gone.uid in name for name in node.left()),
            seconds=SECONDS,
            otherwise=plugin.told,
        )
        assert node.settings() == {"gpu-7": SHARED}
        assert "PlayedDefectError" in plugin.told()
        caller.unprepare(bad)
        expect_nothing_left(node)
        assert plugin.process.poll() is None


def damage(node: FaultyNode, claim: v1.Claim, *, left_bytes: int) -> None:
    os.truncate(node.host.folder / "claims" / f"{claim.uid}.record", left_bytes)


def prepared_and_killed(node: FaultyNode, *claims: v1.Claim) -> list[list[str]]:
    with running(node.host) as plugin, calling(node.host) as caller:
        devices = [told_devices(caller.prepare(claim), claim) for claim in claims]
        plugin.kill()
    return devices


def test_a_damaged_record_is_made_anew_from_the_cdi_file(node: FaultyNode) -> None:
    """D43: in the reference driver a damaged checkpoint is a crash loop without an event."""
    node.set_mode("gpu-0", ComputeMode.PROHIBITED)
    before = node.settings()
    claim = node.claims.allocate("gpu-0", configs=[SHORT])
    (devices,) = prepared_and_killed(node, claim)
    damage(node, claim, left_bytes=100)
    with running(node.host) as plugin, calling(node.host) as caller:
        assert node.records() == [f"{claim.uid}.record"]
        wait_offered(node, *all_gpus())
        wait_event(node, claim.name, "ClaimWarning", "made anew from its CDI file")
        assert told_devices(caller.prepare(claim), claim) == devices
        assert node.settings() == {"gpu-0": SHARED}
        caller.unprepare(claim)
        assert node.left() == []
        assert node.settings() == before
        assert plugin.process.poll() is None


def test_a_record_that_nothing_explains_keeps_devices_from_others(node: FaultyNode) -> None:
    """D43 and F9: what may be in use is offered to nobody, with an Event, until the kubelet
    unprepares the claim.
    """
    lost, kept = (node.claims.allocate(name) for name in ("gpu-0", "gpu-1"))
    other = node.claims.allocate("gpu-2")
    prepared_and_killed(node, lost, kept)
    damage(node, lost, left_bytes=0)
    for file in node.host.cdi_root.glob(f"*{lost.uid}*"):
        file.unlink()
    words = f"The record of claim {lost.uid} was damaged."
    with running(node.host) as plugin, calling(node.host) as caller:
        wait_offered(node, "gpu-1")
        wait_event(node, node.host.node, "DevicesNotOffered", words)
        lines = plugin.metrics().splitlines()
        assert "dra_config_plugin_withheld_devices 7.0" in lines
        error = caller.try_prepare(other, seconds=4.0).error
        assert f"Device 'gpu-2' is withheld. {words}" in error
        caller.prepare(kept)
        plugin.kill()
    with running(node.host) as plugin, calling(node.host) as caller:
        wait_withheld(plugin, 7)
        caller.unprepare(lost)
        caller.prepare(other)
        caller.unprepare(other, kept)
        expect_nothing_left(node)
        plugin.kill()
    with running(node.host):
        wait_offered(node, *all_gpus())


def test_a_defect_while_a_record_is_made_anew_keeps_no_other_from_a_start(
    node: FaultyNode,
) -> None:
    """D53: what the claim may hold is kept from others meanwhile."""
    bad, good = (node.claims.allocate(name) for name in ("gpu-7", "gpu-0"))
    _, devices = prepared_and_killed(node, bad, good)
    # The name of the claim is still in it, so it is prepared anew.
    damage(node, bad, left_bytes=1001)
    for file in node.host.cdi_root.glob(f"*{bad.uid}*"):
        file.unlink()
    with running(altered(node, UNDESCRIBABLE)) as plugin, calling(node.host) as caller:
        wait_withheld(plugin, 7)
        wait_until(
            lambda: any(
                "PlayedDefectError" in line["reason"]
                for line in plugin.about("a damaged record is not made anew")
            ),
            seconds=SECONDS,
            otherwise=plugin.told,
        )
        assert told_devices(caller.prepare(good), good) == devices
        caller.unprepare(bad, good)
        expect_nothing_left(node)
        assert plugin.process.poll() is None


def wait_withheld(plugin: PluginProcess, count: int) -> None:
    wait_until(
        lambda: f"dra_config_plugin_withheld_devices {count}.0" in plugin.metrics().splitlines(),
        seconds=SECONDS,
        otherwise=plugin.told,
    )


# ------------------------------------------------------------------ what belongs to no claim


def test_a_daemon_that_died_while_the_plugin_was_away_is_started_again(node: FaultyNode) -> None:
    claim = node.claims.allocate("gpu-0", configs=[MPS])
    prepared_and_killed(node, claim)
    (daemon,) = node.daemons()
    end_daemons(node)
    with running(node.host), calling(node.host) as caller:
        wait_until(
            lambda: node.daemons() == [daemon], seconds=SECONDS, otherwise=lambda: "it is not"
        )
        caller.unprepare(claim)
        expect_nothing_left(node)


def test_what_belongs_to_no_claim_is_swept_at_the_start(node: FaultyNode) -> None:
    lost, kept = (node.claims.allocate(name, configs=[MPS]) for name in ("gpu-0", "gpu-1"))
    prepared_and_killed(node, lost, kept)
    # Nothing tells of the claim but what was made for it.
    (node.host.folder / "claims" / f"{lost.uid}.record").unlink()
    (file,) = node.host.cdi_root.glob(f"*{lost.uid}.json")
    file.write_text("{}")
    with running(node.host), calling(node.host) as caller:
        wait_until(
            lambda: not any(lost.uid in name for name in node.left()),
            seconds=SECONDS,
            otherwise=lambda: f"left is {node.left()}",
        )
        assert len(node.daemons()) == 1
        caller.unprepare(kept)
        assert node.left() == []


def test_a_stop_while_a_claim_waits_leaves_nothing_of_it(node: FaultyNode) -> None:
    """D50: nothing is torn down under a claim that is being worked on."""
    holder, waits = (node.claims.allocate("gpu-0", configs=[SHORT]) for _ in range(2))
    with running(node.host, "--shutdown-grace", "1") as plugin, calling(node.host) as caller:
        caller.prepare(holder)
        held = node.left()
        future = caller.kubelet.future(PREPARE, waits, seconds=ANSWER_SECONDS)
        running_now = 'dra_config_plugin_claims_running{operation="prepare"} 1.0'
        wait_until(
            lambda: running_now in plugin.metrics().splitlines(),
            seconds=SECONDS,
            otherwise=plugin.metrics,
        )
        assert plugin.stop() == 0
        assert not future.done() or future.exception() or future.result().claims[waits.uid].error
        assert node.left() == held
        assert plugin.noise == []
    with running(node.host), calling(node.host) as caller:
        caller.unprepare(holder)
        expect_nothing_left(node)
