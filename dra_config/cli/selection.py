"""Which rules speak: those selected, less those ignored."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from dra_config.catalogue import RULES

_NEVER_LEFT_OUT: Final = frozenset({"DRA940", "DRA941", "DRA942", "DRA943"})
"""What could not be judged is told whatever is selected; it has to be ignored by its name."""
_ALIKE: Final = 5
"""The places of six in which a word and an id must be the same, for one to be meant."""


class UnknownRule(ValueError):  # noqa: N818 - a word of the user's
    """A word that is the id of no rule; the text says which was meant."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The rules whose findings count."""

    select: frozenset[str] | None = None
    """The ids of the only rules that speak; None for all."""
    ignore: frozenset[str] = frozenset()
    """The ids of rules that do not, selected or not."""

    def keeps(self, rule: str) -> bool:
        """Say whether findings of *rule* count."""
        if rule in self.ignore:
            return False
        return self.select is None or rule in self.select or rule in _NEVER_LEFT_OUT


def read_rules(words: Iterable[str]) -> frozenset[str]:
    """Return the ids in *words*, each of which may hold several with commas between them.

    Raises:
        UnknownRule: A word is the id of no rule.
    """
    listed = [part.strip() for word in words for part in word.split(",")]
    for word in listed:
        if word not in RULES:
            raise UnknownRule(f"there is no rule {word!r}{nearest_rule(word)}")
    return frozenset(listed)


def nearest_rule(word: str) -> str:
    """Return ``; did you mean ...?`` for the rule that *word* is most like, or ''.

    A rule's name leads to its id, too.
    """
    import difflib  # noqa: PLC0415 - only a mistake needs it

    upper = word.upper()
    if upper in RULES:
        return f"; did you mean {upper}?"
    names = {rule.name: rule.id for rule in RULES.values()}
    close = difflib.get_close_matches(word.lower(), names, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {names[close[0]]} ({close[0]})?"
    # Digits in the wrong place say more than digits in another order, so places are compared.
    alike = max(RULES, key=lambda rule: _same_places(rule, upper))
    return f"; did you mean {alike}?" if _same_places(alike, upper) >= _ALIKE else ""


def _same_places(rule: str, word: str) -> int:
    return sum(one == other for one, other in zip(rule, word, strict=False))
