"""The published Go package of the container device interface, asked about our files."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.cluster.binaries import Unavailable
from tests.cluster.binaries.settings import read
from tests.cluster.binaries.store import Store, to_stderr
from tests.cluster.fixtures import missing
from tools.golang.compiling import Compiler
from tools.golang.program import Program
from tools.golang.toolchain import processor, provide_go

MODULES: Final = Path(__file__).with_name("cdi_oracle").resolve()


def provide(name: str) -> Path:
    """Return a program of ours, built where it is not; skip where there is no Go."""
    chosen = read()
    program = Program(f"cdi-{name}", name, ".")
    store = Store(chosen.cache)
    place = store.place(program.name, program.key(processor(), MODULES))
    if place.exists():
        return place
    try:
        with store.lock(to_stderr), store.partial(place) as scratch:
            go = provide_go(chosen.cache, chosen.environment, to_stderr)
            compiler = Compiler(go, chosen.environment, MODULES)
            compiler.make(program, scratch, store.log(program.name))
    except Unavailable as error:
        missing(str(error))
    return place


class Judge:
    """A running program that answers one line with one line."""

    def __init__(self, program: Path) -> None:
        self._process = subprocess.Popen(
            [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, line: str) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def end(self) -> None:
        self._process.communicate()


class Runtime(Judge):
    """What a container runtime makes of CDI files."""

    def devices_in(self, folder: Path, *ids: str) -> dict[str, Any]:
        """Return the answer about all files of a folder and the devices of some ids."""
        answer: dict[str, Any] = self.ask(json.dumps({"folder": str(folder), "devices": ids}))
        return answer

    def container(self, folder: Path, *ids: str) -> dict[str, Any]:
        """Return what the devices make of an empty container; all of the folder is right."""
        answer = self.devices_in(folder, *ids)
        assert answer["errors"] == []
        container: dict[str, Any] = answer["container"]
        return container


@pytest.fixture(scope="session")
def runtime() -> Iterator[Runtime]:
    """Return the code that container runtimes read CDI files with."""
    judge = Runtime(provide("runtime"))
    yield judge
    judge.end()


@pytest.fixture(scope="session")
def schema() -> Iterator[Judge]:
    """Return the published JSON schema of CDI files."""
    judge = Judge(provide("schema"))
    yield judge
    judge.end()
