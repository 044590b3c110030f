"""Process 1 of a rig: starts its processes, collects the dead, and takes them all along.

It runs alone, inside the rig's namespaces, and needs the standard library only. The kernel kills
whatever is left in a pid namespace when its process 1 ends. This one ends when its standard
input does, so nothing in the rig outlives the test process, whichever way that goes.

One JSON object a line comes in, one or more go out. An order has a number under `order`, and so
has its answer:

* `{"start": {"arguments": [...], "environment": {...}, "files": [INPUT, OUTPUT, ERRORS]}}` is
  answered with `{"started": PID}` or `{"failed": "why"}`;
* `{"signal": [PID, NUMBER]}` is answered with `{"signalled": true}`, or false for one that ended;
* `{"ended": [PID, EXIT CODE]}` comes by itself; the code is negative for a signal.
"""

import json
import os
import selectors
import signal
import sys
from types import FrameType
from typing import Any

LINE_BYTES = 65536


def say(message: dict[str, Any]) -> None:
    """Write one message to the test process."""
    os.write(sys.stdout.fileno(), json.dumps(message).encode() + b"\n")


def start(running: set[int], order: dict[str, Any]) -> dict[str, Any]:
    """Start a program with files for its three streams; remember it in *running*."""
    arguments: list[str] = order["arguments"]
    entry, output, errors = order["files"]
    appending = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    try:
        pid = os.posix_spawn(
            arguments[0],
            arguments,
            order["environment"],
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, entry, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, output, appending, 0o600),
                (os.POSIX_SPAWN_OPEN, 2, errors, appending, 0o600),
            ],
            setpgroup=0,
            setsigmask=(),
            # Python ignores some signals, and a program inherits what its parent ignores.
            setsigdef=(signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ),
        )
    except OSError as error:
        return {"failed": f"{arguments[0]}: {error.strerror}"}
    running.add(pid)
    return {"started": pid}


def collect(running: set[int]) -> None:
    """Take the exit codes of all that ended, orphans too; report those that we started."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        if pid in running:
            running.remove(pid)
            say({"ended": [pid, os.waitstatus_to_exitcode(status)]})


def obey(running: set[int], order: dict[str, Any]) -> dict[str, Any]:
    """Carry out one order of the test process and return the answer."""
    if "start" in order:
        return start(running, order["start"])
    pid, number = order["signal"]
    # Only this process collects the dead, so a pid in the set cannot belong to another yet.
    if pid in running:
        os.kill(pid, number)
    return {"signalled": pid in running}


def main() -> int:
    """Serve orders until standard input ends."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)

    def wake(_number: int, _frame: FrameType | None) -> None:
        """Let the byte in the pipe wake the loop."""

    signal.signal(signal.SIGCHLD, wake)
    running: set[int] = set()
    pending = b""
    with selectors.DefaultSelector() as selector:
        selector.register(sys.stdin.fileno(), selectors.EVENT_READ)
        selector.register(reading, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                received = os.read(key.fd, LINE_BYTES)
                if key.fd == reading:
                    collect(running)
                    continue
                if not received:
                    return 0
                *lines, pending = (pending + received).split(b"\n")
                for line in lines:
                    order = json.loads(line)
                    say({"order": order["order"]} | obey(running, order))


if __name__ == "__main__":
    sys.exit(main())
