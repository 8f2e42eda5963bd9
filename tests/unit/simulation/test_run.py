"""A run answers a test's questions, each in one line."""

from __future__ import annotations

import pytest

from prefork.policy.config import PoolConfig, SpareSizing
from prefork.policy.model import Because, Decision, Reason, Retire, Spawn, WorkerId
from prefork.simulation import Flash, Host, Killed, Poisson, Sine, Step, simulate
from tests.unit.simulation.loads import MS, PROMPT, Scripted, fixed, listed

FOLLOWS = PoolConfig(max_workers=30, max_sessions=1, sizing=SpareSizing(min_spare=2, max_spare=12, hold=5))


def test_workers_and_sessions_are_averaged_over_time() -> None:
    run = simulate(fixed(2), listed((0, 400), (200, 400), (300, 100)))
    assert run.seconds == 1
    assert run.worker_seconds == run.mean_workers == 2
    assert run.mean_sessions == pytest.approx(0.9)
    assert run.mean_queue == pytest.approx(0.1)


def test_who_is_born_and_who_goes_is_in_the_worker_seconds() -> None:
    run = simulate(PoolConfig(min_workers=0, max_workers=1), listed((250, 10)), host=PROMPT)
    assert run.worker_seconds == pytest.approx(0.75)


def test_half_wait_no_longer_than_the_median() -> None:
    run = simulate(fixed(1), listed((0, 100), (0, 100), (0, 100), (0, 100), (0, 100)))
    assert run.p50_wait == pytest.approx(0.2, rel=0.01)
    assert run.wait_quantile(0.8) == pytest.approx(0.3, rel=0.01)
    assert run.p99_wait == pytest.approx(0.4, rel=0.01)


def test_shares_that_wait_longer() -> None:
    run = simulate(fixed(1), listed((0, 100), (0, 100), (0, 100), (0, 100)))
    assert run.share_waiting() == 0.75
    assert run.share_waiting_over("150ms") == 0.5
    assert run.slow() == run.slow("50ms") == 0.75
    assert run.share_waiting_over("1s") == 0


def test_who_still_waits_at_the_end_has_waited_until_then() -> None:
    run = simulate(fixed(1), listed((0, 5000), (400, 10)))
    assert run.waiting == 1
    assert run.p99_wait == pytest.approx(0.6, rel=0.01)


def test_nothing_is_divided_where_nobody_came() -> None:
    run = simulate(fixed(1), listed())
    assert (run.p99_wait, run.mean_wait, run.slow(), run.mean_sessions, run.flaps) == (0, 0, 0, 0, 0)


def test_a_pool_that_follows_a_step_settles() -> None:
    step = Step(2, 20, at="20s", lasts="2m")
    run = simulate(FOLLOWS, step, seed=3)
    assert run.settles_within("60s")
    assert not run.settles_within("0s")
    assert run.never_over(15)
    assert not run.never_over(3)


def test_a_size_that_never_changes_is_settled_at_once() -> None:
    assert simulate(fixed(4), Poisson(5, lasts="1m")).settles_within("0s")


def test_a_run_that_cannot_tell_says_so() -> None:
    with pytest.raises(ValueError, match="this traffic never comes to rest"):
        simulate(fixed(1), Sine(1, lasts="1m")).settles_within("1s")
    with pytest.raises(ValueError, match="the run ends before: lengthen"):
        simulate(fixed(1), Flash(1, 2, lasts="2m")).settles_within("60s")
    with pytest.raises(ValueError, match=r"quantile \(99\) is no share"):
        simulate(fixed(1), listed()).wait_quantile(99)


def test_decisions_come_with_their_instant_reason_and_newcomer() -> None:
    config = PoolConfig(min_workers=0, max_workers=2, max_sessions=1, sizing=SpareSizing())
    run = simulate(config, listed((500, 10)), host=PROMPT)
    spawn = run.decisions[-1]
    assert spawn.at == 0.5
    assert spawn.decision.because == Because(
        Reason.FEW_SPARES, (("spare", 0), ("min_spare", 0), ("queue", 1), ("n", 0))
    )
    assert spawn.worker == 1
    assert run.decided == len(run.decisions) == 2  # and the mold
    assert run.births() == 1


def test_samples_are_means_of_equal_parts() -> None:
    run = simulate(fixed(2), listed((0, 500), (0, 500), (100, 200)))
    assert len(run.samples) == 1000
    assert run.samples[-1].at == 1
    assert sum(each.sessions for each in run.samples) / 1000 == pytest.approx(run.mean_sessions)
    assert sum(each.queue for each in run.samples) / 1000 == pytest.approx(run.mean_queue)
    assert max(each.longest_queue for each in run.samples) == 1
    assert sum(each.arrivals for each in run.samples) == run.arrivals
    assert max(each.longest_wait for each in run.samples) == pytest.approx(run.wait_quantile(1), rel=0.01)
    assert sum(each.p99_wait > 0 for each in run.samples) == 1
    assert {each.workers for each in run.samples} == {2}


BORN = Spawn(1, Because(Reason.FEW_SPARES))
ENDED = Retire(WorkerId(1), Because(Reason.SURPLUS))
ENDED_TOO = Retire(WorkerId(2), Because(Reason.SURPLUS))


@pytest.mark.parametrize(
    ("script", "flaps"),
    [
        (((1000, ENDED), (2000, BORN)), 1),
        (((1000, ENDED), (32_000, BORN)), 0),
        (((1000, BORN), (2000, ENDED)), 0),
        (((1000, ENDED), (2000, BORN), (3000, BORN)), 1),
        (((1000, ENDED), (2000, BORN), (3000, ENDED_TOO), (4000, BORN)), 2),
        (((1000, ENDED), (20_000, ENDED_TOO), (35_000, BORN)), 1),
    ],
)
def test_a_flap_is_a_birth_within_30_seconds_of_an_end_that_it_undoes(
    script: tuple[tuple[int, Decision], ...], flaps: int
) -> None:
    run = simulate(fixed(2), listed(lasts=60_000), decide=Scripted(*script))
    assert run.decided == 3 + len(script)
    assert run.flaps == flaps


def test_a_replaced_crash_is_no_flap() -> None:
    run = simulate(fixed(2), listed(), host=Host(faults=(Killed("100ms", 2),)))
    assert run.births() == 4
    assert run.flaps == 0


def test_a_host_that_cannot_be_is_refused_in_one_line() -> None:
    with pytest.raises(ValueError, match=r"boot_failures \(2\) is no share"):
        Host(boot_failures=2)
    with pytest.raises(ValueError, match=r"backlog \(-1\) is negative"):
        Host(backlog=-1)
    with pytest.raises(ValueError, match="spawn_time: 'soon' is no duration"):
        simulate(fixed(1), listed(), host=Host(spawn_time="soon"))


def test_ns_and_seconds_agree() -> None:
    run = simulate(fixed(1), listed((0, 100), (0, 100)))
    assert run.waits.total == 100 * MS
    assert run.mean_wait == 0.05
