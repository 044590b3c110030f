"""A list of findings that a team has and lives with, so that only new ones count."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, cast

from dra_config.cli.arguments import WrongUsage
from dra_config.cli.files import why
from dra_config.cli.findings import Finding
from dra_config.cli.fingerprints import fingerprints, portable_path
from dra_config.cli.report.reporter import object_name

_VERSION: Final = 1


class Baseline:
    """The entries of one baseline file, and which of them were met in this run."""

    def __init__(self, path: str, entries: Mapping[str, Mapping[str, Any]]) -> None:
        """Keep *entries*, by their fingerprints, of the file *path*."""
        self.path = path
        self.hidden = 0
        self._entries = entries
        self._folder = folder_of(path)
        self._judged: set[str] = set()
        self._met: set[str] = set()

    @classmethod
    def read(cls, path: str) -> "Baseline":
        """Return the baseline in the file *path*.

        Raises:
            WrongUsage: The file cannot be read, or is no baseline.
        """
        try:
            with open(path, encoding="utf-8") as file:  # noqa: PTH123 - any text is a path
                whole: Any = json.load(file)
        except OSError as error:
            raise WrongUsage(f"cannot read the baseline {path}: {why(error)}") from error
        except ValueError as error:
            raise WrongUsage(f"{path} is no baseline: {error}") from error
        if not isinstance(whole, dict) or cast("dict[str, Any]", whole).get("version") != _VERSION:
            raise WrongUsage(f"{path} is no baseline of version {_VERSION}")
        try:
            entries = {
                str(entry["fingerprint"]): {**entry, "path": str(entry["path"])}
                for entry in cast("dict[str, Any]", whole)["findings"]
            }
        except (KeyError, TypeError) as error:
            raise WrongUsage(f"{path} is no baseline: an entry lacks {error}") from error
        return cls(path, entries)

    def new(self, path: str, findings: Sequence[Finding]) -> tuple[Finding, ...]:
        """Return those of the *findings* in file *path* that the baseline does not hold."""
        name = portable_path(path, self._folder)
        self._judged.add(name)
        marks = fingerprints(findings, name)
        self._met.update(marks)
        kept = [f for f, mark in zip(findings, marks, strict=True) if mark not in self._entries]
        self.hidden += len(findings) - len(kept)
        return tuple(kept)

    def stale(self) -> list[str]:
        """Return a line for each entry that nothing matches any more, in their order.

        Entries of files that were not judged are left alone, unless the file is gone.
        """
        return [
            f"{entry['path']}: {entry.get('rule', '')} {entry.get('field', '')}".rstrip()
            for mark, entry in self._entries.items()
            if mark not in self._met
            and (
                entry["path"] in self._judged
                or not os.path.exists(os.path.join(self._folder, entry["path"]))  # noqa: PTH110, PTH118 - a text of the file
            )
        ]


class BaselineWriter:
    """Collects findings and writes them as a baseline."""

    def __init__(self, path: str) -> None:
        """Write to the file *path*, once everything is there."""
        self.path = path
        self._folder = folder_of(path)
        self._entries: list[dict[str, str]] = []

    def add(self, path: str, findings: Sequence[Finding]) -> None:
        """Keep the findings of the file *path*."""
        name = portable_path(path, self._folder)
        for finding, mark in zip(findings, fingerprints(findings, name), strict=True):
            self._entries.append(
                {
                    "fingerprint": mark,
                    "path": name,
                    "rule": finding.rule,
                    "object": object_name(finding.subject),
                    "field": finding.field,
                }
            )

    def write(self) -> int:
        """Write the file, whole or not at all, and return how many findings it holds.

        Raises:
            WrongUsage: It cannot be written.
        """
        # Imported here because a temporary file needs much that is seldom needed.
        from dra_config.cli.atomic_file import put_content  # noqa: PLC0415

        ordered = sorted(self._entries, key=lambda e: (e["path"], e["rule"], e["fingerprint"]))
        try:
            put_content(self.path, _lines(ordered).encode())
        except OSError as error:
            raise WrongUsage(f"cannot write the baseline {self.path}: {why(error)}") from error
        return len(ordered)


def folder_of(path: str) -> str:
    """Return the absolute path of the folder that the file *path* is in."""
    return os.path.dirname(os.path.abspath(path))  # noqa: PTH100, PTH120 - links are retained


def _lines(entries: Iterable[Mapping[str, str]]) -> str:
    """Return the file with one line for each entry, so that merges seldom conflict."""
    rows = ",\n".join(f"    {json.dumps(entry)}" for entry in entries)
    listed = f"[\n{rows}\n  ]" if rows else "[]"
    return f'{{\n  "version": {_VERSION},\n  "findings": {listed}\n}}\n'
