"""The JSON that an API server sends, as far as the webhook reads it.

What is left out is skipped, and `Raw` is checked for being JSON and decoded later or never.
"""

from typing import Final

import msgspec
from msgspec import Raw, Struct


class GroupVersionKind(Struct, frozen=True, gc=False):
    """What the object is."""

    group: str = ""
    version: str = ""
    kind: str = ""


class GroupVersionResource(Struct, frozen=True, gc=False):
    """Where the API server keeps it."""

    group: str = ""
    version: str = ""
    resource: str = ""


NONE: Final = Raw()


class Metadata(Struct, rename="camel", gc=False):
    """What a verdict, an answer or a log line says about the object."""

    name: str | None = None
    generate_name: str | None = None
    namespace: str | None = None
    uid: str | None = None
    deletion_timestamp: str | None = None


class Opaque(Struct, gc=False):
    """Parameters for one driver; empty bytes when they are left out."""

    driver: str = ""
    parameters: Raw = NONE


class Config(Struct):
    """One entry of a config list."""

    opaque: Opaque | None = None
    requests: tuple[str, ...] | None = None


class ConfigList(Struct):
    """The ``devices`` of a claim, and the spec of a class."""

    config: tuple[Config, ...] | None = None


class ClaimSpec(Struct):
    """The spec of a claim."""

    devices: ConfigList | None = None


class Spec(ClaimSpec):
    """The spec of a claim, a template or a class: each uses one of the fields.

    One shape for three kinds lets a review be read in one pass.
    """

    spec: ClaimSpec | None = None
    config: tuple[Config, ...] | None = None


class Object(Struct, rename="camel"):
    """A claim, template or class."""

    api_version: str = ""
    kind: str = ""
    metadata: Metadata | None = None
    spec: Spec | None = None


class Request(Struct, rename="camel"):
    """The question."""

    uid: str = ""
    kind: GroupVersionKind = GroupVersionKind()
    resource: GroupVersionResource = GroupVersionResource()
    sub_resource: str = ""
    name: str = ""
    namespace: str = ""
    operation: str = ""
    dry_run: bool | None = None
    object: Object | None = None
    old_object: Object | None = None


class Review(Struct, rename="camel"):
    """The envelope."""

    api_version: str = ""
    kind: str = ""
    request: Request | None = None


class BareRequest(Struct):
    """The question of a review that is broken elsewhere."""

    uid: str = ""


class BareReview(Struct, rename="camel"):
    """The envelope of a review that is broken further in; enough to answer to."""

    api_version: str = ""
    kind: str = ""
    request: BareRequest | None = None


class RawObject(Struct):
    """An object whose spec is not looked into; empty bytes when it is left out."""

    spec: Raw = NONE


class RawRequest(Struct, rename="camel"):
    """The new and the old object of a question, to be compared."""

    object: RawObject
    old_object: RawObject


class RawReview(Struct):
    """The envelope around two objects to be compared."""

    request: RawRequest


REVIEWS: Final = msgspec.json.Decoder(Review)
BARE_REVIEWS: Final = msgspec.json.Decoder(BareReview)
RAW_REVIEWS: Final = msgspec.json.Decoder(RawReview)
