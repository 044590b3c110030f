"""How large, deep and self-referring a file may be before it is refused unread."""

from typing import Final

MAX_FILE_BYTES: Final = 16 * 1024 * 1024
"""The size of a file, in bytes of UTF-8; an API server accepts objects of about 3 MiB."""

MAX_EXPANDED_CHARACTERS: Final = MAX_FILE_BYTES
"""The characters of a document's scalars once every alias is replaced by what it stands for."""

MAX_DEPTH: Final = 100
"""Objects and arrays inside one another, aliases replaced.

The API server allows 10,000, the deepest objects of Kubernetes' own API have about 20, and Python
allows 1,000 calls inside one another, of which the callers of this package need their share.
"""

_FREE_ALIASED: Final = 100
_FREE_DECODED: Final = 1_000
_SMALL: Final = 400_000
_LARGE: Final = 4_000_000


def excessive_aliasing(decoded_count: int, aliased_count: int) -> bool:
    """Tell whether kubectl's YAML decoder gives up on a document as an alias bomb.

    Args:
        decoded_count: Keys, values and aliases read so far, counted each time they are used.
        aliased_count: How many of them were read on behalf of an alias.
    """
    if aliased_count <= _FREE_ALIASED or decoded_count <= _FREE_DECODED:
        return False
    beyond = min(max(decoded_count - _SMALL, 0) / (_LARGE - _SMALL), 1.0)
    return aliased_count / decoded_count > 0.99 - 0.89 * beyond
