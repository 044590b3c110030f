"""Puts the plugin together, runs it until it is told to stop, and takes it apart in order."""

import logging
import os
import random
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Final, cast

from prometheus_client import CollectorRegistry, disable_created_metrics

from dra_config import hub
from dra_config.scheme import GPU_DRIVER
from dra_config.version import __version__
from kube.client import Client
from kube.errors import CredentialsError
from kube.recent import RecentReads
from logs.bridge import LogBridge
from logs.lines import Log, LogLevel, write_line
from plugin import connections, endpoints
from plugin.cdi import CdiError, CdiStore, DriverFacts, DriverFilesFinder, install_hook
from plugin.checkpoint import Checkpoint, CheckpointError, Holders, Locks
from plugin.claim_events import ClaimEvents, TellingPreparer
from plugin.claim_upkeep import ClaimUpkeep, patience
from plugin.device_upkeep import DeviceUpkeep
from plugin.durable_files import Steps, unobserved
from plugin.ending import FAILED, Ending, take_down
from plugin.hardware.device_nodes import control_nodes
from plugin.hardware.errors import MachineError
from plugin.hardware.host_trees import HostTrees
from plugin.hardware.port import Machine
from plugin.mps.claim_names import ClaimNames
from plugin.mps_setup import mps_sharing
from plugin.neighbours import Neighbours
from plugin.prepare import (
    AbandonedClaims,
    ClaimPreparer,
    KubeClaims,
    MpsSweep,
    Node,
    Policy,
    TimeSlices,
    Unattributed,
)
from plugin.present_devices import PresentDevices
from plugin.publishing.device_names import NameFile
from plugin.publishing.node_events import NodeEvents
from plugin.publishing.publisher import Publisher
from plugin.publishing.rest import RestSlices
from plugin.publishing.writer_lock import WriterLock
from plugin.reporting import Reporting
from plugin.rpc.edge import Edge
from plugin.rpc.health import HealthBoard
from plugin.rpc.servers import Options
from plugin.rpc.sockets import EdgeError, Places
from plugin.rpc.telemetry import EdgeTelemetry
from plugin.settings import Settings, Simulation
from plugin.steps import CrashingSteps
from plugin.telemetry import PreparedDevices, PublishingTelemetry

MACHINE_SECONDS: Final = 10.0
"""How long the driver may take for one answer about one GPU; under load it has needed ten."""
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_FOLDER_MODE: Final = 0o750
_LAST_EVENTS_SECONDS: Final = 2.0


def run(settings: Settings) -> int:
    """Serve the kubelet until SIGTERM or SIGINT, and return the exit status of the process.

    The status is 1 when something stands in the way of the start or a thread dies of a defect,
    and 3 when the driver was replaced under us.
    """
    log = Log(partial(write_line, sys.stderr.fileno()), time.time, settings.log_level)
    logging.getLogger().handlers = [LogBridge(log)]
    for warning in settings.gate_warnings:
        log.event(LogLevel.WARNING, warning.message, rule=warning.rule)
    ending = Ending(log)
    ending.obey_signals()
    ending.watch_threads()
    with ExitStack() as cleanup:
        try:
            _start(settings, log, ending, cleanup)
        except (
            CdiError,
            CheckpointError,
            CredentialsError,
            EdgeError,
            MachineError,
            OSError,
        ) as error:
            log.event(LogLevel.ERROR, "cannot start", reason=str(error))
            return FAILED
        ending.requested.wait()
        log.event(LogLevel.INFO, "stopping")
    log.event(LogLevel.INFO, "stopped", status=ending.status)
    return ending.status


def _start(settings: Settings, log: Log, ending: Ending, cleanup: ExitStack) -> None:
    """Start everything, and leave to *cleanup* what has to be done at the end."""
    settings.folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    settings.cdi_root.mkdir(parents=True, exist_ok=True)
    # Its author left out that it returns nothing.
    cast("Callable[[], None]", disable_created_metrics)()
    registry = CollectorRegistry()
    client = connections.client(settings)
    cleanup.callback(client.close)
    nodes = RecentReads(client, monotonic=time.monotonic)
    slices = RestSlices(
        client, driver=GPU_DRIVER, node_name=settings.node_name, jitter=_jitter, nodes=nodes
    )
    writer = connections.event_writer(client, settings)
    claim_events = ClaimEvents(
        client,
        writer,
        api_version=lambda: slices.api_version,
        lost=lambda why: log.event(LogLevel.WARNING, "an Event is lost", reason=why),
    )
    reporting = Reporting(
        log,
        PublishingTelemetry(registry),
        NodeEvents(writer, settings.node_name),
        claim_events,
    )
    publisher = Publisher(
        slices,
        WriterLock(settings.folder / "publisher.lock"),
        tell=reporting.of_slices,
        monotonic=time.monotonic,
        jitter=_jitter,
    )
    boot_id = _boot_id(settings)
    node, present, sweep = _node(settings, client, boot_id, log)
    registry.register(PreparedDevices(node.checkpoint))
    unattributed = Unattributed(
        node, tell=reporting.of_claim, name=ClaimNames(client, namespace=settings.namespace)
    )
    claims = KubeClaims(client, api_version=lambda: slices.api_version)
    policy = Policy(
        driver=GPU_DRIVER,
        pool=settings.node_name,
        gates=settings.feature_gates,
        served_drivers=settings.drivers,
    )
    preparer = ClaimPreparer(
        node, claims, policy, tell=reporting.of_claim, unattributed=unattributed
    )
    board = HealthBoard()
    edge = Edge(
        Places(GPU_DRIVER, settings.registry, settings.folder, settings.pod_uid),
        TellingPreparer(preparer, claim_events),
        board,
        log,
        EdgeTelemetry(registry),
        Options(probe_address=endpoints.probe_address(settings)),
    )
    neighbours = Neighbours(
        nodes, node_name=settings.node_name, folder=settings.folder, boot_id=boot_id
    )
    records = ClaimUpkeep(
        node,
        AbandonedClaims(
            node, claims, driver=GPU_DRIVER, monotonic=time.monotonic, tell=reporting.of_release
        ),
        unattributed,
        preparer,
        sweeps=(sweep,),
        tell=reporting.of_claim,
        jitter=_jitter,
        log=log,
    )
    devices = DeviceUpkeep(
        present,
        publisher.publish,
        board,
        pool=settings.node_name,
        simulated=node.machine.simulated,
        neighbours=None if settings.ignore_neighbours else neighbours,
        withheld=records.withheld,
        reporting=reporting,
    )
    threads = (ending.thread("devices", devices.run), ending.thread("claims", records.run))
    records.recover()
    edge.start()
    cleanup.callback(publisher.stop)
    cleanup.callback(claim_events.stop, _LAST_EVENTS_SECONDS)
    cleanup.callback(take_down, edge, threads, node.machine, settings.shutdown_grace_seconds)
    metrics_port = endpoints.serve_metrics(settings, registry, cleanup)
    claim_events.start()
    publisher.start()
    # Done first: another instance that waits for its turn may write from then on.
    cleanup.callback(publisher.release)
    for thread in threads:
        thread.start()
    log.event(
        LogLevel.INFO,
        "running",
        version=__version__,
        node=settings.node_name,
        simulated=node.machine.simulated,
        probePort=edge.probe_port,
        metricsPort=metrics_port,
        pid=os.getpid(),
    )


def _boot_id(settings: Settings) -> str:
    simulation = settings.simulation
    if simulation is not None and simulation.boot_id:
        return simulation.boot_id
    return _BOOT_ID.read_text(encoding="utf-8").strip()


def _node(
    settings: Settings, client: Client, boot_id: str, log: Log
) -> tuple[Node, PresentDevices, MpsSweep]:
    """Return the node on which claims are prepared, its devices, and what sweeps it."""
    folder, simulation = settings.folder, settings.simulation
    steps: Steps = unobserved
    machine: Machine
    if simulation is None:
        machine, host_root = _real_machine(settings), settings.driver_root
    else:
        steps = CrashingSteps(simulation.crash_at, simulation.steps_file)
        machine = _simulated_machine(settings, simulation, boot_id)
        host_root = machine.trees.driver_root
    present = PresentDevices(machine, NameFile(folder / "names.json"))
    files = DriverFilesFinder(machine.trees, host_root=PurePosixPath(host_root))
    hook = install_hook(settings.cdi_hook, folder)
    if hook is None and simulation is None:
        log.event(
            LogLevel.ERROR, "no claim can be prepared", reason=f"{settings.cdi_hook} is missing"
        )

    def driver() -> DriverFacts:
        return DriverFacts(
            files=files.find(present.versions().driver),
            control=control_nodes(machine.trees),
            hook=None if hook is None else PurePosixPath(hook),
            simulated=machine.simulated,
        )

    checkpoint = Checkpoint(folder / "claims", boot_id=boot_id, steps=steps)
    mps = mps_sharing(settings, client, machine, host_root=host_root, steps=steps)
    node = Node(
        machine=machine,
        devices=present,
        driver=driver,
        checkpoint=checkpoint,
        holders=Holders(checkpoint),
        locks=Locks(folder / "locks"),
        cdi=CdiStore(settings.cdi_root, steps=steps),
        sharing={hub.TimeSlicing: TimeSlices(machine, steps=steps), hub.Mps: mps},
    )
    return node, present, MpsSweep(node, mps, patience)


def _real_machine(settings: Settings) -> Machine:
    # Either machine costs megabytes that the other does not need.
    from plugin.hardware.nvml_machine import NvmlMachine  # noqa: PLC0415

    trees = HostTrees.of_driver_root(settings.driver_root_mount)
    return NvmlMachine(trees, deadline_seconds=MACHINE_SECONDS)


def _simulated_machine(settings: Settings, simulation: Simulation, boot_id: str) -> Machine:
    from plugin.hardware.fake import FakeMachine  # noqa: PLC0415
    from plugin.hardware.simulation.profile import InvalidProfile  # noqa: PLC0415

    try:
        return FakeMachine.start(
            simulation.profile,
            settings.folder / "machine",
            node_name=settings.node_name,
            boot_id=boot_id,
            host=HostTrees.of_driver_root(Path("/")),
            deadline_seconds=MACHINE_SECONDS,
        )
    except InvalidProfile as error:
        raise MachineError(str(error)) from error


def _jitter(most: float) -> float:
    return random.uniform(0, most)  # noqa: S311 - it spreads requests, and hides nothing
