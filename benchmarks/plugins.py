"""Plugins under measurement: ours and the minimal one, started alike on a kubelet's folders."""

import os
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.inputs import ROOT
from benchmarks.peers import minimal_plugin
from dra_config.scheme import GPU_DRIVER

_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 30.0
_LOOK_SECONDS: Final = 0.005
_SETTINGS: Final = ("DRA_CONFIG_PLUGIN_", "FEATURE_GATES", "FABRIC_TOPOLOGY_SUPPORT")


class PluginFailed(RuntimeError):  # noqa: N818 - it says what happened
    """A plugin did not start; the text holds its log."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One of the two programs."""

    driver: str
    module: str
    arguments: tuple[str, ...]
    ready: bytes
    """Stands in its log once it serves."""


MINIMAL: Final = Kind(
    minimal_plugin.DRIVER, "benchmarks.peers.minimal_plugin", ("--devices=8",), b"published"
)


def ours(profile: str) -> Kind:
    """Return our plugin with the simulated machine *profile*."""
    arguments = (f"--simulate={profile}", "--probe-port=0", "--metrics-port=0")
    return Kind(GPU_DRIVER, "plugin", arguments, b'"message":"running"')


@dataclass(frozen=True, slots=True)
class Place:
    """Where a plugin runs."""

    node_name: str
    kubeconfig: Path
    kubelet_root: Path
    cdi_root: Path

    @classmethod
    def alone(cls, node_name: str, kubeconfig: Path, folder: Path) -> "Place":
        """Return a place without a kubelet, below *folder*, which must not exist."""
        (folder / "plugins_registry").mkdir(parents=True)
        return cls(node_name, kubeconfig, folder, folder / "cdi")

    def socket(self, kind: Kind) -> Path:
        """Return where a plugin serves the kubelet."""
        return self.kubelet_root / "plugins" / kind.driver / "dra.sock"


@contextmanager
def running(kind: Kind, place: Place, *, until_ready: bool = True) -> Generator[int]:
    """Run a plugin as a process, and yield its number once it serves.

    Raises:
        PluginFailed: If it does not serve within a minute.
    """
    with started(kind, place) as (process, log):
        if until_ready:
            _wait_ready(kind, process, log)
        yield process.pid


@contextmanager
def started(kind: Kind, place: Place) -> Generator[tuple[subprocess.Popen[bytes], Path]]:
    """Start a plugin, yield it and its log at once, and stop it in the end."""
    command: Sequence[str] = (
        *(sys.executable, "-m", kind.module, f"--node-name={place.node_name}"),
        *(f"--kubeconfig={place.kubeconfig}", f"--kubelet-root={place.kubelet_root}"),
        *(f"--cdi-root={place.cdi_root}", *kind.arguments),
    )
    environment = {n: value for n, value in os.environ.items() if not n.startswith(_SETTINGS)}
    log = place.kubelet_root / f"{kind.driver}.log"
    with log.open("wb") as sink:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=sink)
    try:
        yield process, log
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_ready(kind: Kind, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while kind.ready not in log.read_bytes():
        if process.poll() is not None or time.monotonic() > deadline:
            raise PluginFailed(log.read_text(encoding="utf-8", errors="replace"))
        time.sleep(_LOOK_SECONDS)
