"""How the kubelet learns of the driver: it asks who we are, and tells what came of it."""

import logging
from collections.abc import Sequence
from typing import Final

import grpc

from plugin.rpc.log import Log
from plugin.rpc.methods import Context, unary
from plugin.rpc.stubs import kubelet_registration_v1_pb2 as v1
from plugin.rpc.telemetry import EdgeTelemetry

_KIND: Final = "DRAPlugin"


class RegistrationService:
    """Answers GetInfo from memory, and takes note of NotifyRegistrationStatus.

    Attributes:
        registered: Whether the kubelet's last word is that the driver is registered.
    """

    def __init__(
        self,
        driver: str,
        endpoint: str,
        services: Sequence[str],
        log: Log,
        telemetry: EdgeTelemetry,
    ) -> None:
        """Prepare the answer.

        Args:
            driver: The driver's name.
            endpoint: The absolute path of the DRA socket; the kubelet adds the scheme itself.
            services: What the endpoint serves, newest first.
            log: Where the kubelet's verdict is told.
            telemetry: Where it is counted.
        """
        self.registered = False
        self._log = log
        self._telemetry = telemetry
        self._info = v1.PluginInfo(
            type=_KIND, name=driver, endpoint=endpoint, supported_versions=services
        )

    def rpcs(self) -> grpc.GenericRpcHandler:
        """Return the methods, for a server of `grpc.aio`."""
        return grpc.method_handlers_generic_handler(
            v1.DESCRIPTOR.services_by_name["Registration"].full_name,
            {
                "GetInfo": unary(self._get_info, v1.InfoRequest),
                "NotifyRegistrationStatus": unary(self._notify, v1.RegistrationStatus),
            },
        )

    async def _get_info(self, _request: v1.InfoRequest, _context: Context) -> v1.PluginInfo:
        with self._telemetry.request("get_info"):
            return self._info

    async def _notify(
        self, status: v1.RegistrationStatus, _context: Context
    ) -> v1.RegistrationStatusResponse:
        with self._telemetry.request("notify_registration_status"):
            self.registered = status.plugin_registered
            self._telemetry.registered.set(self.registered)
            if self.registered:
                self._log.event(logging.INFO, "the kubelet registered the driver")
            else:
                self._log.event(
                    logging.ERROR,
                    "the kubelet refuses to register the driver and asks again by itself",
                    error=status.error,
                    offered=[*self._info.supported_versions],
                )
            # An error as the answer would make the kubelet undo a registration that succeeded.
            return v1.RegistrationStatusResponse()
