"""A reload on the fake kernel: what the master does while a judge reads, and what becomes of its word."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest

from prefork.errors import ConfigError, PreforkError
from prefork.master.facts import ConfigRead
from prefork.master.reload import Reload
from prefork.master.shadow import Shadow
from prefork.policy.config import PoolConfig
from prefork.policy.model import Phase, WorkerId
from prefork.testing.fake_kernel import FOREVER, MS
from tests.unit.master.master import SECOND, FakeMaster

if TYPE_CHECKING:
    from collections.abc import Callable

STOPS = {"ok": False, "exit_code": 1, "error": "reload: the pool stops, and reads no config any more"}
OVERDUE = "what reads the config took longer than 30 s: look at its files and their disk"


def pool_of(workers: int = 2, **pool: Any) -> FakeMaster:
    return FakeMaster(min_workers=workers, sizing={"kind": "static"}, **pool)


def named(master: FakeMaster, name: str) -> ConfigRead:
    """Its config, under another name."""
    return ConfigRead(master.config.model_copy(update={"name": name}), {"name": name})


def held_up(master: FakeMaster) -> None:
    """From now on a judge hangs."""
    master.kernel.judge_ns = FOREVER


def at(master: FakeMaster, seconds: float, what: Callable[[], object]) -> list[Any]:
    """Gets what is the case then."""
    seen: list[Any] = []
    master.kernel.after(round(seconds * SECOND), lambda: seen.append(what()))
    return seen


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelname == "ERROR"]


def test_a_worker_that_dies_while_a_config_is_read_is_replaced_before_the_judge_has_spoken() -> None:
    master = pool_of(3)
    master.signal_after(1, signal.SIGHUP)
    master.kernel.after(SECOND + 50 * MS, lambda: master.kernel.die(WorkerId(2), signum=signal.SIGKILL))
    seen = at(master, 1.06, lambda: (master.board.count(Phase.SERVING), master.board.goals.reload_wanted))
    master.run(5)
    assert seen == [(3, False)]
    assert master.board.generation == 2


def test_others_are_answered_while_a_config_is_read_and_then_who_ordered_it() -> None:
    master = pool_of()
    master.ask_after(1, "reload", client=7)
    master.ask_after(1.05, "status", client=8)
    at_once = at(master, 1.06, lambda: [reply["client"] for reply in master.kernel.replies])
    master.run(2)
    assert at_once == [[8]]
    assert master.kernel.replies[1:] == [
        {"client": 7, "ok": True, "exit_code": 0, "result": {"generation": 1, "newest": 1}}
    ]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGQUIT])
def test_a_stop_waits_for_no_judge_which_ends_and_whose_askers_are_told(how: int) -> None:
    master = pool_of()
    held_up(master)
    master.ask_after(1, "reload", client=7)
    master.ask_after(1.5, "reload", client=8)
    judges = at(master, 1.9, master.kernel.judges.copy)
    master.signal_after(2, how)
    master.ask_after(2.00005, "reload", client=9)
    master.loop.run()
    assert master.kernel.now() < 4 * SECOND
    assert (judges, master.kernel.judges) == ([{1}], set())
    assert master.kernel.replies == [{"client": client, **STOPS} for client in (7, 8, 9)]


def test_the_word_of_a_judge_that_comes_with_a_stop_means_nothing() -> None:
    master = pool_of(1, stop_delay="5s")
    master.ask_after(1, "reload", client=7)
    master.kernel.after(SECOND + 130 * MS, lambda: master.board.goals.stop(master.kernel.now(), master.board.limits))
    master.loop.run()
    assert master.kernel.replies == [{"client": 7, **STOPS}]
    assert master.board.next_config is master.config


def test_a_second_reload_is_read_after_the_first_and_has_the_last_word() -> None:
    master = pool_of()
    master.kernel.judgement = named(master, "first")
    master.ask_after(1, "reload", client=7)
    master.kernel.after(SECOND + 10 * MS, lambda: setattr(master.kernel, "judgement", named(master, "second")))
    master.ask_after(1.02, "reload", client=8)
    master.ask_after(1.03, "reload", client=9)
    master.signal_after(1.04, signal.SIGHUP, times=5000)
    first = at(master, 1.2, lambda: (master.board.next_config.name, [each["client"] for each in master.kernel.replies]))
    master.run(5)
    assert first == [("first", [7])]
    assert master.board.config.name == "second"
    assert sorted(each["client"] for each in master.kernel.replies) == [7, 8, 9]
    assert all(each["ok"] for each in master.kernel.replies)
    assert master.reload.origins(master.board.config) == {"name": "second"}
    assert master.board.generation == 3


def test_a_judge_that_hangs_is_ended_when_its_time_is_up_and_nothing_has_changed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    master = pool_of()
    held_up(master)
    master.signal_after(1, signal.SIGHUP)
    master.ask_after(2, "reload", client=7)
    before = at(master, 30.9, lambda: (errors(caplog).copy(), master.kernel.judges.copy()))
    after = at(master, 31.1, lambda: (errors(caplog).copy(), master.kernel.judges.copy()))
    master.kernel.after(50 * SECOND, lambda: setattr(master.kernel, "judge_ns", MS))
    master.run(62)
    assert before == [([], {1})]
    assert after == [([f"reload refused, the old config stays: {OVERDUE}"], {2})]
    assert master.kernel.replies == [{"client": 7, "ok": False, "exit_code": 2, "error": OVERDUE}]
    assert master.board.generation == 1
    assert len(errors(caplog)) == 1


def test_after_a_judge_that_hung_a_reload_goes_as_ever() -> None:
    master = pool_of()
    held_up(master)
    master.ask_after(1, "reload", client=7)
    master.kernel.after(32 * SECOND, lambda: setattr(master.kernel, "judge_ns", MS))
    master.ask_after(33, "reload", client=8)
    master.run(40)
    assert [(each["client"], each["ok"]) for each in master.kernel.replies] == [(7, False), (8, True)]
    assert master.board.generation == 2


def test_a_judge_that_dies_is_one_line_and_nothing_has_changed(caplog: pytest.LogCaptureFixture) -> None:
    master = pool_of()
    held_up(master)
    master.signal_after(1, signal.SIGHUP)
    master.kernel.after(2 * SECOND, lambda: master.kernel.end_judge(1))
    master.run(5)
    assert errors(caplog) == ["reload refused, the old config stays: it was ended"]
    assert (master.board.generation, master.board.next_config) == (1, master.config)


def test_the_master_sleeps_while_a_judge_reads() -> None:
    master = pool_of()
    held_up(master)
    master.signal_after(1, signal.SIGHUP)
    early, late = (at(master, seconds, lambda: master.kernel.wakeups) for seconds in (1.5, 24))
    master.run(25)
    assert late[0] - early[0] <= 1


def test_what_is_read_at_once_is_answered_at_once() -> None:
    master = pool_of()
    master.reload._read = lambda: named(master, "other")
    master.ask_after(1, "reload", client=7)
    replies = at(master, 1.001, lambda: len(master.kernel.replies))
    master.run(3)
    assert replies == [1]
    assert (master.board.config.name, master.kernel.judges) == ("other", set())


@pytest.mark.parametrize("candidate", [PoolConfig(max_workers=7), ConfigError("no such file")], ids=["read", "refused"])
def test_a_reload_brings_the_shadows_candidate_or_says_why_not(
    candidate: PoolConfig | PreforkError, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    master = pool_of()
    shadow = Shadow("candidate.toml", PoolConfig(), lambda _: None)
    reload = Reload(master.kernel, master.board, lambda: ConfigRead(master.config, {}, candidate), shadow=shadow)
    reload.ordered(7, 0)
    told = {
        True: "shadow candidate.toml: it has changed, and is tried from now on",
        False: "reload: the shadow goes on as it was: no such file",
    }
    assert [each.getMessage() for each in caplog.records] == [told[isinstance(candidate, PoolConfig)]]
    assert master.kernel.replies[0]["ok"]
