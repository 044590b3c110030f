"""The reference page tells of every flag, metric and Event that there is, and of no other."""

import re
from pathlib import Path

from prometheus_client import CollectorRegistry

from plugin.checkpoint import Checkpoint
from plugin.rpc.telemetry import EdgeTelemetry
from plugin.settings import PREFIX, _parser, parse_settings
from plugin.telemetry import PreparedDevices, PublishingTelemetry
from tests.reference_pages import table

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "plugin.md"
ENVIRONMENT = {
    "KUBERNETES_SERVICE_HOST": "10.96.0.1",
    "KUBERNETES_SERVICE_PORT": "443",
    "DRA_CONFIG_PLUGIN_NODE_NAME": "node-a",
}
EVENT_SOURCES = ("claim_events.py", "device_upkeep.py", "publishing/node_events.py")


def test_every_flag_stands_in_the_table_with_its_variable() -> None:
    documented = {flag: variable for flag, variable, *_ in table(PAGE, "Flag")}
    assert documented == {
        f"--{name.replace('_', '-')}": PREFIX + name.upper()
        for name in vars(_parser().parse_args([]))
    }


def test_the_documented_defaults_are_those_in_force() -> None:
    rows = [row for row in table(PAGE, "Flag") if row[2] and row[0] != "--crash-at"]
    given = [f"{flag}={default}" for flag, _, default, _ in rows]
    assert parse_settings(given, ENVIRONMENT) == parse_settings([], ENVIRONMENT)


def test_every_metric_stands_in_the_table_with_its_type(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    EdgeTelemetry(registry)
    PublishingTelemetry(registry)
    registry.register(PreparedDevices(Checkpoint(tmp_path / "claims", boot_id="boot")))
    documented = {name: kind for name, kind, _ in table(PAGE, "Name")}
    assert documented == {family.name: family.type for family in registry.collect()}


def test_every_event_stands_in_the_table() -> None:
    documented = {reason for row in table(PAGE, "Reason") for reason in re.findall(r"\w+", row[0])}
    sources = "".join((ROOT / "plugin" / name).read_text() for name in EVENT_SOURCES)
    written = {
        word
        for word in re.findall(r'"([A-Z][a-z]+(?:[A-Z][a-z]+)+)"', sources)
        if word != "ResourceClaim"
    }
    assert written <= documented | {"PrepareFailed", "UnprepareFailed"}
    assert documented - written <= {"PrepareFailed", "UnprepareFailed"}


def test_every_line_that_the_page_names_is_logged_somewhere() -> None:
    named = re.findall(r"`([a-zA-Z ]+)`", PAGE.read_text().rpartition("Some to look for:")[2])
    assert len(named) > 5
    sources = "".join(path.read_text() for path in (ROOT / "plugin").rglob("*.py"))
    assert [message for message in named if f'"{message}"' not in sources] == []
