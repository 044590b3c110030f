"""Judging opaque parameters: a short way for what is right, a long one that explains."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias, cast

from pydantic import TypeAdapter, ValidationError

from dra_config import hub, legacy, scheme
from dra_config.catalogue.decode import DRA001, DRA002, DRA003, DRA008, DRA011, DRA015
from dra_config.gates import FeatureGates
from dra_config.loading.gate_rules import judge_gates
from dra_config.loading.header import Header, read_header
from dra_config.v1beta1 import API_VERSION, from_hub
from dra_config.violations import FieldPath, Target, Violation
from dra_config.wire import Findings, shown
from dra_config.wire.explanation import aligned, fit
from dra_config.wire.shape import with_map_keys
from dra_config.wire.text import JsonObject, NotJson, read, repeated_keys

MAX_PARAMETERS_BYTES = 10240
"""How much raw JSON the API server stores as opaque parameters, white space included."""

_read_served = TypeAdapter(scheme.ServedConfig).validator.validate_json


class Examined(NamedTuple):
    """Everything that is known of one set of parameters, usable or not."""

    config: hub.Config | None
    """The settled config; None if any violation is an error."""
    violations: tuple[Violation, ...]
    """Errors, warnings and, while the gates are unknown, notes."""


def examine(
    parameters: bytes | str | Mapping[str, object],
    *,
    driver: str = scheme.GPU_DRIVER,
    gates: FeatureGates | None = None,
) -> Examined:
    """Return what `dra_config.load` would return or raise, as a value.

    Args:
        parameters: What stands under ``opaque.parameters``; see `dra_config.load`.
        driver: The driver that the parameters are addressed to, one of `scheme.DRIVERS`.
        gates: The feature gates of the installation, or None while nobody knows the cluster. A
            rule that depends on gates then gives a note instead of an error.

    Raises:
        KeyError: If *driver* is not one whose parameters are known.
    """
    return Examined(*judge(parameters, driver, gates))


Judged: TypeAlias = tuple[hub.Config | None, tuple[Violation, ...]]
"""The settled config, or None if any of the violations beside it is an error."""


def judge(
    parameters: bytes | str | Mapping[str, object], driver: str, gates: FeatureGates | None
) -> Judged:
    """Return what `examine` does, as a bare pair."""
    kinds = scheme.DRIVERS[driver].kinds
    if isinstance(parameters, bytes):
        raw = parameters
    else:
        encoded = _encode(parameters)
        if isinstance(encoded, Violation):
            return None, (encoded,)
        raw = encoded
    if len(raw) > MAX_PARAMETERS_BYTES:
        message = (
            f"the parameters are {len(raw)} bytes long, and the API server takes at most "
            f"{MAX_PARAMETERS_BYTES}"
        )
        return None, (Violation.of(DRA003, message),)
    try:
        model = _read_served(raw)
    except ValidationError:
        return _explain(raw, driver, gates)
    # Every string of the model stands in the text between two quotes. Were a key repeated, the
    # text would hold more of them; an escaped quote only leads to the long way, too.
    if raw.count(b'"') != 2 * model.string_count() or model.kind not in kinds:
        return _explain(raw, driver, gates)
    found = Findings()
    config = model.to_hub(found)
    judge_gates(config, gates, found)
    if not found.violations:
        return config, ()
    return None if found.refused else config, tuple(found.violations)


def _encode(parameters: str | Mapping[str, object]) -> bytes | Violation:
    try:
        if isinstance(parameters, str):
            return parameters.encode()
        tree = _as_json(parameters)
        return json.dumps(tree, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        message = "the text holds half a surrogate pair, which is no character"
    except (TypeError, ValueError, RecursionError):
        message = "the parameters hold something that JSON cannot carry, or hold themselves"
    return Violation.of(DRA001, message)


def _as_json(value: object) -> object:
    """Return *value* with plain objects and lists, whatever kinds of mapping and tuple it holds.

    Raises:
        TypeError: If a key is no text; the JSON encoder would turn it into one in silence.
    """
    if isinstance(value, Mapping):
        members = cast("Mapping[object, object]", value)
        if not all(isinstance(key, str) for key in members):
            raise TypeError
        return {key: _as_json(member) for key, member in members.items()}
    if isinstance(value, list | tuple):
        return [_as_json(entry) for entry in cast("Sequence[object]", value)]
    return value


def _explain(raw: bytes, driver: str, gates: FeatureGates | None) -> Judged:
    """Judge parameters that the short way could not accept, and say everything about them."""
    try:
        tree = read(raw.decode())
    except UnicodeDecodeError as error:
        message = f"byte {error.start + 1} of the parameters is not UTF-8"
        return None, (Violation.of(DRA001, message),)
    except NotJson as error:
        return None, (Violation.of(DRA001, f"{error}"),)
    if not isinstance(tree, JsonObject):
        message = "the parameters are no JSON object; write an object with apiVersion and kind"
        return None, (Violation.of(DRA002, message),)
    return _explain_object(tree, driver, gates)


def _explain_object(tree: JsonObject, driver: str, gates: FeatureGates | None) -> Judged:
    header = read_header(tree, driver)
    repeated = list(repeated_keys(tree))
    if header.model is None:
        found = Findings([*_repetitions(repeated), *header.violations])
        return None, tuple(found.violations)
    repeated_at = [(with_map_keys(header.model, path), number) for path, number in repeated]
    fitted = fit(header.model, header.tree)
    found = Findings(
        [*_repetitions(repeated_at), *header.violations, *fitted.violations], fitted.broken
    )
    decoded = len(found.violations)
    config = fitted.model.to_hub(found)
    if header.kind not in scheme.DRIVERS[driver].kinds:
        owners = " and ".join(d.name for d in scheme.DRIVERS.values() if header.kind in d.kinds)
        message = (
            f"{header.kind} belongs to driver {owners}, and this config is addressed to {driver}"
        )
        found.add(DRA008, ("kind",), message)
    judge_gates(config, gates, found)
    if header.is_legacy:
        _warn_legacy(header, None if found.refused else config, found)
    settled = (v._replace(path=aligned(v.path, tree)) for v in found.violations[decoded:])
    violations = (*found.violations[:decoded], *settled)
    return None if found.refused else config, violations


def _repetitions(repeated: Iterable[tuple[FieldPath, int]]) -> Iterator[Violation]:
    for path, occurrence in repeated:
        message = f"{shown(path[-1])} stands more than once in one object; keep one of them"
        yield Violation.of(DRA011, message, path, target=Target.KEY, occurrence=occurrence)


def _warn_legacy(header: Header, config: hub.Config | None, found: Findings) -> None:
    message = f"apiVersion {header.api_version} is an old one; write {API_VERSION}"
    if header.kind in legacy.RENAMED_KINDS:
        message = f"{message} and kind {legacy.RENAMED_KINDS[header.kind]}"
    suggestion = ""
    if config is not None:
        suggestion = from_hub(config).model_dump_json(exclude_unset=True)
    found.add(DRA015, ("apiVersion",), message, suggestion=suggestion)
