"""What the API server asks, read from the bytes of a review, and the port of the verdict.

The API server owns these shapes and may add fields, so unknown ones are skipped here. Opaque
parameters stay the bytes that were sent: no fast decoder reports a key that stands twice, so they
are decoded only once, strictly, by the library. A key that stands twice outside of parameters
cannot come from an API server, which writes the review from typed objects; the last one counts.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NoReturn, TypeAlias, cast

import msgspec
from msgspec import Raw, Struct

from dra_config.catalogue import Cause
from dra_config.claims import GROUP, SERVED_VERSIONS, OpaqueConfig
from dra_config.violations import Violation
from webhook import wire

REVIEW_API_VERSION: Final = "admission.k8s.io/v1"
REVIEW_KIND: Final = "AdmissionReview"
RESOURCES: Final = MappingProxyType(
    {
        "ResourceClaim": "resourceclaims",
        "ResourceClaimTemplate": "resourceclaimtemplates",
        "DeviceClass": "deviceclasses",
    }
)
"""The resource of every kind that is judged."""
_JUDGED_OPERATIONS: Final = ("CREATE", "UPDATE")
_OPERATIONS: Final = (*_JUDGED_OPERATIONS, "DELETE", "CONNECT")
_SHOWN_CHARACTERS: Final = 80
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""Everything that the decoder raises for a text that is no JSON or of another shape."""


class MalformedReview(ValueError):  # noqa: N818 - named like InvalidConfig
    """A body without a review that could be answered; its text is a sentence for the sender."""


class UnusableRequest(ValueError):  # noqa: N818 - named like InvalidConfig
    """A review that has a uid, and a request that cannot be judged; its text is a sentence."""

    def __init__(self, uid: str, sentence: str) -> None:
        """Keep the *uid* to answer to."""
        super().__init__(sentence)
        self.uid = uid


class JudgedObject(Struct, frozen=True):
    """As much of a claim, template or class as a verdict needs."""

    name: str
    """The name, or what it is generated from."""
    namespace: str
    uid: str
    """Empty as long as the API server has given none."""
    deletion_timestamp: str
    """Empty unless the object is being deleted."""
    spec: bytes
    """The JSON text of the spec as sent, to be compared with that of the other object; empty when
    there is no other object, or no spec."""
    opaque_configs: tuple[OpaqueConfig, ...]
    """In the order of the object; entries that are not opaque are left out."""


class AdmissionRequest(Struct, frozen=True):
    """What the API server asks about."""

    uid: str
    operation: str
    """CREATE, UPDATE, DELETE or CONNECT."""
    group: str
    version: str
    kind: str
    resource: str
    sub_resource: str
    """Empty for the object itself."""
    name: str
    namespace: str
    dry_run: bool
    object: JudgedObject | None
    """None unless a CREATE or UPDATE of one of our kinds, and no subresource, is asked about."""
    old_object: JudgedObject | None
    """The stored object; None unless `object` is there and the API server sent the old one."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A violation in one config, with what the answer and the metrics say about it."""

    violation: Violation
    """Its path starts at the root of the object."""
    cause: Cause
    """The reason that its rule has in the catalogue."""
    driver: str
    """The driver as served, or ``other``."""
    kind: str
    """The kind of the config, or ``other`` when it is none of ours; never the user's own text."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdict on one request."""

    violations: tuple[Finding, ...] = ()
    """Why the object is refused, in the order of the object; empty when it is allowed."""
    warnings: tuple[Finding, ...] = ()
    """What the user should hear although it is no reason to refuse."""

    @property
    def allowed(self) -> bool:
        """Whether the object may be stored."""
        return not self.violations


Verdict: TypeAlias = Callable[[AdmissionRequest], Decision]
"""The port of the decision: pure, and it never raises for anything a user can write."""


def read_review(body: bytes) -> AdmissionRequest:
    """Return the request of the review in *body*.

    Raises:
        MalformedReview: If nobody could be answered: no JSON, no review of admission.k8s.io/v1,
            or no uid.
        UnusableRequest: If there is a uid, and the rest contradicts itself or cannot be read.
    """
    try:
        review = wire.REVIEWS.decode(body)
    except _UNREADABLE as error:
        _refuse_body(body, error)
    uid = _uid(review)
    request = cast("wire.Request", review.request)
    operation = request.operation
    judged = old = None
    if operation not in _OPERATIONS:
        allowed = ", ".join(_OPERATIONS)
        raise UnusableRequest(uid, f"the operation is one of {allowed}, not {_shown(operation)}")
    if operation in _JUDGED_OPERATIONS and not request.sub_resource:
        judged, old = _objects(uid, request, body)
    kind = request.kind
    return AdmissionRequest(
        uid,
        operation,
        kind.group,
        kind.version,
        kind.kind,
        request.resource.resource,
        request.sub_resource,
        (judged.name if judged is not None else "") or request.name,
        request.namespace,
        bool(request.dry_run),
        judged,
        old,
    )


def _uid(review: wire.Review | wire.BareReview) -> str:
    if review.api_version != REVIEW_API_VERSION or review.kind != REVIEW_KIND:
        found = f"{_shown(review.kind)} of {_shown(review.api_version)}"
        raise MalformedReview(f"expected an {REVIEW_KIND} of {REVIEW_API_VERSION}, not {found}")
    if review.request is None or not review.request.uid:
        raise MalformedReview("the AdmissionReview has no request with a uid to answer to")
    return review.request.uid


def _refuse_body(body: bytes, error: Exception) -> NoReturn:
    sentence = _sentence(error)
    try:
        uid = _uid(wire.BARE_REVIEWS.decode(body))
    except _UNREADABLE:
        raise MalformedReview(f"the body is no AdmissionReview: {sentence}") from None
    raise UnusableRequest(uid, f"the request cannot be read: {sentence}") from None


def _check_kind(uid: str, request: wire.Request) -> None:
    kind, resource = request.kind, request.resource
    if kind.group != GROUP or kind.version not in SERVED_VERSIONS or kind.kind not in RESOURCES:
        found = f"{_shown(kind.kind)} of {_shown(f'{kind.group}/{kind.version}')}"
        served = f"{', '.join(RESOURCES)} of {GROUP} in {', '.join(SERVED_VERSIONS)}"
        raise UnusableRequest(uid, f"this webhook judges {served}, not {found}")
    if (resource.group, resource.version, resource.resource) != (
        kind.group,
        kind.version,
        RESOURCES[kind.kind],
    ):
        sentence = (
            f"the request is about {kind.kind}, and its resource is {_shown(resource.resource)}"
        )
        raise UnusableRequest(uid, sentence)


def _objects(
    uid: str, request: wire.Request, body: bytes
) -> tuple[JudgedObject, JudgedObject | None]:
    _check_kind(uid, request)
    new, old = request.object, request.old_object
    if new is None:
        raise UnusableRequest(uid, f"the {request.operation} request carries no object")
    _check_object(uid, "object", new, request.kind)
    if old is None:
        return _judged(new, b""), None
    _check_object(uid, "oldObject", old, request.kind)
    try:
        specs = wire.RAW_REVIEWS.decode(body).request
    except _UNREADABLE as error:
        # The same body was read before, but this time from deeper in the stack.
        raise UnusableRequest(uid, f"the request cannot be read: {_sentence(error)}") from None
    return _judged(new, bytes(specs.object.spec)), _judged(old, bytes(specs.old_object.spec))


def _check_object(uid: str, field: str, found: wire.Object, kind: wire.GroupVersionKind) -> None:
    if found.kind != kind.kind or found.api_version != f"{kind.group}/{kind.version}":
        shown = f"{_shown(found.kind)} of {_shown(found.api_version)}"
        wanted = f"{kind.kind} of {kind.group}/{kind.version}"
        raise UnusableRequest(uid, f"the request is about {wanted}, and its {field} is {shown}")


def _judged(found: wire.Object, spec: bytes) -> JudgedObject:
    metadata = found.metadata or wire.Metadata()
    return JudgedObject(
        metadata.name or metadata.generate_name or "",
        metadata.namespace or "",
        metadata.uid or "",
        metadata.deletion_timestamp or "",
        spec,
        tuple(
            [
                OpaqueConfig(
                    index,
                    config.opaque.driver,
                    _present(config.opaque.parameters),
                    config.requests or (),
                )
                for index, config in enumerate(_configs(found))
                if config.opaque is not None
            ]
        ),
    )


def _configs(found: wire.Object) -> tuple[wire.Config, ...]:
    spec = found.spec
    if spec is None:
        return ()
    if found.kind == "DeviceClass":
        return spec.config or ()
    claim = spec if found.kind == "ResourceClaim" else spec.spec
    devices = claim.devices if claim is not None else None
    return (devices.config or ()) if devices is not None else ()


def _present(parameters: Raw) -> bytes | None:
    text = bytes(parameters)
    return None if text in {b"", b"null"} else text


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…")


def _sentence(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
