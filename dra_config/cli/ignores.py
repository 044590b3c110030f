"""Comments in a YAML file that silence a rule at one place, and those that silence nothing."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from dra_config.catalogue import RULES
from dra_config.catalogue.documents import DRA945
from dra_config.cli.findings import FileVerdict, ObjectReference
from dra_config.cli.places import Page
from dra_config.cli.selection import nearest_rule
from dra_config.manifests import (
    ArrayNode,
    Document,
    Format,
    Node,
    ObjectNode,
    ScalarNode,
    Span,
    read,
)
from dra_config.violations import Violation

_MARK: Final = b"dra-config:"
_COMMENT: Final = re.compile(
    r"(?:(?<=\s)|^)#\s*dra-config:\s*ignore\b(?:\s*\[(?P<rules>[^\]]*)\])?(?P<reason>.*)"
)
_COMMENT_LINE: Final = re.compile(r"\s*#")
_LINE_BREAK: Final = re.compile(r"\r\n?|\n")
_NOT_JUDGED: Final = frozenset({"DRA940", "DRA941", "DRA942", "DRA943"})
"""Where one of these was found, nobody knows what a comment would have silenced."""


@dataclass(frozen=True, slots=True)
class Comment:
    """One comment that asks for silence."""

    span: Span
    """Where it stands, from its ``#`` to the end of the line."""
    covered: int
    """The line it speaks of: its own, or the next one that is no comment if it stands alone."""
    rules: tuple[str, ...]
    """What it names in brackets."""
    reason: str
    """What follows the brackets."""


def apply_ignores(verdict: FileVerdict, text: bytes, syntax: Format | None = None) -> FileVerdict:
    """Return *verdict* without what comments silence, and with a warning for each idle one.

    Args:
        verdict: What was found in the file.
        text: The bytes of the file.
        syntax: The syntax of the file; JSON has no comments.
    """
    if _MARK not in text or syntax in ("json", "jsonl"):
        return verdict
    comments = list(find_comments(text, syntax))
    if not comments:
        return verdict
    page = Page(verdict.path, text)
    silent = {
        (comment.covered, rule) for comment in comments if comment.reason for rule in comment.rules
    }
    kept = [finding for finding in verdict.findings if (finding.line, finding.rule) not in silent]
    used = {(finding.line, finding.rule) for finding in verdict.findings}
    guessing = any(finding.rule in _NOT_JUDGED for finding in verdict.findings)
    for comment in comments:
        for message in _complaints(comment, used, guessing=guessing):
            violation = Violation.of(DRA945, message)
            kept.append(page.finding(violation, comment.span, _subject(verdict, comment)))
    kept.sort(key=lambda finding: (finding.line, finding.column))
    return replace(verdict, findings=tuple(kept))


def find_comments(text: bytes, syntax: Format | None = None) -> Iterator[Comment]:
    """Yield the comments of a file that ask for silence, and no text that looks like one."""
    lines = _LINE_BREAK.split(text.decode(errors="replace").removeprefix("\ufeff"))
    # Comments of a document that cannot be read are told by their looks alone.
    texts: list[Span] = []
    for result in read(text, format=syntax):
        if isinstance(result, Document):
            texts.extend(_texts(result.root))
    for number, line in enumerate(lines, start=1):
        match = _COMMENT.search(line)
        if match is None or _is_inside(number, match.start() + 1, line, texts):
            continue
        rules = (match["rules"] or "").split(",")
        yield Comment(
            span=Span(number, match.start() + 1, number, len(line) + 1),
            covered=_covered(lines, number, alone=not line[: match.start()].strip()),
            rules=tuple(rule.strip() for rule in rules if rule.strip()),
            reason=match["reason"].strip(),
        )


def _covered(lines: Sequence[str], number: int, *, alone: bool) -> int:
    """Return the number of the line that a comment on line *number* speaks of."""
    if alone:
        number += 1
        while number <= len(lines) and _COMMENT_LINE.match(lines[number - 1]):
            number += 1
    return number


def _complaints(comment: Comment, used: set[tuple[int, str]], *, guessing: bool) -> Iterator[str]:
    """Yield a sentence for everything in *comment* that silences nothing."""
    if not comment.rules:
        yield "the comment names no rule; write ignore[DRA101] and the reason, for instance"
        return
    if not comment.reason:
        yield "the comment gives no reason and silences nothing; write one behind the bracket"
        return
    for rule in comment.rules:
        if rule not in RULES:
            yield f"there is no rule {rule!r}{nearest_rule(rule)}"
        elif (comment.covered, rule) not in used and not guessing:
            yield f"{rule} finds nothing here; remove it from the comment"


def _subject(verdict: FileVerdict, comment: Comment) -> ObjectReference:
    """Return the object of a finding on the same line, where there is one."""
    same = (f.subject for f in verdict.findings if f.line == comment.covered)
    return next(same, ObjectReference())


def _texts(node: Node) -> Iterator[Span]:
    """Yield where keys and values are written; a ``#`` in one of them begins no comment."""
    match node:
        case ScalarNode(span=span):
            yield span
        case ArrayNode(items=items):
            for item in items:
                yield from _texts(item)
        case ObjectNode(members=members):
            for member in members:
                yield member.key_span
                yield from _texts(member.value)


def _is_inside(line: int, column: int, text: str, spans: Sequence[Span]) -> bool:
    """Say whether a place is inside one of *spans*; the header of a block scalar is not."""
    place = (line, column)
    for span in spans:
        if (span.start_line, span.start_column) <= place < (span.end_line, span.end_column):
            header = text[span.start_column - 1 : span.start_column] in ("|", ">")
            if not (header and span.start_line == line):
                return True
    return False
