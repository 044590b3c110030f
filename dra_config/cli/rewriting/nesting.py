"""Moving all members of an object but one below a new key, with their comments."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from dra_config.cli.rewriting.changes import Change
from dra_config.cli.rewriting.source_text import CannotRewrite, Edit, SourceText
from dra_config.cli.rewriting.spelling import like
from dra_config.manifests import Member, Node, ObjectNode

_AFTER_KEY: Final = re.compile(r"[ \t]*:([ \t]?)")


@dataclass(frozen=True, slots=True)
class Nest(Change):
    """The members of the object at the path move below a new key, but for the one that stays."""

    key: str
    """The new key."""
    stays: str
    """The member that stays where it is, or comes to stand first."""
    step: int
    """How much deeper the members are indented, in characters."""

    def made(self, node: Node) -> Node:
        """Return the object with the other members below the key."""
        moved = self._moved(node) if isinstance(node, ObjectNode) else ()
        if not isinstance(node, ObjectNode) or not moved:
            raise LookupError(self.path)
        nested = Member(self.key, moved[0].key_span, replace(node, members=moved))
        staying = tuple(member for member in node.members if member.key == self.stays)
        last = bool(staying) and node.members[-1] is staying[-1] and len(node.members) > 1
        members = (nested, *staying) if last else (*staying, nested)
        return replace(node, members=members)

    def edits(self, source: SourceText, node: Node) -> Sequence[Edit]:
        """Return the edits that write the key, the indentation, and the one that stays."""
        if not isinstance(node, ObjectNode):
            return ()
        moved = self._moved(node)
        start = source.offset(*moved[0].key_span[:2])
        end = source.offset(*moved[-1].value.span[2:])
        forward = self._forward(source, node, moved)
        text = "".join(source.text[edit.start : edit.end] for edit in forward)
        opened, closed, deeper = self._written(source, node, moved[0])
        edits = [*forward, Edit(start, start, f"{text}{opened}")]
        if closed:
            edits.append(Edit(end, end, closed))
        if deeper:
            first, last = moved[0].key_span.start_line, moved[-1].value.span.end_line
            edits += self._indented(source, first + 1, last, forward)
        return edits

    def _moved(self, node: ObjectNode) -> tuple[Member, ...]:
        return tuple(member for member in node.members if member.key != self.stays)

    def _forward(
        self, source: SourceText, node: ObjectNode, moved: Sequence[Member]
    ) -> list[Edit]:
        """Return the removal of the member that stays, if it stands between those that move."""
        for member, following in zip(node.members, node.members[1:], strict=False):
            if member.key == self.stays and member is not node.members[0]:
                start = source.offset(*member.key_span[:2])
                end = source.offset(*following.key_span[:2])
                if not source.offset(*moved[0].key_span[:2]) < start < end:
                    raise CannotRewrite("a merge key stands in the way")
                return [Edit(start, end, "")]
        return []

    def _written(
        self, source: SourceText, node: ObjectNode, first: Member
    ) -> tuple[str, str, bool]:
        """Return what comes before and behind the moved members, and whether lines move in."""
        key = like(source, first.key_span, self.key)
        column = first.key_span.start_column
        indentation = source.line_break + " " * (column - 1 + self.step)
        if not node.inline:
            return f"{key}:{indentation}", "", True
        after = _AFTER_KEY.match(source.text, source.offset(*first.key_span[2:]))
        space = " " if after is None else after[1]
        start = source.offset(*first.key_span[:2])
        before = source.text[source.line_start(first.key_span.start_line) : start]
        if before.strip():
            return f"{key}:{space}{{", "}", False
        inner = f"{source.line_break}{before}"
        step = "\t" if before.startswith("\t") else " " * self.step
        return f"{key}:{space}{{{inner}{step}", f"{inner}}}", True

    def _indented(
        self, source: SourceText, first: int, last: int, removed: Sequence[Edit]
    ) -> Iterator[Edit]:
        for line in range(first, last + 1):
            start = source.line_start(line)
            gone = any(edit.start < start <= edit.end for edit in removed)
            if not gone and not source.is_empty_line(line):
                step = "\t" if source.text[start] == "\t" else " " * self.step
                yield Edit(start, start, step)
