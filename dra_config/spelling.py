"""Which known word somebody may have meant."""

from collections.abc import Iterable


def nearest(word: str, known: Iterable[str], *, likeness: float = 0.6) -> str:
    """Return the word of *known* that is most like *word*, whatever the case, or ''.

    Args:
        word: What was written.
        known: The words that there are.
        likeness: How alike two words must be, from 0 to 1 as `difflib` measures it.
    """
    import difflib  # noqa: PLC0415 - only a mistake needs it

    by_lower = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=likeness)
    return by_lower[close[0]] if close else ""
