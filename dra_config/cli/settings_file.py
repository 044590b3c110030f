"""What a project says for itself: ``[tool.dra-config]`` or ``.dra-config.toml``, found upwards."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any, Final, TypeAlias, cast

from dra_config.cli.arguments import WrongUsage, did_you_mean
from dra_config.cli.files import STANDARD_INPUT, why
from dra_config.cli.fingerprints import portable_path
from dra_config.cli.rule_pages import is_template

OWN_FILE: Final = ".dra-config.toml"
"""The file whose keys stand at the top; in one folder it beats the other."""
SHARED_FILE: Final = "pyproject.toml"
"""The file whose keys stand under ``[tool.dra-config]``."""

Value: TypeAlias = str | bool | tuple[str, ...]
"""What a key can hold."""


def _text(value: object) -> Value | None:
    return value if isinstance(value, str) else None


def _switch(value: object) -> Value | None:
    return value if isinstance(value, bool) else None


def _address(value: object) -> Value | None:
    return value if isinstance(value, str) and is_template(value) else None


def _texts(value: object) -> Value | None:
    if not isinstance(value, list):
        return None
    items = cast("list[object]", value)
    texts = tuple(item for item in items if isinstance(item, str))
    return texts if len(texts) == len(items) else None


_FORMS: Final[Mapping[str, tuple[str, Callable[[object], Value | None]]]] = MappingProxyType(
    {
        "drivers": ("a list of texts", _texts),
        "feature-gates": ("a text such as 'MPSSupport=true'", _text),
        "ignore": ("a list of texts", _texts),
        "output": ("a text", _text),
        "rule-pages": (
            "an http or https address, in which {rule} or {anchor} may stand",
            _address,
        ),
        "select": ("a list of texts", _texts),
        "strict": ("true or false", _switch),
        "target": ("a text", _text),
    }
)
KEYS: Final = tuple(_FORMS)
"""Every key but ``overrides``, in the order of the alphabet."""
OF_THE_RUN: Final = frozenset({"output", "rule-pages", "strict"})
"""Keys that hold for a whole run, so that no override can change them for some files."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One value and the file that it comes from."""

    value: Value
    origin: str
    """The path of the file, with the number of the override where it stands in one."""


@dataclass(frozen=True, slots=True)
class SettingsFile:
    """One file with settings."""

    path: str
    """Its absolute path."""
    values: Mapping[str, Value]
    """The keys that it holds."""
    overrides: tuple[tuple[tuple[str, ...], Mapping[str, Value]], ...] = ()
    """Patterns of paths, and the keys that hold for files that match one of them."""

    def settings_for(self, path: str) -> Mapping[str, Setting]:
        """Return what holds for the file *path*; a later override beats an earlier one."""
        settings = {key: Setting(value, self.path) for key, value in self.values.items()}
        name = portable_path(path, os.path.dirname(self.path))  # noqa: PTH120 - a text
        for number, (patterns, values) in enumerate(self.overrides, start=1):
            if path != STANDARD_INPUT and any(_matches(name, pattern) for pattern in patterns):
                origin = f"{self.path} (override {number})"
                settings.update({key: Setting(value, origin) for key, value in values.items()})
        return settings


class SettingsFiles:
    """Finds the settings of any file; each folder is looked into once."""

    def __init__(self, folder: str) -> None:
        """Take *folder*, an absolute path, for the place of standard input."""
        self._folder = folder
        self._found: dict[str, SettingsFile | None] = {}

    def find(self, path: str) -> SettingsFile | None:
        """Return the nearest settings in the folder of *path* or above it.

        Raises:
            WrongUsage: The file found is not TOML, or holds a key or value that means nothing.
        """
        if path == STANDARD_INPUT:
            return self.find_in(self._folder)
        return self.find_in(os.path.dirname(os.path.join(self._folder, path)))  # noqa: PTH118, PTH120 - any text

    def find_in(self, folder: str) -> SettingsFile | None:
        """Return the nearest settings in *folder* or above it.

        Raises:
            WrongUsage: As `find`.
        """
        folder = os.path.normpath(folder)
        if folder not in self._found:
            above = os.path.dirname(folder)  # noqa: PTH120 - as above
            found = _read_folder(folder)
            if found is None and above != folder:
                found = self.find_in(above)
            self._found[folder] = found
        return self._found[folder]


def read_rule_pages(folder: str) -> str | None:
    """Return where the settings of *folder* or above it say that the pages of rules are.

    Args:
        folder: An absolute path.

    Raises:
        WrongUsage: As `SettingsFiles.find`.
    """
    found = SettingsFiles(folder).find_in(folder)
    address = found.values.get("rule-pages") if found else None
    return address if isinstance(address, str) else None


def _read_folder(folder: str) -> SettingsFile | None:
    own = os.path.join(folder, OWN_FILE)  # noqa: PTH118 - any text
    table = _read_table(own)
    if table is not None:
        return _settings(own, table)
    shared = os.path.join(folder, SHARED_FILE)  # noqa: PTH118 - as above
    tool = (_read_table(shared) or {}).get("tool")
    if isinstance(tool, dict) and "dra-config" in tool:
        return _settings(shared, cast("dict[str, object]", tool)["dra-config"])
    return None


def _read_table(path: str) -> dict[str, Any] | None:
    """Return what a file holds, or None if there is none.

    Raises:
        WrongUsage: It cannot be read, or is not TOML.
    """
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - any text
            import tomllib  # noqa: PLC0415 - most folders have no such file

            return tomllib.load(file)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    except OSError as error:
        raise WrongUsage(f"cannot read {path}: {why(error)}") from error
    except ValueError as error:
        # A path with a null character ends here, too, and is told when the file is read.
        if "\0" in path:
            return None
        raise WrongUsage(f"{path} is not TOML: {error}") from error


def _settings(path: str, table: object) -> SettingsFile:
    """Return the settings that *table* of the file *path* holds.

    Raises:
        WrongUsage: A key is unknown, or a value has the wrong form.
    """
    if not isinstance(table, dict):
        raise WrongUsage(f"{path}: tool.dra-config is no table")
    keys = dict(cast("dict[str, object]", table))
    overrides = keys.pop("overrides", [])
    if not isinstance(overrides, list):
        raise WrongUsage(f"{path}: overrides is no list of tables")
    listed: list[tuple[tuple[str, ...], Mapping[str, Value]]] = []
    for number, override in enumerate(cast("list[object]", overrides), start=1):
        where = f"{path}: override {number}"
        if not isinstance(override, dict):
            raise WrongUsage(f"{where} is no table")
        inner = dict(cast("dict[str, object]", override))
        paths = _texts(inner.pop("paths", None))
        if not isinstance(paths, tuple):
            raise WrongUsage(f"{where} needs paths, a list of patterns")
        for key in OF_THE_RUN & inner.keys():
            raise WrongUsage(f"{where}: {key} holds for a whole run and cannot be overridden")
        listed.append((paths, _values(where, inner)))
    return SettingsFile(path, _values(path, keys), tuple(listed))


def _values(where: str, keys: Mapping[str, object]) -> Mapping[str, Value]:
    values: dict[str, Value] = {}
    for key, given in keys.items():
        if key not in _FORMS:
            known = [*KEYS, "overrides", "paths"]
            raise WrongUsage(f"{where}: there is no key {key!r}{did_you_mean(key, known)}")
        form, read = _FORMS[key]
        value = read(given)
        if value is None:
            raise WrongUsage(f"{where}: {key} is {form}")
        values[key] = value
    return values


def _matches(name: str, pattern: str) -> bool:
    """Say whether the path *name* matches *pattern*, or lies in a folder that does.

    A star crosses folders, so ``charts/*.yaml`` and ``charts/**/*.yaml`` match whatever is below.
    """
    plain = pattern.removeprefix("./").rstrip("/")
    forms = {plain, plain.removeprefix("**/"), plain.replace("/**/", "/")}
    return any(fnmatchcase(name, form) or fnmatchcase(name, f"{form}/*") for form in forms)
