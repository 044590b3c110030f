"""The words of a question -> the kind, field or rule that is meant, or the nearest one."""

import re
from collections.abc import Iterable
from typing import Final

from dra_config import scheme
from dra_config.catalogue import RULES, Rule
from dra_config.cli.arguments import WrongUsage, did_you_mean
from dra_config.gates import SPECS
from dra_config.schema import Field, Kind, kinds, walk
from dra_config.spelling import nearest
from dra_config.wire import WireModel, shape, shown

_RULE: Final = re.compile(r"(?i)dra[-_]?\d+")
_INDEX: Final = re.compile(r"\[[^\]]*\]")


def names_rule(word: str) -> bool:
    """Return whether *word* looks like the id of a rule, or is the name of one."""
    return _RULE.fullmatch(word) is not None or _rule_named(word) is not None


def _rule_named(word: str) -> Rule | None:
    return next((rule for rule in RULES.values() if rule.name == word.lower()), None)


def find_rule(word: str) -> Rule:
    """Return the rule with that id or that name, in any case.

    Raises:
        WrongUsage: There is none.
    """
    if word.upper() in RULES:
        return RULES[word.upper()]
    named = _rule_named(word)
    if named is not None:
        return named
    hint = did_you_mean(word, RULES) or "; dra-config rules lists them"
    raise WrongUsage(f"there is no rule {word}{hint}")


def find_kind(word: str, api_version: str | None) -> Kind:
    """Return the kind with that name, in any case.

    Args:
        word: The name of a kind.
        api_version: Group and version, or None for the newest version that has the kind.

    Raises:
        WrongUsage: There is no such version, or no such kind in it.
    """
    known = [kind for kind in kinds() if api_version in (None, kind.api_version)]
    if not known:
        versions = list(dict.fromkeys(kind.api_version for kind in kinds()))
        hint = did_you_mean(f"{api_version}", versions) or f"; there are {', '.join(versions)}"
        raise WrongUsage(f"there is no apiVersion {api_version!r}{hint}")
    for kind in known:
        if kind.kind.lower() == word.lower():
            return kind
    names = list(dict.fromkeys(kind.kind for kind in known))
    hint = did_you_mean(word, names) or _other_than_kind(word, known)
    hint = hint or f"; there are {', '.join(names)}"
    where = "" if api_version is None else f" in {api_version}"
    raise WrongUsage(f"there is no kind {shown(word)}{where}{hint}")


def _other_than_kind(word: str, known: Iterable[Kind]) -> str:
    """Return the half sentence about a *word* that names something else, or ''."""
    if word in SPECS:
        return "; it is a feature gate, and dra-config gates lists them"
    fields = (
        f"{kind.kind}.{f.path}" for kind in known for f in walk(kind.fields) if f.name == word
    )
    meant = next(fields, None)
    return f"; did you mean {meant}?" if meant else ""


def find_field(kind: Kind, names: Iterable[str]) -> tuple[Field, ...]:
    """Return the fields that *names* lead through, the one that is meant last.

    Args:
        kind: Where the path begins.
        names: Names of fields from the root of the kind, each with or without an index.

    Raises:
        WrongUsage: A name is no field where it stands.
    """
    trail: list[Field] = []
    fields = kind.fields
    for given in names:
        name = _INDEX.sub("", given)
        found = next((field for field in fields if field.name == name), None)
        if found is None:
            raise WrongUsage(_no_field(kind, trail, fields, name))
        trail.append(found)
        fields = found.fields
    return tuple(trail)


def _no_field(kind: Kind, trail: list[Field], fields: tuple[Field, ...], name: str) -> str:
    where = ".".join((kind.kind, *(field.name for field in trail)))
    elsewhere = _elsewhere(kind, trail, name)
    if elsewhere:
        return f"{where} has no field {name!r}: {elsewhere}"
    paths = {field.path: f"{kind.kind}.{field.path}" for field in walk(kind.fields)}
    close = nearest(name, (field.name for field in fields))
    if close:
        meant = f"{where}.{close}"
    else:
        by_name = {path.rpartition(".")[2]: path for path in reversed(paths)}
        farther = nearest(name, by_name)
        meant = paths[by_name[farther]] if farther else ""
    if meant:
        hint = f"; did you mean {meant}?"
    else:
        listed = ", ".join(field.name for field in fields)
        hint = f"; there are {listed}" if listed else "; it holds no fields"
    return f"{where} has no field {name!r}{hint}"


def _elsewhere(kind: Kind, trail: list[Field], name: str) -> str:
    """Return why the field, which another kind has, is missing here on purpose, or ''."""
    model: type[WireModel] | None = scheme.MODELS.get((kind.api_version, kind.kind))
    for field in trail:
        info = None if model is None else shape.fields(model).get(field.name)
        model = None if info is None else shape.inner_model(info)
    found = None if model is None else model.elsewhere.get(name)
    return "" if found is None else found.message
