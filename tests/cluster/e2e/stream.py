"""Good and bad claims without a pause, while something else happens to the webhook."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from tests.cluster.client import Client, Refusal
from tests.cluster.control_plane import ControlPlane
from tests.cluster.e2e.bodies import BAD, BAD_RULES, GOOD, body, path
from tests.cluster.waiting import wait_until

SENDERS = 2
MOST_CLAIMS = 4000
"""Of one sender; none sends more, whatever happens."""

LONGEST_SECONDS = 240.0
BREATH_SECONDS = 0.02
"""Between two claims of a sender: two cores also have a cluster to run."""

WINDOW = 20
"""Claims that are sent at least before, and again after what happens."""


class Stream:
    """Senders of claims, which stop by themselves.

    Attributes:
        wrong: What was not as it must be, in sentences; empty is good.
        stored: The names of the claims that the API server said it has stored.
        refused: How many bad claims were refused with our sentences.
        meanwhile: How many claims of both sorts were answered well while it happened.
    """

    def __init__(self, control_plane: ControlPlane, namespace: str) -> None:
        """Send nothing yet."""
        self._control_plane = control_plane
        self._claims = path("ResourceClaim", namespace=namespace)
        self._stop = threading.Event()
        self._deadline = time.monotonic() + LONGEST_SECONDS
        self.wrong: list[str] = []
        self.stored: list[str] = []
        self.refused = 0
        self.meanwhile = 0

    def _send(self, sender: int) -> None:
        with self._control_plane.client_of(f"sender-{sender}", "system:masters") as client:
            for number in range(MOST_CLAIMS):
                if self._stop.is_set() or time.monotonic() > self._deadline:
                    return
                self._send_good(client, f"good-{sender}-{number}")
                self._send_bad(client, f"bad-{sender}-{number}")
                self._stop.wait(BREATH_SECONDS)

    def _send_good(self, client: Client, name: str) -> None:
        try:
            client.create(self._claims, body("ResourceClaim", name, GOOD))
        except (Refusal, httpx.HTTPError) as error:
            self.wrong.append(f"good claim {name}: {error!r}")
        else:
            self.stored.append(name)

    def _send_bad(self, client: Client, name: str) -> None:
        try:
            client.create(self._claims, body("ResourceClaim", name, BAD))
        except Refusal as refusal:
            if all(rule in refusal.message for rule in BAD_RULES):
                self.refused += 1
            else:
                self.wrong.append(f"bad claim {name}: {refusal!r}")
        except httpx.HTTPError as error:
            self.wrong.append(f"bad claim {name}: {error!r}")
        else:
            self.wrong.append(f"bad claim {name} was stored")

    def window(self) -> None:
        """Wait until so many more claims of each sort got their answer, or one a wrong one.

        Raises:
            RigError: They do not within two minutes.
        """
        stored, refused = len(self.stored) + WINDOW, self.refused + WINDOW
        wait_until(
            # What is wrong already will not get better: `check` tells of it.
            lambda: bool(self.wrong) or (len(self.stored) >= stored and self.refused >= refused),
            seconds=120,
            otherwise=lambda: (
                f"{len(self.stored)} good claims are stored, {self.refused} bad ones refused"
            ),
        )

    @contextmanager
    def running(self) -> Iterator[None]:
        """Send while the block runs, with a window before it and one after it."""
        senders = [
            threading.Thread(target=self._send, args=(sender,)) for sender in range(SENDERS)
        ]
        for sender in senders:
            sender.start()
        try:
            self.window()
            before = len(self.stored) + self.refused
            yield
            self.meanwhile = len(self.stored) + self.refused - before
            self.window()
        finally:
            self._stop.set()
            for sender in senders:
                sender.join()

    def check(self) -> None:
        """Fail unless all went well, and exactly the good claims are stored."""
        found = {one["metadata"]["name"] for one in self._control_plane.client.list(self._claims)}
        assert not self.wrong, f"{len(self.wrong)} wrong, such as {self.wrong[:5]}"
        assert found == set(self.stored)

    def remove(self) -> None:
        """Delete the claims."""
        self._control_plane.client.delete(self._claims)


@contextmanager
def claims_without_a_pause(control_plane: ControlPlane, namespace: str) -> Iterator[Stream]:
    """Send claims while the block runs, and fail if one got another answer than it must."""
    stream = Stream(control_plane, namespace)
    try:
        with stream.running():
            yield stream
        stream.check()
    finally:
        stream.remove()
