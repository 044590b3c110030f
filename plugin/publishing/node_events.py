"""Which of the publisher's reports become Events on the Node, and in which words."""

from kube.errors import KubeError
from kube.events import EventWriter, Regarding
from plugin.publishing.reports import (
    Contested,
    NotPublishable,
    Report,
    Withdrawn,
    WriteFailed,
)


class NodeEvents:
    """Writes Events about a node's devices; called with a report, as `reports.Tell` wants it."""

    def __init__(self, writer: EventWriter, node_name: str) -> None:
        """Write nothing yet."""
        self._writer = writer
        # The kubelet's own events give the name in place of the uid, and kubectl looks for both.
        self._node = Regarding(api_version="v1", kind="Node", name=node_name, uid=node_name)

    def __call__(self, report: Report) -> None:
        """Write an Event if the report is for people; one that cannot be written is dropped.

        The same report stands in the log and in the metrics, so nothing is lost with it.
        """
        told = event_of(report)
        if told is not None:
            self.tell(*told)

    def tell(self, reason: str, note: str) -> None:
        """Write an Event, or drop it if it cannot be written.

        Args:
            reason: Why, as one word such as `DevicesNotOffered`.
            note: A sentence for people.
        """
        try:
            self._writer.write(self._node, reason=reason, note=note, action="Publish")
        except KubeError:
            return


def event_of(report: Report) -> tuple[str, str] | None:
    """Return reason and note of the Event for a report, or None if it is none for people."""
    match report:
        case Contested():
            return (
                "ResourceSlicesContested",
                (
                    "Somebody changed or deleted the ResourceSlices of this node "
                    f"{report.repairs} times within a minute. "
                    f"They are repaired every {report.seconds:g} seconds now."
                ),
            )
        case Withdrawn():
            return (
                "DevicesWithdrawn",
                (
                    "The API server dropped taints or counters, so these devices are not "
                    f"offered: {', '.join(report.devices)}. Turn on the feature gates "
                    "DRADeviceTaints and DRAPartitionableDevices there."
                ),
            )
        case NotPublishable():
            listed = "; ".join(f"{one.device}: {one.reason}" for one in report.left_out)
            return "DevicesNotPublishable", f"These devices cannot be published. {listed}."
        case WriteFailed():
            return (
                "ResourceSlicesNotPublished",
                f"The devices of this node cannot be published: {report.reason}",
            )
        case _:
            return None
