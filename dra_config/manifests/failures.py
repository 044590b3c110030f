"""Why a document cannot be read, raised from wherever that is seen up to the reader's door."""

from typing import Final

from dra_config.manifests.nodes import Span, Unreadable

DOES_NOT_PARSE: Final = "DRA940"
TEMPLATE: Final = "DRA941"
FILE_TOO_LARGE: Final = "DRA942"
BOMB: Final = "DRA943"

TEMPLATE_MESSAGE: Final = (
    "This is a Helm or Jinja template and no manifest yet; render it first, for instance with "
    "'helm template', and validate the output."
)


class DocumentError(Exception):
    """A document cannot be read; caught where its neighbours can still be read."""

    def __init__(self, rule: str, message: str, span: Span) -> None:
        """Keep the id of the rule, a sentence and the place."""
        super().__init__(message)
        self.rule = rule
        self.message = message
        self.span = span

    def unreadable(self, index: int) -> Unreadable:
        """Return the same as a result, for the document with number *index* (from 0)."""
        return Unreadable(index, self.rule, self.message, self.span)
