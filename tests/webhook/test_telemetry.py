"""How numbers are added up, and that Prometheus can read them."""

import subprocess
import sys

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from tests.webhook.served import ROOT
from webhook.telemetry import (
    FAMILIES,
    PREFIX,
    SERIES_PER_WORKER,
    SharedMemory,
    Telemetry,
    render_metrics,
)

BUILD = {"version": "1.2.3"}


def scrape(memory: SharedMemory) -> dict[str, Metric]:
    """Return the families of a scrape by their name without our prefix, as Prometheus reads it."""
    text = render_metrics(memory, BUILD).decode()
    families = text_string_to_metric_families(text)
    return {family.name.removeprefix(PREFIX): family for family in families}


def value(memory: SharedMemory, name: str, **labels: str) -> float:
    """Return the one sample of that name and those labels."""
    (found,) = [
        sample.value
        for family in scrape(memory).values()
        for sample in family.samples
        if sample.name == PREFIX + name and sample.labels == labels
    ]
    return float(found)


def test_the_rows_of_all_workers_are_summed_and_the_earliest_expiry_is_shown() -> None:
    memory = SharedMemory(3)
    for worker in range(2):
        telemetry = Telemetry(memory.row(worker))
        telemetry.rejected("d", "k", "DRA101")
        telemetry.enter()
        telemetry.certificate_loaded(2000 - worker)
    assert value(memory, "rejected_configs_total", driver="d", kind="k", rule="DRA101") == 2
    assert value(memory, "in_flight") == 2
    assert value(memory, "certificate_not_after_seconds") == 1999
    assert value(memory, "build_info", version="1.2.3") == 1


def test_a_successor_goes_on_counting_but_has_nothing_in_flight() -> None:
    memory = SharedMemory(1)
    first = Telemetry(memory.row(0))
    first.enter()
    first.panicked()
    Telemetry(memory.row(0)).panicked()
    assert value(memory, "in_flight") == 0
    assert value(memory, "panics_total") == 2


def test_durations_fall_into_buckets_that_include_their_bound() -> None:
    memory = SharedMemory(1)
    telemetry = Telemetry(memory.row(0))
    for nanoseconds in (500_000, 500_001, 20_000_000_000):
        telemetry.decided("r", "v1", "CREATE", allowed=True, nanoseconds=nanoseconds)
    assert value(memory, "request_duration_seconds_bucket", le="0.0005") == 1
    assert value(memory, "request_duration_seconds_bucket", le="0.001") == 2
    assert value(memory, "request_duration_seconds_bucket", le="10.0") == 2
    assert value(memory, "request_duration_seconds_bucket", le="+Inf") == 3
    assert value(memory, "request_duration_seconds_sum") == 20.001000001
    assert value(memory, "request_duration_seconds_count") == 3


def test_too_many_kinds_of_refusal_are_counted_as_other() -> None:
    memory = SharedMemory(1)
    telemetry = Telemetry(memory.row(0))
    for number in range(SERIES_PER_WORKER):
        telemetry.rejected("d", "k", f"DRA{number}")
    telemetry.rejected("d" * 200, "k", "DRA101")
    telemetry.decided("r", "v1", "CREATE", allowed=True, nanoseconds=1)
    families = scrape(memory)
    counted = families["rejected_configs"].samples
    assert sum(sample.value for sample in counted) == SERIES_PER_WORKER + 1
    others = dict.fromkeys(("driver", "kind", "rule"), "other")
    assert value(memory, "rejected_configs_total", **others) > 1
    assert len(families["requests"].samples) == 1


def test_every_family_has_help_and_type_even_before_anything_is_counted() -> None:
    found = scrape(SharedMemory(1))
    assert {name: (f.type, f.documentation) for name, f in found.items()} == {
        name.removesuffix("_total"): family for name, family in FAMILIES.items()
    }


def test_counters_that_alerts_watch_are_there_at_zero() -> None:
    memory = SharedMemory(1)
    Telemetry(memory.row(0))
    for name in ("panics_total", "certificate_reload_errors_total", "certificate_reloads_total"):
        assert value(memory, name) == 0


def test_no_scrape_means_that_the_client_library_is_not_imported() -> None:
    code = "import webhook.service, sys; print('prometheus_client' in sys.modules)"
    command = [sys.executable, "-c", code]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout == "False\n"
