"""What happens in a simulated pool, worked out by hand: who takes, who waits, who is refused, who ends and how."""

from __future__ import annotations

import pytest

from prefork.policy.config import CrashConfig, PoolConfig, RecycleConfig, SpareSizing
from prefork.policy.model import Because, GiveUp, Pause, Reason, Resume, Retire, WorkerId
from prefork.simulation import Crashed, Host, Hung, Killed, Run, simulate
from tests.unit.simulation.loads import MS, PROMPT, Scripted, fixed, listed, said, waits

GIVEN_UP = [(1600, "give_up", "never_ready"), (1600, "end_mold", "stopping")]


def steps(run: Run) -> list[tuple[int, int]]:
    """Processes from when on, in ms."""
    return [(ns // MS, workers) for ns, workers in run.workers]


def test_a_connection_that_finds_a_free_place_waits_for_nothing() -> None:
    run = simulate(fixed(2), listed((0, 100), (50, 100)))
    assert (run.served, run.mean_wait, run.share_waiting()) == (2, 0.0, 0.0)


def test_who_finds_every_place_taken_waits_for_the_first_that_is_given_back() -> None:
    run = simulate(fixed(1), listed((0, 100), (40, 10), (50, 10)))
    assert waits(run) == {0: 1, 60: 2}
    assert run.served == 3
    assert run.waits.total == 120 * MS


def test_a_worker_with_two_places_holds_two() -> None:
    run = simulate(fixed(1, places=2), listed((0, 100), (10, 100), (20, 10)))
    assert waits(run) == {0: 2, 80: 1}


def test_without_a_cap_nobody_waits() -> None:
    run = simulate(fixed(1, places=0), listed(*[(0, 500)] * 300), host=Host(busy=0))
    assert run.p99_wait == 0
    assert run.mean_sessions == 150


def test_who_finds_the_accept_queue_full_is_refused_and_counts_as_a_wait_of_30_seconds() -> None:
    run = simulate(fixed(1), listed((0, 100), (10, 10), (20, 10), (30, 10)), host=Host(backlog=2))
    assert (run.served, run.refused) == (3, 1)
    assert run.share_waiting_over("29s") == 0.25
    assert run.p99_wait == pytest.approx(30, rel=0.01)


def test_connections_go_round_the_workers_that_accept() -> None:
    """The line's first takes it and goes to the end: each of three workers is spent by its fourth session."""
    recycle = RecycleConfig(max_served=4, jitter=0)
    run = simulate(fixed(3, 2, recycle), listed(*[(at, 1) for at in range(9)]), host=PROMPT)
    assert run.count(Reason.MAX_SERVED) == 0
    run = simulate(fixed(3, 2, recycle), listed(*[(at, 1) for at in range(10)]), host=PROMPT)
    assert next(each.at for each in run.decisions if each.decision.because.reason is Reason.MAX_SERVED) == 0.009


def test_births_are_in_series() -> None:
    cold = Host(spawn_time="100ms", warm=False, import_time="50ms")
    run = simulate(fixed(3), listed((0, 900), (0, 900), (0, 900)), host=cold)
    assert said(run, start=True) == [(0, "start_mold", "first_mold"), *[(50, "spawn", "static_size")] * 3]
    assert run.waits.total == sum((150, 250, 350)) * MS


def test_a_pool_that_is_warm_serves_from_the_first_instant() -> None:
    run = simulate(fixed(3), listed((0, 10), (0, 10), (0, 10)))
    assert run.p99_wait == 0
    assert steps(run) == [(0, 3)]


def test_nobody_lives_until_the_first_connection_where_min_workers_is_0() -> None:
    config = PoolConfig(min_workers=0, max_workers=2, max_sessions=1, sizing=SpareSizing())
    run = simulate(config, listed((500, 10)), host=PROMPT)
    assert steps(run) == [(500, 1)]
    assert said(run) == [(500, "spawn", "few_spares")]
    assert run.mean_wait == pytest.approx(0.1)


def test_a_birth_that_fails_is_tried_again_as_the_policy_says() -> None:
    config = fixed(1).model_copy(update={"crash": CrashConfig(burst=2)})
    run = simulate(config, listed(lasts=60_000), host=Host(boot_failures=1, warm=False))
    births = [(at, "spawn", "static_size") for at in (1000, 1200, 1400)]
    assert said(run, start=True) == [(0, "start_mold", "first_mold"), *births, *GIVEN_UP]
    assert run.workers.at(59 * 10**9) == 0


def test_a_pool_that_gave_up_refuses_everybody() -> None:
    config = fixed(1).model_copy(update={"crash": CrashConfig(burst=0)})
    run = simulate(config, listed((0, 10), (30_000, 10), lasts=60_000), host=Host(boot_failures=1, warm=False))
    assert (run.arrivals, run.refused, run.served) == (2, 2, 0)


def test_a_birth_that_hangs_goes_down_the_ladder_at_boot_timeout() -> None:
    config = fixed(1).model_copy(update={"boot_timeout": 2.0})
    run = simulate(config, listed(lasts=4_000), host=Host(boot_hangs=1, warm=False, import_time="0s"))
    kills = [(at, kind) for at, kind, reason in said(run) if reason == "boot_timeout"]
    assert kills == [(2200, "kill"), (2500, "kill")]  # born at 200


def test_a_hung_worker_is_aborted_within_its_timeout_and_its_sessions_are_lost() -> None:
    config = fixed(2).model_copy(update={"heartbeat_interval": 1.0, "heartbeat_timeout": 3.0})
    sessions = [(0, 60_000), (0, 60_000)]
    run = simulate(config, listed(*sessions, lasts=10_000), host=Host(faults=(Hung("2s"),)))
    dump, birth, abort = said(run)
    assert (dump, abort) == ((5000, "kill", "silent_blocked"), (5300, "kill", "silent_blocked"))
    assert birth == (5000, "spawn", "static_size")
    assert (run.lost, run.holding) == (1, 1)
    assert steps(run) == [(0, 2), (5000, 3), (5300, 2)]


def test_sessions_of_a_killed_worker_are_lost_and_its_place_is_refilled_at_once() -> None:
    run = simulate(fixed(2), listed((0, 900), (0, 900)), host=Host(faults=(Killed("500ms"),), spawn_time="100ms"))
    assert (run.lost, run.served) == (1, 1)
    assert said(run) == [(500, "spawn", "static_size")]
    assert steps(run) == [(0, 2)]


def test_a_crash_takes_a_token_and_a_kill_from_outside_does_not() -> None:
    config = fixed(1).model_copy(update={"crash": CrashConfig(burst=0)})
    faults = Killed("100ms", 3), Crashed("500ms")
    run = simulate(config, listed(lasts=5_000), host=Host(faults=faults, spawn_time="10ms"))
    assert said(run) == [(100, "spawn", "static_size"), (1500, "spawn", "probe")]


def test_an_idle_worker_that_is_too_many_retires() -> None:
    config = PoolConfig(
        min_workers=1, max_workers=4, start_workers=3, max_sessions=1, sizing=SpareSizing(max_spare=1, hold=1)
    )
    run = simulate(config, listed(lasts=3_000), host=PROMPT)
    assert [one for one in said(run) if one[1] != "spawn"] == [(1000, "retire", "surplus")] * 2
    assert steps(run) == [(0, 3), (1011, 1)]


def test_who_takes_a_session_before_it_reads_the_order_declines_to_retire() -> None:
    config = PoolConfig(
        min_workers=1, max_workers=4, start_workers=2, max_sessions=1, sizing=SpareSizing(max_spare=1, hold=1)
    )
    slow = Host(order_delay="50ms", lull="0s")
    run = simulate(config, listed((1010, 400), (1020, 400), lasts=1_500), host=slow)
    assert said(run)[0] == (1000, "retire", "surplus")
    assert run.served == 2
    assert run.p99_wait == 0
    assert run.workers.at(1_400_000_000) >= 2


def test_a_draining_worker_finishes_its_sessions_and_takes_no_more() -> None:
    recycle = RecycleConfig(max_age=1, jitter=0)
    run = simulate(fixed(1, 1, recycle), listed((950, 500), (1200, 100), lasts=1_900), host=PROMPT)
    assert said(run)[:2] == [(1000, "spawn", "max_age"), (1100, "drain", "max_age")]
    assert (run.served, run.lost, run.p99_wait) == (2, 0, 0)


def test_sessions_that_overstay_a_drain_are_cut_off_at_its_deadline() -> None:
    recycle = RecycleConfig(max_age=1, jitter=0)
    config = fixed(1, 1, recycle).model_copy(update={"drain_timeout": 0.5})
    run = simulate(config, listed((950, 60_000), lasts=1_700), host=PROMPT)
    assert (run.lost, run.holding) == (1, 0)


def test_a_paused_worker_takes_no_connection_until_it_is_resumed() -> None:
    pause, resume = (kind(WorkerId(1), Because(Reason.SURPLUS)) for kind in (Pause, Resume))
    run = simulate(fixed(1, 2), listed((50, 300), (200, 10)), host=PROMPT, decide=Scripted((100, pause), (250, resume)))
    assert run.served == 2
    assert waits(run) == {0: 1, 51: 1}


def test_births_that_wait_their_turn_are_not_taken_for_hung() -> None:
    """The fourth is due at 4500, four seconds after it was asked for."""
    config = fixed(4).model_copy(update={"boot_timeout": 3.0})
    host = Host(spawn_time="1s", warm=False, import_time="500ms")
    run = simulate(config, listed(*[(0, 60_000)] * 4, lasts=9_000), host=host)
    assert run.count(Reason.BOOT_TIMEOUT) == 0
    assert run.waits.total == sum((1500, 2500, 3500, 4500)) * MS


def test_a_mold_that_takes_longer_than_boot_timeout_for_one_birth_is_taken_for_hung() -> None:
    config = fixed(2).model_copy(update={"boot_timeout": 0.9})
    host = Host(spawn_time="1s", warm=False, import_time="500ms")
    run = simulate(config, listed(lasts=1_450), host=host)
    ends = [(at, kind) for at, kind, reason in said(run) if reason in ("boot_timeout", "mold_gone")]
    assert ends == [(1400, "end_mold"), (1400, "kill"), (1400, "kill"), (1400, "start_mold")]


def test_a_session_of_a_hung_worker_never_ends_by_itself() -> None:
    run = simulate(fixed(1), listed((0, 2500), lasts=40_000), host=Host(faults=(Hung("2s"),)))
    assert (run.served, run.lost) == (0, 1)


def test_who_declined_to_retire_serves_on() -> None:
    retire = Retire(WorkerId(1), Because(Reason.SURPLUS))
    slow = Host(order_delay="50ms")
    run = simulate(fixed(1), listed((120, 40), (300, 40)), host=slow, decide=Scripted((100, retire)))
    assert steps(run) == [(0, 1)]
    assert (run.served, run.mean_wait) == (2, 0)


def test_nobody_is_accepted_once_the_pool_is_given_up() -> None:
    give_up = GiveUp(Because(Reason.NEVER_READY))
    sessions = [(0, 150), (50, 10), (200, 10)]
    run = simulate(fixed(1), listed(*sessions), decide=Scripted((100, give_up)))
    assert (run.served, run.refused) == (1, 2)


def test_every_arrival_is_served_refused_lost_held_or_waits() -> None:
    faults = Killed("200ms"), Hung("300ms")
    sessions = [(at, 90) for at in range(0, 1000, 11)]
    run = simulate(fixed(3, 2), listed(*sessions), host=Host(backlog=3, faults=faults))
    assert min(run.served, run.refused, run.lost, run.holding, run.waiting) > 0
    assert run.arrivals == run.served + run.refused + run.lost + run.holding + run.waiting == len(sessions)
