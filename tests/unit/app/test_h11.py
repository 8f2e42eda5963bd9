from __future__ import annotations

import http.client
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from prefork import H11, Request, Response, compose
from prefork.app.framing import NEED_MORE, FramingError
from tests.unit.app.framings import decoded, each_byte

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.app.framing import Decoder, Framer

GET = b"GET /a?b=1 HTTP/1.1\r\nHost: example\r\n\r\n"
OK = Response(200)


class Same:
    """A codec that changes nothing."""

    def decode(self, frame: Any, /) -> Any:
        return frame

    def encode(self, item: Any, /) -> Any:
        return item


def post(*headers: str, body: bytes = b"") -> bytes:
    return "\r\n".join(["POST / HTTP/1.1", "Host: example", *headers, "", ""]).encode() + body


def request_of(raw: bytes, framer: H11 | None = None) -> Request:
    items, error, rest = decoded(framer or H11(), [raw])
    assert (len(items), error, rest) == (1, None, b"")
    (request,) = items
    assert isinstance(request, Request)
    return request


def asked(raw: bytes, framer: H11 | None = None) -> tuple[Decoder[Any], Callable[[Response], bytes]]:
    """A pair whose session has just received the request in `raw`."""
    decoder, encode = (framer or H11()).pair()
    decoder.feed(raw)
    assert decoder.next() is not NEED_MORE
    return decoder, encode


def lines(raw: bytes) -> list[str]:
    return raw.decode("latin-1").split("\r\n")


@pytest.mark.parametrize("framer", [H11(), compose(H11(), Same())], ids=["H11", "composed"])
def test_a_request_is_unanswered_until_the_final_response_to_it(framer: Framer[Any]) -> None:
    decoder, encode = framer.pair()
    assert not decoder.unanswered
    decoder.feed(GET)
    assert not decoder.unanswered
    decoder.next()
    assert decoder.unanswered
    encode(Response(103))
    assert decoder.unanswered
    encode(OK)
    assert not decoder.unanswered


# -- requests in -------------------------------------------------------------------------------------------------------


def test_a_request_is_given_whole() -> None:
    assert request_of(GET) == Request("GET", "/a?b=1", (("host", "example"),), b"", "1.1", keep_alive=True)
    assert request_of(post("X-Two: a", "x-two:  \xe9 ", "Content-Length: 3", body=b"abc")) == Request(
        method="POST",
        target="/",
        headers=(("host", "example"), ("x-two", "a"), ("x-two", "Ã©"), ("content-length", "3")),
        body=b"abc",
        version="1.1",
        keep_alive=True,
    )


def test_chunks_are_joined_and_trailers_dropped() -> None:
    body = b"3\r\nabc\r\n2;a=b\r\nde\r\n0\r\nx-trailer: 1\r\n\r\n"
    assert request_of(post("Transfer-Encoding: chunked", body=body)).body == b"abcde"


@pytest.mark.parametrize(
    ("raw", "keep_alive"),
    [
        pytest.param(GET, True, id="HTTP/1.1 goes on"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n", False, id="unless it says close"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n", True, id="or says what is so"),
        pytest.param(b"GET / HTTP/1.0\r\n\r\n", False, id="HTTP/1.0 ends"),
        pytest.param(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", False, id="HTTP/1.0 ends whatever it says"),
    ],
)
def test_a_request_says_whether_its_answer_is_the_last(raw: bytes, keep_alive: bool) -> None:
    assert request_of(raw).keep_alive is keep_alive
    _, encode = asked(raw)
    assert ("Connection: close" in lines(encode(OK))) is not keep_alive


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        pytest.param(b"GET\r\n\r\n", "illegal request line", id="no request line"),
        pytest.param(b"\x16\x03\x01", "illegal request line", id="TLS"),
        pytest.param(b"\r\n" + GET, "no request line received", id="an empty line"),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", "Missing mandatory Host: header", id="no host"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\n b c\r\nd\r\n\r\n", "illegal header line", id="a bad header"),
        pytest.param(post("Content-Length: x"), "bad Content-Length", id="a length that is none"),
        pytest.param(post("Content-Length: 1", "Content-Length: 2"), "conflicting Content-Length", id="two lengths"),
        pytest.param(post("Transfer-Encoding: gzip"), "Only Transfer-Encoding: chunked", id="an unknown encoding"),
        pytest.param(post("Transfer-Encoding: chunked", body=b"x\r\n"), "illegal chunk header", id="a bad chunk"),
        pytest.param(post("Transfer-Encoding: chunked", body=b"1\r\nabc"), "malformed chunk footer", id="a long chunk"),
    ],
)
def test_a_bad_request_is_a_framing_error_from_then_on(raw: bytes, error: str) -> None:
    for pieces, told in (([GET + raw], error), (each_byte(GET + raw), "")):  # by the byte, another may be seen first
        items, line, _ = decoded(H11(), pieces, answer=OK)
        assert len(items) == 1
        assert line is not None
        assert line.startswith(f"a request is no HTTP/1: {told}")
    decoder = H11().decoder()
    decoder.feed(raw)
    for _ in range(2):
        with pytest.raises(FramingError, match=f"a request is no HTTP/1: {error}"):
            decoder.next()
        decoder.feed(GET)


def test_a_head_may_be_as_long_as_its_limit() -> None:
    framer = H11(head_limit=len(GET))
    longer = GET.replace(b"?b", b"?bb")
    for pieces in ([GET + longer], each_byte(GET + longer)):
        items, told, _ = decoded(framer, pieces, answer=OK)
        assert (len(items), told) == (1, f"a request's head is over the limit of {len(GET)} bytes")


@pytest.mark.parametrize(
    ("fits", "over"),
    [
        pytest.param(
            post("Content-Length: 30", body=bytes(30)), post("Content-Length: 31"), id="a length, before the body"
        ),
        pytest.param(
            post("Transfer-Encoding: chunked", body=b"1\r\na\r\n" * 4 + b"0;\r\n\r\n"),
            post("Transfer-Encoding: chunked", body=b"1\r\na\r\n" * 6),
            id="chunks, with what is around them",
        ),
        pytest.param(
            post("Transfer-Encoding: chunked", body=b"1\r\na\r\n" * 4 + b"0;\r\n\r\n"),
            post("Transfer-Encoding: chunked", body=b"1\r\na\r\n" * 4 + b"0;;\r\n\r\n"),
            id="chunks that are whole",
        ),
    ],
)
def test_a_body_over_its_limit_is_refused(fits: bytes, over: bytes) -> None:
    framer = H11(limit=30, head_limit=200)
    for pieces in ([fits], each_byte(fits)):
        assert decoded(framer, pieces)[1] is None
    for pieces in ([over], each_byte(over)):
        assert decoded(framer, pieces)[:2] == ([], "a request's body is over the limit of 30 bytes")


def test_a_chunks_head_over_the_limit_is_refused_however_it_comes() -> None:
    raw = post("Transfer-Encoding: chunked", body=b"1;" + b"x" * 100 + b"\r\na\r\n0\r\n\r\n")
    for pieces in ([raw], each_byte(raw)):
        assert decoded(H11(head_limit=100), pieces)[:2] == (
            [],
            "a request's chunk's head is over the limit of 100 bytes",
        )


def test_in_the_middle_of_a_body_the_rest_is_the_request_so_far() -> None:
    decoder = H11().decoder()
    raw = post("Transfer-Encoding: chunked", body=b"3\r\nabc\r\n2\r\nd")
    for byte in each_byte(raw):
        decoder.feed(byte)
        assert decoder.next() is NEED_MORE
    assert decoder.rest() == raw


# -- one at a time -----------------------------------------------------------------------------------------------------


def test_a_pipelined_request_is_held_back_until_the_one_before_is_answered() -> None:
    decoder, encode = asked(GET + GET)
    assert (decoder.next(), decoder.rest()) == (NEED_MORE, GET)
    decoder.feed(GET)
    assert (decoder.next(), decoder.rest()) == (NEED_MORE, GET + GET)
    for status in (100, 103):
        encode(Response(status))
        assert decoder.next() is NEED_MORE
    encode(OK)
    assert (decoder.next(), decoder.rest()) == (request_of(GET), GET)


def test_later_requests_are_held_up_to_the_limits() -> None:
    decoder, encode = asked(GET, H11(limit=10, head_limit=100))
    while len(decoder.rest()) <= 110:
        decoder.feed(GET)
        assert decoder.next() is NEED_MORE
    decoder.feed(GET)
    held = decoder.rest()
    with pytest.raises(FramingError, match=f"over {len(held)} bytes came while a request waited for its answer"):
        decoder.next()
    encode(OK)
    with pytest.raises(FramingError):
        decoder.next()


def test_an_answer_needs_a_request() -> None:
    _, encode = asked(GET)
    encode(OK)
    for response in (OK, Response(100)):
        with pytest.raises(ValueError, match=rf"no request waits for a response \({response.status}\)"):
            encode(response)


def test_after_the_last_answer_nothing_is_taken() -> None:
    decoder, encode = asked(GET)
    encode(Response(200, [("Connection", "close")]))
    assert decoder.next() is NEED_MORE
    decoder.feed(GET)
    with pytest.raises(FramingError, match="a request is no HTTP/1: Got data when expecting EOF"):
        decoder.next()


# -- responses out -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "response", "sent"),
    [
        pytest.param(GET, OK, ["HTTP/1.1 200 ", "content-length: 0", "", ""], id="a length is added"),
        pytest.param(
            GET,
            Response(404, [("X-A", "b"), (b"x-c", b"d")], b"no", "Not Found"),
            ["HTTP/1.1 404 Not Found", "X-A: b", "x-c: d", "content-length: 2", "", "no"],
            id="headers, body and reason",
        ),
        pytest.param(
            GET.replace(b"GET", b"HEAD"), Response(200, (), b"body"), ["HTTP/1.1 200 ", "content-length: 4", "", ""],
            id="a HEAD gets the head alone",
        ),
        pytest.param(
            GET, Response(200, [("Transfer-Encoding", "chunked")], b"body"),
            ["HTTP/1.1 200 ", "Transfer-Encoding: chunked", "", "4", "body", "0", "", ""],
            id="chunked, where it is asked for",
        ),
        pytest.param(GET, Response(204), ["HTTP/1.1 204 ", "", ""], id="no content has no length"),
        pytest.param(GET, Response(103, [("link", "x")]), ["HTTP/1.1 103 ", "link: x", "", ""], id="early hints"),
        pytest.param(
            b"GET / HTTP/1.0\r\n\r\n", Response(200, (), b"x"),
            ["HTTP/1.1 200 ", "content-length: 1", "Connection: close", "", "x"],
            id="HTTP/1.0",
        ),
    ],
)  # fmt: skip
def test_a_response_on_the_wire(raw: bytes, response: Response, sent: list[str]) -> None:
    _, encode = asked(raw)
    assert lines(encode(response)) == sent


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (Response(200, [("content-length", "3")], b"ab"), r"a response \(200\) can't be sent: Too little data"),
        (Response(204, (), b"ab"), r"a response \(204\) can't be sent: Too much data"),
        (Response(200, [("a b", "c")]), r"a response \(200\) can't be sent: Illegal header name"),
        (Response(200, [("a", "b\r\nc: d")]), r"a response \(200\) can't be sent: Illegal header value"),
        (Response(1000), r"a response \(1000\) can't be sent: Response status_code should be in range"),
        (Response(99), r"a response \(99\) can't be sent: InformationalResponse status_code"),
        (Response(101), r"a response \(101\) can't be sent: Received server _SWITCH_UPGRADE event without"),
        (Response(100, (), b"a"), r"a response \(100\) has no body"),
    ],
)
def test_a_response_that_can_not_be_is_refused(response: Response, error: str) -> None:
    _, encode = asked(GET)
    with pytest.raises(ValueError, match=error):
        encode(response)


def test_only_a_response_is_sent_and_only_by_the_pair() -> None:
    _, encode = asked(GET)
    with pytest.raises(TypeError, match="H11 sends Response, not str"):
        encode("hello")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="H11 can't encode Response by itself"):
        H11().encode(OK)


# -- Expect, Upgrade, CONNECT ------------------------------------------------------------------------------------------

WAITING = post("Expect: 100-continue", "Content-Length: 3")


def test_the_head_of_a_request_that_waits_comes_first_where_the_session_wants_that() -> None:
    decoder, encode = H11(expect=True).pair()
    decoder.feed(WAITING)
    head = decoder.next()
    assert head == request_of(WAITING + b"abc")._replace(body=b"", awaits_continue=True)
    decoder.feed(b"abc")
    assert decoder.next() is NEED_MORE
    assert lines(encode(Response(100))) == ["HTTP/1.1 100 ", "", ""]
    assert decoder.next() == request_of(WAITING + b"abc")
    assert lines(encode(OK)) == ["HTTP/1.1 200 ", "content-length: 0", "", ""]
    decoder.feed(GET)
    assert decoder.next() == request_of(GET)


def test_a_refused_body_is_dropped_and_the_connection_is_over() -> None:
    decoder, encode = asked(WAITING, H11(expect=True))
    assert lines(encode(Response(413))) == ["HTTP/1.1 413 ", "connection: close", "content-length: 0", "", ""]
    decoder.feed(b"abc")
    assert (decoder.next(), decoder.rest()) == (NEED_MORE, b"")
    decoder.feed(GET)
    with pytest.raises(FramingError, match="Got data when expecting EOF"):
        decoder.next()


def test_else_the_whole_request_comes_once() -> None:
    assert request_of(WAITING + b"abc").body == b"abc"
    assert not request_of(WAITING + b"abc").awaits_continue


def test_after_a_switch_of_protocols_the_rest_belongs_to_the_next_framer() -> None:
    upgrade = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: own\r\n\r\n"
    decoder, encode = asked(upgrade + b"own bytes")
    assert lines(encode(Response(101, [("Upgrade", "own")])))[0] == "HTTP/1.1 101 "
    assert (decoder.next(), decoder.rest()) == (NEED_MORE, b"own bytes")
    decoder.feed(b", and more")
    assert (decoder.next(), decoder.rest()) == (NEED_MORE, b"own bytes, and more")


def test_an_upgrade_that_is_declined_stays_http() -> None:
    upgrade = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: own\r\n\r\n"
    decoder, encode = asked(upgrade + GET)
    encode(OK)
    assert decoder.next() == request_of(GET)


def test_a_connect_that_is_granted_ends_http() -> None:
    decoder, encode = asked(b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\ntunnel")
    assert lines(encode(OK)) == ["HTTP/1.1 200 ", "", ""]
    assert (decoder.next(), decoder.rest()) == (NEED_MORE, b"tunnel")


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: H11(limit=0), r"limit \(0\) is less than 1 byte"),
        (lambda: H11(head_limit=15), r"head_limit \(15\) is less than 16 bytes"),
    ],
)
def test_limits_that_can_not_be_are_refused(make: Any, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        make()


# -- a client that nobody here wrote -----------------------------------------------------------------------------------


def serve(sock: socket.socket) -> None:
    """One session's loop: echoes bodies, until the peer goes or the answer was the last."""
    decoder, encode = H11().pair()
    with sock:
        while chunk := sock.recv(7):
            decoder.feed(chunk)
            while (request := decoder.next()) is not NEED_MORE:
                sock.sendall(encode(Response(200, [("x-method", request.method)], request.body)))
                if not request.keep_alive:
                    return


def test_pythons_http_client_is_served() -> None:
    ours, theirs = socket.socketpair()
    server = threading.Thread(target=serve, args=[ours])
    server.start()
    client = http.client.HTTPConnection("example")
    client.sock = theirs
    theirs.settimeout(10)
    try:
        for method, body, headers, answer in [
            ("GET", None, {}, b""),
            ("POST", b"body", {}, b"body"),
            ("PUT", iter([b"chunk", b"s"]), {}, b"chunks"),
            ("HEAD", None, {}, b""),
            ("POST", b"last", {"Connection": "close"}, b"last"),
        ]:
            client.request(method, "/", body, headers)
            response = client.getresponse()
            assert (response.status, response.getheader("x-method"), response.read()) == (200, method, answer)
        assert response.will_close
    finally:
        client.close()
        theirs.close()
        server.join(10)
    assert not server.is_alive()


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        pytest.param(b"hello\r\n\r\n", b"400", id="no request"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 99 + b"\r\n\r\n", b"431", id="head too large"),
        pytest.param(post("Content-Length: 99"), b"413", id="body too large"),
    ],
)
def test_a_bad_request_is_refused_with_its_status_before_the_connection_ends(raw: bytes, status: bytes) -> None:
    decoder = H11(limit=9, head_limit=80).decoder()
    decoder.feed(raw)
    with pytest.raises(FramingError) as caught:
        decoder.next()
    assert caught.value.reply.startswith(b"HTTP/1.1 " + status)
    assert b"connection: close\r\n" in caught.value.reply


def test_what_follows_an_answer_that_ends_the_connection_gets_no_second_one() -> None:
    decoder, answer = asked(post("Content-Length: 1", "Connection: close", body=b"x") + b"GET")
    answer(OK)
    with pytest.raises(FramingError) as caught:
        decoder.next()
    assert caught.value.reply == b""
