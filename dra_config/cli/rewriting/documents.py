"""A whole file rewritten document by document; what cannot be written exactly stays untouched."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from dra_config.cli.rewriting.changes import Change
from dra_config.cli.rewriting.source_text import CannotRewrite, Edit, SourceText
from dra_config.manifests import Document, Format, Node, Span, Unreadable, read, to_json


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a document, or a part of it, stays as it is."""

    span: Span
    """The place to look at."""
    reason: str
    """A sentence without a full stop."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to become of one document."""

    changes: tuple[Change, ...] = ()
    """In the order in which they are made; none leaves the document as it is."""
    refusals: tuple[Refusal, ...] = ()
    """What cannot be changed and would have to be."""


@dataclass(frozen=True, slots=True)
class Rewritten:
    """What has become of one file."""

    before: bytes
    after: bytes
    changed_documents: int
    """Documents that have changed."""
    refusals: tuple[Refusal, ...]
    """In the order of the documents."""

    @property
    def changed(self) -> bool:
        """Whether a single byte differs."""
        return self.before != self.after


Planner = Callable[[Node], Plan]
"""Says what is to become of a document."""

_ALIASES = (
    "an alias, an anchor or a merge key stands in the way; write the values out, and try again"
)


def rewrite(encoded: bytes, syntax: Format | None, planner: Planner) -> Rewritten:
    """Return the file *encoded* with each document changed as *planner* says.

    The result is read again: a document that does not come out as planned, or that would change
    another one, stays as it is. Text outside of the changed places is never touched.

    Args:
        encoded: The bytes of the file.
        syntax: Its syntax; None where the text has to tell.
        planner: Called with every document that can be read.
    """
    results = read(encoded, format=syntax)
    refusals: dict[int, tuple[Refusal, ...]] = {}
    planned: dict[int, Sequence[Edit]] = {}
    expected: dict[int, bytes] = {}
    source: SourceText | None = None
    for result in results:
        if isinstance(result, Unreadable):
            refusals[result.index] = (Refusal(result.span, result.message.rstrip(".")),)
            continue
        plan = planner(result.root)
        refusals[result.index] = plan.refusals
        if not plan.changes:
            continue
        source = source or SourceText(encoded)
        try:
            planned[result.index] = edits_of(source, result.root, plan.changes)
        except CannotRewrite as error:
            refusals[result.index] = (*plan.refusals, Refusal(result.root.span, f"{error}"))
        else:
            expected[result.index] = _planned_json(result.root, plan.changes)
    after = encoded
    if source is not None:
        written = _Writer(encoded, syntax, results, expected, source)
        after, failed = written.write(planned)
        for index in failed:
            result = results[index]
            span = result.root.span if isinstance(result, Document) else result.span
            refusals[index] = (*refusals[index], Refusal(span, _ALIASES))
            del planned[index]
    told = [refusal for index in sorted(refusals) for refusal in refusals[index]]
    return Rewritten(encoded, after, len(planned), tuple(told))


def made(root: Node, changes: Sequence[Change]) -> Node:
    """Return *root* with all *changes* made, one after the other."""
    for change in changes:
        root = change.applied(root)
    return root


def _planned_json(root: Node, changes: Sequence[Change]) -> bytes:
    return to_json(made(root, changes))


def edits_of(source: SourceText, root: Node, changes: Sequence[Change]) -> list[Edit]:
    """Return the edits that write *changes*, made one after the other, to the document *root*.

    Raises:
        CannotRewrite: One of them cannot be written.
        LookupError: One of them does not fit the document.
    """
    edits: list[Edit] = []
    for change in changes:
        edits.extend(change.written(source, root))
        # The places of the source are kept, so that the next change finds its own below this one.
        root = change.applied(root)
    return edits


@dataclass(frozen=True, slots=True)
class _Writer:
    """Writes edits and holds the result against what was planned."""

    before: bytes
    syntax: Format | None
    results: Sequence[Document | Unreadable]
    expected: Mapping[int, bytes]
    source: SourceText

    def write(self, planned: Mapping[int, Sequence[Edit]]) -> tuple[bytes, list[int]]:
        """Return the file with the edits that come out right, and whose edits do not.

        Args:
            planned: The edits of each document that changes, by its index.
        """
        after = self._written(planned)
        if after is not None:
            return after, []
        # One of them spoils the whole, so each has to prove itself alone.
        good = {
            index: edits
            for index, edits in planned.items()
            if self._written({index: edits}) is not None
        }
        after = self._written(good)
        if after is None:
            return self.before, sorted(planned)
        return after, sorted(planned.keys() - good.keys())

    def _written(self, planned: Mapping[int, Sequence[Edit]]) -> bytes | None:
        """Return the file with all edits, or None if it does not say what it should."""
        try:
            after = self.source.edited(edit for edits in planned.values() for edit in edits)
        except CannotRewrite:
            return None
        found = read(after, format=self.syntax)
        if len(found) != len(self.results):
            return None
        for old, new in zip(self.results, found, strict=True):
            wanted = self.expected[old.index] if old.index in planned else _content(old)
            if _content(new) != wanted:
                return None
        return after


def _content(result: Document | Unreadable) -> bytes:
    if isinstance(result, Document):
        return to_json(result.root)
    return f"{result.rule}: {result.message}".encode()
