"""The packages of the system: what is missing is named, installed, or said with its command."""

from pathlib import Path

import pytest

from tools import debian

WANTED = {"runc": ("runc",), "ip": ("iproute2", "iproute2-more")}


def system(folder: Path, apt_get: str) -> str:
    """Return the search path of a system whose apt-get is the shell script *apt_get*."""
    program = folder / "apt-get"
    program.write_text(f"#!/bin/sh\ncd '{folder}'\necho \"$@\" >> asked\n{apt_get}\n")
    program.chmod(0o755)
    return str(folder)


def asked(folder: Path) -> list[str]:
    file = folder / "asked"
    lines = file.read_text().splitlines() if file.exists() else []
    return [line.partition("Timeout=300 ")[2] for line in lines]


def test_missing_packages_are_named_and_installed(tmp_path: Path) -> None:
    told: list[str] = []
    debian.ensure(
        WANTED,
        purpose="The tests",
        report=told.append,
        search_path=system(tmp_path, 'case "$*" in *install*) cp apt-get runc; cp runc ip;; esac'),
        is_root=True,
    )
    assert asked(tmp_path) == [
        "update",
        "install --yes --no-install-recommends iproute2 iproute2-more runc",
    ]
    assert told == ["installing iproute2, iproute2-more, runc"]


def test_nothing_is_asked_of_apt_where_nothing_is_missing(tmp_path: Path) -> None:
    path = system(tmp_path, "")
    (tmp_path / "runc").touch(mode=0o755)
    (tmp_path / "ip").touch(mode=0o755)
    debian.ensure(WANTED, purpose="The tests", report=print, search_path=path, is_root=True)
    assert asked(tmp_path) == []


def test_an_ordinary_user_is_told_the_command(tmp_path: Path) -> None:
    with pytest.raises(
        debian.MissingPackages,
        match=r"^The tests .* As root: apt-get install --no-install-recommends iproute2 ",
    ):
        debian.ensure(
            WANTED,
            purpose="The tests",
            report=print,
            search_path=system(tmp_path, ""),
            is_root=False,
        )
    assert asked(tmp_path) == []


def test_a_system_without_apt_is_told_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(debian.MissingPackages, match=r"Debian calls iproute2, .*no apt-get"):
        debian.ensure(
            WANTED, purpose="The tests", report=print, search_path=str(tmp_path), is_root=True
        )


def test_what_apt_says_is_passed_on_when_it_fails(tmp_path: Path) -> None:
    path = system(tmp_path, "echo E: no such package; exit 100")
    with pytest.raises(
        debian.MissingPackages, match=r"(?s)update ended with 100.*E: no such package"
    ):
        debian.ensure(WANTED, purpose="The tests", report=print, search_path=path, is_root=True)


def test_a_package_that_does_not_bring_its_program_is_noticed(tmp_path: Path) -> None:
    path = system(tmp_path, "cp apt-get runc")
    with pytest.raises(debian.MissingPackages, match=r"iproute2, iproute2-more: installed, but"):
        debian.ensure(WANTED, purpose="The tests", report=print, search_path=path, is_root=True)


def test_a_package_is_missing_as_long_as_its_program_is(tmp_path: Path) -> None:
    assert debian.missing(WANTED, str(tmp_path)) == ["iproute2", "iproute2-more", "runc"]
    (tmp_path / "ip").touch(mode=0o755)
    assert debian.missing(WANTED, str(tmp_path)) == ["runc"]
