"""What holds for a file in the end: the command line beats the settings file beats the default."""

import json
import os
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

from dra_config import scheme
from dra_config.cli.arguments import WrongUsage, did_you_mean
from dra_config.cli.criteria import Criteria
from dra_config.cli.files import STANDARD_INPUT
from dra_config.cli.selection import Selection, UnknownRule, read_rules
from dra_config.cli.settings_file import (
    KEYS,
    OF_THE_RUN,
    Setting,
    SettingsFile,
    SettingsFiles,
    Value,
)
from dra_config.cli.surroundings import Surroundings
from dra_config.cli.targets import Implementation
from dra_config.gates import FeatureGates, InvalidGates, resolve

COMMAND_LINE: Final = "command line"
DEFAULT: Final = "default"
OUTPUTS: Final = ("text", "json", "sarif", "junit", "github", "gitlab")
"""The formats of ``--output``."""
_DEFAULTS: Final[Mapping[str, Value]] = {
    "drivers": tuple(scheme.DRIVERS),
    "output": "text",
    "strict": False,
    "target": str(Implementation.OURS),
}


@dataclass(frozen=True, slots=True)
class Plan:
    """How one file is judged."""

    criteria: Criteria
    selection: Selection


class Plans:
    """Says how each file is judged; files under the same settings share one plan."""

    def __init__(self, options: Namespace, surroundings: Surroundings, folder: str) -> None:
        """Keep what the command line says; *folder* is the absolute path of the working one."""
        self._options = options
        self._surroundings = surroundings
        self._folder = folder
        self._files = SettingsFiles(folder)
        self._plans: dict[tuple[tuple[str, Value], ...], Plan] = {}
        self._plans_of_folders: dict[str, Plan] = {}
        self._warned: set[str] = set()

    def run_settings(self) -> tuple[str, bool]:
        """Return the output and the strictness, which hold for the whole run.

        Raises:
            WrongUsage: As `settings_for`, or there is no such output.
        """
        settings = self._merge(self._files.find_in(self._folder), STANDARD_INPUT)
        output = _one_of(settings["output"], OUTPUTS, "an output")
        return output, settings["strict"].value is True

    def settings_for(self, path: str) -> Mapping[str, Setting]:
        """Return every key that holds for the file *path*, in the order of the alphabet.

        Raises:
            WrongUsage: The settings file holds a key or value that means nothing.
        """
        settings = self._merge(self._files.find(path), path)
        # What holds for a run is what the working folder says, whatever files are judged.
        of_run = self._merge(self._files.find_in(self._folder), STANDARD_INPUT)
        chosen = {**settings}
        for key in OF_THE_RUN:
            chosen.pop(key, None)
            if key in of_run:
                chosen[key] = of_run[key]
        return {key: chosen[key] for key in KEYS if key in chosen}

    def plan_for(self, path: str) -> Plan:
        """Return how the file *path* is judged.

        Raises:
            WrongUsage: As `settings_for`, or a gate, driver, target or rule is unknown.
        """
        folder = os.path.dirname(path)  # noqa: PTH120 - any text
        if folder in self._plans_of_folders:
            return self._plans_of_folders[folder]
        file = self._files.find(path)
        settings = self._merge(file, path)
        key = tuple(sorted((name, setting.value) for name, setting in settings.items()))
        if key not in self._plans:
            self._plans[key] = self._make(settings)
        if file is None or not file.overrides:
            self._plans_of_folders[folder] = self._plans[key]
        return self._plans[key]

    def rule_pages_for(self, path: str) -> str | None:
        """Return where the project of the file *path* has the pages of rules, if it says so.

        Raises:
            WrongUsage: As `settings_for`.
        """
        setting = self._merge(self._files.find(path), path).get("rule-pages")
        return None if setting is None else str(setting.value)

    def _merge(self, file: SettingsFile | None, path: str) -> dict[str, Setting]:
        settings = {key: Setting(value, DEFAULT) for key, value in _DEFAULTS.items()}
        settings.update(file.settings_for(path) if file else {})
        for key in KEYS:
            given = getattr(self._options, key.replace("-", "_"), None)
            if given is not None and given is not False:
                words = isinstance(given, list)
                value: Value = tuple(cast("list[str]", given)) if words else given
                settings[key] = Setting(value, COMMAND_LINE)
        return settings

    def _make(self, settings: Mapping[str, Setting]) -> Plan:
        targets = tuple(str(target) for target in Implementation)
        target = Implementation(_one_of(settings["target"], targets, "a target"))
        drivers = settings["drivers"]
        for driver in _words(drivers):
            if driver not in scheme.DRIVERS:
                raise WrongUsage(_origin(drivers) + unknown_driver(driver))
        criteria = Criteria(
            gates=self._gates(settings.get("feature-gates")),
            target=target,
            as_parameters=self._options.parameters,
            driver=self._options.driver,
            drivers=frozenset(_words(drivers)),
        )
        selected, ignored = settings.get("select"), settings.get("ignore")
        selection = Selection(
            select=_rules(selected) if selected else None,
            ignore=_rules(ignored) if ignored else frozenset(),
        )
        return Plan(criteria, selection)

    def _gates(self, setting: Setting | None) -> FeatureGates | None:
        """Return the gates of the cluster, or None if nothing says anything about them."""
        variable = self._surroundings.settings.fabric_topology_support or ""
        text = str(setting.value) if setting else ""
        try:
            resolved = resolve(text, variable)
        except InvalidGates as error:
            raise WrongUsage((_origin(setting) if setting else "") + f"{error}") from error
        for warning in resolved.warnings:
            line = f"warning: {warning.message} ({warning.rule})"
            if line not in self._warned:
                self._warned.add(line)
                self._surroundings.tell(line)
        if setting is None and variable.strip().lower() != "true":
            return None
        return resolved.gates


def describe(settings: Mapping[str, Setting]) -> list[str]:
    """Return a line of TOML for each of *settings*, with its origin as a comment."""
    lines: list[str] = []
    for key, setting in settings.items():
        value = setting.value
        # JSON's texts, lists and switches are TOML's, too.
        written = json.dumps(list(value) if isinstance(value, tuple) else value)
        lines.append(f"{key} = {written}  # {setting.origin}")
    return lines


def unknown_driver(name: str) -> str:
    """Return the sentence about a driver whose parameters nobody here judges."""
    known = " and ".join(scheme.DRIVERS)
    hint = did_you_mean(name, scheme.DRIVERS)
    return f"the drivers whose parameters are judged are {known}, not {name}{hint}"


def _rules(setting: Setting) -> frozenset[str]:
    try:
        return read_rules(_words(setting))
    except UnknownRule as error:
        raise WrongUsage(_origin(setting) + f"{error}") from error


def _words(setting: Setting) -> tuple[str, ...]:
    return setting.value if isinstance(setting.value, tuple) else (str(setting.value),)


def _one_of(setting: Setting, words: tuple[str, ...], what: str) -> str:
    word = str(setting.value)
    if word not in words:
        hint = did_you_mean(word, words)
        message = f"{word!r} is not {what}; there are {', '.join(words)}{hint}"
        raise WrongUsage(_origin(setting) + message)
    return word


def _origin(setting: Setting) -> str:
    return "" if setting.origin == COMMAND_LINE else f"{setting.origin}: "
