"""Every measurement runs, and none of them is asked how fast it was."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import inputs, library, manifests, start, tree, webhook
from benchmarks.comparison import Row, by_turns, compare, render
from benchmarks.union import UNION
from dra_config import load
from dra_config.gates import FeatureGates

ROOT = Path(__file__).resolve().parents[1]


def test_the_library_is_measured_beside_the_union() -> None:
    rows = list(library.measure(0.01))
    assert len(rows) == 6
    assert all(row.ours > 0 and row.peer for row in rows)
    assert [row.goal for row in rows] == [1.8, None, None, None, None, None]


def test_without_the_public_verdicts_our_own_cases_stand_in(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(inputs, "VERDICTS", tmp_path / "nothing.jsonl")
    name, cases = inputs.read_cases()
    assert "tests/corpus" in name
    assert len(cases) > 20
    for case in cases:
        load(case.raw, driver=case.driver, gates=case.gates)


def test_the_union_reads_what_we_read_and_refuses_what_it_does_not_know() -> None:
    accepted = b'{"apiVersion":"resource.nvidia.com/v1beta1","kind":"GpuConfig"}'
    assert UNION.validate_json(accepted).api_version == "resource.nvidia.com/v1beta1"
    with pytest.raises(ValueError, match="colour"):
        UNION.validate_json(accepted[:-1] + b',"colour":1}')


def test_the_webhook_is_measured_beside_the_bare_app() -> None:
    rows = {row.what: row for row in webhook.measure(0.02)}
    assert rows["2 configs, 16 connections: CPU a request"].goal in {1.6, None}
    assert rows["32 configs, 1 connection: requests a second"].ours > 0
    assert rows["a new TLS connection for each request: connections a second"].ours > 0
    assert rows["resident memory of a worker after all this"].ours > 1
    assert len(rows) == 24


def test_no_two_configs_of_a_measurement_are_alike() -> None:
    found = [
        text
        for body in inputs.reviews(32, 100)
        for text in re.findall(rb'"parameters":(\{.*?\}\}\})', body)
    ]
    assert len(found) == 3200
    assert len(set(found)) == 3200
    assert load(found[0], gates=FeatureGates.parse("MPSSupport=true")).warnings == ()


def test_manifests_are_measured_beside_the_parser() -> None:
    rows = list(manifests.measure(0.01))
    assert all(row.ours > 0 and row.peer for row in rows)
    assert len(rows) == 2


def test_a_tree_is_measured_beside_kubeconform_where_it_is_to_be_had(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tree, "kubeconform", lambda _folder: None)
    rows = list(tree.measure(0.01))
    assert [row.what for row in rows] == [
        "a file with two jobs, beside one",
        "a file with two jobs, beside one: CPU",
        "a run over one file, beside one over the whole tree",
        "peak memory, beside a tenth of the files",
    ]
    assert all(row.ours > 0 and row.peer for row in rows)


def test_starts_are_measured_beside_imports() -> None:
    rows = list(start.measure(0.01))
    assert [row.goal for row in rows] == [3.0, 3.0, 1.5, None, None, 1.3]
    assert all(row.ours > 0 and row.peer for row in rows)


def test_the_command_prints_a_table_for_each_part() -> None:
    command = [sys.executable, "-m", "benchmarks", "library", "manifests", "--seconds", "0.01"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.index("## Library") < run.stdout.index("## Manifests")


def test_a_part_that_does_not_exist_is_refused() -> None:
    command = [sys.executable, "-m", "benchmarks", "librarian"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert "librarian" in run.stderr


def test_sides_are_measured_by_turns() -> None:
    order: list[str] = []

    def side(name: str, value: float) -> float:
        order.append(name)
        return value

    ours, peer = by_turns((lambda: side("ours", 3.0), lambda: side("peer", 2.0)), 2)
    assert order == ["ours", "peer", "ours", "peer"]
    assert (ours, peer) == ([3.0, 3.0], [2.0, 2.0])


def test_a_ratio_is_the_middle_one_of_the_rounds() -> None:
    row = compare("x", "s", [2.0, 9.0, 6.0], [2.0, 3.0, 3.0], goal=1.6)
    assert (row.ratio, row.spread) == (2.0, (1.0, 3.0))
    assert row.verdict == "MISSED, 125% of it"


def test_a_peer_too_quick_for_the_clock_gives_no_ratio_and_no_verdict() -> None:
    row = compare("x", "s", [1.0], [0.0], goal=1.6)
    assert (row.ratio, row.verdict) == (None, "")


def test_a_row_without_a_peer_is_held_against_its_goal_itself() -> None:
    row = Row("memory", "MiB", 40.0, None, None, goal=80.0)
    assert row.verdict == "met, 50% of it"
    table = render("t", "n", [row])
    assert "| memory | MiB | 40.0 |  |  | 80 MiB | met, 50% of it |" in table


def test_a_table_of_ratios_shows_nothing_that_only_the_machine_decides() -> None:
    rows = [
        compare("x", "s", [123.0], [41.0], goal=4.0),
        Row("how busy", "%", 55.0, 66.0, None),
    ]
    table = render("t", "n", rows, only_ratios=True)
    assert "| x | 3.00 (3.00 to 3.00) | 4 | met, 75% of it |" in table
    assert "123" not in table
    assert "how busy" not in table
