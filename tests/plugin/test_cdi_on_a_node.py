"""A real containerd makes a container of our CDI file."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

from plugin.cdi import CdiStore, render
from plugin.hardware.fake import FakeMachine
from tests.cluster.images import ENV_IMAGE
from tests.cluster.node import Node
from tests.plugin.cdi_examples import facts, full_gpu, simulated_driver
from tests.plugin.checkpoint_examples import UID
from tests.plugin.machine_rigs import BOOT, profile

CONTAINER = "cdi-of-a-claim"


@pytest.fixture
def machine(node: Node) -> Iterator[FakeMachine]:
    """Return a machine whose files lie where the node sees them."""
    folder = Path(tempfile.mkdtemp(prefix="machine-", dir=node.rig.root))
    yield FakeMachine(profile("h100"), folder, boot_id=BOOT, deadline_seconds=60)
    shutil.rmtree(folder)


def test_a_container_gets_the_environment_the_nodes_and_the_files(
    node: Node, machine: FakeMachine
) -> None:
    gpu = machine.inventory().gpus[0]
    host_root = PurePosixPath(machine.trees.driver_root)
    of = simulated_driver(machine, host_root=host_root)
    store = CdiStore(node.folders.cdi)
    (device,) = store.write(UID, render(facts(full_gpu(machine, gpu), of=of)))
    # The client looks for CDI files where the system has them; /run is the rig's own.
    node.run("mkdir", "/run/cdi")
    node.run("mount", "--bind", node.folders.cdi, "/run/cdi")
    run = ("ctr", "run", "--detach", "--device", device, ENV_IMAGE, CONTAINER)
    try:
        node.run(*run)
        (task,) = (
            line.split()[1]
            for line in node.run("ctr", "task", "ls").output.splitlines()
            if line.startswith(CONTAINER)
        )
        inside = Path(f"/proc/{task}")
        environment = node.run("cat", str(inside / "environ")).output.split("\0")
        assert f"GPU_{gpu.minor}={gpu.uuid}" in environment
        assert "NVIDIA_VISIBLE_DEVICES=void" in environment
        seen = node.run("ls", "-lR", str(inside / "root/dev")).output
        for name in ("nvidiactl", "nvidia-uvm", f"nvidia{gpu.minor}"):
            (line,) = (one for one in seen.splitlines() if one.endswith(f" {name}"))
            assert line.startswith("crw-rw-rw-")
        library = inside / f"root/usr/lib64/libcuda.so.{of.files.version}"
        assert "no driver at all" in node.run("cat", str(library)).output
    finally:
        node.run("ctr", "task", "kill", "--signal", "SIGKILL", CONTAINER, check=False)
        node.run("ctr", "task", "delete", "--force", CONTAINER, check=False)
        node.run("ctr", "container", "delete", CONTAINER, check=False)
        store.remove(UID)
        node.run("umount", "/run/cdi")
        node.run("rmdir", "/run/cdi")
