"""Which files of the driver are found below its root, as the host and the container know them."""

import os
import socket
from pathlib import Path, PurePosixPath

import pytest

from plugin.cdi import DriverFiles, DriverFilesFinder, NotReadyError
from plugin.hardware.fake import FakeMachine
from plugin.hardware.host_trees import HostTrees
from tests.plugin.cdi_examples import HOST_ROOT
from tests.plugin.machine_rigs import BOOT, profile

VERSION = "580.95.05"


class Root:
    """A driver root in the making."""

    def __init__(self, folder: Path) -> None:
        self.trees = HostTrees(
            driver_root=folder / "root",
            dev=folder / "root/dev",
            proc=folder / "proc",
            sys=folder / "sys",
        )
        self.path = self.trees.driver_root
        self.finder = DriverFilesFinder(self.trees, host_root=HOST_ROOT)

    def file(self, name: str, content: bytes = b"\x7fELF\x02") -> None:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def link(self, name: str, target: str) -> None:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target)

    def find(self) -> DriverFiles:
        return self.finder.find(VERSION)

    def found(self) -> dict[str, str]:
        """Return the host's path of each file, by its path in the container."""
        return {str(one.container_path): str(one.host_path) for one in self.find().mounts}


@pytest.fixture
def root(tmp_path: Path) -> Root:
    made = Root(tmp_path)
    made.file(f"usr/lib64/libcuda.so.{VERSION}")
    return made


@pytest.mark.parametrize("profile_name", ["h100", "mixed"])
def test_a_simulated_machine_has_a_driver(profile_name: str, tmp_path: Path) -> None:
    machine = FakeMachine(profile(profile_name), tmp_path, boot_id=BOOT, deadline_seconds=60)
    version = machine.inventory().versions.driver
    host_root = PurePosixPath(machine.trees.driver_root)
    files = DriverFilesFinder(machine.trees, host_root=host_root).find(version)
    assert [Path(one.host_path).is_file() for one in files.mounts] == [True] * len(files.mounts)
    assert ("libcuda.so.1", "/usr/lib64/libcuda.so") in files.links
    assert (f"libcuda.so.{version}", "/usr/lib64/libcuda.so.1") in files.links


@pytest.mark.parametrize(
    "folder",
    ["usr/lib64", "usr/lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu/nvidia/current", "lib64"],
)
def test_libraries_are_found_where_installers_put_them(folder: str, tmp_path: Path) -> None:
    root = Root(tmp_path)
    for name in ("libcuda.so", "libnvidia-ml.so", "vdpau/libvdpau_nvidia.so"):
        root.file(f"{folder}/{name}.{VERSION}")
    root.file(f"{folder}/libcuda.so.570.1.1")
    root.file(f"{folder}/libc.so.6")
    files = root.find()
    assert root.found() == {
        f"/{folder}/{name}.{VERSION}": f"/run/nvidia/driver/{folder}/{name}.{VERSION}"
        for name in ("libcuda.so", "libnvidia-ml.so", "vdpau/libvdpau_nvidia.so")
    }
    assert str(files.library_folder) == f"/{folder}"
    assert [str(one) for one in files.library_folders] == [f"/{folder}", f"/{folder}/vdpau"]


def test_libraries_may_lie_in_the_root_itself(tmp_path: Path) -> None:
    root = Root(tmp_path)
    root.file(f"libcuda.so.{VERSION}")
    root.link("libcuda.so.1", f"libcuda.so.{VERSION}")
    root.file("usr/lib64/libcuda.so.570.1.1")
    assert [*root.found()] == [f"/libcuda.so.{VERSION}"]
    assert root.find().links == ((f"libcuda.so.{VERSION}", "/libcuda.so.1"),)


def test_libraries_of_32_bits_are_left_out(root: Root) -> None:
    root.file(f"usr/lib64/libnvidia-old.so.{VERSION}", b"\x7fELF\x01")
    root.file(f"usr/lib/i386-linux-gnu/libcuda.so.{VERSION}", b"\x7fELF\x01")
    assert [*root.found()] == [f"/usr/lib64/libcuda.so.{VERSION}"]


def test_a_driver_without_cuda_is_found_by_its_other_library(tmp_path: Path) -> None:
    root = Root(tmp_path)
    root.file(f"lib64/libnvidia-ml.so.{VERSION}")
    assert str(root.find().library_folder) == "/lib64"


def test_links_are_followed_inside_the_root(root: Root) -> None:
    """As Debian's alternatives have them; outside the root lies another system."""
    root.file(f"usr/lib64/nvidia/libfar.so.{VERSION}")
    root.link("etc/alternatives/far", f"/usr/lib64/nvidia/libfar.so.{VERSION}")
    root.link(f"usr/lib64/libfar.so.{VERSION}", "/etc/alternatives/far")
    root.link("usr/lib64/libfar.so.1", "/etc/alternatives/far")
    root.link("usr/lib64/libfar.so", "libfar.so.1")
    root.link(f"usr/lib64/libout.so.{VERSION}", "../../../../../../../../../etc/hostname")
    root.link(f"usr/lib64/libround.so.{VERSION}", f"libround.so.{VERSION}")
    assert root.found() == {
        f"/usr/lib64/libcuda.so.{VERSION}": f"/run/nvidia/driver/usr/lib64/libcuda.so.{VERSION}",
        f"/usr/lib64/libfar.so.{VERSION}": (
            f"/run/nvidia/driver/usr/lib64/nvidia/libfar.so.{VERSION}"
        ),
    }
    assert root.find().links == (
        ("libfar.so.1", "/usr/lib64/libfar.so"),
        (f"/usr/lib64/libfar.so.{VERSION}", "/usr/lib64/libfar.so.1"),
    )


def test_links_to_files_that_do_not_come_along_stay_behind(root: Root) -> None:
    root.file("usr/lib64/libother.so.2")
    root.link("usr/lib64/libother.so", "libother.so.2")
    root.link("usr/lib64/libcuda.so.1", f"libcuda.so.{VERSION}")
    root.link("usr/lib64/libdangling.so", "nowhere")
    assert root.find().links == ((f"libcuda.so.{VERSION}", "/usr/lib64/libcuda.so.1"),)


def test_the_allocator_is_also_a_backend_of_gbm(root: Root) -> None:
    root.file(f"usr/lib64/libnvidia-allocator.so.{VERSION}")
    link = ("../libnvidia-allocator.so.1", "/usr/lib64/gbm/nvidia-drm_gbm.so")
    assert root.find().links == (link,)


def test_programs_firmware_and_configuration_come_along(root: Root) -> None:
    root.file("usr/bin/nvidia-smi")
    root.file("opt/bin/nvidia-smi")
    root.file("usr/sbin/nvidia-persistenced")
    root.file(f"lib/firmware/nvidia/{VERSION}/gsp_ga10x.bin")
    root.file(f"lib/firmware/updates/6.8.0/nvidia/{VERSION}/gsp_tu10x.bin")
    root.file(f"custom/firmware/nvidia/{VERSION}/gsp_custom.bin")
    root.file("lib/firmware/nvidia/570.1.1/gsp_ga10x.bin")
    root.file("usr/share/glvnd/egl_vendor.d/10_nvidia.json")
    root.file("usr/share/vulkan/icd.d/nvidia_icd.json")
    root.file("etc/vulkan/icd.d/nvidia_icd.json")
    root.file(f"usr/lib64/xorg/modules/extensions/libglxserver_nvidia.so.{VERSION}")
    root.file("usr/lib64/xorg/modules/drivers/nvidia_drv.so")
    root.file("usr/lib64/libnvidia-egl-gbm.so.1.1.2")
    for path, text in (
        (root.trees.proc / "sys/kernel/osrelease", "6.8.0\n"),
        (root.trees.sys / "module/firmware_class/parameters/path", "/custom/firmware\n"),
    ):
        path.parent.mkdir(parents=True)
        path.write_text(text)
    host = "/run/nvidia/driver"
    assert root.found() == {
        "/etc/vulkan/icd.d/nvidia_icd.json": f"{host}/etc/vulkan/icd.d/nvidia_icd.json",
        "/opt/bin/nvidia-smi": f"{host}/opt/bin/nvidia-smi",
        "/usr/sbin/nvidia-persistenced": f"{host}/usr/sbin/nvidia-persistenced",
        "/usr/share/glvnd/egl_vendor.d/10_nvidia.json": (
            f"{host}/usr/share/glvnd/egl_vendor.d/10_nvidia.json"
        ),
        **{
            f"/{place}": f"{host}/{place}"
            for place in (
                f"custom/firmware/nvidia/{VERSION}/gsp_custom.bin",
                f"lib/firmware/nvidia/{VERSION}/gsp_ga10x.bin",
                f"lib/firmware/updates/6.8.0/nvidia/{VERSION}/gsp_tu10x.bin",
                f"usr/lib64/libcuda.so.{VERSION}",
                "usr/lib64/libnvidia-egl-gbm.so.1.1.2",
                "usr/lib64/xorg/modules/drivers/nvidia_drv.so",
                f"usr/lib64/xorg/modules/extensions/libglxserver_nvidia.so.{VERSION}",
            )
        },
    }


def test_no_socket_of_the_host_comes_along(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    """D65: neither those of the daemons, nor one with the name of a library."""
    places = (
        "run/nvidia-persistenced/socket",
        "run/nvidia-fabricmanager/socket",
        "tmp/nvidia-mps/control",
        f"usr/lib64/libsocket.so.{VERSION}",
    )
    for place in places:
        (root.path / place).parent.mkdir(parents=True, exist_ok=True)
        monkeypatch.chdir((root.path / place).parent)
        with socket.socket(socket.AF_UNIX) as opened:
            # The whole path may be too long for the address of a socket.
            opened.bind(Path(place).name)
    assert [*root.found()] == [f"/usr/lib64/libcuda.so.{VERSION}"]


# --- memory ----------------------------------------------------------------------------


def test_a_driver_that_is_not_there_yet_is_looked_for_again(tmp_path: Path) -> None:
    """D60: a failure is not remembered."""
    root = Root(tmp_path)
    root.file("usr/lib64/libcuda.so.570.1.1")
    with pytest.raises(NotReadyError, match=rf"no 'libcuda.so.{VERSION}' below") as caught:
        root.find()
    assert caught.value.transient
    root.file(f"usr/lib64/libcuda.so.{VERSION}")
    assert root.find().version == VERSION


def test_the_files_are_looked_for_once_for_each_driver(root: Root) -> None:
    first = root.find()
    assert root.find() is first
    root.file("usr/lib64/libcuda.so.590.1.1")
    changed = root.finder.find("590.1.1")
    assert [str(one.container_path) for one in changed.mounts] == ["/usr/lib64/libcuda.so.590.1.1"]
    assert root.find() == first


def test_a_driver_that_is_installed_piece_by_piece_is_looked_at_again(root: Root) -> None:
    first = root.find()
    root.file(f"usr/lib64/libnvidia-ml.so.{VERSION}")
    # Files may arrive faster than the clock of the file system ticks.
    os.utime(root.path / "usr/lib64", ns=(1, 1))
    assert len(root.find().mounts) == len(first.mounts) + 1


def test_a_root_that_vanishes_is_told_in_a_sentence(
    root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "iterdir", fail)
    with pytest.raises(NotReadyError, match=f"files of driver {VERSION} cannot be read"):
        root.find()
