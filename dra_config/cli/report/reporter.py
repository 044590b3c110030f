"""The interface of every output format, and how an object is called in all of them."""

from collections.abc import Sequence
from typing import Protocol

from dra_config.cli.findings import Finding, ObjectReference, Summary


class Reporter(Protocol):
    """Writes findings in one format."""

    def show(self, path: str, findings: Sequence[Finding]) -> None:
        """Take the findings of the file *path* that are to be shown, in the order of places."""

    def miss(self, path: str, reason: str) -> None:
        """Take note of a file that could not be read; the person at the terminal knows."""

    def conclude(self, summary: Summary) -> None:
        """Take the sum of the run; nothing comes after it."""


def object_name(subject: ObjectReference) -> str:
    """Return ``ResourceClaim team-a/training``, or as much of it as is known."""
    named = "/".join(part for part in (subject.namespace, subject.name) if part)
    return " ".join(part for part in (subject.kind, named) if part)


def sentence(finding: Finding) -> str:
    """Return the message of a finding behind its field."""
    return f"{finding.field}: {finding.message}" if finding.field else finding.message
