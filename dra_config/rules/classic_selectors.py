"""The selectors of GpuClaimParameters, written as CEL over the attributes of today."""

import json
import re
from typing import Any, Final

from dra_config.rules.trees import as_list, as_object, as_text

_ATTRIBUTES: Final = 'device.attributes["gpu.nvidia.com"]'
_MEMORY: Final = 'device.capacity["gpu.nvidia.com"].memory'
_OPERATORS: Final = {
    "Equals": "==",
    "LessThan": "<",
    "LessThanOrEqualTo": "<=",
    "GreaterThan": ">",
    "GreaterThanOrEqualTo": ">=",
}
_PATTERNS: Final = frozenset({"productName", "brand", "architecture"})
_VERSIONS: Final = frozenset({"cudaComputeCapability", "driverVersion", "cudaDriverVersion"})
_JOINTS: Final = {"andExpression": " && ", "orExpression": " || "}
_REGEX_SIGNS: Final = re.compile(r"[\\.+?()|\[\]{}^$]")
_NUMBERED: Final = re.compile(r"v?([0-9]+(?:\.[0-9]+){0,2})")
_VERSION_PARTS: Final = 3


def expression(selector: object) -> tuple[str, tuple[str, ...]]:
    """Return the CEL expression for a classic *selector*, and what it could not express.

    The expression is empty if nothing is left of the selector. A property without an attribute of
    today (``index``, ``migEnabled``) is named in the second part and left out of the first.
    """
    lost: list[str] = []
    return _expression(selector, lost, outermost=True), tuple(dict.fromkeys(lost))


def _expression(selector: object, lost: list[str], *, outermost: bool = False) -> str:
    terms: list[str] = []
    properties = as_object(selector)
    for name, value in properties.items():
        if name in _JOINTS:
            parts = [part for item in as_list(value) if (part := _expression(item, lost))]
            joined = _JOINTS[name].join(parts)
            alone = (outermost and len(properties) == 1) or len(parts) == 1
            terms.append(joined if alone else f"({joined})")
        else:
            term = _term(name, value)
            terms.append(term)
            if not term:
                lost.append(name)
    return " && ".join(filter(None, terms))


def _term(name: str, value: Any) -> str:
    """Return the comparison for one property, or nothing if there is no such attribute."""
    if name == "uuid":
        return f"{_ATTRIBUTES}.uuid == {json.dumps(as_text(value))}"
    if name in _PATTERNS:
        return _pattern(f"{_ATTRIBUTES}.{name}", as_text(value))
    operator = _OPERATORS.get(as_text(as_object(value).get("operator")), "")
    operand = as_object(value).get("value")
    if name == "memory" and operator:
        return f"{_MEMORY}.compareTo(quantity({json.dumps(str(operand))})) {operator} 0"
    numbers = _NUMBERED.fullmatch(str(operand)) if name in _VERSIONS and operator else None
    if numbers is None:
        return ""
    parts = [str(int(part)) for part in numbers[1].split(".")]
    version = ".".join([*parts, *["0"] * (_VERSION_PARTS - len(parts))])
    return f'{_ATTRIBUTES}.{name}.compareTo(semver("{version}")) {operator} 0'


def _pattern(attribute: str, pattern: str) -> str:
    """Return a comparison that disregards case, with ``*`` for any characters, as the old one."""
    escaped = _REGEX_SIGNS.sub(lambda match: f"\\{match[0]}", pattern.lower())
    regex = escaped.replace("*", ".*")
    return f"{attribute}.lowerAscii().matches({json.dumps(f'^{regex}$')})"
