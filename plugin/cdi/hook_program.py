"""Puts the program that finishes containers where the host can start it."""

from pathlib import Path
from typing import Final

from plugin.cdi.errors import CdiError
from plugin.durable_files import replace_file

PROGRAM: Final = "nvidia-cdi-hook"
_EXECUTABLE: Final = 0o755


def install_hook(source: Path, folder: Path) -> Path | None:
    """Copy the program into *folder*, unless it is there already.

    A container that starts at this moment runs the old program or the new one, never half of it.
    Two processes that do this at once exclude each other themselves.

    Args:
        source: Where the image has it.
        folder: A folder that the host has at the same path.

    Returns:
        Where it lies now, or None if the image does not have it.

    Raises:
        CdiError: It cannot be copied.
    """
    target = folder / PROGRAM
    try:
        content = source.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CdiError(f"'{source}' cannot be read: {error}") from error
    try:
        if not target.is_file() or target.read_bytes() != content:
            replace_file(target, content, mode=_EXECUTABLE, durable=False)
    except OSError as error:
        raise CdiError(f"'{target}' cannot be written: {error}") from error
    return target
