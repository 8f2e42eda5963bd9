"""One connection's HTTP/1.1 on h11: what is imported when an `H11` is used."""

# ruff: noqa: D102 - what a decoder overrides is told once, by Decoder

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import h11

from prefork.app.framing.base import NEED_MORE, Decoder, FramingError, Need
from prefork.app.framing.http1 import Request, Response

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prefork.app.framing.http1 import H11

CONTINUE, SWITCHING, FINAL, REDIRECTS = 100, 101, 200, 300
NO_CONTENT = (204, 304)
TOO_LARGE_BODY, TOO_LARGE = 413, 431
FRAMING = {"content-length", "transfer-encoding", b"content-length", b"transfer-encoding"}


class Exchange(Decoder[Request]):
    """The decoder, and by `answer` the encoder, of one connection.

    `_held` are the bytes since the last whole request, of which h11 was given the first `_given`. h11 never holds more
    than head_limit unread bytes, so that its limit speaks at the same byte however the chunks were cut. `_head` is
    there while its body is read. `_paused`: a request waits for its answer, or a head for leave to send the body.
    """

    __slots__ = ("_bad", "_body", "_given", "_h11", "_head", "_head_size", "_held", "_limits", "_method", "_paused")

    def __init__(self, limits: H11) -> None:
        self._limits = limits
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=limits.head_limit - 1)
        self._held = bytearray()
        self._given = 0
        self._head: h11.Request | None = None
        self._method = b""
        self._head_size = 0
        self._body = bytearray()
        self._paused = False
        self._bad: FramingError | None = None

    # -- requests in ---------------------------------------------------------------------------------------------------

    def feed(self, chunk: bytes, /) -> None:
        waits = self._paused or self._h11.our_state is h11.SWITCHED_PROTOCOL
        if waits and len(self._held) > self._limits.limit + self._limits.head_limit:
            self._bad = FramingError(f"over {len(self._held)} bytes came while a request waited for its answer")
        else:
            self._held += chunk

    def next(self) -> Request | Literal[Need.MORE]:
        if self._bad is not None:
            raise self._bad
        if self._paused:
            return NEED_MORE
        try:
            return self._request()
        except FramingError as error:
            self._bad = FramingError(str(error), self._refusal(TOO_LARGE_BODY))
        except h11.RemoteProtocolError as error:
            self._bad = FramingError(self._sentence(error), self._refusal(error.error_status_hint))
        raise self._bad from None

    def _refusal(self, status: int) -> bytes:
        """The response that a bad request gets before the connection ends; nothing where one was begun already."""
        if self._h11.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return b""
        head = h11.Response(status_code=status, headers=[("connection", "close"), ("content-length", "0")])
        return self._h11.send(head) + self._h11.send(h11.EndOfMessage())

    def rest(self) -> bytes:
        return bytes(self._held)

    @property
    def unanswered(self) -> bool:
        return self._paused

    def _request(self) -> Request | Literal[Need.MORE]:
        """The next request, or the head of one whose peer waits; NEED_MORE for ever once HTTP is over."""
        while True:
            event = self._h11.next_event()
            if isinstance(event, h11.Data):
                self._body += event.data
            elif isinstance(event, h11.Request):
                self._begin(event)
                if self._limits.expect and self._h11.they_are_waiting_for_100_continue:
                    self._paused = True
                    return _made(event, b"", awaits_continue=True)
            elif isinstance(event, h11.EndOfMessage):
                request = self._end()
                if self._h11.our_state is h11.SEND_RESPONSE:  # else it was answered at its head
                    self._paused = True
                    return request
            elif event is h11.PAUSED or not self._give():
                return NEED_MORE

    def _give(self) -> bool:
        """Give h11 as much as it may hold; False: there is nothing to give."""
        unread = self._given
        if self._head is not None:
            self._check_body(self._given - self._head_size)
            unread = len(self._h11.trailing_data[0])
        more = bytes(self._held[self._given : self._given + self._limits.head_limit - unread])
        if more:
            self._h11.receive_data(more)
            self._given += len(more)
        return bool(more)

    def _begin(self, head: h11.Request) -> None:
        self._head = head
        self._method = head.method
        self._head_size = self._given - len(self._h11.trailing_data[0])
        for name, value in head.headers:
            if name == b"content-length":
                self._check_body(int(value))

    def _end(self) -> Request:
        head, self._head = self._head, None
        assert head is not None
        unread = len(self._h11.trailing_data[0])
        size = self._given - unread
        self._check_body(size - self._head_size)
        body = bytes(self._body)
        self._body.clear()
        del self._held[:size]
        self._given = unread
        return _made(head, body)

    def _check_body(self, size: int) -> None:
        if size > self._limits.limit:
            raise FramingError(f"a request's body is over the limit of {self._limits.limit} bytes")

    def _sentence(self, error: h11.RemoteProtocolError) -> str:
        if error.error_status_hint == TOO_LARGE:
            part = "head" if self._head is None else "chunk's head"
            return f"a request's {part} is over the limit of {self._limits.head_limit} bytes"
        reason, _, _ = str(error).partition(": b")  # the bytes after it depend on the chunks
        return f"a request is no HTTP/1: {reason}"

    # -- responses out -------------------------------------------------------------------------------------------------

    def answer(self, response: Response, /) -> bytes:
        """The bytes of `response` to the request given last. Raises ValueError or TypeError when it can't be sent."""
        if not isinstance(response, Response):
            raise TypeError(f"H11 sends Response, not {type(response).__name__}")
        if not self._paused:
            raise ValueError(f"no request waits for a response ({response.status})")
        try:
            return self._interim(response) if response.status < FINAL else self._final(response)
        except h11.LocalProtocolError as error:
            raise ValueError(f"a response ({response.status}) can't be sent: {error}") from None

    def _interim(self, response: Response) -> bytes:
        if response.body:
            raise ValueError(f"a response ({response.status}) has no body")
        headers: list[Any] = list(response.headers)
        sent = self._h11.send(
            h11.InformationalResponse(status_code=response.status, headers=headers, reason=response.reason)
        )
        if response.status == SWITCHING or (response.status == CONTINUE and self._head is not None):
            self._paused = False
        return sent

    def _final(self, response: Response) -> bytes:
        headers: list[Any] = list(response.headers)
        if self._head is not None:  # a refusal: what its peer may send of the body isn't worth a next request
            headers.append(("connection", "close"))
        connection = self._h11
        if self._is_framed(response.status, headers):
            headers.append(("content-length", str(len(response.body))))
        sent = [connection.send(h11.Response(status_code=response.status, headers=headers, reason=response.reason))]
        if connection.our_state is not h11.SWITCHED_PROTOCOL:  # which a CONNECT's answer does
            if response.body and self._method != b"HEAD":
                sent.append(connection.send(h11.Data(data=response.body)))
            sent.append(connection.send(h11.EndOfMessage()))
        self._paused = False
        if connection.our_state is connection.their_state is h11.DONE:
            connection.start_next_cycle()
        return b"".join(sent)

    def _is_framed(self, status: int, headers: Iterable[tuple[str | bytes, str | bytes]]) -> bool:
        """Whether a content-length is to be added."""
        if status in NO_CONTENT or (self._method == b"CONNECT" and status < REDIRECTS):
            return False
        names = {name.lower() for name, _ in headers}
        return names.isdisjoint(FRAMING)


def _made(head: h11.Request, body: bytes, *, awaits_continue: bool = False) -> Request:
    version = head.http_version.decode()
    closes = any(
        word.strip().lower() == b"close"
        for name, value in head.headers
        if name == b"connection"
        for word in value.split(b",")
    )
    return Request(
        method=head.method.decode(),
        target=head.target.decode(),
        headers=tuple((name.decode(), value.decode("latin-1")) for name, value in head.headers),
        body=body,
        version=version,
        keep_alive=version >= "1.1" and not closes,
        awaits_continue=awaits_continue,
    )
