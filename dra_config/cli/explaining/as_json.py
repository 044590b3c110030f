"""The same pages for programs; keys are added, never renamed or removed."""

from typing import Any

from dra_config.catalogue import Rule
from dra_config.cli.explaining.as_text import drivers_of
from dra_config.cli.explaining.examples import example_of
from dra_config.cli.explaining.gates import needed_gates
from dra_config.gates import FeatureGate, GateSpec
from dra_config.schema import Field, Kind


def kind_json(kind: Kind, *, recursive: bool) -> dict[str, Any]:
    """Return what the page of *kind* says; the fields below its fields only if *recursive*."""
    return {
        **_header(kind),
        "description": kind.description,
        "examples": list(kind.examples),
        **_below(kind, (), kind.fields, recursive=recursive),
    }


def field_json(kind: Kind, trail: tuple[Field, ...], *, recursive: bool) -> dict[str, Any]:
    """Return what the page of the last field of *trail* says."""
    field = trail[-1]
    return {
        **_header(kind),
        **_field(kind, trail),
        **_below(kind, trail, field.fields, recursive=recursive),
    }


def rule_json(rule: Rule) -> dict[str, Any]:
    """Return everything that the catalogue says of *rule*; null where there is no example."""
    return {
        "id": rule.id,
        "name": rule.name,
        "severity": str(rule.severity),
        "needs": sorted(rule.needs),
        "judges": sorted(rule.judges),
        "cause": str(rule.cause),
        "why": rule.why,
        "fix": rule.fix,
        "bad": rule.bad or None,
        "good": rule.good or None,
    }


def gate_json(gate: FeatureGate, spec: GateSpec) -> dict[str, Any]:
    """Return everything that is known of *gate*."""
    return {
        "name": str(gate),
        "stage": str(spec.stage),
        "default": spec.default,
        "switches": spec.switches,
        "requires": sorted(spec.requires),
        "excludes": sorted(spec.excludes),
    }


def _header(kind: Kind) -> dict[str, Any]:
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "deprecated": kind.deprecated,
        "drivers": drivers_of(kind),
        "schema": kind.schema_path,
    }


def _field(kind: Kind, trail: tuple[Field, ...]) -> dict[str, Any]:
    field = trail[-1]
    return {
        "path": field.path,
        "name": field.name,
        "type": field.type,
        "required": field.required,
        "deprecated": field.deprecated,
        "unit": field.unit or None,
        "default": field.default,
        "values": [
            {"value": value.value, "feature_gate": value.feature_gate} for value in field.values
        ],
        "description": field.description,
        "example": example_of(kind, trail),
    }


def _below(
    kind: Kind, trail: tuple[Field, ...], fields: tuple[Field, ...], *, recursive: bool
) -> dict[str, Any]:
    listed: list[dict[str, Any]] = []
    for field in fields:
        here = (*trail, field)
        entry = _field(kind, here)
        if recursive:
            entry |= _below(kind, here, field.fields, recursive=True)
        listed.append(entry)
    gates = [need._asdict() for need in needed_gates(fields)]
    return {"feature_gates": gates, "fields": listed}
