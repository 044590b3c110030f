"""A machine that cannot run the test cluster says why, in sentences."""

import dataclasses
import platform
from pathlib import Path

import pytest

from tests.cluster import machine
from tests.cluster.machine import GIB, Facts, obstacles

GOOD = Facts(
    system="Linux",
    processor="amd64",
    is_root=True,
    namespaces="",
    links="",
    has_cgroups=True,
    has_overlay=True,
    memory_bytes=4 * GIB,
    cache=Path("/cache"),
    disk_bytes=20 * GIB,
    will_build=True,
    can_compile=True,
)


def test_a_machine_with_everything_has_no_obstacle() -> None:
    assert obstacles(GOOD) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"processor": ""}, "amd64 and arm64"),
        ({"is_root": False}, "needs root"),
        ({"namespaces": "Operation not permitted"}, "Operation not permitted"),
        ({"links": "Unknown device type"}, "Unknown device type"),
        ({"has_cgroups": False}, "/sys/fs/cgroup"),
        ({"has_overlay": False}, "overlay"),
        ({"memory_bytes": 2 * GIB}, "has 2.0 GiB"),
        ({"disk_bytes": 14 * GIB}, "15 GiB of free disk at /cache"),
        ({"disk_bytes": GIB, "will_build": False}, "2 GiB of free disk at /cache"),
        ({"can_compile": False}, "Neither Go nor pip"),
    ],
)
def test_each_thing_that_is_missing_is_one_sentence(change: dict[str, object], words: str) -> None:
    found = obstacles(dataclasses.replace(GOOD, **change))  # type: ignore[arg-type]
    assert len(found) == 1
    assert words in found[0]
    assert found[0].endswith((".", words))


def test_all_obstacles_are_told_at_once() -> None:
    found = obstacles(dataclasses.replace(GOOD, has_overlay=False, has_cgroups=False))
    assert len(found) == 2


def test_another_system_is_told_nothing_but_that_it_is_not_linux() -> None:
    found = obstacles(dataclasses.replace(GOOD, system="Darwin", processor="", is_root=False))
    assert found == ["The test cluster needs Linux, and this is Darwin."]


def test_an_ordinary_user_is_not_told_about_namespaces_that_root_could_make() -> None:
    found = obstacles(dataclasses.replace(GOOD, is_root=False, namespaces="not permitted"))
    assert len(found) == 1


def test_a_cache_with_programs_needs_neither_a_compiler_nor_the_disk_to_build() -> None:
    built = dataclasses.replace(GOOD, will_build=False, can_compile=False, disk_bytes=3 * GIB)
    assert obstacles(built) == []


@pytest.mark.skipif(platform.system() != "Linux", reason="looks at a Linux machine")
def test_looking_finds_this_machines_kernel_and_memory() -> None:
    facts = machine.look()
    assert facts.system == "Linux"
    assert facts.memory_bytes > 0
    assert facts.disk_bytes > 0


def test_looking_says_whether_there_is_anything_to_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("KUBE_BIN_DIR", raising=False)
    assert machine.look().will_build
    (tmp_path / "dra-config" / "cluster" / "programs").mkdir(parents=True)
    assert not machine.look().will_build


@pytest.mark.parametrize(
    ("files", "complete"),
    [
        ({"cgroup.controllers": "cpu io memory pids\n"}, True),
        ({"cgroup.controllers": "cpu pids\n"}, False),
        ({"memory/tasks": "", "cpu,cpuacct/tasks": ""}, True),
        ({"memory/tasks": "", "cpu/tasks": ""}, True),
        ({"pids/tasks": ""}, False),
    ],
)
def test_cgroups_of_both_versions_are_known(
    tmp_path: Path, files: dict[str, str], *, complete: bool
) -> None:
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert machine._has_cgroups(tmp_path) is complete
