"""How numbers are added up."""

from webhook.telemetry import SERIES_PER_WORKER, SharedMemory, Telemetry, render_metrics

BUILD = {"version": "1.2.3"}


def lines(memory: SharedMemory) -> list[str]:
    text = render_metrics(memory, BUILD).decode()
    return [line.removeprefix("dra_config_webhook_") for line in text.splitlines()]


def test_the_rows_of_all_workers_are_summed_and_the_earliest_expiry_is_shown() -> None:
    memory = SharedMemory(3)
    for worker in range(2):
        telemetry = Telemetry(memory.row(worker))
        telemetry.rejected("d", "k", "DRA101")
        telemetry.enter()
        telemetry.certificate_loaded(2000 - worker)
    found = lines(memory)
    assert 'rejected_configs_total{driver="d",kind="k",rule="DRA101"} 2' in found
    assert "in_flight 2" in found
    assert "certificate_not_after_seconds 1999" in found
    assert 'build_info{version="1.2.3"} 1' in found


def test_a_successor_goes_on_counting_but_has_nothing_in_flight() -> None:
    memory = SharedMemory(1)
    first = Telemetry(memory.row(0))
    first.enter()
    first.panicked()
    Telemetry(memory.row(0)).panicked()
    assert "in_flight 0" in lines(memory)
    assert "panics_total 2" in lines(memory)


def test_durations_fall_into_buckets_that_include_their_bound() -> None:
    memory = SharedMemory(1)
    telemetry = Telemetry(memory.row(0))
    for nanoseconds in (500_000, 500_001, 20_000_000_000):
        telemetry.decided("r", "v1", "CREATE", allowed=True, nanoseconds=nanoseconds)
    found = lines(memory)
    assert 'request_duration_seconds_bucket{le="0.0005"} 1' in found
    assert 'request_duration_seconds_bucket{le="0.001"} 2' in found
    assert 'request_duration_seconds_bucket{le="10.0"} 2' in found
    assert 'request_duration_seconds_bucket{le="+Inf"} 3' in found
    assert "request_duration_seconds_sum 20.001000001" in found
    assert "request_duration_seconds_count 3" in found


def test_too_many_kinds_of_refusal_are_counted_as_other() -> None:
    memory = SharedMemory(1)
    telemetry = Telemetry(memory.row(0))
    for number in range(SERIES_PER_WORKER):
        telemetry.rejected("d", "k", f"DRA{number}")
    telemetry.rejected("d" * 200, "k", "DRA101")
    telemetry.decided("r", "v1", "CREATE", allowed=True, nanoseconds=1)
    counted = [line for line in lines(memory) if line.startswith("rejected_configs_total{")]
    assert sum(int(line.rsplit(" ", 1)[1]) for line in counted) == SERIES_PER_WORKER + 1
    assert any(line.startswith("requests_total{") for line in lines(memory))


def test_every_family_has_help_and_type() -> None:
    found = lines(SharedMemory(1))
    helped = [line.split()[2] for line in found if line.startswith("# HELP")]
    typed = [line.split()[2] for line in found if line.startswith("# TYPE")]
    assert helped == typed
    assert len(helped) == 10
