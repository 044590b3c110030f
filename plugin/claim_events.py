"""Kubernetes Events about claims: what failed for good, and what does not do what it seems to do.

They are written by a thread of their own from a short queue. An API server that is slow or away
never delays the answer to the kubelet; what cannot be written is lost, and counted.
"""

import queue
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Protocol

import msgspec
from msgspec import Struct

from kube.client import path_of
from kube.errors import KubeError
from kube.events import SILENCE_SECONDS, EventType, EventWriter, Regarding
from plugin.preparer import (
    ClaimFailed,
    ClaimReference,
    Deadline,
    PreparedDevice,
    PrepareFailed,
    Preparer,
    UnprepareFailed,
)

WAITING: Final = 64
"""So many Events may wait to be written; more are lost."""
REMEMBERED: Final = 256
"""So many are remembered, so that none is written each time that the kubelet asks again."""
MOST_PODS: Final = 16
"""Of the pods that share a claim, so many get an Event; the others have the claim's own."""
_CLAIM_SECONDS: Final = 5.0


class Reader(Protocol):
    """The part of `kube.client.Client` that is needed."""

    def get_bytes(self, path: str, *, seconds: float | None = None) -> bytes:
        """Return the object at *path* as the server writes it."""
        ...


class _Consumer(Struct, rename="camel"):
    resource: str
    name: str
    uid: str
    api_group: str = ""


class _Status(Struct, rename="camel"):
    reserved_for: tuple[_Consumer, ...] | None = None


class _Metadata(Struct):
    uid: str


class _Claim(Struct):
    metadata: _Metadata
    status: _Status | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """One Event to write."""

    claim: ClaimReference
    reason: str
    action: str
    sentence: str
    pods: bool
    """Whether the pods of the claim get it, too."""


class ClaimEvents:
    """Writes Events about claims; safe to use from several threads."""

    def __init__(
        self,
        client: Reader,
        writer: EventWriter,
        *,
        api_version: Callable[[], str | None],
        lost: Callable[[str], object],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Write nothing before `start`.

        Args:
            client: The API server.
            writer: Writes to the same.
            api_version: Tells which version of claims is served, such as `resource.k8s.io/v1`;
                None as long as nobody knows.
            lost: Is told of each Event that is not written, from any thread.
            monotonic: Seconds of a clock that never goes back.
        """
        self._client = client
        self._writer = writer
        self._api_version = api_version
        self._lost = lost
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._lost_count = 0
        self._asked: OrderedDict[_Told, float] = OrderedDict()
        self._waiting: queue.Queue[_Told | None] = queue.Queue(WAITING)
        self._thread = threading.Thread(target=self._run, name="claim-events", daemon=True)

    @property
    def lost_count(self) -> int:
        """Return how many Events were not written."""
        with self._lock:
            return self._lost_count

    def start(self) -> None:
        """Begin to write; call it once."""
        self._thread.start()

    def stop(self, seconds: float) -> None:
        """Write what waits, within *seconds* at most; what is told later is lost."""
        if self._thread.ident is None:
            return
        until = self._monotonic() + seconds
        try:
            self._waiting.put(None, timeout=seconds)
        except queue.Full:
            return
        self._thread.join(max(0.0, until - self._monotonic()))

    def warn(self, claim: ClaimReference, sentence: str) -> None:
        """Let a warning that is no failure be written on a claim; returns at once."""
        self._put(
            _Told(
                claim=claim,
                reason="ClaimWarning",
                action="Prepare",
                sentence=sentence,
                pods=False,
            )
        )

    def fail(self, claim: ClaimReference, failure: ClaimFailed) -> None:
        """Let a failure be written on a claim and on the pods that it is for; returns at once."""
        action = "Unprepare" if isinstance(failure, UnprepareFailed) else "Prepare"
        self._put(
            _Told(
                claim=claim,
                reason=f"{action}Failed",
                action=action,
                sentence=failure.sentence,
                pods=True,
            )
        )

    def _put(self, told: _Told) -> None:
        # JSON cannot carry the odd bytes that a path in the sentence may have.
        sentence = told.sentence.encode(errors="backslashreplace").decode()
        told = replace(told, sentence=sentence)
        with self._lock:
            now = self._monotonic()
            asked = self._asked.get(told)
            if asked is not None and now - asked < SILENCE_SECONDS:
                return
            self._asked[told] = now
            self._asked.move_to_end(told)
            while len(self._asked) > REMEMBERED:
                self._asked.popitem(last=False)
        try:
            self._waiting.put_nowait(told)
        except queue.Full:
            self._lose(told, "too many others wait to be written")

    def _lose(self, told: _Told, why: str) -> None:
        with self._lock:
            self._lost_count += 1
            # The kubelet asks again, and there may be an answer then.
            self._asked.pop(told, None)
        self._lost(f"The Event {told.reason} about claim {told.claim} was not written: {why}")

    def _run(self) -> None:
        while True:
            told = self._waiting.get()
            if told is None:
                return
            try:
                self._write(told)
            except KubeError as error:
                self._lose(told, str(error))

    def _write(self, told: _Told) -> None:
        """Write an Event on the claim, and then on its pods.

        Raises:
            KubeError: One of them cannot be written.
        """
        api_version = self._api_version() or "resource.k8s.io/v1"
        claim = Regarding(
            api_version=api_version,
            kind="ResourceClaim",
            name=told.claim.name,
            namespace=told.claim.namespace,
            uid=told.claim.uid,
        )
        pods = self._pods(told.claim, api_version) if told.pods else ()
        for regarding in (claim, *pods):
            self._writer.write(
                regarding,
                reason=told.reason,
                note=told.sentence,
                action=told.action,
                event_type=EventType.WARNING,
            )

    def _pods(self, claim: ClaimReference, api_version: str) -> tuple[Regarding, ...]:
        """Return the pods that a claim is reserved for; none if nobody can tell."""
        path = path_of(api_version, "resourceclaims", claim.name, namespace=claim.namespace)
        try:
            found = msgspec.json.decode(
                self._client.get_bytes(path, seconds=_CLAIM_SECONDS), type=_Claim
            )
        except (KubeError, msgspec.DecodeError, UnicodeDecodeError):
            # A claim that is gone may be what failed: its own Event is written all the same.
            return ()
        if found.metadata.uid != claim.uid or found.status is None:
            return ()
        return tuple(
            Regarding(
                api_version="v1",
                kind="Pod",
                name=one.name,
                namespace=claim.namespace,
                uid=one.uid,
            )
            for one in (found.status.reserved_for or ())[:MOST_PODS]
            if (one.api_group, one.resource) == ("", "pods")
        )


class TellingPreparer:
    """Passes claims on to another preparer, and lets Events tell of what fails for good.

    Implements `preparer.Preparer`. Failures that may pass are not told: the kubelet writes the
    last one on the pod each time that it gives up.
    """

    def __init__(self, preparer: Preparer, events: ClaimEvents) -> None:
        """Pass on to *preparer*, and tell *events*."""
        self._preparer = preparer
        self._events = events

    def prepare(self, claim: ClaimReference, deadline: Deadline) -> tuple[PreparedDevice, ...]:
        """Prepare a claim."""
        try:
            return self._preparer.prepare(claim, deadline)
        except PrepareFailed as failure:
            if failure.permanent:
                self._events.fail(claim, failure)
            raise

    def unprepare(self, claim: ClaimReference, deadline: Deadline) -> None:
        """Unprepare a claim."""
        try:
            self._preparer.unprepare(claim, deadline)
        except UnprepareFailed as failure:
            if failure.permanent:
                self._events.fail(claim, failure)
            raise
