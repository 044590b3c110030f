"""What a finding is called from run to run: a name that stays when the lines around it move."""

import os
import re
from collections import Counter
from collections.abc import Iterable
from typing import Final

from dra_config.cli.files import STANDARD_INPUT
from dra_config.cli.findings import Finding

_INDEX: Final = re.compile(r"\[\d+\]")


def portable_path(path: str, folder: str) -> str:
    """Return *path* with slashes, from *folder* if it lies inside, and otherwise absolute.

    Args:
        path: A path from the working folder, or an absolute one.
        folder: An absolute path.
    """
    if path == STANDARD_INPUT:
        return path
    absolute = os.path.abspath(path)  # noqa: PTH100 - links are retained
    try:
        inside = os.path.commonpath([absolute, folder]) == os.path.normpath(folder)
    except ValueError:
        # Another drive of Windows, or a null character.
        inside = False
    chosen = os.path.relpath(absolute, folder) if inside else absolute
    return chosen.replace(os.sep, "/")


def fingerprints(findings: Iterable[Finding], path: str) -> list[str]:
    """Return the fingerprint of each of *findings*, 32 hexadecimal digits, in their order.

    It tells rule, file, object, field and the text of the line, and no place: neither lines above
    nor another indentation nor the index in a list counts. Findings that are alike in all of this
    are numbered.

    Args:
        findings: The findings of one file, in the order of their places.
        path: The name of the file, the same wherever the command is run.
    """
    import hashlib  # noqa: PLC0415 - it loads OpenSSL, and text output has no fingerprints

    seen: Counter[tuple[str, ...]] = Counter()
    names: list[str] = []
    for finding in findings:
        subject = finding.subject
        key = (
            path,
            finding.rule,
            subject.kind or "",
            subject.namespace or "",
            subject.name or "",
            _INDEX.sub("[]", finding.field),
            finding.source.strip(),
        )
        text = "\0".join((*key, str(seen[key])))
        seen[key] += 1
        names.append(hashlib.sha256(text.encode(errors="replace")).hexdigest()[:32])
    return names
