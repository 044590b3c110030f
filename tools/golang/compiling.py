"""One program from its Go module: download, check against go.sum, compile."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tools import debian
from tools.golang.errors import BuildFailed
from tools.golang.program import Program

_TAIL_LINES: Final = 25


@dataclass(frozen=True, slots=True)
class Compiler:
    """A Go toolchain, and the environment of the person who builds."""

    go: Path
    environment: Mapping[str, str]
    modules: Path
    """The folder of the folders that pin programs."""

    def make(self, program: Program, target: Path, log: Path) -> None:
        """Make *program* at *target*, which must not exist.

        Raises:
            BuildFailed: When the module cannot be had or does not compile. The text holds the end
                of the compiler's output, its exit code and the path of the log.
        """
        if program.folder:
            self._copy(program, target, log)
        else:
            self._compile(program, target, log)

    def sources(self, program: Program, log: Path) -> dict[str, Path]:
        """Return where each module lies that is compiled into *program*, by `path@version`.

        Raises:
            BuildFailed: A module cannot be had.
        """
        form = "{{with .Module}}module\t{{.Path}}@{{.Version}}\t{{.Dir}}{{end}}"
        self._go(program, ["list", "-deps", "-f", form, *_tags(program), program.package], log)
        lines = (line.split("\t") for line in log.read_text(encoding="utf-8").splitlines())
        return {words[1]: Path(words[2]) for words in lines if words[0] == "module"}

    def _compile(self, program: Program, target: Path, log: Path) -> None:
        arguments = [
            *("build", "-trimpath", "-buildvcs=false", "-ldflags", program.linker_flags),
            *_tags(program),
            *("-o", str(target), program.package),
        ]
        self._go(program, arguments, log)

    def _copy(self, program: Program, target: Path, log: Path) -> None:
        self._go(program, ["mod", "download", "-json", program.package], log)
        text = log.read_text(encoding="utf-8")
        folder = Path(json.loads(text[text.index("{") : text.rindex("}") + 1])["Dir"])
        # The module cache is read-only; our copy can be removed, so modes stay behind.
        target.mkdir()
        for file in sorted((folder / program.folder).glob("*.yaml")):
            shutil.copyfile(file, target / file.name)

    def _go(self, program: Program, arguments: Sequence[str], log: Path) -> None:
        command = [str(self.go), *arguments]
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("w", encoding="utf-8") as output:
            code = _run(
                command, self.modules / program.module, self._variables(program), output.fileno()
            )
        if code:
            tail = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_TAIL_LINES:]
            head = (
                f"{program.name} could not be built: go {arguments[0]} ended with exit code "
                f"{code}. The end of {log}:"
            )
            raise BuildFailed("\n".join((head, *(f"    {line}" for line in tail))))

    def _variables(self, program: Program) -> dict[str, str]:
        return {
            **self.environment,
            # A toolchain that is too old is an error and not a surprise download.
            "GOTOOLCHAIN": "local",
            # go.sum holds the hash of every module and is never rewritten, so neither the working
            # tree changes nor is the checksum database asked.
            "GOFLAGS": "-mod=readonly",
            "GOWORK": "off",
            "GO111MODULE": "on",
            "CGO_ENABLED": "1" if program.cgo else "0",
        }


def _tags(program: Program) -> list[str]:
    return ["-tags", ",".join(program.tags)] if program.tags else []


def _run(command: Sequence[str], folder: Path, variables: Mapping[str, str], output: int) -> int:
    """Run *command* and return its exit code; end all its processes when this one is stopped."""
    # The kernel ends it where this process is killed, or is interrupted while it starts it.
    setpriv = debian.find("setpriv")
    bound = [str(setpriv), "--pdeathsig", "TERM", "--"] if setpriv else []
    with subprocess.Popen(
        [*bound, *command],
        cwd=folder,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        process_group=0,
    ) as process:
        try:
            return process.wait()
        except BaseException:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait()  # after an interrupt, leaving the block does not
            raise
