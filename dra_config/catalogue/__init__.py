"""The catalogue: every rule as data, one module per group; ids are never reused."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from dra_config.catalogue import (
    allocation,
    compute_domain,
    decode,
    documents,
    fabric,
    installation,
    requests,
    sharing,
    structure,
    vfio,
)
from dra_config.catalogue.rule import Cause, Judge, Need, Rule, Severity

__all__ = ["RULES", "Cause", "Judge", "Need", "Rule", "Severity"]


def _by_id(rules: Iterable[Rule]) -> Mapping[str, Rule]:
    """Return *rules* by their ids, in the order of the ids.

    Raises:
        ValueError: Two rules have one id.
    """
    by_id: dict[str, Rule] = {}
    for entry in sorted(rules, key=lambda entry: entry.id):
        if entry.id in by_id:
            raise ValueError(f"two rules are called {entry.id}")
        by_id[entry.id] = entry
    return MappingProxyType(by_id)


RULES: Final = _by_id(
    (
        *decode.RULES,
        *sharing.RULES,
        *allocation.RULES,
        *vfio.RULES,
        *fabric.RULES,
        *requests.RULES,
        *compute_domain.RULES,
        *structure.RULES,
        *documents.RULES,
        *installation.RULES,
    )
)
"""Every rule by its id, in the order of the ids."""
