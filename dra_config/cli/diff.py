"""Which lines of the working tree differ from a commit; git is asked, in a process of its own."""

import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from typing import Final

from dra_config.cli.arguments import WrongUsage
from dra_config.cli.changes import Changes

_HUNK: Final = re.compile(r"^@@ -\S+ \+(\d+)(?:,(\d+))? @@")
_ESCAPE: Final = re.compile(rb"\\([0-7]{3}|.)")
_ESCAPED: Final = {b"a": b"\a", b"b": b"\b", b"t": b"\t", b"n": b"\n", b"v": b"\v", b"f": b"\f"}
_ESCAPED.update({b"r": b"\r", b'"': b'"', b"\\": b"\\"})


def read_changes(reference: str, folder: str) -> Changes:
    """Return what the working tree around *folder* changes since *reference*.

    What counts is the commit where the two histories part, where git finds one, so that work on
    the other side is not taken for changes here. Files that git does not know yet are new.

    Raises:
        WrongUsage: There is no git, no repository, or no such commit.
    """
    root = _git(folder, "rev-parse", "--show-toplevel").strip("\n")
    name = f"{reference}^{{commit}}"
    found = _ask(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", name)
    if found is None:
        raise WrongUsage(f"git knows no commit {reference!r} to compare with")
    commit = found.strip()
    parting = (_ask(folder, "merge-base", commit, "HEAD") or commit).split()[0]
    patch = _git(
        root,
        "diff",
        "--unified=0",
        "--no-color",
        "--no-ext-diff",
        "--no-textconv",
        "--no-renames",
        "--no-relative",
        "--ignore-submodules",
        "--text",
        "--src-prefix=a/",
        "--dst-prefix=b/",
        parting,
        "--",
    )
    lines: dict[str, Sequence[range] | None] = dict(_changed_lines(patch))
    new = _git(root, "ls-files", "--others", "--exclude-standard", "-z")
    lines.update(dict.fromkeys(filter(None, new.split("\0"))))
    return Changes(os.path.realpath(root), lines)


def _changed_lines(patch: str) -> Iterator[tuple[str, list[range]]]:
    """Yield the name and the changed lines of each file in *patch*."""
    lines: list[range] = []
    left = 0
    for line in patch.split("\n"):
        if left and line[:1] in ("+", "-", "\\"):
            # Text of a manifest, which may look like a header.
            left -= line[:1] == "+"
            continue
        if line.startswith("+++ "):
            lines = []
            name = _unquote(line[4:].rstrip("\t"))
            if name != "/dev/null":
                yield name.removeprefix("b/"), lines
        elif match := _HUNK.match(line):
            start, count = int(match[1]), int(match[2] or 1)
            left = count
            # Where lines are gone, those on both sides of the gap count as changed.
            lines.append(range(start, start + count) if count else range(start, start + 2))


def _unquote(name: str) -> str:
    """Return a file's name as it is, from the manner in which git writes odd ones."""
    if not name.startswith('"'):
        return name
    plain = _ESCAPE.sub(
        lambda match: _ESCAPED.get(match[1]) or bytes([int(match[1], 8)]),
        os.fsencode(name[1:-1]),
    )
    return os.fsdecode(plain)


def _git(folder: str, *words: str) -> str:
    """Return what git prints.

    Raises:
        WrongUsage: git refuses.
    """
    done = _run(folder, words)
    if done.returncode:
        reason = os.fsdecode(done.stderr).strip().partition("\n")[0].removeprefix("fatal: ")
        raise WrongUsage(f"--diff-from needs a git repository: {reason}")
    return os.fsdecode(done.stdout)


def _ask(folder: str, *words: str) -> str | None:
    """Return what git prints, or None if it has no answer."""
    done = _run(folder, words)
    return None if done.returncode else os.fsdecode(done.stdout)


def _run(folder: str, words: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(["git", *words], cwd=folder, capture_output=True, check=False)
    except FileNotFoundError as error:
        raise WrongUsage("--diff-from asks git, and there is no git on the PATH") from error
