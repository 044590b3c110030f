"""Holds a machine of NVML in a process of its own, since a process can load only one library.

Requests and replies are pickles on the standard streams: a request is a method's name and its
arguments, a reply is the result or the `MachineError` that was raised.
"""

import os
import pickle
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from dra_config.hub import TimeSliceInterval
from plugin.hardware.errors import MachineError
from plugin.hardware.facts import ComputeMode, Gpu, HealthEvent, Inventory
from plugin.hardware.host_trees import HostTrees
from plugin.hardware.port import HealthWatch, Machine

ROOT = Path(__file__).resolve().parents[3]

PATIENCE_SECONDS = 60.0


def answers_meanwhile(machine: Machine, hanging: str, other: str) -> bool:
    """Say whether one GPU answers while a call about another one still hangs."""
    begun, tried = threading.Event(), list[MachineError]()

    def ask() -> None:
        begun.set()
        try:
            machine.gpu(hanging)
        except MachineError as error:
            tried.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    begun.wait()
    found = machine.gpu(other)
    return found.uuid == other and thread.is_alive() and not tried


class Remote:
    """The machine of a worker process, spoken to as if it were here."""

    simulated = False

    def __init__(self, trees: HostTrees, *, deadline_seconds: float) -> None:
        self.trees = trees
        command = [sys.executable, "-m", "tests.plugin.nvml.worker"]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._send(trees, deadline_seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Let the process end by itself, which it must, even if calls of it hang."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(PATIENCE_SECONDS)
        finally:
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()

    def kill(self) -> None:
        """End the process without any farewell."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()

    def _send(self, *message: Any) -> None:
        assert self._process.stdin is not None
        pickle.dump(message, self._process.stdin)
        self._process.stdin.flush()

    def ask(self, method: str, *arguments: Any) -> Any:
        """Call a method of the machine, or one of this module's own."""
        self._send(method, *arguments)
        assert self._process.stdout is not None
        reply = pickle.load(self._process.stdout)  # noqa: S301 - from our own process
        if isinstance(reply, BaseException):
            raise reply
        return reply

    def inventory(self) -> Inventory:
        found = self.ask("inventory")
        assert isinstance(found, Inventory)
        return found

    def gpu(self, gpu_uuid: str) -> Gpu:
        found = self.ask("gpu", gpu_uuid)
        assert isinstance(found, Gpu)
        return found

    def compute_mode(self, gpu_uuid: str) -> ComputeMode:
        return ComputeMode(self.ask("compute_mode", gpu_uuid))

    def set_compute_mode(self, gpu_uuid: str, mode: ComputeMode) -> None:
        self.ask("set_compute_mode", gpu_uuid, mode)

    def set_time_slice(self, gpu_uuid: str, interval: TimeSliceInterval) -> None:
        self.ask("set_time_slice", gpu_uuid, interval)

    def process_ids(self, uuid: str) -> frozenset[int]:
        found: frozenset[int] = self.ask("process_ids", uuid)
        return found

    def watch(self, deliver: object = None) -> "RemoteWatch":
        assert deliver is None, "events are asked for with `told`"
        self.ask("watch")
        return RemoteWatch(self)

    def told(self) -> list[HealthEvent]:
        found: list[HealthEvent] = self.ask("told")
        return found

    def close(self) -> None:
        self.ask("close")


class RemoteWatch:
    """The last watch that the worker began."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote

    @property
    def watched(self) -> frozenset[str]:
        found: frozenset[str] = self._remote.ask("watched")
        return found

    def leave(self, gpu_uuid: str) -> None:
        self._remote.ask("leave", gpu_uuid)

    def close(self) -> None:
        self._remote.ask("end_watch")


class Served:
    """The machine of this process and what can be asked of it beside its own methods."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.events: list[HealthEvent] = []
        self.last_watch: HealthWatch | None = None

    def watch(self) -> None:
        self.last_watch = self.machine.watch(self.events.append)

    def told(self) -> list[HealthEvent]:
        return list(self.events)

    def watched(self) -> frozenset[str]:
        assert self.last_watch is not None
        return self.last_watch.watched

    def leave(self, gpu_uuid: str) -> None:
        assert self.last_watch is not None
        self.last_watch.leave(gpu_uuid)

    def end_watch(self) -> None:
        assert self.last_watch is not None
        self.last_watch.close()

    def meanwhile(self, hanging: str, other: str) -> bool:
        return answers_meanwhile(self.machine, hanging, other)

    def answer(self, method: str, *arguments: Any) -> object:
        asked = getattr(self, method, None) or getattr(self.machine, method)
        return asked(*arguments)


def main() -> None:
    """Serve one machine until the requests end."""
    from plugin.hardware.nvml_machine import NvmlMachine  # noqa: PLC0415 - for the worker alone

    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    trees, deadline_seconds = pickle.load(sys.stdin.buffer)  # noqa: S301 - from our own tests
    served = Served(NvmlMachine(trees, deadline_seconds=deadline_seconds))
    while True:
        try:
            request = pickle.load(sys.stdin.buffer)  # noqa: S301 - from our own tests
        except EOFError:
            break
        try:
            reply = served.answer(*request)
        except MachineError as error:
            # Handles of C cannot be pickled, and the cause may hold one.
            reply = type(error)(*error.args)
        pickle.dump(reply, replies)
        replies.flush()


if __name__ == "__main__":
    main()
