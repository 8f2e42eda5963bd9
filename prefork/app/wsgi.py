"""WSGI apps over gunicorn's HTTP core: its parser, its environ and its response, on one connection after the other.

Theory. gunicorn keeps the parts that are hard to get right (where a request begins and ends, what it may look like, how
a response is framed) apart from its own processes and sockets: they want something that receives and sends. That is the
`Wire`, and what it adds is time: a peer that sends nothing between two requests is left after a while, one that stalls
within a request is told 408, however slowly it goes on.

Drain. Between two requests the session is idle, and its loop may end its input. A response whose head is not yet sent
says `Connection: close`, and is the last.

Source: PEP 3333; RFC 9112, 9.6 (Connection: close).
"""

from __future__ import annotations

import ssl
import time
from typing import TYPE_CHECKING, Any, Final

from gunicorn.config import Config
from gunicorn.http import RequestParser, errors
from gunicorn.http.wsgi import FileWrapper, create
from gunicorn.util import write_error

from prefork.app.framing import FramingError

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.app.blocking import Visit

IDLE_S: Final = 15.0
"""So long a peer may send nothing before its first request, and between two."""
GRACE_S: Final = 0.1
"""So long once the worker drains: a request may be on its way, where the response before it didn't say `close`."""
HEAD_S: Final = 30.0
"""So long the line and the headers of a request may take."""
STALL_S: Final = 30.0
"""So long a peer may neither send the body that it announced nor read its response."""
_SKIP_S: Final = 5.0
"""So long what the app left of a body is read and dropped."""
_FAULTS: Final = (
    (errors.LimitRequestLine, 414, "URI Too Long"),
    (errors.LimitRequestHeaders, 431, "Request Header Fields Too Large"),
    (errors.ExpectationFailed, 417, "Expectation Failed"),
    (errors.UnsupportedTransferCoding, 501, "Not Implemented"),
    (errors.ForbiddenProxyRequest, 403, "Forbidden"),
)
"""What a peer's mistake is answered with; any other by 400."""
_OURS: Final = (errors.InvalidResponseHeader, errors.InvalidResponseHeaderName, errors.ConfigurationProblem)
"""Mistakes that are the app's."""


class Gateway:
    """One worker's. A call serves one connection to its end."""

    def __init__(self, app: Callable[..., Any]) -> None:
        self._app = app
        self._config = Config()
        self._config.set("workers", 2)  # which makes wsgi.multiprocess true

    def __call__(self, visit: Visit) -> None:
        """Request after request. Raises what the app raises, and FramingError for what is no HTTP."""
        wire = Wire(visit)
        parser = RequestParser(self._config, wire, visit.peer)
        try:
            while self._serve_one(visit, wire, parser):
                pass
        except OSError:
            if not wire.is_broken:
                raise
        except errors.ParseException as error:
            if isinstance(error, _OURS):
                raise
            raise FramingError(str(error)) from error

    def _serve_one(self, visit: Visit, wire: Wire, parser: RequestParser) -> bool:
        """Whether another request may follow."""
        try:
            request = wire.next_request(parser)
            if request is None:
                return False
            exchange = Exchange(visit, wire, request, self._config)
            exchange.run(self._app)
        except BaseException as error:
            wire.refuse(error)
            raise
        return not exchange.is_last and bool(parser.finish_body(deadline=time.monotonic() + _SKIP_S))


class Exchange:
    """One request and its response."""

    def __init__(self, visit: Visit, wire: Wire, request: Any, config: Config) -> None:  # noqa: ANN401 - gunicorn's
        connection = visit.connection
        if isinstance(connection, ssl.SSLSocket):
            request.scheme = "https"
        self._visit = visit
        self._wire = wire
        self._request = request
        self._response, self._environ = create(request, wire, visit.peer, visit.listener, config)
        self._environ["gunicorn.socket"] = connection
        self._environ["wsgi.multithread"] = True

    @property
    def is_last(self) -> bool:
        """The connection is to be closed."""
        return bool(self._response.should_close())

    def run(self, app: Callable[..., Any]) -> None:
        """Send what the app answers. Raises what it raises."""
        try:
            body = app(self._environ, self._start)
            try:
                self._send(body)
            finally:
                if hasattr(body, "close"):
                    body.close()
        except Exception as error:
            error.add_note(f"The request was {self._request.method} {self._request.uri}")
            raise

    def _start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:  # noqa: ANN401 - PEP 3333
        write: Callable[[bytes], object] = self._response.start_response(status, headers, exc_info)
        return write

    def _send(self, body: Any) -> None:  # noqa: ANN401 - an iterable
        response, visit = self._response, self._visit
        if isinstance(body, FileWrapper):
            if visit.is_draining:
                response.force_close()
            response.write_file(body)
        else:
            for piece in body:
                if visit.is_draining and not response.headers_sent:
                    response.force_close()
                response.write(piece)
        if visit.is_draining and not response.headers_sent:
            response.force_close()
        response.close()
        self._wire.flush()


class Wire:
    """The connection, as gunicorn's parser and response want it: head and body of a small response leave in one piece.

    Every error of the socket, a timeout too, leaves it broken.
    """

    def __init__(self, visit: Visit) -> None:
        self.is_broken = False
        self.has_sent = False
        """Something of the current response."""
        self._visit = visit
        self._socket = visit.connection
        self._head = b""
        """Of a response, until there is more to send."""
        self._head_by = 0.0
        self.fileno = self._socket.fileno
        self.settimeout = self._socket.settimeout
        self.gettimeout = self._socket.gettimeout

    def next_request(self, parser: RequestParser) -> Any | None:  # noqa: ANN401 - gunicorn's
        """The next one, as far as its headers; None: there is none. Raises TimeoutError and ParseException."""
        visit = self._visit
        self.has_sent = False
        if parser.unreader.buf.getbuffer().nbytes:
            self._begin()
        else:
            visit.idle = True
            self.settimeout(GRACE_S if visit.is_draining else IDLE_S)
        try:
            request = next(parser)
        except (StopIteration, errors.NoMoreData):
            return None
        except TimeoutError:
            if visit.idle:
                return None
            raise
        visit.idle = False
        self._head_by = 0.0
        self.settimeout(STALL_S)
        return request

    def _begin(self) -> None:
        """A request is there, or a part of one."""
        self._visit.idle = False
        self._head_by = time.monotonic() + HEAD_S

    def recv(self, size: int) -> bytes:
        """Receive."""
        if self._head_by:
            self.settimeout(max(0.001, self._head_by - time.monotonic()))
        try:
            chunk = self._socket.recv(size)
        except OSError:
            self.is_broken = True
            raise
        if self._visit.idle:
            self._begin()
        elif not chunk:  # in the middle of a request
            self.is_broken = True
        return chunk

    def sendall(self, piece: bytes) -> None:
        """Send, a response's head with what follows it. What is no final response leaves at once."""
        if not self.has_sent and not self._head and not piece.startswith(b"HTTP/1.1 1"):
            self._head = piece
            return
        head, self._head = self._head, b""
        self.has_sent = self.has_sent or bool(head)
        try:
            self._socket.sendall(head + piece if head else piece)
        except OSError:
            self.is_broken = True
            raise

    send = sendall

    def flush(self) -> None:
        """Send the head of a response that has nothing else."""
        if self._head:
            self.sendall(b"")

    def sendfile(self, file: Any, offset: int, count: int) -> int:  # noqa: ANN401 - as socket's
        """Send a file, from the kernel's own cache."""
        self.flush()
        try:
            return self._socket.sendfile(file, offset, count)
        except OSError:
            self.is_broken = True
            raise

    def refuse(self, error: BaseException) -> None:
        """Answer for a request that can't be served, where no answer has begun."""
        self._head = b""
        if self.has_sent:
            return
        status, reason, text = _answer(error)
        if status and (isinstance(error, TimeoutError) or not self.is_broken):
            try:
                write_error(self._socket, status, reason, text)
            except OSError:
                self.is_broken = True


def _answer(error: BaseException) -> tuple[int, str, str]:
    """Status, reason and text; 0: nobody is there to be answered."""
    match error:
        case TimeoutError():
            return 408, "Request Timeout", "The request took too long."
        case OSError():
            return 0, "", ""
        case errors.ParseException() if not isinstance(error, _OURS):
            for kind, status, reason in _FAULTS:
                if isinstance(error, kind):
                    return status, reason, str(error)
            return 400, "Bad Request", str(error)
        case _:
            return 500, "Internal Server Error", ""
