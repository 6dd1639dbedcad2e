"""HTTP/2 with h2: many clients share a connection, each has a stream of it at a time.

Over TLS by ALPN; without TLS with prior knowledge (RFC 9113, 3.3). A connection that is going away takes no new streams.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import SplitResult, urlsplit

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings

from ..arrivals.errors import ERRORS
from .protocol import Access, Client, Connect, Failure, Operation, Reply, code_of

RESET, PROTOCOL, CLOSED = (ERRORS.index(e) for e in ("reset", "protocol", "closed"))
GOAWAY = "GOAWAY"
STREAMS = 100  # on a connection, where the server does not allow fewer
WINDOW = 1 << 24  # bytes that may come before we say that we took them


@dataclass(eq=False)
class _Stream:
    answer: asyncio.Future[Reply]
    left: memoryview
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)


class _States(h2.connection.H2ConnectionStateMachine):
    """As h2 has them, but what was asked before GOAWAY is still answered (RFC 9113, 6.8)."""

    def __init__(self) -> None:
        super().__init__()
        going = h2.connection.ConnectionState.CLIENT_OPEN, h2.connection.ConnectionInputs.RECV_GOAWAY
        self._transitions = {**self._transitions, going: (None, h2.connection.ConnectionState.CLIENT_OPEN)}


class Session(asyncio.Protocol):
    """One connection and its streams."""

    def __init__(self, scheme: str, authority: str) -> None:
        self._scheme, self._authority = scheme, authority
        config = h2.config.H2Configuration(client_side=True, header_encoding="utf-8")
        self._h2 = h2.connection.H2Connection(config)
        self._h2.state_machine = _States()
        self._streams: dict[int, _Stream] = {}
        self._transport: asyncio.Transport | None = None
        self._usable = False
        self.greeted: asyncio.Future[None] = asyncio.get_running_loop().create_future()  # it has said what it allows

    @property
    def free(self) -> bool:
        """Another stream may be opened."""
        most = min(STREAMS, self._h2.remote_settings.max_concurrent_streams)
        return self._usable and len(self._streams) < most

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: connected."""
        self._transport = cast("asyncio.Transport", transport)
        self._h2.initiate_connection()
        self._h2.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: WINDOW})
        self._h2.increment_flow_control_window(WINDOW)
        self._flush()

    def _flush(self) -> None:
        data = self._h2.data_to_send()
        if data and self._transport is not None:
            self._transport.write(data)

    async def request(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """One request on a stream of its own. Raises Failure; cancelled, it resets the stream."""
        try:
            number = self._h2.get_next_available_stream_id()
            fields = [(":method", method), (":scheme", self._scheme), (":authority", self._authority), (":path", path)]
            fields += [(name.lower(), value) for name, value in headers.items()]
            self._h2.send_headers(number, fields, end_stream=not body)
        except h2.exceptions.ProtocolError as error:
            self._usable = False
            raise Failure(PROTOCOL, str(error), happened=False) from error
        stream = _Stream(answer=asyncio.get_running_loop().create_future(), left=memoryview(body))
        self._streams[number] = stream
        if body:
            self._send(number, stream)
        self._flush()
        try:
            return await stream.answer
        finally:
            if self._streams.pop(number, None) is not None and not stream.answer.done():
                self._reset(number)

    def _reset(self, number: int) -> None:
        try:
            self._h2.reset_stream(number, 8)  # CANCEL
        except h2.exceptions.ProtocolError:
            return  # it has ended
        self._flush()

    def _send(self, number: int, stream: _Stream) -> None:
        """As much of the body as the server takes now."""
        try:
            while stream.left:
                most = min(self._h2.local_flow_control_window(number), self._h2.max_outbound_frame_size)
                if most <= 0:
                    return
                part, stream.left = stream.left[:most], stream.left[most:]
                self._h2.send_data(number, part.tobytes(), end_stream=not stream.left)
        except h2.exceptions.StreamClosedError:
            stream.left = memoryview(b"")  # the server has reset it: that event follows

    def data_received(self, data: bytes) -> None:
        """asyncio: frames."""
        if not self.greeted.done() and data.startswith(b"HTTP/"):  # h2 would wait for a frame of that length
            self.fail(Failure(PROTOCOL, "the server answers in HTTP/1"))
            return
        try:
            events = self._h2.receive_data(data)
        except h2.exceptions.ProtocolError as error:
            self.fail(Failure(PROTOCOL, str(error)))
            return
        for event in events:
            self._take(event)
        self._flush()
        self._leave()

    def _leave(self) -> None:
        """Nothing more comes over a connection that is going away."""
        if self.greeted.done() and not self._usable and not self._streams and self._transport is not None:
            self._transport.abort()

    @property
    def over(self) -> bool:
        """It takes no further streams, and has none."""
        return not self._usable and not self._streams

    def _take(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.DataReceived():
                self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                if event.stream_id in self._streams:
                    self._streams[event.stream_id].body += event.data
            case h2.events.ResponseReceived():
                if (stream := self._streams.get(event.stream_id)) is not None:
                    headers = {str(n): str(v) for n, v in event.headers}
                    stream.status = int(headers.get(":status", "0"))
                    stream.headers = {n: v for n, v in headers.items() if n[0] != ":"}
            case h2.events.StreamEnded():
                self._whole(event.stream_id)
            case h2.events.StreamReset():
                refused = event.error_code == 7  # REFUSED_STREAM: nothing was done (RFC 9113, 8.7)
                why = Failure(RESET, "the stream was reset", happened=False if refused else None, lost=False)
                self._end(event.stream_id, why)
            case h2.events.WindowUpdated() | h2.events.RemoteSettingsChanged():
                if not self.greeted.done():
                    self._usable = True
                    self.greeted.set_result(None)
                for number, stream in list(self._streams.items()):
                    self._send(number, stream)
            case h2.events.ConnectionTerminated():
                self._usable = False
                last = event.last_stream_id or 0
                for number in [n for n in self._streams if n > last]:
                    why = Failure(CLOSED, "the server is going away", happened=False, word=GOAWAY)
                    self._end(number, why)

    def _whole(self, number: int) -> None:
        stream = self._streams.pop(number, None)
        if stream is not None and not stream.answer.done():
            body = bytes(stream.body)
            stream.answer.set_result(Reply(body, stream.status, stream.headers, len(body)))

    def _end(self, number: int, why: Failure) -> None:
        stream = self._streams.pop(number, None)
        if stream is not None and not stream.answer.done():
            stream.answer.set_exception(why)

    def connection_lost(self, error: Exception | None) -> None:
        """asyncio: gone."""
        self.fail(Failure(CLOSED if error is None else RESET, str(error or "the connection was closed")))

    def fail(self, why: Failure) -> None:
        """End it and all its streams."""
        self._usable = False
        if not self.greeted.done():
            self.greeted.set_exception(Failure(why.code, str(why), happened=False))
            self.greeted.exception()  # nobody may be waiting
        for number in list(self._streams):
            self._end(number, Failure(why.code, str(why)))
        if self._transport is not None:
            self._transport.abort()


class Sessions:
    """The connections of a load, opened as streams are wanted, to each way in in turn."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self._ways = [urlsplit(url) for url in access.urls]
        self._sessions: list[Session] = []
        self._opening = asyncio.Lock()
        self._turn = 0
        secure = any(w.scheme == "https" for w in self._ways)
        self._context = _context(access) if secure else None

    async def take(self) -> Session:
        """One with a free stream. Raises Failure."""
        session = self._free()
        if session is not None:
            return session
        async with self._opening:
            session = self._free()
            if session is None:
                session = await self._open()
                self._sessions = [s for s in self._sessions if not s.over]
                self._sessions.append(session)
            return session

    def _free(self) -> Session | None:
        return next((s for s in self._sessions if s.free), None)

    async def _open(self) -> Session:
        way = self._ways[self._turn % len(self._ways)]
        self._turn += 1
        secure = way.scheme == "https"
        session = Session(way.scheme, way.netloc.rpartition("@")[2])
        loop = asyncio.get_running_loop()
        context = self._context if secure else None
        try:
            transport, _ = await loop.create_connection(lambda: session, way.hostname or "", _port(way), ssl=context)
        except (OSError, UnicodeError) as error:
            raise Failure(code_of(error), str(error), happened=False) from error
        wire = transport.get_extra_info("ssl_object")
        if wire is not None and wire.selected_alpn_protocol() != "h2":
            transport.abort()
            raise Failure(PROTOCOL, "the server does not speak HTTP/2 (ALPN)", happened=False)
        try:
            await session.greeted
        except asyncio.CancelledError:
            transport.abort()
            raise
        return session


class Http2Client:
    """clients.protocol.Client: "GET /x", with `headers`, `json` or `body`. It shares connections: what it has is one that has a place."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._session: Session | None = None

    @property
    def connected(self) -> bool:
        """clients.protocol.Client."""
        return self._session is not None and not self._session.over

    async def connect(self) -> None:
        """Have a connection with a free stream."""
        self._session = await self._sessions.take()

    async def call(self, operation: Operation) -> Reply:
        """One request. Raises Failure."""
        method, _, path = operation.what.partition(" ")
        given = operation.arguments.get("headers")
        headers = {**self._sessions.access.headers, **(given if isinstance(given, Mapping) else {})}
        known = {name.lower() for name in headers}
        body = operation.arguments.get("body") or b""
        if operation.arguments.get("json") is not None:
            body = json.dumps(operation.arguments["json"], separators=(",", ":"), ensure_ascii=False)
            if "content-type" not in known:
                headers["content-type"] = "application/json"
        if "user-agent" not in known:
            headers["user-agent"] = "seatrial"
        data = body.encode() if isinstance(body, str) else bytes(cast("bytes", body))
        if data:
            headers["content-length"] = str(len(data))
        while True:
            session = self._session = await self._sessions.take()
            try:
                return await session.request(method, path.strip() or "/", {n: str(v) for n, v in headers.items()}, data)
            except Failure as failure:
                if failure.word != GOAWAY:  # what the server has not taken is asked elsewhere (RFC 9113, 6.8)
                    raise

    async def close(self) -> None:
        """Nothing of its own: its streams have ended with its calls."""


def connector(access: Access) -> Connect:
    """clients.protocol.Connector."""
    sessions = Sessions(access)

    def connect() -> Client:
        return Http2Client(sessions)

    return connect


def _port(way: SplitResult) -> int:
    return way.port or (443 if way.scheme == "https" else 80)


def _context(access: Access) -> ssl.SSLContext:
    from .tls import context

    made = context(access.verify, access.cert, access.key)
    made.set_alpn_protocols(["h2"])
    return made
