"""The page of a kind, a field or a rule, for a terminal."""

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from dra_config import scheme
from dra_config.catalogue import Rule
from dra_config.cli.explaining.examples import example_of
from dra_config.cli.explaining.gates import needed_gates
from dra_config.cli.reference.kinds import shown
from dra_config.cli.reference.rules import NEEDS
from dra_config.manifests.writing import as_yaml
from dra_config.schema import Field, Kind

_WIDTH: Final = 79
_INDENT: Final = "  "


def kind_page(kind: Kind, *, recursive: bool) -> str:
    """Return the page of *kind*, with its fields or, if *recursive*, the names of all below."""
    return _page(kind, (), recursive=recursive)


def field_page(kind: Kind, trail: tuple[Field, ...], *, recursive: bool) -> str:
    """Return the page of the last field of *trail*, which begins at the root of *kind*."""
    return _page(kind, trail, recursive=recursive)


def rule_page(rule: Rule) -> str:
    """Return the page of *rule*."""
    head = {
        "RULE": f"{rule.id} {rule.name}",
        "SEVERITY": rule.severity,
        "NEEDS": ", ".join(text for need, text in NEEDS.items() if need in rule.needs),
        "JUDGED BY": ", ".join(sorted(rule.judges)),
        "CAUSE": rule.cause,
    }
    bad = "REFUSED" if rule.severity == "error" else "FOUND IN"
    sections = (
        _head(head),
        _section("WHY", _wrapped(rule.why)),
        _section("FIX", _wrapped(rule.fix)),
        _section(bad, rule.bad.splitlines()),
        _section("RIGHT", rule.good.splitlines()),
    )
    return "\n".join(filter(None, sections))


def drivers_of(kind: Kind) -> list[str]:
    """Return the drivers that carry configs of *kind*; none for an object of its own."""
    return [driver.name for driver in scheme.DRIVERS.values() if kind.kind in driver.kinds]


def _page(kind: Kind, trail: tuple[Field, ...], *, recursive: bool) -> str:
    field = trail[-1] if trail else None
    fields = field.fields if field else kind.fields
    example = example_of(kind, trail)
    tree = _names(fields, "") if recursive else _described(fields)
    sections = (
        _head(_facts(kind, field)),
        _section("DESCRIPTION", _wrapped((field or kind).description)),
        _section("VALUES", _values(field) if field else ()),
        _section("FEATURE GATES", _gates(fields)),
        _section("EXAMPLE", () if example is None else as_yaml(example).splitlines()),
        _section("FIELDS", tree),
    )
    return "\n".join(filter(None, sections))


def _facts(kind: Kind, field: Field | None) -> Mapping[str, str]:
    old = ", an old version" if kind.deprecated else ""
    facts = {
        "KIND": kind.kind,
        "API VERSION": f"{kind.api_version}{old}",
        "DRIVER": ", ".join(drivers_of(kind)),
    }
    if field is not None:
        default = "" if field.default is None else shown(field.default)
        facts |= {
            "FIELD": f"{field.path} {_type(field)}",
            "UNIT": field.unit,
            "DEFAULT": default,
        }
    return facts


def _head(facts: Mapping[str, str]) -> str:
    width = max(map(len, facts)) + 1
    lines = (f"{f'{name}:':{width}} {text}\n" for name, text in facts.items() if text)
    return "".join(lines)


def _section(title: str, lines: Iterable[str]) -> str:
    text = "".join(f"{_INDENT}{line}".rstrip() + "\n" for line in lines)
    return f"{title}:\n{text}" if text else ""


def _wrapped(text: str, indent: str = "") -> list[str]:
    width = _WIDTH - len(_INDENT)
    return textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=indent)


def _values(field: Field) -> Iterator[str]:
    width = max((len(f"{value.value}") for value in field.values), default=0)
    for value in field.values:
        gate = f"needs feature gate {value.feature_gate}" if value.feature_gate else ""
        yield f"{value.value!s:{width}}  {gate}"


def _gates(fields: tuple[Field, ...]) -> Iterator[str]:
    needs = [*needed_gates(fields)]
    width = max((len(need.feature_gate) for need in needs), default=0)
    for need in needs:
        yield f"{need.feature_gate:{width}}  for {need.path} {' or '.join(need.values)}"


def _type(field: Field) -> str:
    marks = (", required" if field.required else "") + (", old" if field.deprecated else "")
    return f"<{field.type}>{marks}"


def _described(fields: tuple[Field, ...]) -> Iterator[str]:
    for field in fields:
        yield f"{field.name} {_type(field)}"
        yield from _wrapped(field.description, _INDENT)


def _names(fields: tuple[Field, ...], indent: str) -> Iterator[str]:
    width = max((len(field.name) for field in fields), default=0)
    for field in fields:
        yield f"{indent}{field.name:{width}}  {_type(field)}"
        yield from _names(field.fields, indent + _INDENT)
