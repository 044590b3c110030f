"""What the plugin says of its work, and where: in the log, in the metrics, in Events."""

import dataclasses
from typing import Final

from logs.lines import Log, LogLevel
from plugin.claim_events import ClaimEvents
from plugin.preparer import ClaimReference
from plugin.publishing.node_events import NodeEvents
from plugin.publishing.reports import (
    Altered,
    Contested,
    NotPublishable,
    Published,
    Report,
    ServerFound,
    ServerLost,
    Withdrawn,
    WriteFailed,
)
from plugin.telemetry import PublishingTelemetry

_WORDS: Final[dict[type[Report], tuple[LogLevel, str]]] = {
    Published: (LogLevel.INFO, "published"),
    Contested: (LogLevel.WARNING, "somebody changes our ResourceSlices again and again"),
    Withdrawn: (LogLevel.WARNING, "the API server dropped taints or counters"),
    Altered: (LogLevel.WARNING, "the API server stored a ResourceSlice in another form"),
    NotPublishable: (LogLevel.WARNING, "devices cannot be published"),
    WriteFailed: (LogLevel.ERROR, "a ResourceSlice cannot be written"),
    ServerLost: (LogLevel.WARNING, "the API server does not answer"),
    ServerFound: (LogLevel.INFO, "the API server answers"),
}


class Reporting:
    """Passes on what publishing and preparing tell; may be called from any thread."""

    def __init__(
        self,
        log: Log,
        telemetry: PublishingTelemetry,
        node_events: NodeEvents,
        claim_events: ClaimEvents,
    ) -> None:
        self._log = log
        self._telemetry = telemetry
        self._node_events = node_events
        self._claim_events = claim_events

    def of_slices(self, report: Report) -> None:
        """Pass on what the publisher tells."""
        self._telemetry(report)
        level, words = _WORDS[type(report)]
        self._log.event(level, words, **_fields(report))
        self._node_events(report)

    def of_devices(self, *, present: int, withheld: int) -> None:
        """Count the devices that the machine shows, and those of them that are not offered."""
        self._telemetry.present_devices.set(present)
        self._telemetry.withheld_devices.set(withheld)

    def of_node(self, reason: str, sentence: str) -> None:
        """Pass on what is wrong with the devices of the node.

        Args:
            reason: One word for the Event.
            sentence: What is wrong and what to do.
        """
        self._log.event(LogLevel.WARNING, "not all devices are offered", reason=sentence)
        self._node_events.tell(reason, sentence)

    def of_recovered_node(self) -> None:
        """Log that nothing is wrong any more."""
        self._log.event(LogLevel.INFO, "all devices are offered again")

    def of_claim(self, claim: ClaimReference, sentence: str) -> None:
        """Pass on what is odd about a claim and no failure."""
        self.of_release(claim, sentence)
        self._claim_events.warn(claim, sentence)

    def of_release(self, claim: ClaimReference, sentence: str) -> None:
        """Log what became of a claim that is gone, about which no Event can be."""
        self._log.event(LogLevel.WARNING, sentence, claim=str(claim), claimUID=claim.uid)


def _fields(report: Report) -> dict[str, object]:
    if isinstance(report, NotPublishable):
        return {"devices": {one.device: one.reason for one in report.left_out}}
    return dataclasses.asdict(report)
