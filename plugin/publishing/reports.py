"""What the publisher tells about its work, for logs, metrics and Events."""

from collections.abc import Callable
from dataclasses import dataclass

from plugin.publishing.layout import LeftOut


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """The slices are as they should be, after some writes."""

    generation: int
    slices: int
    devices: int
    writes: int
    repaired: bool
    """Whether somebody else had changed or removed slices."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contested:
    """Somebody changes our slices again and again, so repairs come more slowly."""

    repairs: int
    seconds: float
    """Between two repairs from now on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawn:
    """The server dropped taints or counters, so these devices are not offered any more."""

    devices: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Altered:
    """The server stored a slice in another form than it was sent; that form is taken."""

    slice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotPublishable:
    """These devices cannot be published."""

    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteFailed:
    """The server refuses a write, or the node; it is tried again after so many seconds."""

    reason: str
    retry_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLost:
    """The API server does not answer; told once for each outage."""

    reason: str


@dataclass(frozen=True, slots=True)
class ServerFound:
    """The API server answers, for the first time or again."""


Report = (
    Published
    | Contested
    | Withdrawn
    | Altered
    | NotPublishable
    | WriteFailed
    | ServerLost
    | ServerFound
)

Tell = Callable[[Report], None]
"""Called from the publisher's threads; must return soon and must not raise."""
