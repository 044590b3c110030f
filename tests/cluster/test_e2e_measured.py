"""The measurement of admission runs on this rig; nobody asks it how fast it was."""

import pytest

from benchmarks import admission


@pytest.mark.usefixtures("api_server")
def test_admission_is_measured_with_and_without_our_webhook() -> None:
    rows = list(admission.measure(0.35))
    assert len(rows) == 18
    by_what = {row.what: row for row in rows}
    for clients in ("1 client", "8 clients", "32 clients"):
        assert by_what[f"{clients}: admission by our webhook, mean"].ours > 0
        assert by_what[f"{clients}: creation of a claim, p50"].peer
        assert 0 <= by_what[f"{clients}: admission within 25 ms"].ours <= 100
