"""What every provider double shares: its place in the engine's service, its log, and how it reports a failure."""

import functools
import threading
from collections.abc import Callable
from importlib import metadata
from typing import Any, TypeVar

import grpc  # type: ignore[import-untyped]
from google.protobuf import empty_pb2  # type: ignore[import-untyped]
from pulumi.runtime.proto import (
    plugin_pb2,
    provider_pb2,
    provider_pb2_grpc,
)

from sandbox.plugins.lifecycle import Rpc, serve_for_ever

Method = TypeVar("Method", bound=Callable[..., Any])


class ProviderError(Exception):
    """What a person reads when an operation fails; nothing was changed, or the engine's state already says it."""


def reported(method: Method) -> Method:
    """Turns an exception into the gRPC error that the engine shows: one message, no traceback of ours."""

    @functools.wraps(method)
    def wrapper(self: object, request: object, context: Rpc) -> object:
        try:
            return method(self, request, context)
        except ProviderError as error:
            return context.abort(grpc.StatusCode.UNKNOWN, str(error))

    return wrapper  # type: ignore[return-value]


class ProviderDouble(provider_pb2_grpc.ResourceProviderServicer):
    """The calls of a provider that are the same whatever it provides."""

    package = ""
    """The Python package of the SDK whose plugin this stands in for; its version is ours."""

    def __init__(self) -> None:
        self.cancelled = threading.Event()

    def GetPluginInfo(self, request: empty_pb2.Empty, context: Rpc) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version=metadata.version(self.package))

    def Handshake(
        self, request: provider_pb2.ProviderHandshakeRequest, context: Rpc
    ) -> provider_pb2.ProviderHandshakeResponse:
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True, supports_autonaming_configuration=True)

    def Attach(self, request: plugin_pb2.PluginAttach, context: Rpc) -> empty_pb2.Empty:
        return empty_pb2.Empty()

    def Cancel(self, request: empty_pb2.Empty, context: Rpc) -> empty_pb2.Empty:
        self.cancelled.set()
        return empty_pb2.Empty()

    def GetMappings(self, request: provider_pb2.GetMappingsRequest, context: Rpc) -> provider_pb2.GetMappingsResponse:
        return provider_pb2.GetMappingsResponse()

    def CheckConfig(self, request: provider_pb2.CheckRequest, context: Rpc) -> provider_pb2.CheckResponse:
        return provider_pb2.CheckResponse(inputs=request.news)


def serve_provider(provider: ProviderDouble) -> None:
    """Serves until the engine ends it."""
    serve_for_ever(lambda server: provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server))
