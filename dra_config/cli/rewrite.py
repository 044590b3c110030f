"""One run of ``convert`` or ``fix`` over files: show the difference, make it, or fail over it."""

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TextIO

from dra_config.cli.arguments import WrongUsage
from dra_config.cli.atomic_file import replace_content
from dra_config.cli.differences import unified
from dra_config.cli.files import STANDARD_INPUT, EmptyFolder, Source, Unreachable, find_sources
from dra_config.cli.files import why as why_not
from dra_config.cli.rewriting.documents import Planner, Rewritten, rewrite
from dra_config.cli.surroundings import ExitCode, Surroundings
from dra_config.manifests import MAX_FILE_BYTES

_MOST: Final = f"{MAX_FILE_BYTES // 1024**2} MiB"


@dataclass(frozen=True, slots=True)
class Wording:
    """What the command calls its work."""

    infinitive: str
    """As in ``cannot convert``."""
    participle: str
    """As in ``2 files converted``."""


@dataclass(slots=True)
class _Counts:
    changed: int = 0
    files: int = 0
    refused: int = 0
    unusable: int = 0


class RewritingRun:
    """One run over any number of files."""

    def __init__(
        self, options: Namespace, surroundings: Surroundings, planner: Planner, wording: Wording
    ) -> None:
        """Prepare a run of *planner* over the documents of the files that *options* name.

        Raises:
            WrongUsage: No path is given, or the options contradict each other.
        """
        self._paths: Sequence[str] = options.paths
        if not self._paths:
            raise WrongUsage("name a file, a folder, or - for standard input")
        if options.write and options.check:
            raise WrongUsage("--check changes nothing, so it does not go with --write")
        self._writes: bool = options.write
        self._checks: bool = options.check
        self._shows: bool = options.diff or not (options.write or options.check)
        if self._writes and self._shows and STANDARD_INPUT in self._paths:
            raise WrongUsage("--diff and --write of - both want standard output; choose one")
        self._surroundings = surroundings
        self._planner = planner
        self._wording = wording
        self._counts = _Counts()

    def over_all(self) -> int:
        """Rewrite the files and return the exit code; a run that is interrupted says so."""
        try:
            for found in find_sources(self._paths):
                match found:
                    case Source():
                        self._rewrite(found)
                    case Unreachable():
                        self._fail(f"cannot read {found.path}: {found.reason}")
                    case EmptyFolder():
                        self._surroundings.tell(f"no YAML or JSON file in {found.path}")
        except KeyboardInterrupt:
            self._conclude("interrupted; ")
            return ExitCode.INTERRUPTED
        self._conclude("")
        if self._counts.unusable:
            return ExitCode.UNUSABLE
        wanting = self._counts.refused or (self._checks and self._counts.changed)
        return ExitCode.REJECTED if wanting else ExitCode.FINE

    def _rewrite(self, source: Source) -> None:
        try:
            encoded = source.read(self._surroundings.stdin)
        except OSError as error:
            self._fail(f"cannot read {source.path}: {why_not(error)}")
            return
        if len(encoded) > MAX_FILE_BYTES:
            self._fail(f"cannot read {source.path}: it has more than {_MOST}")
            return
        self._counts.files += 1
        rewritten = rewrite(encoded, source.format, self._planner)
        for refusal in rewritten.refusals:
            self._counts.refused += 1
            place = f"{source.path}:{refusal.span.start_line}:{refusal.span.start_column}"
            self._surroundings.tell(f"cannot {self._wording.infinitive} {place}: {refusal.reason}")
        if not rewritten.changed and not (self._writes and source.path == STANDARD_INPUT):
            return
        if self._shows:
            lines = unified(source.path, rewritten.before, rewritten.after)
            _print("".join(lines).encode(), self._surroundings.stdout)
        if self._writes and not self._write(source, rewritten):
            return
        if self._checks and not self._shows:
            self._surroundings.tell(f"{source.path} would be {self._wording.participle}")
        self._counts.changed += rewritten.changed

    def _write(self, source: Source, rewritten: Rewritten) -> bool:
        """Write one file, and return whether that worked."""
        if source.path == STANDARD_INPUT:
            _print(rewritten.after, self._surroundings.stdout)
            return True
        try:
            replace_content(source.path, rewritten.after)
        except OSError as error:
            self._fail(f"cannot write {source.path}: {why_not(error)}")
            return False
        return True

    def _fail(self, message: str) -> None:
        self._counts.unusable += 1
        self._surroundings.tell(message)

    def _conclude(self, interrupted: str) -> None:
        counts, done = self._counts, self._wording.participle
        verb = done if self._writes else f"would be {done}"
        files = "1 file" if counts.files == 1 else f"{counts.files} files"
        refused = f", {counts.refused} refused" if counts.refused else ""
        self._surroundings.tell(f"{interrupted}{counts.changed} of {files} {verb}{refused}")


def _print(content: bytes, stdout: TextIO) -> None:
    """Write *content* as it is, whatever the encoding and the line breaks of the terminal."""
    stdout.flush()
    buffer = getattr(stdout, "buffer", None)
    if buffer is None:
        stdout.write(content.decode())
        return
    buffer.write(content)
    buffer.flush()
