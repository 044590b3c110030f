"""Methods of a gRPC service, made of coroutines and message classes."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import Message

Context = grpc.aio.ServicerContext[Any, Any]
_Request = TypeVar("_Request", bound=Message)
_Response = TypeVar("_Response", bound=Message)


def unary(
    answer: Callable[[_Request, Context], Awaitable[_Response]], request: type[_Request]
) -> "grpc.RpcMethodHandler[_Request, _Response]":
    """Return a method that takes one message and answers with one."""
    return grpc.unary_unary_rpc_method_handler(
        answer,
        request_deserializer=request.FromString,
        response_serializer=_bytes,
    )


def stream(
    answer: Callable[[_Request, Context], Awaitable[None]], request: type[_Request]
) -> "grpc.RpcMethodHandler[_Request, Message]":
    """Return a method that takes one message and writes many to its context."""
    return grpc.unary_stream_rpc_method_handler(
        answer,
        request_deserializer=request.FromString,
        response_serializer=_bytes,
    )


def _bytes(message: Message) -> bytes:
    return message.SerializeToString()
