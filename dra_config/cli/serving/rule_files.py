"""The page of each rule as a file, so that a link works where nobody publishes the pages."""

from pathlib import Path, PurePath
from typing import Final
from urllib.parse import quote

from dra_config.catalogue import Rule
from dra_config.cli.atomic_file import put_content
from dra_config.cli.reference.rules import page
from dra_config.version import __version__

_FOR_THE_OWNER: Final = 0o700
"""What the specification of cache folders asks for."""


def page_path(caches: PurePath, rule: Rule) -> PurePath:
    """Return where the page of *rule* lies below the folder *caches*, apart for each version."""
    return caches / "dra-config" / __version__ / "rules" / f"{rule.id}.md"


def file_uri(path: PurePath) -> str:
    """Return the ``file:`` URI of *path*, an absolute path of this system or of another one."""
    text = path.as_posix()
    if path.drive.endswith(":"):
        text = f"/{text}"
    # The server of a share of Windows is the host of its URI.
    host = "" if path.drive.startswith("\\\\") else "//"
    return f"file:{host}{quote(text, safe='/:', errors='surrogateescape')}"


class RuleFiles:
    """Writes the page of a rule when it is first asked for."""

    def __init__(self, caches: Path | None) -> None:
        """Keep the pages below the folder *caches*; None to have none."""
        self._caches = caches
        self._checked: set[str] = set()

    def uri(self, rule: Rule) -> str | None:
        """Return the ``file:`` URI of the page of *rule*, or None if there can be no such file."""
        if self._caches is None:
            return None
        path = Path(page_path(self._caches, rule))
        try:
            if rule.id not in self._checked or not path.exists():
                _write(path, page(rule).encode())
                self._checked.add(rule.id)
        except OSError:
            # A link that leads nowhere is worse than none; the finding says what matters.
            return None
        return file_uri(path)


def _write(path: Path, content: bytes) -> None:
    """Put *content* at *path*, unless it is there already.

    Raises:
        OSError: It cannot be written.
    """
    if path.is_file() and path.read_bytes() == content:
        return
    for folder in reversed([*path.parents]):
        folder.mkdir(mode=_FOR_THE_OWNER, exist_ok=True)
    put_content(str(path), content)
