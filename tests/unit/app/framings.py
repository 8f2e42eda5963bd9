"""Bytes through framers: in pieces, eagerly or lazily; and the framers that the properties are about."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from prefork import (
    H11,
    JSON,
    Fixed,
    JSONLines,
    LengthPrefixed,
    Lines,
    MessagePack,
    Netstring,
    Request,
    Response,
    compose,
)
from prefork.app.framing import NEED_MORE, Decoder, Framer, FramingError

if TYPE_CHECKING:
    from collections.abc import Callable

places = st.lists(st.integers(0, 2000), max_size=12)


def cut(raw: bytes, places: list[int]) -> list[bytes]:
    """The pieces of `raw` between the places, none empty."""
    edges = [0, *sorted({each % (len(raw) + 1) for each in places}), len(raw)]
    return [raw[a:b] for a, b in pairwise(edges) if a < b]


def each_byte(raw: bytes) -> list[bytes]:
    return cut(raw, list(range(len(raw))))


def drained(decoder: Decoder[Any], then: Callable[[], object] = lambda: None) -> tuple[list[object], str | None]:
    """All items there are, `then` called after each; and the error that follows them."""
    items = []
    try:
        while (item := decoder.next()) is not NEED_MORE:
            items.append(item)
            then()
    except FramingError as error:
        return items, str(error)
    return items, None


def decoded(
    framer: Framer[Any], pieces: list[bytes], *, lazily: bool = False, answer: object = None
) -> tuple[list[object], str | None, bytes]:
    """Items, error and rest after feeding `pieces`; `lazily`: nothing is asked for before all is fed.

    `answer` is encoded after each item, where the framer waits for it.
    """
    decoder, encode = framer.pair()

    def then() -> None:
        if answer is not None:
            encode(answer)

    items: list[object] = []
    error = None
    for piece in pieces:
        if lazily:
            decoder.feed(piece)
            continue
        try:
            first = decoder.take(piece)
        except FramingError as bad:
            return items, str(bad), b""
        if first is not NEED_MORE:
            items.append(first)
            then()
        more, error = drained(decoder, then)
        items += more
        if error:
            return items, error, b""
    more, error = drained(decoder, then)
    return items + more, error, b"" if error else decoder.rest()


class Number:
    """A codec: a line is a number."""

    def decode(self, frame: str, /) -> int:
        return int(frame)

    def encode(self, item: int, /) -> str:
        return str(item)


def written(request: Request) -> bytes:
    """The request as a client writes it, chunked where its headers say so."""
    head = f"{request.method} {request.target} HTTP/{request.version}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in request.headers)
    body = request.body
    if ("transfer-encoding", "chunked") in request.headers:
        half = len(body) // 2
        parts = [part for part in (body[:half], body[half:]) if part]
        body = b"".join(b"%x;note=1\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\ntrailer: x\r\n\r\n"
    return head.encode("latin-1") + b"\r\n" + body


@st.composite
def requests(draw: st.DrawFn) -> Request:
    body = draw(st.binary(max_size=20))
    framing = draw(st.sampled_from(["none", "length", "chunked"]))
    headers = [("host", "example"), ("x-note", draw(st.sampled_from(["", "a b", "\xe9", "a, b"])))]
    if framing == "length":
        headers.append(("content-length", str(len(body))))
    elif framing == "chunked":
        headers.append(("transfer-encoding", "chunked"))
    else:
        body = b""
    return Request(
        method=draw(st.sampled_from(["GET", "HEAD", "POST", "X-OWN"])),
        target=draw(st.sampled_from(["/", "/a?b=%20", "*"])),
        headers=tuple(draw(st.permutations(headers))),
        body=body,
        version="1.1",
        keep_alive=True,
    )


@dataclass(frozen=True)
class Case:
    """A framer, what travels by it, and bytes that come near to its frames."""

    framer: Framer[Any]
    items: st.SearchStrategy[Any]
    pieces: list[bytes]
    write: Callable[[Any], bytes]
    answer: object = None
    own_words: bool = True
    """False: which error is told first is the library's affair."""

    @property
    def near(self) -> st.SearchStrategy[bytes]:
        """Whole frames, parts of frames and noise, in any order."""
        piece = st.one_of(st.sampled_from(self.pieces), self.items.map(self.write), st.binary(max_size=3))
        return st.lists(piece, max_size=8).map(b"".join)


def case(framer: Framer[Any], items: st.SearchStrategy[Any], pieces: list[bytes]) -> Case:
    return Case(framer, items, pieces, framer.encode)


def http_case(framer: H11) -> Case:
    pieces = [
        b"GET / HTTP/1.1\r\n",
        b"Host: a\r\n",
        b"\r\n",
        b"Content-Length: 101\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n",
        b"3\r\nabc\r\n",
        b"3\r\nabcd",
        b"1" * 100,
        b"Connection: close\r\n",
        b"Upgrade: own\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n",
        b"abc",
        b"0\r\n\r\n",
    ]
    return Case(framer, requests(), pieces, written, answer=Response(200), own_words=False)


def trees(leaves: st.SearchStrategy[Any], keys: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        st.one_of(st.none(), st.booleans(), st.floats(allow_nan=False, allow_infinity=False), leaves),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
        max_leaves=6,
    )


blobs = st.binary(max_size=20)
unicode = st.text(max_size=6)
json_values = trees(st.integers() | st.text(max_size=6) | st.just("\ud800"), unicode)
message_values = trees(st.integers(-(2**63), 2**64 - 1) | unicode | blobs, unicode | blobs)
line_texts = st.text(alphabet=st.characters(exclude_characters="\n\r", codec="utf-8"), max_size=20)

CASES = {
    "lines": case(Lines(20 * 4), line_texts, [b"a", b"\n", b"\r\n", b"\xff", b"\xc3", b"x" * 50]),
    "fixed": case(Fixed(3), st.binary(min_size=3, max_size=3), [b"ab"]),
    "prefix of 1": case(LengthPrefixed(1), blobs, [b"\x00", b"\x02a", b"\xff"]),
    "prefix of 2": case(LengthPrefixed(2, "little", limit=20), blobs, [b"\x00", b"\x14\x00", b"\x15\x00"]),
    "prefix of 8": case(LengthPrefixed(8, limit=20), blobs, [b"\x00" * 7, b"\x14", b"\x15"]),
    "netstring": case(Netstring(limit=20), blobs, [b"0:,", b"5:", b"05:", b"20:", b"21", b",", b":", b"1:a;"]),
    "json lines": case(
        JSONLines(), json_values, [b"{}\n", b"\n", b"[" * 40, b"]\n", b"NaN\n", b"1e999\n", b'"\xff"\n', b"-"]
    ),
    "framed json": case(
        compose(LengthPrefixed(2), JSON), json_values, [b"\x00\x00", b"\x00\x02{}", b"\x00\x01{", b"\x00\x02"]
    ),
    "numbers": case(compose(Lines(limit=40), Number), st.integers(-(10**38), 10**38), [b"1", b"\n", b"x\n", b"1_0\n"]),
    "message pack": case(
        MessagePack(limit=4096),
        message_values,
        [b"\xc1", b"\x93", b"\xdd\xff\xff\xff\xff", b"\xa2\xff\xff", b"\x81\x01\x01"],
    ),
    "framed message pack": case(
        compose(Netstring, MessagePack), message_values, [b"0:,", b"1:\xc0,", b"2:\xc0\xc0,", b"1:\x92,", b"9:"]
    ),
    "h11": http_case(H11(limit=100, head_limit=120)),
    "h11 that expects": http_case(H11(limit=100, head_limit=120, expect=True)),
}
"""By name: every framer but Stream, whose items are no frames."""
