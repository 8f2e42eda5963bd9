"""The guide's scripts, copied out of it and served to a client, step by step."""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING

import pytest

from prefork.layers import Sources, load
from prefork.testing import running
from tests.client import Client
from tests.docs.markdown import DOCS, named

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from prefork import PoolConfig

    Step = Callable[[str], str]

GUIDE = DOCS / "MOVING-FROM-POE.md"
PARAMETERS = re.findall(
    r"\w+",
    """
    MaxServer StartServer MinServer MinSpareServer MaxSpareServer MasterHeartBeatTime ServerHeartBeatTime
    MaxSessionPerServer MaxServerExpireTime GraceExpireTime MaxServerSpareTime MaxServerLifeTime MaxServerLifeTimes
    ShutdownChildren Alias MasterAlias
    Port Address Hostname Domain ClientConnected ClientInput ClientDisconnected ClientError ClientFlushed
    ClientPreConnect ClientFilter ClientInputFilter ClientOutputFilter ClientHigh ClientLow HighMark LowMark
    ClientArgs ListenerArgs SessionParams SessionType ClientShutdownOnError Concurrency Started Stopped Error Acceptor
    InlineStates ObjectStates PackageStates
    """,
)


@pytest.fixture
def step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Step:
    """Puts a script into the current directory as tally.py; the app's name."""
    monkeypatch.chdir(tmp_path)

    def copied(name: str) -> str:
        (tmp_path / "tally.py").write_text(named(GUIDE)[name])
        return "tally.py:app"

    return copied


def pool_of_the_guide(folder: Path) -> PoolConfig:
    (folder / "prefork.toml").write_text(named(GUIDE)["prefork.toml"])
    return load(Sources(str(folder))).config.pool


ECHO_BLOCKS = """
from prefork import Session


class Echo(Session[bytes]):
    framer = Block

    def received(self, item: bytes, /) -> None:
        self.send(item)
"""


def test_a_filter_of_one_s_own_makes_blocks_however_they_are_cut(tmp_path: Path) -> None:
    (tmp_path / "blocks.py").write_text(named(GUIDE)["block.py"] + ECHO_BLOCKS)
    sent = b"5\0hello0\x0010\0" + bytes(10)
    with running(f"{tmp_path / 'blocks.py'}:Echo") as pool:
        for cut in range(len(sent) + 1):
            assert _answer(pool.address, sent[:cut], sent[cut:]) == sent
        for garbage in (b"hello\0", b"\0", b"1234567890", b"70000\0"):
            assert _answer(pool.address, b"2\0ok", garbage) == b"2\0ok"


def _answer(address: tuple[str, int], *parts: bytes) -> bytes:
    with socket.create_connection(address, timeout=5) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in parts:
            client.sendall(part)
        client.shutdown(socket.SHUT_WR)
        return client.makefile("rb").read()


def test_the_first_step_adds_and_quits(step: Step) -> None:
    with running(step("step1/tally.py")) as pool, Client(pool) as client:
        assert client.hear() == "welcome to tally"
        assert client.ask("add 3") == "total 3"
        assert client.ask("add 4") == "total 7"
        assert client.ask("nonsense") == "what is 'nonsense'?"
        client.say("quit")
        assert client.hear() is None


def test_the_second_step_ends_its_lines_as_poe_does(step: Step) -> None:
    with running(step("step2/tally.py")) as pool, socket.create_connection(pool.address, timeout=5) as client:
        client.sendall(b"add 3\r\nadd 4\nquit\r\n")
        assert client.makefile("rb").read() == b"welcome to tally\r\ntotal 3\r\ntotal 7\r\n"


def test_the_second_step_sends_its_log_part_by_part_and_ticks(step: Step) -> None:
    with running(step("step2/tally.py")) as pool, Client(pool) as client:
        client.say("\n".join(["add 1"] * 250 + ["log"]))
        lines = [str(client.hear()).rstrip("\r") for _ in range(501)]
        assert lines == ["welcome to tally", *(f"total {at}" for at in range(1, 251)), *["added 1"] * 250]
        assert client.ask("every 0.01") == client.hear() == "tick: total 250\r"


def test_the_second_step_lets_its_worker_go_although_a_timer_is_pending(step: Step) -> None:
    with running(step("step2/tally.py")) as pool, Client(pool) as client:
        assert client.hear() == "welcome to tally\r"
        assert pool.stop(timeout=10) == 0
        assert client.hear() is None


def test_the_config_file_serves_the_script(step: Step, tmp_path: Path) -> None:
    with running(step("step1/tally.py"), pool=pool_of_the_guide(tmp_path)) as pool, Client(pool) as client:
        assert client.hear() == "welcome to tally"
        assert len(pool.view().workers) == 5


@pytest.mark.parametrize("parameter", PARAMETERS)
def test_every_parameter_of_the_seed_has_a_row(parameter: str) -> None:
    rows = re.findall(r"^\|([^|]+)\|[^|]+\|[^|]*\|$", GUIDE.read_text(), re.MULTILINE)
    assert [row for row in rows if re.search(rf"`{parameter}`", row)] != []
