"""Two things measured by turns, and the row of the table that compares them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

REPEATS: Final = 7
"""How often each side is measured; an odd number has a middle one."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table."""

    what: str
    """What is measured, in a few words."""
    unit: str
    """Of `ours` and `peer`."""
    ours: float
    peer: float | None
    """None where nothing stands beside it."""
    ratio: float | None
    """Ours by the peer's, the median over the repeats; None without a peer."""
    spread: tuple[float, float] | None = None
    """The smallest and the largest ratio of a repeat."""
    goal: float | None = None
    """The most that the ratio, or `ours` where there is no peer, should be."""

    @property
    def verdict(self) -> str:
        """Whether the goal is met, and how far off it is; empty without a goal."""
        judged = self.ours if self.ratio is None else self.ratio
        if self.goal is None:
            return ""
        word = "met" if judged <= self.goal else "MISSED"
        return f"{word}, {judged / self.goal:.0%} of it"


def compare(
    what: str,
    unit: str,
    ours: Sequence[float],
    peer: Sequence[float],
    *,
    goal: float | None = None,
    scale: float = 1.0,
) -> Row:
    """Return the row of two sides that were measured by turns; values are times *scale*."""
    ratios = [a / b for a, b in zip(ours, peer, strict=True) if b > 0]
    return Row(
        what=what,
        unit=unit,
        ours=median(ours) * scale,
        peer=median(peer) * scale,
        ratio=median(ratios) if ratios else None,
        spread=(min(ratios), max(ratios)) if ratios else None,
        goal=goal if ratios else None,
    )


def by_turns(
    sides: Sequence[Callable[[], float]], repeats: int = REPEATS
) -> tuple[list[float], ...]:
    """Return what each of *sides* answered, one after the other in each of *repeats* rounds.

    A machine that slows down for a while then slows down all sides.
    """
    found: tuple[list[float], ...] = tuple([] for _ in sides)
    for _ in range(repeats):
        for side, values in zip(sides, found, strict=True):
            values.append(side())
    return found


def render(title: str, note: str, rows: Iterable[Row], *, only_ratios: bool = False) -> str:
    """Return a table in Markdown; *only_ratios* leaves out what depends on the machine."""
    columns = ["what", "unit", "ours", "peer", "ratio (smallest to largest)", "goal", "verdict"]
    shown = [0, 4, 5, 6] if only_ratios else range(len(columns))
    lines = [f"## {title}", "", note, ""]
    lines += [_line(columns[index] for index in shown), _line("---" for _ in shown)]
    for row in rows:
        cells = _cells(row)
        if not only_ratios or row.ratio is not None or row.goal is not None:
            lines.append(_line(cells[index] for index in shown))
    return "\n".join(lines)


def _cells(row: Row) -> list[str]:
    peer = "" if row.peer is None else _number(row.peer)
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
    if row.spread is not None:
        ratio += f" ({row.spread[0]:.2f} to {row.spread[1]:.2f})"
    goal = "" if row.goal is None else f"{row.goal:g}"
    if goal and row.ratio is None:
        goal += f" {row.unit}"
    return [row.what, row.unit, _number(row.ours), peer, ratio, goal, row.verdict]


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _number(value: float) -> str:
    digits = 0 if value >= 100 else 1 if value >= 10 else 2  # noqa: PLR2004 - three figures
    return f"{value:,.{digits}f}"
