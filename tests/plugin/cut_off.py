"""A way to a server that a test may cut or block, in front of a server that others still reach."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from tests.cluster.control_plane import free_port

_CHUNK: Final = 65536
_END_SECONDS: Final = 10.0


class WayToServer:
    """Passes TCP connections on to a port of the loopback address.

    Attributes:
        port: Where it listens, on the loopback address.
    """

    def __init__(self, server_port: int) -> None:
        """Listen at once; `close` ends it."""
        self.port = free_port()
        self._server_port = server_port
        self._lock = threading.Lock()
        self._flowing = threading.Event()
        self._flowing.set()
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener: socket.socket | None = None
        self.open()

    def open(self) -> None:
        """Let connections through (again)."""
        self._flowing.set()
        if self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.port))
            self._start(self._accept, self._listener)

    def block(self) -> None:
        """Take connections as before, and let nothing through, as a firewall does."""
        self._flowing.clear()

    def cut(self) -> None:
        """End all connections and refuse new ones, as when the server has ended."""
        if self._listener is not None:
            # It wakes the thread that waits there.
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        self._flowing.set()
        with self._lock:
            for one in self._sockets:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End all of it."""
        self.cut()
        for thread in self._threads:
            thread.join(_END_SECONDS)

    def _start(self, work: object, *arguments: object) -> threading.Thread:
        assert callable(work)
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        thread.start()
        self._threads.append(thread)
        return thread

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self._server_port)) as server:
            with self._lock:
                self._sockets |= {client, server}
            back = threading.Thread(target=self._pass_on, args=(server, client), daemon=True)
            back.start()
            self._pass_on(client, server)
            back.join()
            with self._lock:
                self._sockets -= {client, server}

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while chunk := source.recv(_CHUNK):
                self._flowing.wait()
                target.sendall(chunk)
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


@contextmanager
def way_to(server_port: int) -> Iterator[WayToServer]:
    """Lend a way to a server, and close it."""
    way = WayToServer(server_port)
    try:
        yield way
    finally:
        way.close()
