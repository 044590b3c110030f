"""An API server alone, on the loopback address of the machine: what admission tests need."""

from pathlib import Path

from tests.cluster.binaries import Binaries
from tests.cluster.control_plane import ControlPlane, Endpoint, free_port
from tests.cluster.rig import Rig


class ApiServer:
    """A running etcd and kube-apiserver, and nothing else.

    It validates, admits and stores; nothing schedules, makes claims from templates or collects
    garbage. A webhook of the test process is reached at `https://127.0.0.1:PORT/...`.

    Attributes:
        rig: The folder and the processes.
        binaries: The programs, also those that do not run here.
        control_plane: The API server and etcd.
        client: A client that may do everything.
        run: Runs kubectl or helm as one who may do everything.
        url: Where the API server answers.
    """

    def __init__(self, binaries: Binaries, *, cache: Path) -> None:
        """Start both and wait until the API server is ready, which takes a few seconds.

        Args:
            binaries: The programs.
            cache: The folder for what outlives a test run: records of rigs, logs of failures.

        Raises:
            RigError: One of them does not become ready; the error carries the end of its log.
            LeftoverError: Something of a killed run cannot be removed.
        """
        self.binaries = binaries
        self.rig = Rig(cache, own_network=False, programs=[binaries.directory])
        try:
            port = free_port()
            self.control_plane = ControlPlane(
                self.rig,
                binaries,
                Endpoint(
                    bind_address="127.0.0.1",
                    # Loopback addresses are refused here; nobody asks for this one.
                    advertise_address="198.18.255.254",
                    port=port,
                    addresses=("127.0.0.1",),
                ),
            )
        except BaseException as error:
            self.rig.abandon(error)
            raise
        self.client = self.control_plane.client
        self.url = self.control_plane.url
        self.run = self.control_plane.run

    def close(self) -> None:
        """Stop everything and remove all of it.

        Raises:
            RigError: Something could not be removed; the next start tries again.
        """
        try:
            self.control_plane.stop()
        finally:
            self.rig.close()
