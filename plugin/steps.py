"""Ends the process at a chosen step, to see that the next start puts things right.

It exists only beside a simulated machine.
"""

import os
import signal
import threading
from pathlib import Path


class CrashingSteps:
    """Counts the steps that are announced; implements `durable_files.Steps`."""

    def __init__(self, crash_at: int, file: Path | None) -> None:
        """Count from 1.

        Args:
            crash_at: The step after which the process kills itself; 0 for never.
            file: Gets the name of each step, one a line; None for none.
        """
        self._crash_at = crash_at
        self._file = file
        self._lock = threading.Lock()
        self._count = 0

    def __call__(self, step: str) -> None:
        """Take note of a step that is done, and die if it is the one."""
        with self._lock:
            self._count += 1
            if self._file is not None:
                with self._file.open("a", encoding="utf-8") as file:
                    file.write(f"{step}\n")
            if self._count == self._crash_at:
                os.kill(os.getpid(), signal.SIGKILL)
