"""What a person decides about the test cluster; nothing else here reads the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.cluster.binaries.pins import DEFAULT_KUBERNETES, KUBERNETES

VERSION_VARIABLE: Final = "KUBE_VERSION"
BINARIES_VARIABLE: Final = "KUBE_BIN_DIR"


class InvalidSettings(ValueError):  # noqa: N818 - named like InvalidConfig
    """Settings with which no cluster can start; its text is one sentence."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Which cluster to run, and where its programs are kept."""

    kubernetes: str
    """The minor, such as 1.36: one of the pins."""
    cache: Path
    """The folder for everything that is built; it may not exist yet."""
    own_binaries: Path | None
    """A folder whose programs win over the built ones."""
    environment: Mapping[str, str]
    """The environment of the programs that are started to build."""


def read(environment: Mapping[str, str] | None = None, *, kubernetes: str = "") -> Settings:
    """Return the settings from the environment, which is this process's where None is given.

    Args:
        environment: The variables to read.
        kubernetes: A Kubernetes minor that wins over the variable; empty for none.

    Raises:
        InvalidSettings: For a Kubernetes version without pins, or a folder of binaries that does
            not exist.
    """
    variables = os.environ if environment is None else environment
    version = kubernetes or variables.get(VERSION_VARIABLE, "") or DEFAULT_KUBERNETES
    if version not in KUBERNETES:
        raise InvalidSettings(
            f"{VERSION_VARIABLE} is {version!r}, and must be one of {', '.join(KUBERNETES)}."
        )
    own = variables.get(BINARIES_VARIABLE, "")
    if own and not Path(own).is_dir():
        raise InvalidSettings(f"{BINARIES_VARIABLE} is {own!r}, and no such folder exists.")
    return Settings(
        kubernetes=version,
        cache=cache_folder(variables),
        own_binaries=Path(own).absolute() if own else None,
        environment=dict(variables),
    )


def cache_folder(variables: Mapping[str, str]) -> Path:
    """Return the folder for everything that is built, under XDG_CACHE_HOME or ~/.cache."""
    given = Path(variables.get("XDG_CACHE_HOME", ""))
    if not given.is_absolute():  # the XDG rules tell programs to ignore a relative path
        home = variables.get("HOME", "")
        given = (Path(home) if home else Path.home()) / ".cache"
    return given / "dra-config" / "cluster"
