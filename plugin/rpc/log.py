"""What the edge needs of a log: lines with fields."""

from typing import Protocol


class Log(Protocol):
    """Takes lines from any thread."""

    def event(self, level: int, message: str, **fields: object) -> None:
        """Write one line, or lose it; never raise.

        Args:
            level: A level of the standard library's logging.
            message: A fixed text.
            fields: What varies; plain JSON values.
        """
        ...
