"""The plugin as a process of its own, as an operator would start it on a host."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from dra_config.scheme import GPU_DRIVER
from plugin.rpc.sockets import Places
from tests.cluster.waiting import wait_until
from tests.plugin.rpc_kubelet import Kubelet

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 60.0
"""How long a test waits for what must come, however busy the computer is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """Where a plugin runs: the node's name, the server, and the folders of kubelet and runtime."""

    node: str
    kubeconfig: Path
    kubelet_root: Path
    cdi_root: Path
    options: tuple[str, ...] = ("--simulate", "h100")
    pod_uid: str = ""
    program: tuple[str, ...] = (sys.executable, "-m", "plugin")

    @property
    def folder(self) -> Path:
        """Return the driver's own folder."""
        return self.kubelet_root / "plugins" / GPU_DRIVER

    @property
    def shared_memory(self) -> Path:
        """Return the folder for MPS; its own, since a plugin sweeps those of unknown claims."""
        return self.kubelet_root / "shm"

    def places(self) -> Places:
        """Return where the sockets lie."""
        registry = self.kubelet_root / "plugins_registry"
        registry.mkdir(parents=True, exist_ok=True)
        return Places(GPU_DRIVER, registry, self.folder, self.pod_uid)


@dataclass
class PluginProcess:
    """One run of the plugin; `running` starts and ends it."""

    process: subprocess.Popen[bytes]
    host: Host
    lines: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    noise: list[str] = field(default_factory=list[str])
    """What it wrote that is no line of JSON."""

    def __post_init__(self) -> None:
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            try:
                self.lines.append(json.loads(line))
            except ValueError:
                self.noise.append(line.decode(errors="replace"))

    def about(self, message: str) -> list[dict[str, Any]]:
        """Return the lines with a message."""
        return [line for line in self.lines if line["message"] == message]

    def wait_line(self, message: str) -> dict[str, Any]:
        """Wait for a line with a message, and return the first."""
        wait_until(
            lambda: bool(self.about(message)) or self.process.poll() is not None,
            seconds=SECONDS,
            otherwise=self.told,
        )
        assert self.about(message), self.told()
        return self.about(message)[0]

    def told(self) -> str:
        """Return all that it said, for the message of a test that fails."""
        written = "\n".join([*map(json.dumps, self.lines), *self.noise])
        return f"exit status {self.process.poll()}; it said:\n{written}"

    def metrics(self) -> str:
        """Return what Prometheus would read."""
        port = self.wait_line("running")["metricsPort"]
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=SECONDS) as answer:
            return str(answer.read(), "utf-8")

    def kill(self) -> None:
        """Kill it as the kernel does when memory runs out; it may have ended."""
        self.process.kill()
        self.wait()

    def stop(self) -> int:
        """Stop it as the kubelet stops a pod, and return its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        """Wait for its end, and return its exit status; negative for a signal."""
        status = self.process.wait(SECONDS)
        self._reader.join(SECONDS)
        if self.process.stderr is not None:
            self.process.stderr.close()
        return status


def start(
    host: Host, *options: str, environment: Mapping[str, str] | None = None
) -> PluginProcess:
    """Start the plugin; it need not be ready yet, and the caller ends it."""
    arguments = (
        *("--node-name", host.node, "--kubeconfig", str(host.kubeconfig)),
        *("--kubelet-root", str(host.kubelet_root), "--cdi-root", str(host.cdi_root)),
        *("--bind-address", "127.0.0.1", "--probe-port", "0", "--metrics-port", "0"),
        *("--pod-uid", host.pod_uid),
        *("--mps-shm-root", str(host.shared_memory)),
    )
    host.places()
    process = subprocess.Popen(
        [*host.program, *arguments, *host.options, *options],
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    return PluginProcess(process, host)


@contextmanager
def running(host: Host, *options: str) -> Iterator[PluginProcess]:
    """Run the plugin until it serves, and end it with the block if the test has not."""
    plugin = start(host, *options)
    try:
        plugin.wait_line("running")
        yield plugin
    finally:
        try:
            if plugin.process.poll() is None:
                plugin.stop()
        finally:
            plugin.kill()


@contextmanager
def kubelet_of(host: Host) -> Iterator[Kubelet]:
    """Return a client in the kubelet's place."""
    kubelet = Kubelet(host.places())
    try:
        yield kubelet
    finally:
        kubelet.close()
