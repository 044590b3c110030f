"""The schema of the chart's feature gates; it refuses exactly what `gates.resolve` refuses."""

from collections.abc import Iterator
from typing import Final

from dra_config.gates import SPECS, FeatureGate, Stage
from tools.chart_shapes import Json, boolean, closed

ALL_OF_STAGE: Final = {Stage.ALPHA: "AllAlpha", Stage.BETA: "AllBeta"}


def feature_gates() -> Json:
    """Return what takes a map of gates to booleans, if the gates can be on together."""
    names = [*SPECS, *ALL_OF_STAGE.values()]
    return closed({str(name): boolean() for name in names}, allOf=[*_refusals()])


def _refusals() -> Iterator[Json]:
    for gate, spec in SPECS.items():
        for other in sorted(spec.excludes):
            if gate < other:
                yield _refusal(
                    [_leaves(gate, on=True), _leaves(other, on=True)],
                    {gate: False, other: False, ALL_OF_STAGE[spec.stage]: False},
                    f"{gate} and {other} exclude each other",
                )
        for needed in sorted(spec.requires):
            yield _refusal(
                [_leaves(gate, on=True), _leaves(needed, on=False)],
                {
                    gate: False,
                    needed: True,
                    ALL_OF_STAGE[spec.stage]: False,
                    ALL_OF_STAGE[SPECS[needed].stage]: True,
                },
                f"{gate} needs {needed}",
            )


def _refusal(conditions: list[Json], remedies: dict[str, bool], sentence: str) -> Json:
    """Return what refuses the maps that meet all *conditions*.

    Each entry of such a map that could be changed, one of which there always is, must have the
    value of its remedy or be the sentence. It never is the sentence, because a gate is a boolean;
    but helm shows what an entry must be, and so people read it.
    """
    properties = {name: {"enum": [value, sentence]} for name, value in remedies.items()}
    return {"if": {"allOf": conditions}, "then": {"properties": properties}}


def _leaves(gate: FeatureGate, *, on: bool) -> Json:
    """Return what takes the maps that leave *gate* on or off: by name, by stage or by default."""
    spec = SPECS[gate]
    stage = ALL_OF_STAGE[spec.stage]
    named: Json = {"required": [gate], "properties": {gate: {"const": on}}}
    by_stage: Json = {"properties": {stage: {"const": on}}}
    if spec.default is not on:
        by_stage["required"] = [stage]
    return {"anyOf": [named, {"allOf": [{"not": {"required": [gate]}}, by_stage]}]}
