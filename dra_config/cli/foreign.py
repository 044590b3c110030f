"""Files in which no object of ours can be, told by a look at their text.

Nothing that is plain text can become one of our words: a scalar is written as it is, unless it has
an escape or a tag, and a file with either of these is read in full.
"""

from typing import Final

from dra_config import rules, scheme
from dra_config.carriers import GROUP
from dra_config.manifests import MAX_FILE_BYTES, Format

_SHARED_GROUP: Final = "nvidia.com"
"""The GPU Operator has objects of its own in this group, so the group alone tells nothing."""
_CONFIG_GROUPS: Final = {version.rpartition("/")[0] for version in scheme.API_VERSIONS} - {
    _SHARED_GROUP
}
_CONFIG_KINDS: Final = frozenset(kind.lower() for kind in scheme.KINDS)
_GROUPS: Final = {GROUP, *(judgment.group for judgment in rules.JUDGMENTS), *_CONFIG_GROUPS} - {
    _SHARED_GROUP
}
_KINDS: Final = scheme.KINDS | {
    kind
    for judgment in rules.JUDGMENTS
    if judgment.group == _SHARED_GROUP
    for kind in judgment.kinds
}
_WORDS: Final = frozenset(word.lower() for word in _GROUPS | _KINDS)
_SHORTEST: Final = tuple(
    sorted(word for word in _WORDS if not any(other in word for other in _WORDS if other != word))
)
"""Every word of ours but those that hold another one."""
COMMENT: Final = "dra-config:"
"""What a comment to us holds."""
_ALSO_JUDGED: Final = (COMMENT, "List")
"""A comment to us, and a list, whose own keys are judged whatever its items are."""


def count_foreign_documents(text: bytes, syntax: Format | None) -> int | None:
    """Return how many documents a file has that nothing can be found in; None if it must be read.

    Args:
        text: The bytes of the file.
        syntax: The syntax that its name promises; None where the text has to tell.
    """
    if syntax not in {"yaml", None} or len(text) > MAX_FILE_BYTES:
        return None
    try:
        decoded = text.decode().removeprefix("\ufeff")
    except UnicodeDecodeError:
        return None
    lower = decoded.lower()
    if any(word in lower for word in _SHORTEST) or any(w in decoded for w in _ALSO_JUDGED):
        return None
    # It brings a parser along, and most files of a claim alone never come here.
    from dra_config.manifests.skimming import skim  # noqa: PLC0415

    return skim(decoded)


def looks_like_config(group: str, kind: str) -> bool:
    """Say whether an object that no rule is about looks like opaque parameters on their own."""
    if kind in scheme.OBJECT_KINDS:
        return False
    return group in _CONFIG_GROUPS or kind.lower() in _CONFIG_KINDS
