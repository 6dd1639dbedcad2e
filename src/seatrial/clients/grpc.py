"""gRPC with grpcio: any method, by the server's reflection, by a descriptor set, or one that everybody has (health).

Operation: "package.Service/Method", with `message` (JSON; a list of them for a method that takes a stream), `metadata`, `descriptors`
(a file that `protoc --descriptor_set_out --include_imports` made), `deadline` (a Quantity: the call's own, which the server is told; it
runs from when there is a connection and the method is known). Reply.value: the answer as JSON, a list of them for
a stream; Reply.headers: the server's metadata.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc
import grpc.aio
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from ..arrivals.errors import ERRORS
from ..core.quantities import NS_PER_S, Quantity
from .protocol import Access, Client, Connect, Failure, Operation, Reply

REFUSED, TIMEOUT, TLS, PROTOCOL, CLOSED, REPLY = (
    ERRORS.index(e) for e in ("refused", "timeout", "tls", "protocol", "closed", "reply")
)
_NOT_DONE = frozenset({  # by their meaning in grpc/doc/statuscodes.md
    "INVALID_ARGUMENT", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "UNAUTHENTICATED", "FAILED_PRECONDITION", "OUT_OF_RANGE",
    "UNIMPLEMENTED",
})  # fmt: skip
_EVERYBODY = {health_pb2.DESCRIPTOR.services_by_name["Health"].full_name: health_pb2.DESCRIPTOR.pool}


@dataclass(frozen=True, kw_only=True)
class Method:
    """A method and its messages."""

    path: str
    asks: Any  # message classes
    answers: Any
    streams_in: bool
    streams_out: bool

    def written(self, given: object) -> list[bytes]:
        """Messages as they are sent. Raises Failure for what does not fit."""
        several: Sequence[Any] = given if isinstance(given, Sequence) and not isinstance(given, str) else [given or {}]
        try:
            return [json_format.ParseDict(dict(m), self.asks()).SerializeToString() for m in several]
        except (json_format.ParseError, TypeError, ValueError) as error:
            raise Failure(PROTOCOL, f"{self.path}: {error}", happened=False, lost=False, word="message") from error


class Methods:
    """What the server can be asked, found once; shared by the clients of a load."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Method] = {}
        self._looking = asyncio.Lock()

    async def find(self, channel: grpc.aio.Channel, name: str, descriptors: str) -> Method:
        """By its name. Raises Failure."""
        known = self._found.get((name, descriptors))
        if known is not None:
            return known
        async with self._looking:
            known = self._found.get((name, descriptors))  # who waited here for another one need not ask again
            if known is not None:
                return known
            service, _, method = name.strip("/").partition("/")
            pool = _from_file(descriptors) if descriptors else _EVERYBODY.get(service)
            if pool is None:
                pool = await _reflected(channel, service)
            found = self._found[name, descriptors] = _method(pool, service, method)
            return found


class GrpcClient:
    """clients.protocol.Client: a channel with a connection of its own."""

    def __init__(self, url: str, access: Access, methods: Methods) -> None:
        self._url, self._access, self._methods = urlsplit(url), access, methods
        self._channel: grpc.aio.Channel | None = None

    def _open(self) -> grpc.aio.Channel:
        if self._channel is None:
            target = f"{self._url.hostname}:{self._url.port}"
            options = [
                ("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0), ("grpc.enable_http_proxy", 0),
                ("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 500),
            ]  # fmt: skip
            if self._url.scheme in ("https", "grpcs"):
                self._channel = grpc.aio.secure_channel(target, _credentials(self._access), options)
            else:
                self._channel = grpc.aio.insecure_channel(target, options)
        return self._channel

    @property
    def connected(self) -> bool:
        """clients.protocol.Client."""
        return self._channel is not None and self._channel.get_state() is grpc.ChannelConnectivity.READY

    async def connect(self) -> None:
        """Wait until the server is there: whoever asks bounds the time."""
        await self._open().channel_ready()

    async def call(self, operation: Operation) -> Reply:
        """Raises Failure."""
        channel = self._open()
        try:
            descriptors = str(operation.arguments.get("descriptors") or "")
            method = await self._methods.find(channel, operation.what, descriptors)
            sent = method.written(operation.arguments.get("message"))
            given = operation.arguments.get("metadata")
            metadata = {**self._access.headers, **(given if isinstance(given, Mapping) else {})}
            deadline = operation.arguments.get("deadline")
            if isinstance(deadline, Quantity):
                await _ready(channel)
        except grpc.aio.AioRpcError as error:
            raise _failure(error) from error
        timeout_s = deadline.value / NS_PER_S if isinstance(deadline, Quantity) else None
        pairs, began = [(n.lower(), str(v)) for n, v in metadata.items()], time.monotonic_ns()
        try:
            answers, said = await _exchange(channel, method, sent, pairs, timeout_s)
        except grpc.aio.AioRpcError as error:
            raise _failure(error, time.monotonic_ns() - began) from error
        lasted_ns = time.monotonic_ns() - began
        values = [json_format.MessageToDict(a, preserving_proto_field_name=True) for a in answers]
        size = sum(a.ByteSize() for a in answers)
        return Reply(values if method.streams_out else values[0], headers=said, size=size, lasted_ns=lasted_ns)

    async def close(self) -> None:
        """At once."""
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.close()


async def _ready(channel: grpc.aio.Channel) -> None:
    """A connection, before the call's own time runs. Whoever asks bounds how long that may take. Raises Failure where nobody is there."""
    state = channel.get_state(try_to_connect=True)
    while state is not grpc.ChannelConnectivity.READY:
        if state is grpc.ChannelConnectivity.TRANSIENT_FAILURE:
            raise Failure(REFUSED, "UNAVAILABLE: no connection could be made", happened=False, word="UNAVAILABLE")
        await channel.wait_for_state_change(state)
        state = channel.get_state(try_to_connect=True)


def connector(access: Access) -> Connect:
    """clients.protocol.Connector: the ways in take turns."""
    turn = iter(range(1 << 62))
    methods = Methods()

    def connect() -> Client:
        return GrpcClient(access.urls[next(turn) % len(access.urls)], access, methods)

    return connect


async def _exchange(
    channel: grpc.aio.Channel,
    method: Method,
    sent: Sequence[bytes],
    metadata: Sequence[tuple[str, str]],
    timeout_s: float | None,
) -> tuple[list[Any], Mapping[str, str]]:
    """The answers, and the metadata before and after them (of several the last one counts; binary ones are left out)."""
    kinds: Mapping[tuple[bool, bool], Callable[..., Any]] = {
        (False, False): channel.unary_unary, (False, True): channel.unary_stream,
        (True, False): channel.stream_unary, (True, True): channel.stream_stream,
    }  # fmt: skip
    ask = kinds[method.streams_in, method.streams_out](
        method.path, request_serializer=bytes, response_deserializer=method.answers.FromString
    )
    call = ask(_each(sent) if method.streams_in else sent[0], metadata=metadata, timeout=timeout_s)
    answers = [answer async for answer in call] if method.streams_out else [await call]
    said = (*(await call.initial_metadata() or ()), *(await call.trailing_metadata() or ()))
    return answers, {str(n): v for n, v in said if isinstance(v, str)}


async def _each(messages: Sequence[bytes]) -> AsyncIterator[bytes]:
    for message in messages:
        yield message


def _method(pool: Any, service: str, name: str) -> Method:
    try:
        described = pool.FindServiceByName(service)
        found = described.methods_by_name[name]
    except KeyError as error:
        raise Failure(
            PROTOCOL, f"no method {service}/{name}", happened=False, lost=False, word="UNIMPLEMENTED"
        ) from error
    return Method(
        path=f"/{service}/{name}",
        asks=message_factory.GetMessageClass(found.input_type),
        answers=message_factory.GetMessageClass(found.output_type),
        streams_in=found.client_streaming,
        streams_out=found.server_streaming,
    )


def _from_file(path: str) -> Any:
    try:
        files = descriptor_pb2.FileDescriptorSet.FromString(Path(path).read_bytes())
    except Exception as error:
        raise Failure(PROTOCOL, f"{path}: {error}", happened=False, lost=False, word="descriptors") from error
    return _pooled({f.name: f for f in files.file})


async def _reflected(channel: grpc.aio.Channel, service: str) -> Any:
    """Ask the server for the file of a service and for all that it imports."""
    files: dict[str, Any] = {}
    wanted = [reflection_pb2.ServerReflectionRequest(file_containing_symbol=service)]
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    while wanted:
        asked, wanted = wanted, []
        async for answer in stub.ServerReflectionInfo(_requests(asked)):
            if answer.HasField("error_response"):
                said = answer.error_response.error_message
                raise Failure(
                    PROTOCOL, f"no service {service}: {said}", happened=False, lost=False, word="UNIMPLEMENTED"
                )
            for raw in answer.file_descriptor_response.file_descriptor_proto:
                file = descriptor_pb2.FileDescriptorProto.FromString(raw)
                files[file.name] = file
        missing = {d for f in files.values() for d in f.dependency if d not in files}
        wanted = [reflection_pb2.ServerReflectionRequest(file_by_filename=name) for name in sorted(missing)]
    return _pooled(files)


async def _requests(asked: Sequence[Any]) -> AsyncIterator[Any]:
    for request in asked:
        yield request


def _pooled(files: Mapping[str, Any]) -> Any:
    """A pool of these files, each after what it imports."""
    pool = descriptor_pool.DescriptorPool()
    done: set[str] = set()

    def add(name: str) -> None:
        if name in done or name not in files:
            return
        done.add(name)
        for dependency in files[name].dependency:
            add(dependency)
        pool.Add(files[name])

    for name in files:
        add(name)
    return pool


def _failure(error: grpc.aio.AioRpcError, lasted_ns: int = 0) -> Failure:
    word = error.code().name
    text = f"{word}: {error.details() or error.debug_error_string()}"
    if word == "UNAVAILABLE":
        refused = "refused" in text.lower() or "failed to connect" in text.lower()
        return Failure(REFUSED if refused else CLOSED, text, happened=False if refused else None, word=word)
    if word == "DEADLINE_EXCEEDED":
        return Failure(TIMEOUT, text, lost=False, word=word, lasted_ns=lasted_ns)
    happened = False if word in _NOT_DONE else None
    return Failure(REPLY, text, happened=happened, lost=False, word=word, lasted_ns=lasted_ns)


def _credentials(access: Access) -> grpc.ChannelCredentials:
    def read(path: str) -> bytes | None:
        return Path(path).read_bytes() if path else None

    if access.verify is False:
        raise Failure(TLS, "gRPC cannot leave a certificate unchecked: name the authority", happened=False)
    authority = read(access.verify) if isinstance(access.verify, str) else None
    return grpc.ssl_channel_credentials(authority, read(access.key), read(access.cert))
