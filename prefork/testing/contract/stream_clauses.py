"""The clauses about what a session reads and sends, and when it is called later."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork import wire
from prefork.app.framing import Lines
from prefork.app.session import Session
from prefork.testing.contract.waiting import until

if TYPE_CHECKING:
    from prefork.testing.contract.harness import Workers


class Three(Session[str]):
    """Sends three lines in one callback."""

    framer = Lines

    def opened(self) -> None:
        for word in ("one", "two", "three"):
            self.send(word)


class StreamClauses:
    """17, 18, 22, 25."""

    # -- input and output ----------------------------------------------------------------------------------------------

    def test_17_frames_may_come_split_and_joined(self, start: Workers) -> None:
        client = start().connect()
        for byte in b"echo split\r\n":
            client.socket.sendall(bytes([byte]))
        client.hears("split")
        client.socket.sendall(b"".join(b"echo %d\n" % number for number in range(3000)))
        client.hears(*map(str, range(3000)))

    def test_18_a_slow_reader_gets_every_byte_and_holds_up_nobody(self, start: Workers) -> None:
        worker = start()
        slow, other = worker.connect(), worker.connect()
        slow.say("pour 20000")
        slow.say("echo queued behind")
        other.echoes()
        slow.hears_pour(20000)
        slow.hears("queued behind")

    def test_18_a_close_waits_for_a_slow_reader(self, start: Workers) -> None:
        worker = start()
        slow, other = worker.connect(), worker.connect()
        slow.say("pour 10000")
        slow.say("close")
        other.echoes()
        slow.hears_pour(10000)
        slow.hears("bye")
        slow.is_over()

    def test_22_what_one_callback_sends_arrives_in_one_piece(self, start: Workers) -> None:
        client = start(Three).connect(opened=False)
        client.hears("one", "two", "three")
        assert client.pieces == 1

    def test_22_replies_do_not_wait_for_acknowledgements(self, start: Workers) -> None:
        client = start().connect()
        client.say("nodelay")
        client.hears("True")

    # -- later ---------------------------------------------------------------------------------------------------------

    def test_25_calls_are_made_later_unless_cancelled(self, start: Workers) -> None:
        client = start().connect()
        client.say("later 0.05 echo second\nlater 0.001 echo first")
        client.hears("first", "second")
        client.say("cancel")
        client.hears("made")

    def test_25_a_call_ends_with_its_session_and_its_exception_is_the_sessions(self, start: Workers) -> None:
        worker = start()
        client = worker.connect()
        client.say("later 0.02 raise too late")
        client.say("close")
        client.hears("bye")
        worker.noted("closed NoneType")
        other = worker.connect()
        other.say("later 0.03 raise x")
        worker.noted("closed ValueError")
        other.hears("last words")
        other.is_over()
        until(lambda: worker.slot[wire.ERRORS] == 1, "counted")
