"""The plugin's flags and environment variables; nothing else in it reads either."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import msgspec

from dra_config.gates import FeatureGates
from dra_config.scheme import DRIVERS as SERVED_DRIVERS
from dra_config.scheme import GPU_DRIVER
from dra_config.violations import Violation
from flags.given import BOOLEANS, Given, InvalidSettings, Parser, flag_of
from logs.lines import LogLevel

PREFIX: Final = "DRA_CONFIG_PLUGIN_"
SERVER_VARIABLES: Final = ("KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT")
_LONGEST_GRACE_SECONDS: Final = 600
_MOST_STEPS: Final = 10_000
_PULL_POLICIES: Final = {one.lower(): one for one in ("Always", "IfNotPresent", "Never")}


class MpsLauncher(StrEnum):
    """What runs the control daemons of MPS."""

    POD = "pod"
    PROCESS = "process"


@dataclass(frozen=True, slots=True, kw_only=True)
class MpsSettings:
    """How the control daemons of MPS run; all but the first two are for pods."""

    launcher: MpsLauncher
    shared_memory: Path
    """A folder on the memory file system of the host."""
    image: str
    image_pull_policy: str
    image_pull_secrets: tuple[str, ...]
    service_account: str
    priority_class: str
    tolerations: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """A machine made of data in the place of NVML, and what only goes with it."""

    profile: str
    """The name of one that ships, or the path of a file."""
    boot_id: str
    """Empty for that of the computer; another one is a reboot."""
    crash_at: int
    """The process kills itself at the step of this number, counted from 1; 0 for never."""
    steps_file: Path | None
    """Gets the name of each step, one a line, before a crash."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything an operator decides."""

    node_name: str
    pod_uid: str
    """Empty for a process of the host, of which there is only ever one."""
    namespace: str
    """Where pods of ours run."""
    kubeconfig: Path | None
    """None for the service account of the pod that this process runs in."""
    server: tuple[str, int]
    """Host and port that the kubelet tells its pods; of no meaning with a kubeconfig."""
    kubelet_root: Path
    cdi_root: Path
    driver_root: Path
    """On the host."""
    driver_root_mount: Path
    """The same, as this process sees it."""
    cdi_hook: Path
    """The program `nvidia-cdi-hook` of our own image."""
    simulation: Simulation | None
    """None for NVML."""
    mps: MpsSettings
    feature_gates: FeatureGates
    gate_warnings: tuple[Violation, ...]
    drivers: tuple[str, ...]
    """Whose configs are judged, as the webhook's setting has it."""
    bind_address: str
    """Empty for every address of the machine or pod."""
    probe_port: int | None
    """Of the gRPC health service; 0 for any free one, None for none."""
    metrics_port: int | None
    """Of the metrics over HTTP; as `probe_port`."""
    log_level: LogLevel
    ignore_neighbours: bool
    """Whether to publish beside another plugin that offers the same GPUs."""
    shutdown_grace_seconds: int
    """How long calls of the kubelet may still take after SIGTERM."""

    @property
    def registry(self) -> Path:
        """Return the kubelet's folder of registration sockets."""
        return self.kubelet_root / "plugins_registry"

    @property
    def folder(self) -> Path:
        """Return the driver's own folder, in which everything durable lies."""
        return self.kubelet_root / "plugins" / GPU_DRIVER


def settings_from_process(arguments: Sequence[str]) -> Settings:
    """Return the settings from *arguments* and this process's environment.

    Raises:
        InvalidSettings: As `parse_settings` does.
    """
    return parse_settings(arguments, os.environ)


def parse_settings(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """Return the settings from *arguments*; a flag wins over its variable.

    Raises:
        InvalidSettings: If one of them is unknown or cannot be used, naming the first that is.
        SystemExit: After ``--help``, with status 0.
    """
    given = Given(_parser(), arguments, environment, prefix=PREFIX)
    node_name = given.text("node_name")
    if not node_name:
        raise InvalidSettings("--node-name is needed: the name of the Node that this runs on")
    driver_root = given.folder("driver_root", "/")
    kubeconfig = given.file("kubeconfig")
    gates = given.gates()
    return Settings(
        node_name=node_name,
        pod_uid=given.text("pod_uid"),
        namespace=given.text("namespace", "dra-config"),
        kubeconfig=kubeconfig,
        server=("", 0) if kubeconfig else _server(environment),
        kubelet_root=given.folder("kubelet_root", "/var/lib/kubelet"),
        cdi_root=given.folder("cdi_root", "/var/run/cdi"),
        driver_root=driver_root,
        driver_root_mount=given.folder("driver_root_mount", str(driver_root)),
        cdi_hook=given.folder("cdi_hook", "/usr/bin/nvidia-cdi-hook"),
        simulation=_simulation(given),
        mps=_mps(given),
        feature_gates=gates.gates,
        gate_warnings=gates.warnings,
        drivers=_drivers(given),
        bind_address=given.text("bind_address"),
        probe_port=given.port_if_any("probe_port", "51516"),
        metrics_port=given.port_if_any("metrics_port", "8080"),
        log_level=given.choice("log_level", "info", {one.name.lower(): one for one in LogLevel}),
        ignore_neighbours=given.choice("ignore_neighbours", "false", BOOLEANS),
        shutdown_grace_seconds=given.whole("shutdown_grace", "20", most=_LONGEST_GRACE_SECONDS),
    )


def _parser() -> Parser:
    parser = Parser(
        "python -m plugin",
        "Publishes the GPUs of a node and prepares the claims that got them.",
        prefix=PREFIX,
    )
    parser.add(
        (
            ("--node-name", "NAME", "the Node that this runs on; needed"),
            ("--pod-uid", "UID", "of the pod that this runs in; sets two instances apart"),
            ("--namespace", "NAME", "where pods of ours run (dra-config)"),
            ("--kubeconfig", "FILE", "API server and account, for a process outside of a pod"),
            ("--kubelet-root", "FOLDER", "the kubelet's root directory (/var/lib/kubelet)"),
            ("--cdi-root", "FOLDER", "where the container runtime looks for CDI (/var/run/cdi)"),
            ("--driver-root", "FOLDER", "where the host has the NVIDIA driver (/)"),
            ("--driver-root-mount", "FOLDER", "the same as seen from here (--driver-root)"),
            ("--cdi-hook", "FILE", "the program to install (/usr/bin/nvidia-cdi-hook)"),
            ("--simulate", "PROFILE", "a machine made of data, such as h100, in place of NVML"),
            ("--boot-id", "ID", "with --simulate: another one is a reboot"),
            ("--crash-at", "NUMBER", "with --simulate: die at this step, to test recovery"),
            ("--steps-file", "FILE", "with --simulate: list the steps in it, to test recovery"),
            ("--mps-launcher", "NAME", "pod or process: what runs MPS control daemons (pod)"),
            ("--mps-shm-root", "FOLDER", "their shared memory (/dev/shm/dra-config)"),
            ("--mps-image", "IMAGE", "of their pods: that of this plugin"),
            ("--mps-image-pull-policy", "POLICY", "of their pods (IfNotPresent)"),
            ("--mps-image-pull-secrets", "NAMES", "of their pods, with commas between"),
            ("--mps-service-account", "NAME", "of their pods (default)"),
            ("--mps-priority-class", "NAME", "of their pods (system-node-critical)"),
            ("--mps-tolerations", "JSON", "of their pods, as in a Pod ([])"),
            ("--feature-gates", "LIST", "such as MPSSupport=true,TimeSlicingSettings=true"),
            (
                "--drivers",
                "LIST",
                f"drivers whose configs are judged ({','.join(SERVED_DRIVERS)})",
            ),
            ("--bind-address", "ADDRESS", "serve probes and metrics on this address only (all)"),
            ("--probe-port", "NUMBER", "gRPC health service; 0 any, -1 none (51516)"),
            ("--metrics-port", "NUMBER", "metrics over HTTP; 0 any, -1 none (8080)"),
            ("--log-level", "LEVEL", "debug, info, warning or error (info)"),
            ("--ignore-neighbours", "BOOLEAN", "publish beside a device plugin of the same GPUs"),
            ("--shutdown-grace", "SECONDS", "let calls of the kubelet end after SIGTERM (20)"),
        )
    )
    return parser


def _server(environment: Mapping[str, str]) -> tuple[str, int]:
    host, port = (environment.get(name, "") for name in SERVER_VARIABLES)
    if not (host and port.isascii() and port.isdigit()):
        raise InvalidSettings(
            "--kubeconfig is needed outside of a pod, where "
            f"{' and '.join(SERVER_VARIABLES)} are not set"
        )
    return host, int(port)


def _simulation(given: Given) -> Simulation | None:
    profile = given.text("simulate")
    if not profile:
        for name in ("boot_id", "crash_at", "steps_file"):
            if given.text(name):
                raise InvalidSettings(f"{flag_of(name)} goes with --simulate only")
        return None
    return Simulation(
        profile=profile,
        boot_id=given.text("boot_id"),
        crash_at=given.whole("crash_at", "0", most=_MOST_STEPS),
        steps_file=given.file("steps_file"),
    )


def _mps(given: Given) -> MpsSettings:
    secrets = (name.strip() for name in given.text("mps_image_pull_secrets").split(","))
    return MpsSettings(
        launcher=given.choice("mps_launcher", "pod", {str(one): one for one in MpsLauncher}),
        shared_memory=given.folder("mps_shm_root", "/dev/shm/dra-config"),  # noqa: S108
        image=given.text("mps_image"),
        image_pull_policy=given.choice("mps_image_pull_policy", "IfNotPresent", _PULL_POLICIES),
        image_pull_secrets=tuple(name for name in secrets if name),
        service_account=given.text("mps_service_account", "default"),
        priority_class=given.text("mps_priority_class", "system-node-critical"),
        tolerations=_tolerations(given.text("mps_tolerations", "[]")),
    )


def _tolerations(text: str) -> tuple[dict[str, Any], ...]:
    try:
        return msgspec.json.decode(text, type=tuple[dict[str, Any], ...])
    except msgspec.MsgspecError:
        raise InvalidSettings(
            f"--mps-tolerations takes a JSON list of objects, not {text!r}"
        ) from None


def _drivers(given: Given) -> tuple[str, ...]:
    drivers = given.drivers()
    if GPU_DRIVER not in drivers:
        raise InvalidSettings(f"--drivers needs {GPU_DRIVER}, which this plugin is")
    return drivers
