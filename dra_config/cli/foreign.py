"""Files in which no object of ours can be, told by a look at their text.

Nothing that is plain text can become one of our words: a scalar is written as it is, unless it has
an escape or a tag, and a file with either of these is read in full.
"""

from typing import Final

from dra_config import rules, scheme
from dra_config.claims import GROUP
from dra_config.manifests import MAX_FILE_BYTES, Format
from dra_config.manifests.skimming import skim

_SHARED_GROUP: Final = "nvidia.com"
_GROUPS: Final = {
    GROUP,
    *(judgment.group for judgment in rules.JUDGMENTS),
    *(version.rpartition("/")[0] for version in scheme.API_VERSIONS),
} - {_SHARED_GROUP}
_KINDS: Final = {kind for _, kind in scheme.MODELS} | {
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
_ALSO_JUDGED: Final = ("dra-config:", "List")
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
    return skim(decoded)
