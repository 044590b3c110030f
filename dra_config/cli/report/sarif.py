"""Findings as SARIF 2.1.0, the format that code scanning services read."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, TextIO
from urllib.parse import quote

from dra_config.catalogue import RULES, Rule
from dra_config.cli.findings import Finding, Replacement, Summary
from dra_config.cli.fingerprints import fingerprints, portable_path
from dra_config.cli.offers import told
from dra_config.cli.report.reporter import object_name, sentence
from dra_config.cli.rule_pages import page_address
from dra_config.version import __version__

_SCHEMA: Final = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_FINGERPRINT: Final = "draConfigFinding/v1"
"""The name changes when the recipe of `fingerprints` does, so that old ones match nothing."""


class SarifReporter:
    """Collects the findings and writes them at the end, with the rules they are about."""

    def __init__(self, out: TextIO, folder: str, rule_pages: str | None = None) -> None:
        """Write to *out*.

        Args:
            out: Where the log goes.
            folder: The absolute path that the paths of files are told from.
            rule_pages: Where the pages of rules are, as `page_address` takes it; None if nobody
                says so. The log holds the text of each page in either case.
        """
        self._out = out
        self._rule_pages = rule_pages
        self._folder = folder
        self._results: list[dict[str, Any]] = []
        self._places: dict[str, int] = {}
        self._problems: list[dict[str, Any]] = []

    def show(self, path: str, findings: Sequence[Finding]) -> None:
        """Keep the findings of one file."""
        name = portable_path(path, self._folder)
        for finding, mark in zip(findings, fingerprints(findings, name), strict=True):
            index = self._places.setdefault(finding.rule, len(self._places))
            self._results.append(_result(finding, _uri(name), index, mark))

    def miss(self, path: str, reason: str) -> None:
        """Keep that a file could not be read."""
        location = {"physicalLocation": {"artifactLocation": {"uri": _uri(path)}}}
        problem = {
            "level": "error",
            "message": {"text": f"cannot read {path}: {reason}"},
            "locations": [location],
        }
        self._problems.append(problem)

    def conclude(self, summary: Summary) -> None:
        """Write everything; outside ASCII only escapes, so that any encoding will do."""
        invocation = {
            "executionSuccessful": not summary.partial and not self._problems,
            "toolExecutionNotifications": self._problems,
        }
        driver = {
            "name": "dra-config",
            "version": __version__,
            "rules": [_descriptor(RULES[rule], self._rule_pages) for rule in self._places],
        }
        run = {
            "tool": {"driver": driver},
            "invocations": [invocation],
            "columnKind": "unicodeCodePoints",
            "results": self._results,
        }
        whole = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
        print(json.dumps(whole, indent=2), file=self._out)


def _result(finding: Finding, uri: str, index: int, mark: str) -> dict[str, Any]:
    place: dict[str, Any] = {
        "physicalLocation": {"artifactLocation": {"uri": uri}, "region": _region(finding)}
    }
    name = object_name(finding.subject)
    if name:
        place["logicalLocations"] = [{"fullyQualifiedName": name, "kind": "object"}]
    result = {
        "ruleId": finding.rule,
        "ruleIndex": index,
        "level": str(finding.severity),
        "message": {"text": sentence(finding)},
        "locations": [place],
        "partialFingerprints": {_FINGERPRINT: mark},
    }
    if finding.edits:
        result["fixes"] = [_fix(finding, uri)]
    return result


def _fix(finding: Finding, uri: str) -> dict[str, Any]:
    # From the last to the first, so that none moves the place of another.
    replacements = [_replacement(edit) for edit in reversed(finding.edits)]
    change = {"artifactLocation": {"uri": uri}, "replacements": replacements}
    return {"description": {"text": told(finding)}, "artifactChanges": [change]}


def _replacement(edit: Replacement) -> dict[str, Any]:
    return {"deletedRegion": _region(edit), "insertedContent": {"text": edit.text}}


def _region(place: Finding | Replacement) -> dict[str, int]:
    return {
        "startLine": place.line,
        "startColumn": place.column,
        "endLine": place.end_line,
        "endColumn": place.end_column,
    }


def _descriptor(rule: Rule, rule_pages: str | None) -> dict[str, Any]:
    """Return what SARIF says of a rule; the whole help is here, so no page need be fetched."""
    plain, rich = [rule.why, rule.fix], [rule.why, f"**Fix:** {rule.fix}"]
    for title, example in (("Refused", rule.bad), ("Accepted", rule.good)):
        if example:
            plain.append(f"{title}:\n\n{example.rstrip()}")
            rich.append(f"{title}:\n\n```yaml\n{example.rstrip()}\n```")
    address = {} if rule_pages is None else {"helpUri": page_address(rule_pages, rule)}
    return {
        "id": rule.id,
        "name": "".join(word.capitalize() for word in rule.name.split("-")),
        "shortDescription": {"text": rule.name.replace("-", " ")},
        "fullDescription": {"text": rule.why},
        **address,
        "help": {"text": "\n\n".join(plain), "markdown": "\n\n".join(rich)},
        "defaultConfiguration": {"level": str(rule.severity)},
    }


def _uri(path: str) -> str:
    """Return *path* as a URI, a relative one unless the path is absolute."""
    if Path(path).is_absolute():
        return Path(path).as_uri()
    # A colon in the first part would pass for the end of a scheme.
    return quote(path, safe="/", errors="replace")
