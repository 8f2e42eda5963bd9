"""A stream of TLS between a link and its socket, over a socket that takes and gives what the test says."""

from __future__ import annotations

import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, cast

import pytest

from prefork.backends.backlog import Backlog
from prefork.backends.tls_stream import MOST_OWN_BYTES, SEAL_BYTES, TlsStream, unfinished
from prefork.testing.contract.tls_client import NAME, certificates
from prefork.tls_context import open_tls

if TYPE_CHECKING:
    import socket


class Wire:
    """Stands for the socket: `room` is how many bytes the kernel takes yet."""

    def __init__(self) -> None:
        self.came: list[bytes] = []
        self.sent = b""
        self.room = 1 << 30

    def send(self, piece: bytes) -> int:
        if not self.room:
            raise BlockingIOError
        taken = bytes(memoryview(piece)[: self.room])
        self.room -= len(taken)
        self.sent += taken
        return len(taken)

    def recv(self, size: int, flags: int = 0) -> bytes:
        if not self.came:
            raise BlockingIOError
        if flags:
            return self.came[0][:size]
        return self.came.pop(0)


class Peer:
    """The client's end of a stream."""

    def __init__(self) -> None:
        self.wire = Wire()
        server = open_tls("here", certificates().server)
        self.stream = TlsStream(server.context, cast("socket.SocketType", self.wire))
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.object = certificates().client.wrap_bio(self._in, self._out, server_hostname=NAME)
        done = False
        while not done:
            with suppress(ssl.SSLWantReadError):
                self.object.do_handshake()
            done = self.stream.handshake(self._out.read())
            self._take()

    def _take(self) -> None:
        self._in.write(self.wire.sent)
        self.wire.sent = b""

    def says(self, text: bytes) -> bytes:
        """Its records."""
        view = memoryview(text)
        while view:
            view = view[self.object.write(view) :]
        return self._out.read()

    def ends(self) -> bytes:
        """Its close_notify."""
        with suppress(ssl.SSLWantReadError):
            self.object.unwrap()
        return self._out.read()

    def hears(self) -> bytes:
        """All that has left the stream."""
        self._take()
        heard = b""
        with suppress(ssl.SSLWantReadError):
            while part := self.object.read(1 << 20):
                heard += part
        return heard


@pytest.fixture
def peer() -> Peer:
    return Peer()


def reads(peer: Peer) -> list[bytes]:
    """What each read of the stream gives, until nothing has come."""
    got = []
    while peer.wire.came:
        try:
            got.append(peer.stream.recv(65536))
        except BlockingIOError:
            got.append(b"-")
    return got


def test_a_record_that_comes_byte_by_byte_is_read_with_its_last_one(peer: Peer) -> None:
    record = peer.says(b"hello")
    peer.wire.came = [bytes([byte]) for byte in record]
    assert reads(peer) == [b"-"] * (len(record) - 1) + [b"hello"]


def test_all_that_came_is_read_at_once(peer: Peer) -> None:
    text = bytes(range(256)) * 200
    peer.wire.came = [peer.says(text) + peer.says(b"more")]
    assert reads(peer) == [text + b"more"]


def test_a_peek_sees_a_record_that_came_in_part_and_none_once_it_is_whole(peer: Peer) -> None:
    for split in range(1, 55, 3):
        first, second = peer.says(b"first"), peer.says(b"second")
        records = first + second
        assert split < len(records)
        peer.wire.came = [records[:split]]
        got = reads(peer)
        assert bool(_peek(peer)) is (split != len(first))
        peer.wire.came = [records[split:]]
        assert b"".join(got + reads(peer)).replace(b"-", b"") == b"firstsecond"
        assert _peek(peer) == b""


def _peek(peer: Peer) -> bytes:
    try:
        return peer.stream.recv(1, 2)
    except BlockingIOError:
        return b""


def test_a_close_notify_is_the_end_and_leaves_the_other_way_open(peer: Peer) -> None:
    peer.wire.came = [peer.says(b"last") + peer.ends()]
    assert reads(peer) == [b"last"]
    assert peer.stream.end == b""
    assert peer.stream.send(b"answer") == 6
    assert peer.hears() == b"answer"


def test_a_bare_end_is_the_end_and_leaves_the_other_way_open(peer: Peer) -> None:
    peer.wire.came = [peer.says(b"last"), b""]
    assert reads(peer) == [b"last", b""]
    assert peer.stream.send(b"answer") == 6
    assert peer.hears() == b"answer"


def test_after_the_own_close_notify_the_peer_is_still_read(peer: Peer) -> None:
    peer.stream.shutdown(1)
    assert peer.hears() == b""
    peer.wire.came = [peer.says(b"still"), peer.ends()]
    assert reads(peer) == [b"still", b""]


def test_what_came_before_bytes_that_are_no_record_is_read_first(peer: Peer) -> None:
    peer.wire.came = [peer.says(b"good") + b"\x17\x03\x03\x00\x10" + bytes(16)]
    assert reads(peer) == [b"good"]
    assert isinstance(peer.stream.end, ssl.SSLError)
    peer.wire.came = [b"more"]
    with pytest.raises(ssl.SSLError):
        peer.stream.recv(65536)


@pytest.mark.parametrize("room", [37, 1000, 16_384, 70_000, 1 << 20])
def test_what_is_sent_counts_as_taken_when_it_has_left_and_is_sealed_once(peer: Peer, room: int) -> None:
    text = bytes(range(256)) * 1000
    backlog = Backlog()
    backlog.add([text[:10], text[10:100_000], text[100_000:]])
    heard = b""
    while backlog.size:
        peer.wire.room = room
        backlog.send(peer.stream.send)
        heard += peer.hears()
        assert len(text) - backlog.size <= len(heard) <= len(text) - backlog.size + SEAL_BYTES
    assert heard == text


def test_nothing_is_taken_where_nothing_leaves(peer: Peer) -> None:
    peer.wire.room = 0
    for _ in range(3):
        with pytest.raises(BlockingIOError):
            peer.stream.send(b"hello")
    peer.wire.room = 1 << 20
    assert peer.stream.send(b"hello, world") == 12
    assert peer.hears() == b"hello, world"


def test_a_goodbye_is_not_said_where_a_record_was_cut(peer: Peer) -> None:
    peer.wire.room = 10
    with pytest.raises(BlockingIOError):
        peer.stream.send(b"hello")
    peer.wire.room = 1 << 20
    peer.stream.say_goodbye()
    assert len(peer.wire.sent) == 10


def test_a_peer_that_makes_it_talk_and_does_not_read_is_cut_off(peer: Peer) -> None:
    peer.wire.room = 0
    peer.stream._unsent = bytes(MOST_OWN_BYTES)  # Python's ssl has no way to ask for key updates
    peer.wire.came = [peer.says(b"x"), peer.says(b"y")]
    assert peer.stream.recv(65536) == b"x"
    peer.stream._out.write(b"an answer")
    assert peer.stream.recv(65536) == b"y"
    assert isinstance(peer.stream.end, ConnectionAbortedError)


@pytest.mark.parametrize(
    ("records", "left"),
    [
        (b"", b""),
        (b"\x17\x03", b"\x17\x03"),
        (b"\x17\x03\x03\x00\x01a", b""),
        (b"\x17\x03\x03\x00\x02a", b"\x17\x03\x03\x00\x02a"),
        (b"\x17\x03\x03\x00\x01a\x17\x03\x03\x00\x00\x17", b"\x17"),
    ],
)
def test_unfinished_is_what_follows_the_last_whole_record(records: bytes, left: bytes) -> None:
    assert unfinished(records) == left
