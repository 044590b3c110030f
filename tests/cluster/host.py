"""What a kubelet and a container runtime would change on the host, kept inside the rig.

The kubelet writes kernel settings of the whole machine, containerd and the kubelet write to
fixed folders, and pods live in cgroups. Here the settings are files of the rig that lie over the
real ones in the rig's mount namespace, the folders are file systems of the rig, and the cgroups
have one root that is removed with it.
"""

from pathlib import Path

from tests.cluster.cleanup import cgroup_hierarchies
from tests.cluster.rig import Rig
from tests.cluster.waiting import RigError

KERNEL_SETTINGS = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}
"""What the kubelet demands, and would otherwise set."""

EMPTY_FOLDERS = {"/run": "0755", "/var/log": "0755", "/dev/shm": "1777"}  # noqa: S108 - the rig's
"""With their modes: sockets of shims, network namespaces of pods, links to the logs of containers,
shared memory of pods."""

COPIED_FOLDER = "/var/lib"
"""Where the kubelet keeps device plugins and libcni its results; also where a home may lie."""

CONTROLLERS = ("cpu", "cpuset", "io", "memory", "pids")


def seclude(rig: Rig) -> None:
    """Give the rig its own kernel settings and its own folders.

    Raises:
        RigError: The kernel refuses a mount.
    """
    # The kubelet and mounts of pods with propagation need a shared root.
    rig.run("mount", "--make-rshared", "/")
    for name, value in KERNEL_SETTINGS.items():
        setting = Path("/proc/sys", name)
        if not setting.exists():
            continue
        ours = rig.folder("sysctl") / name.replace("/", ".")
        ours.write_text(f"{value}\n", encoding="ascii")
        rig.run("mount", "--bind", ours, setting)
    for folder, mode in EMPTY_FOLDERS.items():
        rig.run("mount", "-t", "tmpfs", "-o", f"mode={mode}", "tmpfs", folder)
    # What is written there lands in the rig; what is there is still seen.
    upper, work = rig.folder("var-lib", "upper"), rig.folder("var-lib", "work")
    layers = f"lowerdir={COPIED_FOLDER},upperdir={upper},workdir={work}"
    rig.run("mount", "-t", "overlay", "-o", layers, "overlay", COPIED_FOLDER)


def make_cgroup(rig: Rig) -> str:
    """Make the cgroup that all pods of the rig live below, and return its name."""
    name = rig.root.name
    rig.record.add(cgroup=name)
    for hierarchy in cgroup_hierarchies():
        folder = hierarchy / name
        if (hierarchy / "cgroup.controllers").exists():
            pass_on(hierarchy)
            folder.mkdir(exist_ok=True)
            pass_on(folder)
            continue
        folder.mkdir(exist_ok=True)
        for setting in ("cpuset.cpus", "cpuset.mems"):
            # Version 1 lets no process into a cpuset that has none.
            if (hierarchy / setting).exists():
                (folder / setting).write_bytes((hierarchy / setting).read_bytes())
    return name


def pass_on(folder: Path) -> None:
    """Let the cgroups below one of version 2 have the controllers that it has itself.

    Raises:
        RigError: The kernel refuses.
    """
    offered = (folder / "cgroup.controllers").read_text(encoding="ascii").split()
    enabled = (folder / "cgroup.subtree_control").read_text(encoding="ascii").split()
    for controller in CONTROLLERS:
        if controller not in offered or controller in enabled:
            continue
        try:
            (folder / "cgroup.subtree_control").write_text(f"+{controller}", encoding="ascii")
        except OSError as error:
            # So it is in a container whose own processes live in its root cgroup.
            raise RigError(f"{folder} passes no {controller} cgroups on: {error}") from error
