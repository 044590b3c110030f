"""The DRA service: requests of the kubelet into our words, our results into responses."""

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final, TypeVar

import grpc

from plugin.preparer import ClaimReference, Deadline, PreparedDevice, Preparer
from plugin.rpc.attempts import Outcome
from plugin.rpc.batch import answer_seconds, run_batch
from plugin.rpc.log import Log
from plugin.rpc.methods import Context, unary
from plugin.rpc.runner import ClaimRunner
from plugin.rpc.stubs import kubelet_dra_v1_pb2 as v1
from plugin.rpc.stubs import kubelet_dra_v1beta1_pb2 as v1beta1
from plugin.rpc.telemetry import EdgeTelemetry

_T = TypeVar("_T")

SERVICES: Final = ("v1.DRAPlugin", "v1beta1.DRAPlugin")
"""The names under which they are offered, newest first: kubelets take the first they know."""


class DraService:
    """Answers NodePrepareResources and NodeUnprepareResources, in both versions of the API.

    The messages of v1beta1 are those of v1 without the share of a device, byte for byte, so one
    set of classes reads and writes both.
    """

    def __init__(
        self, preparer: Preparer, runner: ClaimRunner, log: Log, telemetry: EdgeTelemetry
    ) -> None:
        self._preparer = preparer
        self._runner = runner
        self._log = log
        self._telemetry = telemetry

    def rpcs(self) -> tuple[grpc.GenericRpcHandler, ...]:
        """Return the methods of both services, for a server of `grpc.aio`."""
        return (
            self._rpcs(v1.DESCRIPTOR.services_by_name["DRAPlugin"].full_name, shares=True),
            self._rpcs(v1beta1.DESCRIPTOR.services_by_name["DRAPlugin"].full_name, shares=False),
        )

    def _rpcs(self, service: str, *, shares: bool) -> grpc.GenericRpcHandler:
        async def prepare(
            request: v1.NodePrepareResourcesRequest, context: Context
        ) -> v1.NodePrepareResourcesResponse:
            return await self._prepare(request, context, shares=shares)

        return grpc.method_handlers_generic_handler(
            service,
            {
                "NodePrepareResources": unary(prepare, v1.NodePrepareResourcesRequest),
                "NodeUnprepareResources": unary(self._unprepare, v1.NodeUnprepareResourcesRequest),
            },
        )

    async def _prepare(
        self, request: v1.NodePrepareResourcesRequest, context: Context, *, shares: bool
    ) -> v1.NodePrepareResourcesResponse:
        def work(claim: ClaimReference, deadline: Deadline) -> list[v1.Device]:
            devices = self._preparer.prepare(claim, deadline)
            return [_device(device, shares=shares) for device in devices]

        def misnamed(sentence: str) -> Outcome[list[v1.Device]]:
            return Outcome("refused", error=f"{sentence} Nothing was prepared for it.")

        outcomes = await self._batch("prepare", request.claims, context, work, misnamed)
        return v1.NodePrepareResourcesResponse(
            claims={
                uid: v1.NodePrepareResourceResponse(devices=outcome.result, error=outcome.error)
                for uid, outcome in outcomes.items()
            }
        )

    async def _unprepare(
        self, request: v1.NodeUnprepareResourcesRequest, context: Context
    ) -> v1.NodeUnprepareResourcesResponse:
        def misnamed(sentence: str) -> Outcome[None]:
            # It was never prepared, and an error would keep the pod from ending for ever.
            self._log.event(logging.WARNING, "nothing to unprepare", error=sentence)
            return Outcome("success")

        outcomes = await self._batch(
            "unprepare", request.claims, context, self._preparer.unprepare, misnamed
        )
        return v1.NodeUnprepareResourcesResponse(
            claims={
                uid: v1.NodeUnprepareResourceResponse(error=outcome.error)
                for uid, outcome in outcomes.items()
            }
        )

    async def _batch(
        self,
        operation: str,
        claims: Iterable[v1.Claim],
        context: Context,
        work: Callable[[ClaimReference, Deadline], _T],
        misnamed: Callable[[str], Outcome[_T]],
    ) -> Mapping[str, Outcome[_T]]:
        seconds = answer_seconds(context.time_remaining())

        def run(claim: ClaimReference) -> Awaitable[Outcome[_T]]:
            return self._runner.run(operation, claim, work, seconds)

        references = [ClaimReference(one.namespace, one.name, one.uid) for one in claims]
        with self._telemetry.request(operation):
            return await run_batch(references, run, misnamed)


def _device(device: PreparedDevice, *, shares: bool) -> v1.Device:
    # The kubelet compares with the names that containers use, which have no subrequest.
    requests = dict.fromkeys(name.partition("/")[0] for name in device.requests)
    return v1.Device(
        request_names=requests,
        pool_name=device.pool,
        device_name=device.device,
        cdi_device_ids=device.cdi_device_ids,
        share_id=device.share_id if shares else None,
    )
