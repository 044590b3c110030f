"""The engine of every command that judges files: the text of a file in, findings out."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from dra_config import rules, scheme
from dra_config.catalogue import RULES, Severity
from dra_config.catalogue.decode import DRA015
from dra_config.catalogue.documents import DRA941, DRA944
from dra_config.catalogue.structure import DRA927
from dra_config.cli.criteria import Criteria
from dra_config.cli.findings import FileVerdict, Finding, ObjectReference
from dra_config.cli.glance import judge_file
from dra_config.cli.objects import (
    FoundConfig,
    FoundObject,
    configs_of,
    driver_of,
    list_envelopes,
    unfold,
)
from dra_config.cli.places import Page
from dra_config.cli.targets import for_target
from dra_config.loading import judge_gates, recognise
from dra_config.manifests import (
    MAX_FILE_BYTES,
    Document,
    Format,
    Node,
    Span,
    Unreadable,
    duplicate_keys,
    read,
    to_json,
    to_python,
)
from dra_config.manifests.templates import action_in
from dra_config.rules import Neighbours
from dra_config.rules.classic import PARAMETER_KINDS
from dra_config.violations import FieldPath, Target, Violation
from dra_config.wire import Findings, shown

__all__ = ["Criteria", "judge_file", "judge_whole_file", "violations_in"]

_TOO_LARGE: Final = Unreadable(
    0,
    "DRA942",
    f"The file has more than {MAX_FILE_BYTES // 1024**2} MiB, which is the most that is read.",
    Span(1, 1, 1, 1),
)
_TEMPLATE: Final = (
    "this config holds a Helm or Jinja action and was not judged; render it first, for instance "
    "with 'helm template'"
)


def judge_whole_file(
    path: str, text: bytes, criteria: Criteria, syntax: Format | None = None
) -> FileVerdict:
    """Return everything that is found in one file, in the order of the places.

    `judge_file` returns the same, and does not read what a glance can tell.

    Args:
        path: The name to report; nothing is read from there.
        text: The bytes of the file.
        criteria: What to hold its documents against.
        syntax: The syntax of the file; None where the text has to tell.
    """
    results: Sequence[Document | Unreadable]
    results = [_TOO_LARGE] if len(text) > MAX_FILE_BYTES else read(text, format=syntax)
    page = Page(path, text)
    neighbours = {} if criteria.as_parameters else dict(_neighbours(results))
    findings: list[Finding] = []
    config_count = 0
    for result in results:
        if isinstance(result, Unreadable):
            findings.append(_unreadable(result, page))
            continue
        verdict = _DocumentVerdict(result.root, criteria, neighbours)
        verdict.judge()
        findings.extend(verdict.findings(page))
        config_count += verdict.config_count
    # The order of equal places is the order in which the rules spoke.
    findings.sort(key=lambda finding: (finding.line, finding.column))
    return FileVerdict(path, len(results), config_count, tuple(findings))


def _unreadable(result: Unreadable, page: Page) -> Finding:
    violation = Violation.of(RULES[result.rule], result.message)
    return page.finding(violation, result.span, ObjectReference())


def _neighbours(
    results: Sequence[Document | Unreadable],
) -> Iterator[tuple[tuple[str, str, str], rules.Tree]]:
    """Yield the classic parameters of a file, for the claims in it to refer to."""
    for result in results:
        if isinstance(result, Document):
            for found in unfold(result.root):
                if found.kind in PARAMETER_KINDS:
                    reference = found.reference
                    key = (found.kind, reference.namespace or "", reference.name or "")
                    yield key, to_python(found.node)


def violations_in(found: FoundObject, criteria: Criteria) -> Sequence[Violation]:
    """Return what is wrong in one object, with paths from its own root.

    What its file tells beside the object is not known here.
    """
    own = replace(found, path=())
    verdict = _DocumentVerdict(own.node, criteria, {})
    if criteria.as_parameters:
        verdict.judge_bare(own)
    else:
        verdict.judge_object(own)
    return [violation for violation, _ in verdict.violations]


class _DocumentVerdict:
    """What is wrong in one document, as it comes in."""

    def __init__(self, root: Node, criteria: Criteria, neighbours: Neighbours) -> None:
        self.violations: list[tuple[Violation, FoundObject]] = []
        self.config_count = 0
        self._root = root
        self._criteria = criteria
        self._neighbours = neighbours

    def judge(self) -> None:
        """Judge every object of the document."""
        if self._criteria.as_parameters:
            self.judge_bare(FoundObject.of(self._root))
            return
        for path, envelope in list_envelopes(self._root):
            found = FoundObject.of(envelope)
            self._add(found, _repeated(envelope, path, depth=1))
        for found in unfold(self._root):
            self.judge_object(found)

    def findings(self, page: Page) -> Iterator[Finding]:
        """Yield the same with its places, and whether it can be repaired."""
        repaired = _repaired(self.violations, self._criteria)
        for violation, found in self.violations:
            finding = page.locate(violation, self._root, found.reference)
            fixable = (violation.rule, violation.path) in repaired
            yield replace(finding, fixable=True) if fixable else finding

    def judge_object(self, found: FoundObject) -> None:
        """Judge one object of the document."""
        if found.is_judged:
            self._judge_object(found, self._neighbours)
        elif found.is_bare_config:
            self.judge_bare(found)

    def _judge_object(self, found: FoundObject, neighbours: Neighbours) -> None:
        configs = list(configs_of(found))
        opaque = {config.path for config in configs}
        self._add(found, (v for v in _repeated(found.node) if not _is_inside(v.path, opaque)))
        tree = {**to_python(found.node), "apiVersion": found.api_version, "kind": found.kind}
        self._add(found, rules.judge(tree, neighbours=neighbours))
        for config in configs:
            self._add(found, self._judge_config(found, config))

    def _judge_config(self, found: FoundObject, config: FoundConfig) -> Iterator[Violation]:
        """Yield what is wrong with one opaque config, with paths from the root of its object."""
        ours = config.driver in self._criteria.drivers
        if not ours and config.driver in scheme.DRIVERS:
            yield _passed_over(config)
            return
        action = action_in(config.parameters) if ours else None
        if action is not None:
            yield Violation.of(DRA941, _TEMPLATE, (*config.path, *action))
            return
        self.config_count += ours
        known = self._recognised(config.parameters, config.driver) if ours else None
        if known is not None:
            yield from (violation.under(config.path) for violation in known)
            return
        # What comes now needs every model, which take long to build.
        from dra_config.claims import OpaqueConfig, judge_config  # noqa: PLC0415

        raw = None if config.parameters is None else to_json(config.parameters)
        gates = self._criteria.gates
        if config.index is None:
            for violation in self._examined(raw or b"", config.driver):
                if violation.rule != DRA015.id:  # the claim to write instead says it all
                    yield violation.under(config.path)
            return
        opaque = OpaqueConfig(config.index, config.driver, raw)
        violations = judge_config(found.kind, opaque, gates=gates)
        yield from violations
        if not ours and not violations:
            yield _passed_over(config)

    def _recognised(self, parameters: Node | None, driver: str) -> Sequence[Violation] | None:
        """Return what the gates say to a config that is surely right; None if it may be wrong."""
        if parameters is None or any(duplicate_keys(parameters)):
            return None
        config = recognise(to_python(parameters), driver)
        if config is None:
            return None
        found = Findings()
        judge_gates(config, self._criteria.gates, found)
        return found.violations

    def _examined(self, raw: bytes, driver: str) -> Sequence[Violation]:
        from dra_config.loading import examine  # noqa: PLC0415 - as above

        return examine(raw, driver=driver, gates=self._criteria.gates).violations

    def judge_bare(self, found: FoundObject) -> None:
        """Judge opaque parameters that stand on their own."""
        action = action_in(found.node)
        if action is not None:
            self._add(found, [Violation.of(DRA941, _TEMPLATE, action)])
            return
        self.config_count += 1
        driver = self._criteria.driver or driver_of(found.kind)
        known = self._recognised(found.node, driver)
        self._add(found, self._examined(to_json(found.node), driver) if known is None else known)

    def _add(self, found: FoundObject, violations: Iterable[Violation]) -> None:
        """Give each of *violations*, with paths from the root of *found*, its place."""
        for violation in violations:
            counted = for_target(violation.under(found.path), self._criteria.target)
            if counted.rule == DRA015.id and counted.suggestion and not found.inline:
                from dra_config.rules import yaml_text  # noqa: PLC0415 - as above

                config = json.loads(counted.suggestion)
                ordered = {"apiVersion": config["apiVersion"], "kind": config["kind"], **config}
                counted = counted._replace(suggestion=yaml_text.render(ordered))
            self.violations.append((counted, found))


def _repaired(
    violations: Sequence[tuple[Violation, FoundObject]], criteria: Criteria
) -> set[tuple[str, FieldPath]]:
    """Return which violations ``dra-config fix`` repairs, by their rules and their paths."""
    if all(violation.severity is Severity.NOTE for violation, _ in violations):
        return set()
    from dra_config.cli.rewriting.repairs import (  # noqa: PLC0415 - it brings the models along
        REPAIRED_RULES,
        repairs_of,
    )

    # The gates decide nothing that can be repaired, and the command does not know them.
    criteria = replace(criteria, gates=None)
    repairable: dict[FieldPath, FoundObject] = {}
    for violation, found in violations:
        if violation.rule in REPAIRED_RULES:
            repairable[found.path] = found
    return {
        (rule, (*path, *where))
        for path, found in repairable.items()
        for rule, where in repairs_of(found, lambda each: violations_in(each, criteria)).repaired
    }


def _passed_over(config: FoundConfig) -> Violation:
    message = f"the config is for driver {shown(config.driver)} and was passed over"
    return Violation.of(DRA944, message, (*config.path[:-1], "driver"))


def _repeated(
    node: Node, path: FieldPath = (), *, depth: int | None = None
) -> Iterator[Violation]:
    """Yield DRA927 for every key that its mapping already has."""
    for where, occurrence in duplicate_keys(node):
        if depth is None or len(where) <= depth:
            message = f"{shown(where[-1])} stands more than once in one mapping; keep one of them"
            target = Target.KEY
            yield Violation.of(
                DRA927, message, (*path, *where), target=target, occurrence=occurrence
            )


def _is_inside(path: FieldPath, parents: set[FieldPath]) -> bool:
    return any(path[: len(parent)] == parent and path != parent for parent in parents)
