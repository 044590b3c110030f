"""Kubernetes Events: what somebody who looks at a Node or a Pod should read."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from kube.client import Client, name_prefix, path_of

LONGEST_NOTE_BYTES: Final = 1024
SILENCE_SECONDS: Final = 600.0
"""An event that repeats an earlier one word by word within this time is not written."""

REMEMBERED: Final = 256
EVENT_SECONDS: Final = 5.0
_CLUSTER_NAMESPACE: Final = "default"
"""Where the API wants Events about objects without a namespace."""


class EventType(StrEnum):
    """How much an event matters."""

    NORMAL = "Normal"
    WARNING = "Warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Regarding:
    """The object that an event is about."""

    api_version: str
    kind: str
    name: str
    namespace: str = ""
    uid: str = ""


class EventWriter:
    """Writes Events under one name; safe to use from several threads."""

    def __init__(
        self,
        client: Client,
        *,
        controller: str,
        instance: str,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        """Write nothing yet.

        Args:
            client: The API server.
            controller: Who writes, such as the driver's name.
            instance: Which of those that write under this name, such as the node's name.
            now: The time with its zone.
            monotonic: Seconds of a clock that never goes back.
        """
        self._client = client
        self._controller = controller
        self._instance = instance
        self._now = now
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._written: OrderedDict[tuple[Regarding, str, str], float] = OrderedDict()

    def write(
        self,
        regarding: Regarding,
        *,
        reason: str,
        note: str,
        action: str,
        event_type: EventType = EventType.WARNING,
    ) -> None:
        """Write one event, unless the same was written within ten minutes.

        Args:
            regarding: The object it is about.
            reason: Why, as one word such as `SlicesRepaired`.
            note: A sentence for people; what is longer than 1024 bytes is cut.
            action: What was done, as one word such as `Publish`.
            event_type: How much it matters.

        Raises:
            KubeError: It cannot be written; the next call with the same words tries again.
        """
        key = (regarding, reason, note)
        with self._lock:
            if not self._is_new(key):
                return
        namespace = regarding.namespace or _CLUSTER_NAMESPACE
        reference = {
            "apiVersion": regarding.api_version,
            "kind": regarding.kind,
            "name": regarding.name,
            "namespace": regarding.namespace,
            "uid": regarding.uid,
        }
        body = {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"generateName": name_prefix(regarding.name), "namespace": namespace},
            "eventTime": self._now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "reportingController": self._controller,
            "reportingInstance": self._instance,
            "type": event_type.value,
            "reason": reason,
            "action": action,
            "note": cut(note, LONGEST_NOTE_BYTES),
            "regarding": {name: value for name, value in reference.items() if value},
        }
        path = path_of("events.k8s.io/v1", "events", namespace=namespace)
        self._client.create(path, body, seconds=EVENT_SECONDS)
        with self._lock:
            self._written[key] = self._monotonic()
            self._written.move_to_end(key)
            while len(self._written) > REMEMBERED:
                self._written.popitem(last=False)

    def _is_new(self, key: tuple[Regarding, str, str]) -> bool:
        written = self._written.get(key)
        return written is None or self._monotonic() - written >= SILENCE_SECONDS


def cut(text: str, longest_bytes: int) -> str:
    """Return as much of *text* as fits into so many bytes of UTF-8, no character halved."""
    return text.encode()[:longest_bytes].decode(errors="ignore")
