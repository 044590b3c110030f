"""What to write instead: the edits that repair each finding, for editors and code scanning."""

from collections.abc import Iterable
from dataclasses import replace

from dra_config.cli.criteria import Criteria
from dra_config.cli.findings import FileVerdict, Finding, Replacement
from dra_config.cli.judge import violations_in
from dra_config.cli.objects import FoundObject, unfold
from dra_config.cli.rewriting.documents import Plan, edits_of, rewrite
from dra_config.cli.rewriting.repairs import repairs_of
from dra_config.cli.rewriting.source_text import CannotRewrite, Edit, SourceText
from dra_config.manifests import Format, Node, Span, find


def with_edits(
    verdict: FileVerdict, text: bytes, criteria: Criteria, syntax: Format | None
) -> FileVerdict:
    """Return *verdict* with the edits that repair each of its fixable findings.

    A document that ``dra-config fix`` would refuse to write has no edits.

    Args:
        verdict: What was found in the file.
        text: The bytes of the file.
        criteria: What its documents were held against.
        syntax: The syntax of the file; None where the text has to tell.
    """
    if not any(finding.fixable for finding in verdict.findings):
        return verdict
    offers = _Offers(SourceText(text), criteria)
    refused = {refusal.span for refusal in rewrite(text, syntax, offers.plan).refusals}
    findings = (replace(each, edits=offers.edits(each, refused)) for each in verdict.findings)
    return replace(verdict, findings=tuple(findings))


def told(finding: Finding) -> str:
    """Return what the edits of *finding* write, as an offer of a few words."""
    words = (edit.text.strip(", \r\n") for edit in finding.edits)
    return f"Write {', '.join(words)}"


class _Offers:
    """The edits of one file, by the rules and the places of what they repair."""

    def __init__(self, source: SourceText, criteria: Criteria) -> None:
        self._source = source
        # The gates decide nothing that can be repaired.
        self._criteria = replace(criteria, gates=None)
        self._found: dict[tuple[str, int, int], tuple[Span, tuple[Replacement, ...]]] = {}

    def edits(self, finding: Finding, refused: set[Span]) -> tuple[Replacement, ...]:
        """Return the edits of *finding*, but for a document at one of the places *refused*."""
        place = (finding.rule, finding.line, finding.column)
        document, edits = self._found.get(place, (None, ()))
        return () if document in refused else edits

    def plan(self, root: Node) -> Plan:
        """Keep the edits of each finding in the document *root*, and return all its changes."""
        plan: Plan = Plan()
        for found in self._objects(root):
            repairs = repairs_of(found, lambda each: violations_in(each, self._criteria))
            plan = Plan((*plan.changes, *(change.under(found.path) for change in repairs.changes)))
            for violation in violations_in(found, self._criteria) if repairs.repaired else ():
                changes = repairs.repaired.get((violation.rule, violation.path))
                if changes is None:
                    continue
                path = (*found.path, *violation.path)
                span = find(root, path, violation.target, violation.occurrence)
                try:
                    edits = edits_of(
                        self._source, root, [change.under(found.path) for change in changes]
                    )
                except (CannotRewrite, LookupError):
                    # It takes another repair before, or cannot be written at all.
                    continue
                place = (violation.rule, span.start_line, span.start_column)
                self._found[place] = (root.span, tuple(self._replacements(edits)))
        return plan

    def _objects(self, root: Node) -> Iterable[FoundObject]:
        if self._criteria.as_parameters:
            return (FoundObject.of(root),)
        return (each for each in unfold(root) if each.is_judged or each.is_bare_config)

    def _replacements(self, edits: Iterable[Edit]) -> Iterable[Replacement]:
        for edit in sorted(set(edits)):
            start, end = self._source.place(edit.start), self._source.place(edit.end)
            yield Replacement(*start, *end, edit.replacement)
