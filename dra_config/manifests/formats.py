"""The syntaxes of a file, and the one that its name promises."""

from typing import Final, Literal, TypeAlias

Format: TypeAlias = Literal["yaml", "json", "jsonl"]
"""The syntax of a file."""

_FORMATS: Final[dict[str, Format]] = {
    "yaml": "yaml",
    "yml": "yaml",
    "json": "json",
    "jsonl": "jsonl",
    "ndjson": "jsonl",
}


def format_of(name: str) -> Format | None:
    """Return the format that the suffix of file *name* promises, or None."""
    return _FORMATS.get(name.rpartition(".")[2].lower()) if "." in name else None
