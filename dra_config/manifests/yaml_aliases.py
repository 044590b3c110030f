"""What the aliases of one document stand for, and how much they may blow it up."""

from dataclasses import dataclass, field

from dra_config.manifests.failures import BOMB, DOES_NOT_PARSE, DocumentError
from dra_config.manifests.limits import MAX_EXPANDED_CHARACTERS, excessive_aliasing
from dra_config.manifests.nodes import Node, Span
from dra_config.manifests.scalars import Resolved


@dataclass(slots=True)
class Anchor:
    """What an anchor stands for, and what using it once more costs."""

    decoded_before: int
    """The document's count before the value, later that of the value itself."""
    characters_before: int
    """The same for characters."""
    node: Node | None = None
    """None while the anchored value itself is being read."""
    resolved: Resolved = None
    """The value of a scalar before it became JSON."""
    decoded_count: int = 0
    character_count: int = 0
    height: int = 1
    """Objects and lists inside one another, the value itself included."""


@dataclass(slots=True)
class Aliases:
    """The anchors seen so far, and a count of all that kubectl's decoder visits."""

    decoded_count: int = 0
    """Keys, values and aliases, each as often as it is used."""
    character_count: int = 0
    """Characters of scalars, each as often as it is used."""
    _aliased_count: int = 0
    _anchors: dict[str, Anchor] = field(default_factory=dict[str, Anchor])

    def open(self, name: str | None) -> Anchor | None:
        """Give *name*, if any, to the value that begins; an older value loses it."""
        if name is None:
            return None
        anchor = self._anchors[name] = Anchor(self.decoded_count, self.character_count)
        return anchor

    def close(self, anchor: Anchor, node: Node) -> None:
        """Let *anchor* stand for *node*, which has been read to its end."""
        anchor.node = node
        anchor.decoded_count = self.decoded_count - anchor.decoded_before
        anchor.character_count = self.character_count - anchor.characters_before

    def use(self, name: str, span: Span) -> tuple[Anchor, Node]:
        """Return what the alias *name*, standing at *span*, refers to.

        Raises:
            DocumentError: There is no such anchor yet, or the document grows beyond all bounds.
        """
        anchor = self._anchors.get(name)
        if anchor is None:
            message = f"The alias '*{name}' has no anchor '&{name}' before it."
            raise DocumentError(DOES_NOT_PARSE, message, span)
        if anchor.node is None:
            message = f"The alias '*{name}' stands inside the value it refers to."
            raise DocumentError(BOMB, message, span)
        self.decoded_count += 1 + anchor.decoded_count
        self._aliased_count += anchor.decoded_count
        self.character_count += anchor.character_count
        if self.character_count > MAX_EXPANDED_CHARACTERS or excessive_aliasing(
            self.decoded_count, self._aliased_count
        ):
            message = (
                "The aliases up to here stand for so much text that kubectl refuses the document; "
                "write the values out, or use fewer aliases."
            )
            raise DocumentError(BOMB, message, span)
        return anchor, anchor.node
