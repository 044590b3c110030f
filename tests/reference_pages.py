"""Reads the tables of the pages in docs/reference that tests hold against the code."""

from collections.abc import Iterator
from pathlib import Path


def table(page: Path, header: str) -> Iterator[list[str]]:
    """Yield the cells of every row of the table whose first column is called *header*."""
    lines = iter(page.read_text(encoding="utf-8").splitlines())
    assert any(line.startswith(f"| {header} |") for line in lines), header
    assert next(lines).startswith("| ---")
    for line in lines:
        if not line.startswith("|"):
            return
        yield [cell.strip().strip("`") for cell in line.strip("|").split("|")]
