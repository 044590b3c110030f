"""The keeper as a process beside the workers, and the file through which they meet."""

import logging
import select
import time
from collections.abc import Callable
from datetime import timedelta
from random import SystemRandom
from typing import Final

from kube.errors import KubeError
from logs.bridge import LogBridge
from logs.lines import Log, LogLevel
from webhook.self_managed.options import SelfManaged
from webhook.telemetry import Counters
from webhook.tls import PairFiles

LONGEST_PAUSE_SECONDS: Final = 30.0
"""Between two looks, however many have failed."""
SETTLING_LOOKS: Final = 3
"""A new authority is trusted for so many looks before it signs."""
START_SECONDS: Final = 3.0
"""How long a worker waits for the first pair before it starts without one."""


def pair_files(options: SelfManaged) -> PairFiles:
    """Return where the pair is put, in a directory that is made for it and open to us only.

    Key and certificate share one file, so both change in one step. The directory given may be a
    mounted volume, whose mode is not ours to set; the pair lies in one below it.

    Raises:
        OSError: If the directory cannot be made.
    """
    directory = options.directory / "pair"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.chmod(0o700)
    pair = directory / "tls.pem"
    return PairFiles(pair, pair)


def wait_for_pair(pair: PairFiles, ended: int) -> None:
    """Wait a few seconds for the first pair, or until *ended* can be read.

    A worker that starts without one calls it an error, and at every start it would be a false one.
    """
    deadline = time.monotonic() + START_SECONDS
    while not pair.certificate.exists() and time.monotonic() < deadline:
        if _readable(ended, 0.05):
            return


class Patience:
    """How long to wait after a look: the interval, or longer and longer while looks fail."""

    def __init__(self, interval_seconds: float, spread: Callable[[float, float], float]) -> None:
        """Start with the interval; *spread* returns a random number between two."""
        self._interval = interval_seconds
        self._spread = spread
        self._failures = 0

    def after(self, *, failed: bool) -> float:
        """Return the seconds to wait; replicas that failed together come back apart."""
        self._failures = self._failures + 1 if failed else 0
        # A power of more than 10 would reach the bound from every interval that can be set.
        longest = self._interval * 2 ** min(self._failures, 10)
        longest = max(self._interval, min(longest, LONGEST_PAUSE_SECONDS))
        return self._spread(0.8 * longest if not failed else 0.5 * longest, longest)


def keep(options: SelfManaged, pair: PairFiles, log: Log, counters: Counters, ended: int) -> None:
    """Look after everything until *ended* can be read, which says that the parent is gone."""
    # Imported here because the workers need neither an X.509 library nor an HTTP client.
    from webhook.self_managed.keeper import Keeper  # noqa: PLC0415
    from webhook.self_managed.plan import Policy  # noqa: PLC0415
    from webhook.self_managed.rest import RestObjects  # noqa: PLC0415

    logging.getLogger().handlers = [LogBridge(log)]

    def count_change(changed: str) -> None:
        counters.cells[counters.index(f'self_managed_changes_total{{object="{changed}"}}')] += 1

    failures = counters.index("self_managed_failures_total")
    last_success = counters.index("self_managed_last_success_seconds")
    keeper = Keeper(
        RestObjects(options),
        Policy(
            names=options.names,
            certificate_lifetime=options.certificate_lifetime,
            authority_lifetime=options.authority_lifetime,
            settling=timedelta(seconds=SETTLING_LOOKS * options.interval_seconds),
        ),
        pair.certificate,
        clock=time.time,
        log=log,
        count_change=count_change,
    )
    patience = Patience(options.interval_seconds, SystemRandom().uniform)
    said = ""
    while True:
        trouble = ""
        try:
            keeper.look()
        except (KubeError, OSError) as error:
            trouble = str(error)
            counters.cells[failures] += 1
        else:
            counters.cells[last_success] = int(time.time())
        if trouble and trouble != said:
            log.event(LogLevel.ERROR, "self-managed TLS cannot be looked after", reason=trouble)
        if said and not trouble:
            log.event(LogLevel.INFO, "self-managed TLS is looked after again")
        said = trouble
        if _readable(ended, patience.after(failed=bool(trouble))):
            return


def _readable(descriptor: int, seconds: float) -> bool:
    return bool(select.select([descriptor], [], [], seconds)[0])
