"""The verdict: which configs of a request are judged, and what becomes of what is found."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import msgspec

from dra_config.catalogue import RULES, Severity
from dra_config.claims import OpaqueConfig, judge_config
from dra_config.gates import FeatureGates
from dra_config.scheme import DRIVERS, MODELS
from webhook.review import AdmissionRequest, Decision, Finding, JudgedObject

OTHER: Final = "other"
"""What stands in metrics for a driver or kind that is none of ours."""
_KINDS: Final = frozenset(kind for _, kind in MODELS)
_ALLOWED: Final = Decision()


class _Header(msgspec.Struct):
    kind: str = ""


_HEADERS: Final = msgspec.json.Decoder(_Header)


@dataclass(frozen=True, slots=True)
class Policy:
    """What the installation decides."""

    drivers: frozenset[str]
    """The drivers whose configs are judged."""
    gates: FeatureGates


def review(request: AdmissionRequest, policy: Policy) -> Decision:
    """Return the verdict on *request*; equal requests get equal verdicts.

    Only creating and updating an object is judged. An object that is being deleted is always
    allowed, so that its finalizers can be removed whatever the rules have become. For the same
    reason an update is refused only for what it changes: the spec of a claim or template as a
    whole, and each entry of a class.
    """
    judged, old = request.object, request.old_object
    if judged is None or judged.deletion_timestamp or not judged.opaque_configs:
        return _ALLOWED
    if old is not None and _is_same(judged.spec, old.spec):
        return _ALLOWED
    stored = old.opaque_configs if old is not None and request.kind == "DeviceClass" else ()
    violations: list[Finding] = []
    warnings: list[Finding] = []
    for finding, unchanged in _findings(request.kind, judged, stored, policy):
        refuses = finding.violation.severity is Severity.ERROR and not unchanged
        (violations if refuses else warnings).append(finding)
    if not violations and not warnings:
        return _ALLOWED
    return Decision(tuple(violations), tuple(warnings))


def _findings(
    kind: str, judged: JudgedObject, stored: tuple[OpaqueConfig, ...], policy: Policy
) -> Iterator[tuple[Finding, bool]]:
    """Yield each finding, and whether the config it is in was stored before."""
    for config in judged.opaque_configs:
        found = judge_config(kind, config, drivers=policy.drivers, gates=policy.gates)
        if not found:
            continue
        unchanged = any(_is_same_config(config, old) for old in stored)
        driver = config.driver if config.driver in DRIVERS else OTHER
        config_kind = _kind(config.parameters)
        for violation in found:
            cause = RULES[violation.rule].cause
            yield Finding(violation, cause, driver, config_kind), unchanged


def _is_same_config(config: OpaqueConfig, old: OpaqueConfig) -> bool:
    return config.driver == old.driver and _is_same(config.parameters, old.parameters)


def _is_same(text: bytes | None, old: bytes | None) -> bool:
    """Return whether two JSON texts mean the same and repeat as many keys."""
    if text == old:
        return True
    if text is None or old is None or text.count(b'"') != old.count(b'"'):
        return False
    try:
        return bool(msgspec.json.decode(text) == msgspec.json.decode(old))
    except msgspec.DecodeError:
        return False


def _kind(parameters: bytes | None) -> str:
    try:
        kind = _HEADERS.decode(parameters or b"{}").kind
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return OTHER
    return kind if kind in _KINDS else OTHER
