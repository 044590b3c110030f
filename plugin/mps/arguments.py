"""The arguments by which the program of a daemon is told what to do; no shell reads them."""

from pathlib import PurePath

from plugin.mps.description import MpsDaemon


def arguments(
    daemon: MpsDaemon, *, root: PurePath, inside: bool, pipe: PurePath, log: PurePath
) -> list[str]:
    """Return what `plugin.mps.daemon` is started with.

    Args:
        daemon: What it shall run.
        root: The driver's root, as the program sees it.
        inside: Whether the driver's programs have to run inside the root.
        pipe: The daemon's folder of sockets, as the program sees it.
        log: The daemon's folder of logs, as the program sees it.
    """
    made = [f"--root={root}", f"--pipe-folder={pipe}", f"--log-folder={log}"]
    made += [f"--device={uuid}" for uuid in daemon.devices]
    if daemon.active_thread_percentage is not None:
        made.append(f"--active-thread-percentage={daemon.active_thread_percentage}")
    made += [f"--pinned-memory-limit={uuid}={mib}M" for uuid, mib in daemon.pinned_memory_limits]
    if inside:
        made.append("--inside")
    if daemon.multi_user:
        made.append("--multi-user")
    return made
