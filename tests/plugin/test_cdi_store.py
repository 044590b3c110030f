"""The files in the folder of the runtime: whole, readable, swept; and the hook beside them."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from plugin.cdi import CdiError, CdiStore, NoSpaceError, install_hook, render
from plugin.durable_files import UnsafeNameError
from tests.plugin.cdi_examples import device, example_spec, facts
from tests.plugin.cdi_judges import Runtime, runtime
from tests.plugin.checkpoint_examples import UID, Crash, CrashingSteps

__all__ = ["runtime"]

OTHER = "6d0d1d6e-0002-4000-8000-000000000002"
NAME = f"k8s.gpu.nvidia.com-claim_{UID}.json"


def test_a_claim_has_one_file_that_everybody_reads(runtime: Runtime, tmp_path: Path) -> None:
    store = CdiStore(tmp_path / "cdi")
    old = os.umask(0o077)
    try:
        ids = store.write(UID, render(facts(device(0), device(1))))
    finally:
        os.umask(old)
    assert ids == (
        f"k8s.gpu.nvidia.com/claim={UID}-gpu-0",
        f"k8s.gpu.nvidia.com/claim={UID}-gpu-1",
    )
    (path,) = (tmp_path / "cdi").iterdir()
    assert path.name == NAME
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert runtime.devices_in(tmp_path / "cdi", *ids)["errors"] == []
    store.write(OTHER, example_spec(OTHER))
    assert runtime.devices_in(tmp_path / "cdi", *ids)["errors"] == []
    store.remove(UID)
    store.remove(UID)
    assert runtime.devices_in(tmp_path / "cdi", ids[0])["errors"] != []


def test_a_file_that_is_right_is_left_alone_and_any_other_is_replaced(tmp_path: Path) -> None:
    """D48, F7: containers restart without a prepare, so files are checked at the start."""
    store, spec = CdiStore(tmp_path), example_spec()
    path = tmp_path / NAME
    assert not store.is_right(UID, spec)
    store.write(UID, spec)
    assert store.is_right(UID, spec)
    before = path.stat().st_ino, path.stat().st_mtime_ns
    store.write(UID, spec)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == before
    right = path.read_bytes()
    for wrong in (b"", right[:-1], right.replace(b"rw", b"rx")):
        path.write_bytes(wrong)
        assert not store.is_right(UID, spec)
        store.write(UID, spec)
        assert path.read_bytes() == right


@pytest.mark.parametrize("crash_at", [0, 1])
def test_a_crash_leaves_the_old_file_or_the_new_one(
    crash_at: int, runtime: Runtime, tmp_path: Path
) -> None:
    CdiStore(tmp_path).write(UID, example_spec())
    steps = CrashingSteps(crash_at)
    with pytest.raises(Crash, match=["cdi: written", "cdi: replaced"][crash_at]):
        CdiStore(tmp_path, steps=steps).write(UID, render(facts(device(0), device(1))))
    ids = [f"k8s.gpu.nvidia.com/claim={UID}-gpu-{number}" for number in range(crash_at + 1)]
    # The runtime takes no notice of half a file beside it.
    assert runtime.devices_in(tmp_path, *ids)["errors"] == []
    assert CdiStore(tmp_path).uids() == {UID}
    CdiStore(tmp_path).remove(UID)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    store = CdiStore(tmp_path)
    store.write(UID, example_spec())
    steps = CrashingSteps()
    steps.disk_is_full = True
    with pytest.raises(NoSpaceError, match="no space left for the CDI file") as caught:
        CdiStore(tmp_path, steps=steps).write(UID, render(facts(device(1))))
    assert caught.value.transient
    assert store.is_right(UID, example_spec())
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


@pytest.mark.parametrize("uid", ["", "..", "../x", "a/b", "a_b", "a.json"])
def test_no_uid_leads_out_of_the_folder(uid: str, tmp_path: Path) -> None:
    store = CdiStore(tmp_path / "cdi")
    for call in (store.remove, store.annotations):
        with pytest.raises(UnsafeNameError):
            call(uid)
    with pytest.raises(UnsafeNameError):
        store.write(uid, example_spec())
    with pytest.raises(UnsafeNameError):
        example_spec(uid)
    assert [path.name for path in tmp_path.iterdir()] == ["cdi"]


def test_files_without_a_record_are_swept_and_those_of_others_stay(tmp_path: Path) -> None:
    """D49; a claim is asked for while it is held, so that none is swept that just begins."""
    store = CdiStore(tmp_path)
    strangers = {
        f"k8s.gpu.nvidia.com-claim_{UID}.yaml",
        "k8s.gpu.nvidia.com-claim_not ours.json",
        "k8s.gpu.nvidia.com-claim_.json",
        "nvidia.json",
        f"{UID}.json",
    }
    for name in strangers:
        (tmp_path / name).write_text("{}")
    store.write(UID, example_spec())
    store.write(OTHER, example_spec(OTHER))
    half = "6d0d1d6e-0003-4000-8000-000000000003"
    (tmp_path / f".k8s.gpu.nvidia.com-claim_{half}.json.part").write_text("{")
    held: list[str] = []
    asked: list[tuple[str, list[str]]] = []

    @contextmanager
    def holding(uid: str) -> Iterator[None]:
        held.append(uid)
        yield
        held.remove(uid)

    def known(uid: str) -> bool:
        asked.append((uid, list(held)))
        return uid == OTHER

    assert store.sweep(known, holding=holding) == (UID, half)
    assert asked == [(uid, [uid]) for uid in sorted([UID, OTHER, half])]
    assert {path.name for path in tmp_path.iterdir()} == {
        *strangers,
        f"k8s.gpu.nvidia.com-claim_{OTHER}.json",
    }
    assert store.sweep(lambda uid: uid == OTHER) == ()


@pytest.mark.parametrize("content", ["", "[]", "{", '{"annotations":{"a":1}}', '{"kind":"x"}'])
def test_a_file_that_is_none_of_ours_inside_has_no_annotations(
    content: str, tmp_path: Path
) -> None:
    store = CdiStore(tmp_path)
    assert store.annotations(UID) is None
    (tmp_path / NAME).write_text(content)
    assert store.annotations(UID) is None


def test_a_folder_that_cannot_be_used_is_told_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CdiError, match="CDI files of claims cannot be kept in their folder"):
        CdiStore(tmp_path / "file")
    store = CdiStore(tmp_path / "cdi")

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "scandir", fail)
    with pytest.raises(CdiError, match=r"cannot be listed: .*Input/output error"):
        store.uids()


# --- the hook --------------------------------------------------------------------------


def test_the_hook_is_copied_aside_and_moved_into_place(tmp_path: Path) -> None:
    """D59: a container that starts meanwhile runs the old program to its end."""
    source, folder = tmp_path / "nvidia-cdi-hook-of-the-image", tmp_path / "plugin"
    folder.mkdir()
    assert install_hook(source, folder) is None
    source.write_bytes(b"old")
    target = install_hook(source, folder)
    assert target == folder / "nvidia-cdi-hook"
    assert stat.S_IMODE(target.stat().st_mode) == 0o755
    with target.open("rb") as running:
        before = target.stat().st_ino
        assert install_hook(source, folder) == target
        assert target.stat().st_ino == before, "it was identical"
        source.write_bytes(b"new")
        assert install_hook(source, folder) == target
        assert running.read() == b"old"
    assert target.read_bytes() == b"new"
    assert [path.name for path in folder.iterdir()] == ["nvidia-cdi-hook"]


def test_a_hook_that_cannot_be_copied_is_told(tmp_path: Path) -> None:
    (tmp_path / "hook").write_bytes(b"x")
    with pytest.raises(CdiError, match="nvidia-cdi-hook' cannot be written"):
        install_hook(tmp_path / "hook", tmp_path / "none")
    with pytest.raises(CdiError, match="cannot be read"):
        install_hook(tmp_path, tmp_path)
