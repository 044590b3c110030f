"""How long programs take until they have done something, beside the least that Python can do."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from benchmarks.comparison import REPEATS, Row, by_turns, compare
from benchmarks.cores import SERVER_CORE, stay_on
from benchmarks.inputs import ROOT, manifests
from benchmarks.serving import certificate, serving

TITLE: Final = "Start"
QUICK_GOAL: Final = 3.0
VALIDATE_GOAL: Final = 1.5
READY_GOAL: Final = 1.3
_MILLISECONDS: Final = 1e3
_TYPICAL_SECONDS: Final = 0.5
_FINE_OR_REJECTED: Final = (0, 1)
_NOT_PASSED_ON: Final = frozenset({"FEATURE_GATES", "PYTHONDONTWRITEBYTECODE"})


def note() -> str:
    """Return what stands above the table."""
    return (
        "Wall time from the start of a process to its end; for the webhook, to the line that says "
        "that it listens, with a certificate from files."
    )


def measure(seconds: float) -> Iterator[Row]:
    """Yield the rows, spending about *seconds* on each side of each."""
    repeats = max(1, round(seconds / _TYPICAL_SECONDS)) if seconds < REPEATS / 2 else REPEATS
    with tempfile.TemporaryDirectory(prefix="dra-config-bench-") as name, stay_on(SERVER_CORE):
        folder = Path(name)
        file = folder / "claim.yaml"
        file.write_text(manifests(1), encoding="utf-8")
        wrong = folder / "wrong.yaml"
        wrong.write_text(manifests(1).replace("strategy: MPS", "strategy: mps"), encoding="utf-8")
        program = _program()

        def runs(*command: str) -> Callable[[], float]:
            return _runs(command, folder / "bytecode")

        for words in (("--version",), ("completion", "bash")):
            yield _row(
                f"`dra-config {' '.join(words)}`, beside `python -c pass`",
                runs(*program, *words),
                runs(sys.executable, "-c", "pass"),
                repeats,
                QUICK_GOAL,
            )
        yield _row(
            "`dra-config validate claim.yaml`, beside the import of pydantic and yaml",
            runs(*program, "validate", "--feature-gates=MPSSupport=true", str(file)),
            runs(sys.executable, "-c", "from pydantic import BaseModel; import yaml"),
            repeats,
            VALIDATE_GOAL,
        )
        for what, words in (
            ("whose gates nobody knows", (str(file),)),
            ("with a finding", ("--feature-gates=MPSSupport=true", str(wrong))),
        ):
            yield _row(
                f"the same for a manifest {what}",
                runs(*program, "validate", *words),
                runs(sys.executable, "-c", "from pydantic import BaseModel; import yaml"),
                repeats,
            )
        made = certificate(folder / "tls")

        def ready() -> float:
            with serving("webhook", made, folder / "log") as server:
                return server.ready_seconds

        yield _row(
            "the webhook is ready, beside the import of fastapi and uvicorn",
            ready,
            runs(sys.executable, "-c", "import fastapi, uvicorn"),
            repeats,
            READY_GOAL,
        )


def _row(
    what: str,
    ours: Callable[[], float],
    peer: Callable[[], float],
    repeats: int,
    goal: float | None = None,
) -> Row:
    # The first start of each reads its files from the disk.
    ours()
    peer()
    found = by_turns((ours, peer), repeats)
    return compare(what, "ms", *found, goal=goal, scale=_MILLISECONDS)


def _runs(command: Sequence[str], bytecode: Path) -> Callable[[], float]:
    """Return what runs *command* and says how many seconds it took.

    Its modules are compiled once, into the folder *bytecode*, as they are in an installed wheel,
    whatever this process was told about that.
    """
    environment = {name: v for name, v in os.environ.items() if name not in _NOT_PASSED_ON}
    environment["PYTHONPYCACHEPREFIX"] = str(bytecode)

    def run() -> float:
        started = time.perf_counter()
        done = subprocess.run(
            command, cwd=ROOT, env=environment, check=False, stdout=subprocess.DEVNULL
        )
        if done.returncode not in _FINE_OR_REJECTED:
            raise RuntimeError(f"{command[0]} ended with {done.returncode}")
        return time.perf_counter() - started

    return run


def _program() -> list[str]:
    """Return how to start the command line: as installed, otherwise as a module."""
    installed = Path(sys.executable).with_name("dra-config")
    return [str(installed)] if installed.is_file() else [sys.executable, "-m", "dra_config"]
