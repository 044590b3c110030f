"""The lines of files that changed, and the findings that touch one of them."""

import os
from collections.abc import Mapping, Sequence

from dra_config.cli.findings import Finding


class Changes:
    """The lines of files that were added or changed since a commit."""

    def __init__(self, root: str, lines: Mapping[str, Sequence[range] | None]) -> None:
        """Keep what changed.

        Args:
            root: The absolute path of the working tree, links resolved.
            lines: The changed lines of each file, by its path from *root* with slashes; None for
                a file that is new as a whole.
        """
        self._root = root
        self._lines = lines

    def touch(self, path: str) -> bool:
        """Say whether the file *path* has changed at all."""
        return self._key(path) in self._lines

    def keep(self, path: str, findings: Sequence[Finding]) -> tuple[Finding, ...]:
        """Return those of the *findings* in file *path* that touch a changed line."""
        changed = self._lines.get(self._key(path), ())
        if changed is None:
            return tuple(findings)
        return tuple(
            finding
            for finding in findings
            if any(
                lines.start <= finding.end_line and finding.line < lines.stop for lines in changed
            )
        )

    def _key(self, path: str) -> str:
        folder, name = os.path.split(os.path.abspath(path))  # noqa: PTH100 - the last link is kept
        real = os.path.join(os.path.realpath(folder), name)  # noqa: PTH118 - as above
        return os.path.relpath(real, self._root).replace(os.sep, "/")
