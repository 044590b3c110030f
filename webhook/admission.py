"""The verdict: which configs of a request are judged, and what becomes of what is found."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import msgspec

from dra_config.catalogue import RULES, Severity
from dra_config.claims import OpaqueConfig, judge_config
from dra_config.gates import FeatureGates
from dra_config.scheme import DRIVERS, MODELS
from dra_config.violations import FieldPath
from dra_config.wire.text import NotJson, read, repeated_keys
from webhook.review import AdmissionRequest, Decision, Finding, JudgedObject

OTHER: Final = "other"
"""What stands in metrics for a driver or kind that is none of ours."""
_KINDS: Final = frozenset(kind for _, kind in MODELS)
_ALLOWED: Final = Decision()


class _Header(msgspec.Struct):
    kind: str = ""


_HEADERS: Final = msgspec.json.Decoder(_Header)


class SoundConfigs:
    """Remembers configs of which nothing was to be said, so that copies need no second look.

    Claims made from one template carry the same parameters to the byte. Only what was found sound
    is kept, under all of its bytes, so nothing that anybody sends can change another verdict.
    """

    def __init__(self, limit_count: int = 1024, limit_bytes: int = 1024) -> None:
        """Keep at most *limit_count* configs of at most *limit_bytes* each."""
        self._limit_count = limit_count
        self._limit_bytes = limit_bytes
        self._seen: set[tuple[str, bytes]] = set()

    def __contains__(self, config: OpaqueConfig) -> bool:
        return (config.driver, config.parameters) in self._seen

    def add(self, config: OpaqueConfig) -> None:
        """Remember *config*; when there is no room, forget all others first."""
        if config.parameters is None or len(config.parameters) > self._limit_bytes:
            return
        if len(self._seen) >= self._limit_count:
            self._seen.clear()
        self._seen.add((config.driver, config.parameters))


@dataclass(frozen=True, slots=True)
class Policy:
    """What the installation decides."""

    drivers: frozenset[str]
    """The drivers whose configs are judged."""
    gates: FeatureGates
    sound: SoundConfigs = field(default_factory=SoundConfigs, init=False, compare=False)
    """What this policy has judged before."""


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
    if old is not None and _is_same_object(judged, old):
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
        if config in policy.sound:
            continue
        found = judge_config(kind, config, drivers=policy.drivers, gates=policy.gates)
        if not found:
            policy.sound.add(config)
            continue
        unchanged = any(_is_same_config(config, old) for old in stored)
        driver = config.driver if config.driver in DRIVERS else OTHER
        config_kind = _kind(config.parameters)
        for violation in found:
            cause = RULES[violation.rule].cause
            yield Finding(violation, cause, driver, config_kind), unchanged


def _is_same_object(judged: JudgedObject, old: JudgedObject) -> bool:
    if judged.spec == old.spec:
        return True
    return _is_same(judged.spec, old.spec) and all(
        map(_is_same_config, judged.opaque_configs, old.opaque_configs)
    )


def _is_same_config(config: OpaqueConfig, old: OpaqueConfig) -> bool:
    if config.driver != old.driver:
        return False
    if config.parameters == old.parameters:
        return True
    if config.parameters is None or old.parameters is None:
        return False
    try:
        repeats_alike = _repeated(config.parameters) == _repeated(old.parameters)
    except (NotJson, UnicodeDecodeError):
        return False
    return repeats_alike and _is_same(config.parameters, old.parameters)


def _is_same(text: bytes, old: bytes) -> bool:
    """Return whether two JSON texts mean the same; of two equal keys the last one counts."""
    try:
        return _canonical(text) == _canonical(old)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


def _canonical(text: bytes) -> bytes:
    return msgspec.json.encode(msgspec.json.decode(text), order="sorted")


def _repeated(parameters: bytes) -> Counter[FieldPath]:
    """Return how often each key stands again; the API server keeps such keys as they are sent."""
    return Counter(path for path, _ in repeated_keys(read(parameters.decode())))


def _kind(parameters: bytes | None) -> str:
    try:
        kind = _HEADERS.decode(parameters or b"{}").kind
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return OTHER
    return kind if kind in _KINDS else OTHER
