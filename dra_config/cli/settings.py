"""What the environment says; the only place of the command line that reads it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """The variables that count."""

    fabric_topology_support: str | None = None
    """``FABRIC_TOPOLOGY_SUPPORT``: ``true`` switches the feature gate of that name on."""
    no_color: bool = False
    """Whether ``NO_COLOR`` holds anything, or the terminal is a dumb one."""
    debug: bool = False
    """Whether ``DRA_CONFIG_DEBUG`` holds anything: show the traceback of an internal error."""


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings that *environment* holds."""
    return Settings(
        fabric_topology_support=environment.get("FABRIC_TOPOLOGY_SUPPORT"),
        no_color=bool(environment.get("NO_COLOR")) or environment.get("TERM") == "dumb",
        debug=bool(environment.get("DRA_CONFIG_DEBUG")),
    )
