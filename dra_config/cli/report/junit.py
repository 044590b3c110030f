"""Findings as JUnit's XML, the format that every build server can draw."""

from collections.abc import Sequence
from typing import TextIO
from xml.sax.saxutils import escape, quoteattr

from dra_config.cli.findings import Finding, Summary, fails
from dra_config.cli.report.excerpt import printable
from dra_config.cli.report.reporter import object_name, sentence


class JUnitReporter:
    """Writes each file as a suite, as it comes, with one case for each finding.

    What fails the run is a failure; other findings pass and are told in the case's output. A file
    without findings is one case that passes.
    """

    def __init__(self, out: TextIO, *, strict: bool) -> None:
        """Write to *out*; warnings are failures if *strict*."""
        self._out = out
        self._strict = strict
        self._begun = False

    def show(self, path: str, findings: Sequence[Finding]) -> None:
        """Write the suite of one file."""
        cases = [self._case(finding) for finding in findings]
        failures = sum(fails(finding, strict=self._strict) for finding in findings)
        clean = [f"    <testcase classname={_quoted(path)} name={_quoted('no finding')}/>"]
        self._suite(path, cases or clean, failures=failures, errors=0)

    def miss(self, path: str, reason: str) -> None:
        """Write the suite of a file that could not be read."""
        case = [
            f"    <testcase classname={_quoted(path)} name={_quoted('cannot be read')}>",
            f"      <error type={_quoted('unreadable')} message={_quoted(reason)}/>",
            "    </testcase>",
        ]
        self._suite(path, ["\n".join(case)], failures=0, errors=1)

    def conclude(self, summary: Summary) -> None:
        """Write what closes the whole."""
        self._begin()
        if summary.partial:
            print("  <!-- interrupted, so this is not all -->", file=self._out)
        print("</testsuites>", file=self._out)

    def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            print('<?xml version="1.0" encoding="UTF-8"?>', file=self._out)
            print('<testsuites name="dra-config">', file=self._out)

    def _suite(self, path: str, cases: Sequence[str], *, failures: int, errors: int) -> None:
        self._begin()
        counts = f'tests="{len(cases)}" failures="{failures}" errors="{errors}" skipped="0"'
        print(f"  <testsuite name={_quoted(path)} {counts}>", file=self._out)
        print("\n".join(cases), file=self._out)
        print("  </testsuite>", file=self._out)

    def _case(self, finding: Finding) -> str:
        where = f"{finding.path}:{finding.line}:{finding.column}"
        about = object_name(finding.subject)
        name = " ".join(part for part in (finding.rule, about, where) if part)
        told = f"{where}: {finding.severity}[{finding.rule}] {sentence(finding)}"
        text = f"{_text(told)}\n{_text(finding.source)}"
        if fails(finding, strict=self._strict):
            attributes = f"type={_quoted(finding.rule)} message={_quoted(sentence(finding))}"
            inner = f"<failure {attributes}>{text}</failure>"
        else:
            inner = f"<system-out>{text}</system-out>"
        head = f"    <testcase classname={_quoted(finding.path)} name={_quoted(name)}>"
        return f"{head}\n      {inner}\n    </testcase>"


def _text(text: str) -> str:
    """Return *text* for an element, in ASCII and without what XML forbids even as reference."""
    return escape(printable(text)).encode("ascii", "xmlcharrefreplace").decode()


def _quoted(text: str) -> str:
    """Return *text* as the value of an attribute, in the same manner."""
    return quoteattr(printable(text)).encode("ascii", "xmlcharrefreplace").decode()
