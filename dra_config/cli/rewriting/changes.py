"""What can be changed in a document: each change to its tree, and the edits that write it."""

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from dra_config.cli.rewriting import trees
from dra_config.cli.rewriting.source_text import CannotRewrite, Edit, SourceText
from dra_config.cli.rewriting.spelling import like, plain, respelt
from dra_config.manifests import ArrayNode, Member, Node, ObjectNode, ScalarNode
from dra_config.violations import FieldPath

_COMMA: Final = re.compile(r"\s*(,)")
_SPACE_BEFORE: Final = re.compile(r"\s*\Z")


@dataclass(frozen=True, slots=True)
class Change(ABC):
    """One change at one place."""

    path: FieldPath
    """Where it is made, from the root of the tree that it is made to."""

    @abstractmethod
    def made(self, node: Node) -> Node:
        """Return what stands at the path, *node*, as it is afterwards; places are kept.

        Raises:
            LookupError: The change does not fit *node*.
        """

    @abstractmethod
    def edits(self, source: SourceText, node: Node) -> Sequence[Edit]:
        """Return the edits that write the change to *node*, which stands in *source*.

        Raises:
            CannotRewrite: It cannot be written.
        """

    def applied(self, root: Node) -> Node:
        """Return the tree *root* with the change made."""
        return trees.changed(root, self.path, self.made)

    def under(self, prefix: FieldPath) -> "Change":
        """Return the same change as seen from a tree that holds this one at *prefix*."""
        return replace(self, path=prefix + self.path)

    def written(self, source: SourceText, root: Node) -> Sequence[Edit]:
        """Return the edits that write the change into *source*, of which *root* is a document.

        Raises:
            CannotRewrite: It cannot be written.
        """
        node = trees.at(root, self.path)
        return () if node is None else self.edits(source, node)


@dataclass(frozen=True, slots=True)
class SetText(Change):
    """A text is replaced by another one."""

    text: str

    def made(self, node: Node) -> Node:
        """Return the new text at the place of the old one."""
        if isinstance(node, ScalarNode):
            return replace(node, value=self.text, text=self.text)
        raise LookupError(self.path)

    def edits(self, source: SourceText, node: Node) -> Sequence[Edit]:
        """Return the edit of the value."""
        return (respelt(source, node.span, self.text),)


@dataclass(frozen=True, slots=True)
class RenameKey(Change):
    """A key of the object at the path gets another name; its value stays."""

    old: str
    new: str

    def made(self, node: Node) -> Node:
        """Return the object with the key renamed."""
        found = trees.member(node, self.old)
        if found is None or not isinstance(node, ObjectNode) or trees.member(node, self.new):
            raise LookupError(self.path)
        renamed = replace(found, key=self.new)
        return replace(node, members=trees.exchanged(node.members, found, renamed))

    def edits(self, source: SourceText, node: Node) -> Sequence[Edit]:
        """Return the edit of the key."""
        found = trees.member(node, self.old)
        return () if found is None else (respelt(source, found.key_span, self.new),)


@dataclass(frozen=True, slots=True)
class PutFirst(Change):
    """The object at the path, which is not empty, gets another member before all others."""

    key: str
    text: str

    def made(self, node: Node) -> Node:
        """Return the object with the member in front."""
        if not isinstance(node, ObjectNode) or not node.members:
            raise LookupError(self.path)
        new = Member(self.key, node.span, ScalarNode(self.text, self.text, node.span))
        return replace(node, members=(new, *node.members))

    def edits(self, source: SourceText, node: Node) -> Sequence[Edit]:
        """Return the edit that writes the member before the first key, spaced as that one is."""
        if not isinstance(node, ObjectNode) or not node.members:
            return ()
        first = node.members[0].key_span
        start = source.offset(*first[:2])
        key, text = like(source, first, self.key), like(source, first, self.text)
        if not node.inline:
            indentation = " " * (first.start_column - 1)
            added = f"{key}: {plain(self.text)}{source.line_break}{indentation}"
            return (Edit(start, start, added),)
        opening = source.text[source.offset(*node.span[:2]) : start]
        space = _SPACE_BEFORE.search(opening)
        behind = space[0] if space is not None and "\n" in space[0] else " "
        return (Edit(start, start, f"{key}: {text},{behind}"),)


@dataclass(frozen=True, slots=True)
class TakeOutOfList(Change):
    """The list of one at the path is replaced by its entry."""

    def made(self, node: Node) -> Node:
        """Return the entry."""
        if not isinstance(node, ArrayNode) or len(node.items) != 1:
            raise LookupError(self.path)
        return node.items[0]

    def edits(self, source: SourceText, node: Node) -> Sequence[Edit]:
        """Return the edits that remove the brackets, or make a space of the dash."""
        if not isinstance(node, ArrayNode):
            return ()
        start, end = source.range(node.span)
        if source.text[start] == "-" and not node.inline:
            return (Edit(start, start + 1, " "),)
        if source.text[start] != "[":
            raise CannotRewrite("an anchor, a tag or an alias stands before the list")
        inner_end = source.offset(*node.items[0].span[2:])
        opening = source.text[start + 1 : end - 1]
        # Spaces inside the brackets go with them, but no line break, which may end a comment.
        before = len(opening) - len(opening.lstrip(" \t"))
        behind = len(opening) - len(opening.rstrip(" \t"))
        edits = [Edit(start, start + 1 + before, ""), Edit(end - 1 - behind, end, "")]
        comma = _COMMA.match(source.text, inner_end, end - 1)
        if comma is not None:
            edits.append(Edit(comma.start(1), comma.end(1), ""))
        return edits
