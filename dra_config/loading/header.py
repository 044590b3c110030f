"""Reading apiVersion and kind: which model the rest of the parameters is to be read with."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pydantic import JsonValue

from dra_config import legacy, scheme
from dra_config.catalogue import Rule
from dra_config.catalogue.decode import (
    DRA004,
    DRA005,
    DRA006,
    DRA007,
    DRA009,
    DRA012,
    DRA013,
)
from dra_config.spelling import nearest
from dra_config.v1beta1 import API_VERSION
from dra_config.violations import Target, Violation
from dra_config.wire import WireConfig, shown

_CLASSIC_KINDS = frozenset(
    {"GpuClaimParameters", "MigDeviceClaimParameters", "DeviceClassParameters"}
)
_RULES: dict[str, tuple[Rule, str]] = {
    "apiVersion": (DRA004, API_VERSION),
    "kind": (DRA005, "a kind such as GpuConfig"),
}


@dataclass(frozen=True, slots=True)
class Header:
    """What the parameters say they are."""

    api_version: str
    """The apiVersion to judge by: the one given, or the one that is surely meant."""
    kind: str
    """The kind to judge by, likewise."""
    is_legacy: bool
    """Whether the apiVersion that is given is an older one."""
    model: type[WireConfig] | None
    """The model to read the rest with; None if nobody can tell which one is meant."""
    tree: dict[str, JsonValue]
    """The parameters with a header that fits the model."""
    violations: tuple[Violation, ...]


def read_header(tree: dict[str, JsonValue], driver: str) -> Header:
    """Return what the parameters *tree* say they are.

    A header that is wrong but close to a right one is reported, and the right one is used, so that
    the rest can be judged, too.

    Args:
        tree: The parameters.
        driver: The driver they are addressed to, which decides what is proposed.
    """
    violations: list[Violation] = []
    rest = dict(tree)
    api_version = _take(rest, "apiVersion", violations)
    kind = _take(rest, "kind", violations)
    if api_version and kind:
        resolved = _resolve(api_version, kind, driver, violations)
        if resolved is not None:
            version, name = resolved
            full = {**rest, "apiVersion": version, "kind": name}
            is_legacy = version == api_version != API_VERSION
            model = scheme.MODELS[resolved]
            return Header(version, name, is_legacy, model, full, tuple(violations))
    return Header(
        api_version, kind, is_legacy=False, model=None, tree=rest, violations=tuple(violations)
    )


def _take(rest: dict[str, JsonValue], name: str, violations: list[Violation]) -> str:
    """Remove the header field from *rest* and return its value, empty where there is none."""
    rule, expected = _RULES[name]
    key = name
    if rest.get(name) is None:
        rest.pop(name, None)
        key = next((other for other in rest if other.lower() == name.lower()), "")
        if not key:
            message = f"{name} is missing; write {expected}"
            violations.append(Violation.of(rule, message, (name,), target=Target.PARENT))
            return ""
        message = f"{shown(key)} is in the wrong case; write {name}"
        case = Violation.of(DRA012, message, (key,), target=Target.KEY, suggestion=name)
        violations.append(case)
    value = rest.pop(key)
    if not isinstance(value, str):
        message = f"{shown(value)} is not a text; {name} takes {expected}"
        violations.append(Violation.of(DRA013, message, (key,)))
        return ""
    if not value:
        message = f"{name} is empty; write {expected}"
        violations.append(Violation.of(rule, message, (key,)))
    return value


def _resolve(
    api_version: str, kind: str, driver: str, violations: list[Violation]
) -> tuple[str, str] | None:
    """Return the known apiVersion and kind that are given or surely meant."""
    if (api_version, kind) in scheme.MODELS:
        return api_version, kind
    if kind in scheme.OBJECT_KINDS:
        message = (
            f"{kind} is an object of its own and no config; parameters take one of "
            f"{', '.join(_kinds(API_VERSION, driver))}"
        )
        violations.append(Violation.of(DRA009, message, ("kind",)))
        return None
    version = api_version
    if api_version not in scheme.API_VERSIONS:
        message = f"{shown(api_version)} is not an apiVersion that is read; write {API_VERSION}"
        violations.append(Violation.of(DRA006, message, ("apiVersion",)))
        version = API_VERSION
    if (version, kind) in scheme.MODELS:
        return version, kind
    if (API_VERSION, kind) in scheme.MODELS:
        message = f"{kind} is not a kind of {version}; write apiVersion {API_VERSION}"
        violations.append(Violation.of(DRA007, message, ("kind",)))
        return API_VERSION, kind
    of_driver = list(_kinds(version, driver))
    of_version = [name for known, name in scheme.MODELS if known == version]
    renamed = legacy.RENAMED_KINDS.get(kind)
    meant = renamed or _meant(kind, of_driver) or _meant(kind, of_version)
    message = _unknown_kind(version, kind, meant, of_driver)
    violations.append(Violation.of(DRA007, message, ("kind",)))
    return (version, meant) if meant else None


def _kinds(api_version: str, driver: str) -> Iterator[str]:
    """Yield the kinds of that apiVersion that the driver carries."""
    for version, kind in scheme.MODELS:
        if version == api_version and kind in scheme.DRIVERS[driver].kinds:
            yield kind


def _unknown_kind(api_version: str, kind: str, meant: str, known: Iterable[str]) -> str:
    if kind in _CLASSIC_KINDS:
        return (
            f"{kind} belongs to classic DRA, which Kubernetes no longer has; select devices and "
            f"their count in the claim's requests, and write sharing as GpuConfig or "
            f"MigDeviceConfig of {API_VERSION}"
        )
    listed = ", ".join(known) or f"none for this driver; write {API_VERSION}"
    hint = f"; the nearest is {meant}" if meant else ""
    return f"{shown(kind)} is not a kind of {api_version}; there are {listed}{hint}"


def _meant(kind: str, known: Iterable[str]) -> str:
    # The rest is judged as that kind, so it must be very like it.
    return nearest(kind, known, likeness=0.8)
