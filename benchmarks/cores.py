"""Which core a process runs on, and how much of it the process has used."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

SERVER_CORE: Final = 0
"""Where what is measured runs."""
CLIENT_CORE: Final = 1
"""Where what asks it runs; the same one on a machine with a single core."""


@contextmanager
def stay_on(index: int) -> Generator[None]:
    """Keep this process, and those that it starts meanwhile, on one core.

    Cores are those that the process may use, counted from 0; *index* may be larger than their
    number. Where the system has no such setting, nothing happens.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    allowed = os.sched_getaffinity(0)
    cores = sorted(allowed)
    os.sched_setaffinity(0, {cores[index % len(cores)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def cpu_seconds(process: int) -> float:
    """Return the CPU time that a running process has used, by itself and by the kernel for it.

    In steps of the kernel's clock, most often a hundredth of a second.
    """
    # The name of the program stands in brackets and may hold anything.
    fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mebibytes(process: int) -> float:
    """Return how much memory of a running process is in RAM, shared pages included."""
    lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    found = next(line for line in lines if line.startswith("VmRSS:"))
    return int(found.split()[1]) / 1024
