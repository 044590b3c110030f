"""What the environment says; the only place of the command line that reads it."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """The variables that count."""

    fabric_topology_support: str | None = None
    """``FABRIC_TOPOLOGY_SUPPORT``: ``true`` switches the feature gate of that name on."""
    no_color: bool = False
    """Whether ``NO_COLOR`` holds anything, or the terminal is a dumb one."""
    caches: str | None = None
    """The folder in which programs keep what they can make again; None if nothing tells."""
    debug: bool = False
    """Whether ``DRA_CONFIG_DEBUG`` holds anything: show the traceback of an internal error."""


def read_settings(
    environment: Mapping[str, str] = os.environ, platform: str = sys.platform
) -> Settings:
    """Return the settings that *environment* holds on a *platform* as `sys.platform` names it."""
    return Settings(
        fabric_topology_support=environment.get("FABRIC_TOPOLOGY_SUPPORT"),
        no_color=bool(environment.get("NO_COLOR")) or environment.get("TERM") == "dumb",
        caches=_caches(environment, platform),
        debug=bool(environment.get("DRA_CONFIG_DEBUG")),
    )


def _caches(environment: Mapping[str, str], platform: str) -> str | None:
    """Return where caches go by the custom of *platform*."""
    if platform == "win32":
        return environment.get("LOCALAPPDATA") or None
    given, home = environment.get("XDG_CACHE_HOME", ""), environment.get("HOME", "")
    if given.startswith("/"):
        # A relative path is to be ignored, says the specification.
        return given
    if not home.startswith("/"):
        return None
    return f"{home.rstrip('/')}/{'Library/Caches' if platform == 'darwin' else '.cache'}"
