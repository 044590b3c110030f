"""The AdmissionReview that is sent back."""

from collections.abc import Iterable, Sequence
from itertools import chain, islice
from typing import Final

import msgspec
from msgspec import Struct

from dra_config.catalogue.decode import DRA015
from webhook.review import REVIEW_API_VERSION, REVIEW_KIND, AdmissionRequest, Decision, Finding

PREFERRED_WARNING_CHARACTERS: Final = 120
"""What the API asks for; https://kubernetes.io/docs/reference/access-authn-authz/ says why."""
LONGEST_WARNING_CHARACTERS: Final = 256
"""What the API server cuts warnings to once there are many."""
MOST_CAUSES: Final = 1000
"""No claim that a person wrote comes near; it bounds the answer to one made to be large."""
CAUSES_IN_MESSAGE: Final = 10
"""kubectl lists the causes and drops the message; clients that show the message want it short."""

_OLD_VERSION: Final = "old version; rewrite it with `dra-config convert`"


class _StatusCause(Struct, gc=False):
    reason: str
    message: str
    field: str


class _StatusDetails(Struct, omit_defaults=True):
    causes: Sequence[_StatusCause] = ()
    name: str = ""
    group: str = ""
    kind: str = ""
    uid: str = ""


class _Status(Struct, omit_defaults=True):
    message: str
    reason: str
    code: int
    status: str
    details: _StatusDetails | None = None


class _Response(Struct, rename="camel", omit_defaults=True):
    uid: str
    allowed: bool
    status: _Status | None = None
    warnings: Sequence[str] = ()
    audit_annotations: dict[str, str] | None = None


class _Review(Struct, rename="camel"):
    response: _Response
    api_version: str = REVIEW_API_VERSION
    kind: str = REVIEW_KIND


_ENCODER: Final = msgspec.json.Encoder()


def render_decision(request: AdmissionRequest, decision: Decision) -> bytes:
    """Return the review that tells the API server about *decision* on *request*."""
    response = _Response(request.uid, decision.allowed)
    if decision.warnings:
        response.warnings = list(dict.fromkeys(map(render_warning, decision.warnings)))
    if decision.violations:
        response.status = _denial(request, decision.violations)
    if decision.violations or decision.warnings:
        response.audit_annotations = {"rules": ",".join(rule_ids(decision))}
    return _ENCODER.encode(_Review(response))


def render_unusable(uid: str, sentence: str) -> bytes:
    """Return the review that refuses a request because it cannot be judged at all."""
    status = _Status(f"dra-config webhook: {sentence}", "BadRequest", 400, "Failure")
    return _ENCODER.encode(_Review(_Response(uid, allowed=False, status=status)))


def rule_ids(decision: Decision) -> Iterable[str]:
    """Return the rules that spoke, each once, refusals before warnings."""
    findings = chain(decision.violations, decision.warnings)
    return dict.fromkeys(finding.violation.rule for finding in findings)


def render_warning(finding: Finding) -> str:
    """Return *finding* as text for a Warning header, at most 256 characters and rather 120."""
    violation = finding.violation
    if violation.rule == DRA015.id:
        # What to write instead fills a screen; the command line has room for it.
        return f"{DRA015.id} {violation.field}: {_OLD_VERSION}"
    text = f"{violation.rule} {violation.field}: {violation.message}"
    if len(text) > PREFERRED_WARNING_CHARACTERS and violation.path:
        text = f"{violation.rule} {_short_field(finding)}: {violation.message}"
    if len(text) > LONGEST_WARNING_CHARACTERS:
        text = f"{text[: LONGEST_WARNING_CHARACTERS - 1]}…"
    return text


def _short_field(finding: Finding) -> str:
    path = finding.violation.path
    index = next((part for part in path if isinstance(part, int)), None)
    config = "" if index is None else f"config[{index}] "
    return f"{config}{path[-1]}"


def _denial(request: AdmissionRequest, findings: Sequence[Finding]) -> _Status:
    judged = request.object
    return _Status(
        message=_message(request, findings),
        reason="Invalid",
        code=422,
        status="Failure",
        details=_StatusDetails(
            causes=[_cause(finding) for finding in islice(findings, MOST_CAUSES)],
            name=request.name,
            group=request.group,
            kind=request.kind,
            uid=judged.uid if judged is not None else "",
        ),
    )


def _cause(finding: Finding) -> _StatusCause:
    violation = finding.violation
    # kubectl prints causes without the name of the webhook, so each of them carries it.
    message = f"{violation.message} (dra-config webhook, {violation.rule})"
    return _StatusCause(finding.cause.value, message, violation.field)


def _message(request: AdmissionRequest, findings: Sequence[Finding]) -> str:
    listed = "; ".join(
        f"{violation.field}: {violation.message} ({violation.rule})"
        for violation in (finding.violation for finding in islice(findings, CAUSES_IN_MESSAGE))
    )
    more = len(findings) - CAUSES_IN_MESSAGE
    rest = f"; and {more} more" if more > 0 else ""
    return f'{request.kind} "{request.name}" is invalid: {listed}{rest}'
