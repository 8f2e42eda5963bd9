"""The chat, with nc and socat as the people in it."""

from __future__ import annotations

from contextlib import ExitStack
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from prefork import PoolConfig, StaticSizing
from prefork.testing import running
from tests.interop.programs import EXAMPLES, Terminal, nc, run, socat

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prefork.testing import LivePool

    Enter = Callable[..., Terminal]

pytestmark = pytest.mark.needs("nc.openbsd", "socat")


@pytest.fixture(scope="module")
def pool(loop: str) -> Iterator[LivePool]:
    """One room; who came in a test has left at its end (`enter`)."""
    one = PoolConfig(sizing=StaticSizing(workers=1))
    with running(f"{EXAMPLES}/chat.py:Chat", backend=loop, pool=one) as pool:
        yield pool
        assert pool.stop() == 0
        assert "ERROR" not in pool.log
        assert "WARNING" not in pool.log


@pytest.fixture
def enter(pool: LivePool) -> Iterator[Enter]:
    """Somebody who has said a name and was welcomed, at nc or socat in turn."""
    programs = cycle([nc, socat])
    with ExitStack() as stack:

        def arrive(name: str) -> Terminal:
            terminal = stack.enter_context(Terminal(next(programs)(pool.urls[0])))
            assert terminal.hear() == "* who are you?"
            terminal.say(name)
            assert terminal.hear() == f"* welcome, {name}; there are /who and /quit"
            return terminal

        yield arrive
    pool.wait_for(lambda view: not any(worker.sessions for worker in view.workers))


def test_everybody_else_hears_what_one_says(enter: Enter) -> None:
    ana, bo, cy = enter("ana"), enter("bo"), enter("cy")
    assert [ana.hear(), ana.hear(), bo.hear()] == ["* bo joined", "* cy joined", "* cy joined"]
    bo.say("hello", "again")
    assert [ana.hear(), ana.hear(), cy.hear(), cy.hear()] == ["bo: hello", "bo: again"] * 2
    bo.say("/who")
    assert bo.hear() == "* here: ana, bo, cy"


@pytest.mark.parametrize("how", ["/quit", "the end of the input", "kill"])
def test_who_leaves_is_gone_and_the_others_are_told(enter: Enter, how: str) -> None:
    ana, bo = enter("ana"), enter("bo")
    assert ana.hear() == "* bo joined"
    match how:
        case "/quit":
            bo.say("/quit")
        case "kill":
            bo.kill()
        case _:
            bo.end_input()
    assert ana.hear() == "* bo left"
    ana.say("/who")
    assert ana.hear() == "* here: ana"
    enter("bo")


@pytest.mark.parametrize("name", ["ana", "two words", "a" * 17, "\N{BULLET}", "/who"])
def test_a_name_is_one_short_word_and_nobody_else_s(enter: Enter, pool: LivePool, name: str) -> None:
    ana = enter("ana")
    with Terminal(nc(pool.urls[0])) as terminal:
        terminal.say(name, "bo")
        assert terminal.hear() == "* who are you?"
        assert terminal.hear() == "* that is taken, or no word of up to 16 letters and digits; who are you?"
        assert terminal.hear() == "* welcome, bo; there are /who and /quit"
        assert ana.hear() == "* bo joined"


def test_who_has_not_said_a_name_hears_and_tells_nobody(enter: Enter, pool: LivePool) -> None:
    ana = enter("ana")
    assert run(nc(pool.urls[0]), b"/quit\n") == b"* who are you?\n"
    enter("bo")
    assert ana.hear() == "* bo joined"


def test_nobody_writes_control_characters_to_another_s_terminal(enter: Enter) -> None:
    ana, bo = enter("ana"), enter("bo")
    bo.say("\x1b[2Jclear\x07", " \t ", "/what", "é")
    assert [ana.hear() for _ in range(3)] == ["* bo joined", "bo: [2Jclear", "bo: é"]
    assert bo.hear() == "* there are /who and /quit"


def resident_bytes(pool: LivePool) -> int:
    (pid,) = pool.worker_pids().values()
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


def test_who_reads_slowly_holds_up_nobody_and_takes_no_memory(enter: Enter, pool: LivePool) -> None:
    slow, ana, bo = enter("slow"), enter("ana"), enter("bo")
    assert ana.hear() == "* bo joined"
    before = resident_bytes(pool)
    for number in range(20_000):
        bo.say(f"{number:06}" + "x" * 1000)
        heard = ana.hear()
        assert heard is not None
        assert heard.startswith(f"bo: {number:06}")
    assert resident_bytes(pool) - before < 4 << 20
    accounted = 0
    while accounted < 20_000:
        line = slow.hear()
        assert line is not None
        match line.split():
            case ["bo:", _]:
                accounted += 1
            case ["*", "you", "missed", count, "lines"]:
                accounted += int(count)
    assert accounted == 20_000
    bo.say("and now?")
    assert slow.hear() == "bo: and now?"
