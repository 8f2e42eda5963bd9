"""The master's loop on the fake kernel: what it does over time, without a process and without waiting."""

from __future__ import annotations

import signal
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

import pytest

from prefork import wire
from prefork.errors import AppError, ConfigError
from prefork.master.facts import Asked, ConfigRead, WorkerSaid
from prefork.master.loop import Loop
from prefork.master.records import WorkerRecord
from prefork.policy.model import Because, Drain, Kill, KillStep, Owner, Phase, Reason, Retire, WorkerId
from tests.unit.master.master import SECOND, FakeMaster

if TYPE_CHECKING:
    from prefork.master.facts import Fact, Performed
    from prefork.policy.config import PoolConfig
    from prefork.policy.memory import Memory, Plan
    from prefork.policy.model import PoolView


def test_sixty_idle_seconds_wake_the_master_for_nothing_but_the_earliest_possible_silence() -> None:
    master = FakeMaster(min_workers=5)
    at: dict[str, int] = {}
    master.kernel.after(SECOND, lambda: at.update(before=master.kernel.wakeups))
    master.kernel.after(61 * SECOND, lambda: at.update(after=master.kernel.wakeups))
    master.run(62)
    assert at["after"] - at["before"] <= 3  # a beat is 5 s old at most when its 30 s are over: one look each 25 to 30 s


def test_a_pool_starts_with_as_many_workers_as_it_is_told() -> None:
    assert Counter(FakeMaster(min_workers=2, start_workers=4).kinds(1))["spawn start"] == 4


def test_a_burst_has_newcomers_that_serve_within_ten_milliseconds() -> None:
    master = FakeMaster(min_workers=2, max_workers=40, max_sessions=1, sizing={"kind": "spare"})
    master.kernel.after(SECOND, lambda: [master.kernel.connect() for _ in range(32)])
    held: list[int] = []
    master.kernel.after(
        SECOND + 10_000_000, lambda: held.extend(w.gate.sessions for w in master.kernel.workers.values())
    )
    master.run(2)
    assert sum(held) == 32


def test_after_a_burst_the_pool_comes_back_to_its_spares() -> None:
    master = FakeMaster(
        min_workers=2, max_workers=40, max_sessions=1, sizing={"kind": "spare", "max_spare": 4, "hold": "2s"}
    )
    master.kernel.after(SECOND, lambda: [master.kernel.connect(SECOND) for _ in range(20)])
    left: list[int] = []
    master.kernel.after(8 * SECOND, lambda: left.append(len(master.kernel.workers)))
    master.run(9)
    assert left == [4]


class Looks:
    """A witness that notes when the policy has spoken."""

    def __init__(self) -> None:
        self.at: list[int] = []

    def looked(self, _pool: PoolConfig, _memory: Memory, view: PoolView, _plan: Plan) -> None:
        self.at.append(view.now)

    def performed(self, _done: Performed) -> None:
        """Nothing to note."""

    def learned(self, _fact: Fact, _now: int) -> None:
        """Nothing to note."""


def _looks_in_a_stream(master: FakeMaster) -> list[int]:
    """When it looked, in ms, while for a second a worker rings each ms; from the first ring on."""
    looks, kernel = Looks(), master.kernel
    master.loop = Loop(kernel, master.board, master.effects, master.orders, master.reporter, witnesses=[looks])
    rings = partial(kernel.tell_master, WorkerSaid(WorkerId(1), wire.Bell()))
    for ms in range(1000):
        kernel.after(SECOND + ms * 1_000_000, rings)
    began = kernel.now() + SECOND
    master.run(3)
    return [(at - began) // 1_000_000 for at in looks.at if 0 <= at - began < SECOND]


def test_a_stream_that_is_served_is_looked_at_each_twenty_milliseconds() -> None:
    assert len(_looks_in_a_stream(FakeMaster(min_workers=2))) in range(48, 54)


def test_a_question_in_a_stream_is_answered_at_once() -> None:
    master = FakeMaster(min_workers=2)
    master.ask_after(1.505, "status")
    assert 505 in _looks_in_a_stream(master)


def test_a_stream_at_a_full_pool_is_looked_at_as_it_comes() -> None:
    master = FakeMaster(min_workers=1, max_workers=1, max_sessions=1)
    master.kernel.after(SECOND // 2, lambda: master.kernel.connect(2 * SECOND))
    assert len(_looks_in_a_stream(master)) > 900


DEMAND = {"kind": "demand", "hold": "2s"}


def test_a_burst_that_is_followed_is_served_in_a_tenth_of_a_second_and_then_the_pool_comes_back_to_its_min() -> None:
    master = FakeMaster(min_workers=2, max_workers=40, max_sessions=1, sizing=DEMAND)
    master.kernel.after(SECOND, lambda: [master.kernel.connect(SECOND) for _ in range(32)])
    held: list[int] = []
    master.kernel.after(
        SECOND + 100_000_000, lambda: held.extend(w.gate.sessions for w in master.kernel.workers.values())
    )
    left: list[int] = []
    master.kernel.after(45 * SECOND, lambda: left.append(len(master.kernel.workers)))
    master.run(46)
    assert sum(held) == 32
    assert left == [2]


def test_a_pool_that_follows_its_load_sleeps_when_there_is_none() -> None:
    master = FakeMaster(min_workers=2, sizing=DEMAND)
    master.kernel.after(SECOND, lambda: master.kernel.connect(SECOND))
    before: list[int] = []
    master.kernel.after(60 * SECOND, lambda: before.append(master.kernel.wakeups))
    master.kernel.after(120 * SECOND, lambda: before.append(master.kernel.wakeups))
    master.run(121)
    assert before[1] - before[0] <= 5


def test_nobody_is_there_before_the_first_connection_and_again_after_hold() -> None:
    master = FakeMaster(min_workers=0, max_workers=4, max_sessions=1, sizing=DEMAND)
    counts: list[int] = []
    for at in (0.9, 1.02, 40):
        master.kernel.after(round(at * SECOND), lambda: counts.append(len(master.kernel.workers)))
    master.kernel.after(SECOND, lambda: master.kernel.connect(SECOND // 10))
    master.run(41)
    assert counts[0] == 0
    assert counts[1] >= 1
    assert counts[2] == 0


def test_what_sessions_add_up_to_never_falls_when_workers_end() -> None:
    master = FakeMaster(min_workers=2, sizing=DEMAND)
    totals: list[tuple[int, int, int]] = []

    def look() -> None:
        view = master.board.view(master.kernel)
        totals.append((view.arrivals, view.completions, view.held_ns))

    for at in range(2, 8):
        master.kernel.after(at * SECOND, look)
    master.kernel.after(SECOND, lambda: [master.kernel.connect() for _ in range(6)])
    master.kernel.after(round(3.5 * SECOND), lambda: master.kernel.die(min(master.kernel.workers), signum=9))
    master.run(9)
    assert totals == sorted(totals)
    assert totals[-1][:2] == (6, 3)
    assert totals[1] == (6, 0, 12 * SECOND)
    assert totals[2][2] == 16.5 * SECOND
    assert master.board.spawn_ns is not None
    assert 2_000_000 <= master.board.spawn_ns < 10_000_000


def test_a_killed_worker_is_replaced_at_once() -> None:
    master = FakeMaster(min_workers=3)
    master.kernel.after(SECOND, lambda: master.kernel.die(WorkerId(2), signum=signal.SIGKILL))
    alive: list[int] = []
    master.kernel.after(SECOND + 3_000_000, lambda: alive.append(master.board.count(Phase.SERVING)))
    master.run(2)
    assert alive == [3]


def test_a_stuck_worker_goes_down_the_ladder_within_a_second() -> None:
    master = FakeMaster(min_workers=1, sizing={"kind": "static"}, heartbeat_interval="1s", heartbeat_timeout="3s")
    master.kernel.after(SECOND, lambda: setattr(master.kernel.workers[WorkerId(1)], "stuck", True))
    master.run(6)
    assert master.kernel.signalled[:2] == [(1, signal.SIGQUIT), (1, signal.SIGABRT)]


def test_a_broken_app_ends_the_pool_with_its_own_words() -> None:
    master = FakeMaster()
    master.kernel.broken_app = "app 'x:Y': NameError"
    master.loop.run()
    assert isinstance(master.board.fatal, AppError)
    assert str(master.board.fatal) == "app 'x:Y': NameError"


def test_a_reload_replaces_each_worker_and_the_old_mold() -> None:
    master = FakeMaster(min_workers=3, sizing={"kind": "static"})
    master.signal_after(1, signal.SIGHUP)
    generations: list[int] = []
    master.kernel.after(4 * SECOND, lambda: generations.extend(w.generation for w in master.board.workers.values()))
    master.run(5)
    assert generations == [2, 2, 2]
    assert master.board.generation == 2


def test_a_reload_that_fails_leaves_the_old_generation_serving() -> None:
    master = FakeMaster(min_workers=2, sizing={"kind": "static"})
    master.kernel.after(SECOND // 2, lambda: setattr(master.kernel, "broken_app", "no"))
    master.signal_after(1, signal.SIGHUP)
    ids: list[int] = []
    master.kernel.after(4 * SECOND, lambda: ids.extend(master.board.workers))
    master.run(5)
    assert ids == [1, 2]
    assert master.board.fatal is None


@pytest.mark.parametrize(("old", "new", "ended_after"), [("40s", "2s", 2), ("2s", "40s", 40)])
def test_a_reload_is_judged_by_the_import_timeout_that_it_brings(old: str, new: str, ended_after: int) -> None:
    master = FakeMaster(min_workers=1, import_timeout=old)
    master.kernel.judgement = ConfigRead(FakeMaster(min_workers=1, import_timeout=new).config, {})
    master.kernel.after(SECOND // 2, lambda: setattr(master.kernel, "import_ns", 100 * SECOND))
    master.signal_after(1, signal.SIGHUP)
    ends = [done for done in master.run(60) if done.decision.because.reason is Reason.IMPORT_TIMEOUT]
    starts = [done for done in master.board.history if done.decision.because.reason is Reason.RELOAD]
    assert [end.at - start.at for end, start in zip(ends, starts, strict=True)] == [ended_after * SECOND]


def test_a_mold_that_dies_is_started_again_in_the_same_generation() -> None:
    master = FakeMaster(min_workers=1)
    master.kernel.after(SECOND, lambda: master.kernel.end_mold(1, force=True))
    assert "start_mold mold_gone" in master.kinds(2)
    assert master.board.generation == 1


def test_a_fork_that_is_refused_is_tried_again_ever_later_and_the_pool_recovers_by_itself() -> None:
    master = FakeMaster(min_workers=1)
    master.kernel.fork_errno = 11
    master.kernel.after(20 * SECOND, lambda: setattr(master.kernel, "fork_errno", 0))
    alive: list[int] = []
    master.kernel.after(59 * SECOND, lambda: alive.append(master.board.count(Phase.SERVING)))
    spawns = [kind for kind in master.kinds(60) if kind.startswith("spawn")]
    assert alive == [1]
    assert len(spawns) < 15


def test_a_stop_delay_serves_on_and_then_drains() -> None:
    master = FakeMaster(min_workers=1, stop_delay="5s")
    master.signal_after(1, signal.SIGTERM)
    seen: list[bool] = []
    master.kernel.after(5 * SECOND, lambda: seen.append(master.kernel.sealed))
    began = master.kernel.now()
    master.loop.run()
    assert seen == [False]
    assert master.kernel.sealed
    assert 6 * SECOND <= master.kernel.now() - began < 7 * SECOND


def test_term_after_term_stops_at_once() -> None:
    master = FakeMaster(min_workers=1)
    master.kernel.after(SECOND, master.kernel.connect)
    master.signal_after(2, signal.SIGTERM)
    master.signal_after(3, signal.SIGTERM)
    master.loop.run()
    assert master.kernel.now() < 5 * SECOND


def test_a_thousand_ttin_are_capped_at_max_workers() -> None:
    master = FakeMaster(min_workers=1, max_workers=7)
    master.signal_after(1, signal.SIGTTIN, times=1000)
    counts: list[int] = []
    master.kernel.after(2 * SECOND, lambda: counts.append(len(master.kernel.workers)))
    master.run(3)
    assert counts == [7]
    assert master.board.goals.scale == 7


def test_a_connection_whose_wake_up_was_swallowed_is_handed_on() -> None:
    master = FakeMaster(min_workers=1, sizing={"kind": "static"})
    kernel = master.kernel

    def swallow() -> None:
        worker = kernel.workers[WorkerId(1)]
        worker.ready = False  # asleep: nothing wakes it but the doorbell
        kernel.connect()
        kernel.after(100_000_000, lambda: setattr(worker, "ready", True))

    kernel.after(SECOND, swallow)
    master.run(2)
    assert kernel.rung


def test_nobody_is_told_twice() -> None:
    master = FakeMaster(min_workers=2)
    master.kernel.after(SECOND, master.kernel.connect)
    told: list[tuple[int, int, int]] = []
    tell = master.kernel.tell

    def note(worker: WorkerId, wanted: int, drain_by: int) -> None:
        told.append((worker, wanted, drain_by))
        tell(worker, wanted, drain_by)

    master.kernel.tell = note  # type: ignore[method-assign]
    master.signal_after(2, signal.SIGTERM)
    master.signal_after(4, signal.SIGQUIT)
    master.loop.run()
    assert len(told) == len(set(told))


def test_a_worker_that_declined_is_asked_again_when_it_is_idle() -> None:
    master = FakeMaster(min_workers=1, max_workers=4, sizing={"kind": "static", "workers": 3})
    kernel = master.kernel

    def crowd() -> None:  # each gets a session before it reads that it is to retire, and loses it before the next look
        numbers = [kernel.connect() for _ in range(3)]
        for number in numbers:
            kernel.after(1_000_000, partial(kernel.hang_up, number))

    master.signal_after(1, signal.SIGTTOU, times=2)
    kernel.after(SECOND + 1, crowd)
    left: list[int] = []
    kernel.after(4 * SECOND, lambda: left.append(len(kernel.workers)))
    master.run(5)
    assert left == [1]


def test_after_a_reload_that_failed_a_lost_mold_comes_back_with_the_config_that_works() -> None:
    master = FakeMaster(min_workers=1)
    works = master.config
    master.kernel.judgement = ConfigRead(works.model_copy(update={"app": "broken:App"}), {})
    master.kernel.after(SECOND // 2, lambda: setattr(master.kernel, "broken_app", "no"))
    master.signal_after(1, signal.SIGHUP)
    master.kernel.after(2 * SECOND, lambda: setattr(master.kernel, "broken_app", ""))
    master.kernel.after(2 * SECOND, lambda: master.kernel.end_mold(1, force=True))
    master.run(4)
    assert master.board.config is works
    assert master.board.config_of(1).app == works.app


def test_a_reload_that_waits_for_one_that_fails_brings_its_own_config() -> None:
    master = FakeMaster(min_workers=1)
    works = master.config
    broken, mended = (works.model_copy(update={"app": app}) for app in ("broken:App", "mended:App"))
    configs = iter((ConfigRead(broken, {}), ConfigRead(mended, {})))
    master.reload._read = lambda: next(configs)
    master.kernel.after(SECOND // 2, lambda: setattr(master.kernel, "broken_app", "no"))
    master.signal_after(1, signal.SIGHUP)
    master.signal_after(1.01, signal.SIGHUP)
    master.kernel.after(SECOND + 55_000_000, lambda: setattr(master.kernel, "broken_app", ""))
    master.run(3)
    assert master.board.config is mended


def test_a_config_that_cannot_be_read_is_refused_and_the_pool_goes_on() -> None:
    master = FakeMaster(min_workers=1)
    master.kernel.judgement = ConfigError("no file")
    master.signal_after(1, signal.SIGHUP)
    alive: list[int] = []
    master.kernel.after(2 * SECOND, lambda: alive.append(master.board.count(Phase.SERVING)))
    master.run(3)
    assert alive == [1]
    assert master.board.generation == 1


def test_an_import_that_takes_too_long_says_so() -> None:
    master = FakeMaster(import_timeout="1s")
    master.kernel.import_ns = 60 * SECOND
    master.loop.run()
    assert "longer than import_timeout (1 s)" in str(master.board.fatal)


@pytest.mark.parametrize("command", ["status", "stop", "nonsense"])
def test_every_command_gets_one_answer(command: str) -> None:
    master = FakeMaster(min_workers=1)
    master.ask_after(1, command)
    master.run(2)
    assert [answer["ok"] for answer in master.kernel.replies] == [command != "nonsense"]


def test_a_mold_that_hangs_is_ended_and_started_again_in_the_same_generation() -> None:
    master = FakeMaster(min_workers=2, sizing={"kind": "static"}, boot_timeout="5s")
    kernel = master.kernel
    kernel.after(SECOND, lambda: setattr(kernel.molds[1], "stuck", True))
    kernel.after(SECOND, lambda: kernel.die(WorkerId(1), signum=signal.SIGKILL))
    alive: list[int] = []
    kernel.after(7 * SECOND, lambda: alive.append(master.board.count(Phase.SERVING)))
    kinds = master.kinds(8)
    assert [kind for kind in kinds if "mold" in kind] == [
        "start_mold first_mold",
        "end_mold boot_timeout",
        "start_mold mold_gone",
    ]
    assert alive == [2]
    assert master.board.generation == 1


def test_a_pool_whose_forks_all_hang_gives_up_when_the_tokens_are_spent() -> None:
    master = FakeMaster(min_workers=2, sizing={"kind": "static"}, boot_timeout="1s", crash={"burst": 5})
    master.kernel.forks_hang = True
    master.loop.run()
    assert "gave up: never_ready" in str(master.board.fatal)
    assert not master.kernel.workers


@pytest.mark.parametrize("hangs", ["mold", "fork"])
def test_a_stop_ends_a_mold_and_a_fork_that_hang(hangs: str) -> None:
    master = FakeMaster(min_workers=1, sizing={"kind": "static"}, drain_timeout="3s")
    kernel = master.kernel

    def hang() -> None:
        kernel.forks_hang, kernel.molds[1].stuck = hangs == "fork", hangs == "mold"
        kernel.die(WorkerId(1), signum=signal.SIGKILL)

    kernel.after(SECOND, hang)
    master.signal_after(2, signal.SIGTERM)
    began = kernel.now()
    master.loop.run()
    assert kernel.now() - began < 6 * SECOND
    assert not kernel.workers
    assert not kernel.molds


def test_the_log_lines_that_a_worker_lost_are_counted_after_its_end_too() -> None:
    master = FakeMaster(min_workers=2)
    kernel = master.kernel
    totals: list[int] = []

    def lose(worker: WorkerId, lines: int) -> None:
        kernel.workers[worker].words[wire.DROPPED] = lines

    kernel.after(SECOND, lambda: lose(WorkerId(1), 3))
    kernel.after(SECOND, lambda: lose(WorkerId(2), 4))
    kernel.after(2 * SECOND, lambda: totals.append(master.reporter.status()["master"]["log_lines_dropped"]))
    kernel.after(2 * SECOND, lambda: kernel.die(WorkerId(1), signum=signal.SIGKILL))
    kernel.after(3 * SECOND, lambda: totals.append(master.reporter.status()["master"]["log_lines_dropped"]))
    master.run(4)
    assert totals == [7, 7]


@pytest.mark.parametrize(
    "order",
    [
        Drain(WorkerId(1), 10 * SECOND, Because(Reason.REQUESTED)),
        Kill(WorkerId(1), KillStep.KILL, Because(Reason.HARD_RSS)),
    ],
)
def test_a_no_to_retirement_that_crossed_with_a_later_order_takes_nothing_of_that_back(order: Drain | Kill) -> None:
    worker = WorkerRecord(WorkerId(1), 1, 0)
    worker.said(wire.Ready(), 1)
    worker.obey(Retire(WorkerId(1), Because(Reason.SURPLUS)), 2)
    worker.obey(order, 3)
    worker.said(wire.Declined(), 4)
    assert worker.ordered is order.because.reason


def test_each_party_resumes_its_own_pause_alone() -> None:
    master = FakeMaster(min_workers=1, sizing={"kind": "static"})
    kernel = master.kernel
    seen: list[frozenset[Owner]] = []

    def ask(act: str, owner: str) -> None:
        kernel.tell_master(WorkerSaid(WorkerId(1), wire.Request(act, owner)))

    def note() -> None:
        seen.append(master.board.workers[WorkerId(1)].paused_by)

    for at, act, owner in ((1, "pause", "app"), (3, "resume", "operator"), (6, "resume", "app")):
        kernel.after(at * SECOND, partial(ask, act, owner))
    master.signal_after(2, signal.SIGUSR1)
    master.signal_after(4, signal.SIGUSR1)
    master.signal_after(5, signal.SIGUSR2)
    for at in range(1, 7):
        kernel.after(at * SECOND + SECOND // 2, note)
    master.run(8)
    app, both = frozenset({Owner.APP}), frozenset({Owner.APP, Owner.OPERATOR})
    assert seen == [app, both, app, both, app, frozenset()]


@pytest.mark.parametrize("ask", ["signal", "command"])
@pytest.mark.parametrize(
    ("asked", "paused"),
    [
        pytest.param([(2, "pause", 1)], True, id="a pause"),
        pytest.param([(0.5, "pause", 1), (2, "resume", 1)], False, id="a resume"),
        pytest.param([(0.5, "pause", 1), (2, "resume", 2)], False, id="its own resume, while the other stays paused"),
    ],
)
def test_what_comes_for_a_worker_while_its_successor_boots_is_for_that_too(
    asked: list[tuple[float, str, int]], paused: bool, ask: str
) -> None:
    master = FakeMaster(min_workers=1, sizing={"kind": "static"})
    kernel = master.kernel

    def tell(act: str, worker: int) -> None:
        said = WorkerSaid(WorkerId(worker), wire.Request(act, "operator"))
        kernel.tell_master(said if ask == "signal" else Asked(1, act, {"worker": worker}))

    kernel.after(SECOND, lambda: setattr(kernel, "boot_ns", 2 * SECOND))
    master.signal_after(1, signal.SIGHUP)
    for at, act, worker in asked:
        kernel.after(round(at * SECOND), partial(tell, act, worker))
    left: list[tuple[int, frozenset[Owner]]] = []
    kernel.after(5 * SECOND, lambda: left.extend((each.id, each.paused_by) for each in master.board.workers.values()))
    master.run(6)
    assert left == [(2, frozenset({Owner.OPERATOR} if paused else ()))]
