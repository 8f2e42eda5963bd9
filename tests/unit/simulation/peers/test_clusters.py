"""Autoscalers of clusters, on sequences computed by hand: births, and who goes."""

from __future__ import annotations

from prefork.simulation.peers import KnativeKpa, KubernetesHpa
from tests.unit.simulation.peers.stage import S, Stage

NOTHING: tuple[int, list[int]] = (0, [])


def after(stage: Stage, at: float, seconds: float) -> tuple[int, list[int]]:
    """So many seconds of sessions were served until the look at `at`."""
    stage.worked += round(seconds * S)
    return stage.look(at)


def test_the_hpa_follows_utilization_and_the_largest_recommendation_of_five_minutes() -> None:
    stage = Stage(KubernetesHpa())
    assert stage.started == 1
    assert after(stage, 14, 14) == NOTHING
    assert after(stage, 15, 1) == (1, [])  # 100 % of one: ratio 1.25, ceil(1.25) = 2
    stage.ready()
    assert after(stage, 30, 30) == (1, [])  # 100 % of two: ceil(2.5) = 3
    assert after(stage, 45, 30) == NOTHING  # one boots: ratio 1.25 of two, 0.83 of three: as it is
    stage.ready()
    assert after(stage, 60, 45 * 0.84) == NOTHING  # 84 %: ratio 1.05, within the tolerance
    assert after(stage, 75, 4.5) == NOTHING  # 10 %: ceil(0.375) = 1, but 3 was recommended
    for at in range(90, 360, 15):
        assert after(stage, at, 4.5) == NOTHING
    assert after(stage, 360, 4.5) == (0, [3, 2])  # the 3 of second 60 is 300 s old
    assert after(stage, 375, 0) == NOTHING  # one stays


def test_the_hpa_lets_busy_ones_go_that_drain() -> None:
    stage = Stage(KubernetesHpa(min_replicas=3, window=0))
    stage.peer = KubernetesHpa(min_replicas=1, window=0)
    stage.busy(3)
    assert after(stage, 15, 9) == (0, [3, 2])  # 20 %: ratio 0.25, ceil(0.75) = 1; the stage checks that they drain


def test_the_hpa_at_most_doubles_and_four_at_least() -> None:
    stage = Stage(KubernetesHpa(target=0.1))
    assert after(stage, 15, 15) == (4, [])  # 10 wanted
    stage.ready()
    assert after(stage, 30, 75) == (5, [])  # 50 wanted, 20 at most, twice 5


def test_the_kpa_panics_at_twice_the_ready_and_goes_down_by_half() -> None:
    stage = Stage(KnativeKpa())
    assert stage.started == 1
    assert after(stage, 2, 2) == (1, [])  # concurrency 1 / 0.7: two, twice the ready one: panic
    stage.queue = 3
    assert after(stage, 4, 2) == (2, [])  # now 1 + 3; mean 2.5 / 0.7: four, and two are there
    stage.queue = 0
    stage.ready()
    for at in range(6, 66, 2):
        assert after(stage, at, 2) == NOTHING  # 1 / 0.7: two of four, but it panicked at 4
    # over 60 s after: the mean of a minute is 1, two wanted, half of four allowed
    assert after(stage, 66, 2) == (0, [4, 3])


def test_the_kpa_averages_a_minute_where_it_doesnt_panic() -> None:
    stage = Stage(KnativeKpa(initial_scale=4), places=10)
    assert after(stage, 2, 2 * 28) == NOTHING  # 28 sessions, 7 a pod: four
    for at in (4, 6, 8):
        # means of the minute 31.5, 32.67, 33.25: five, and of the panic window 31.5, 32.67, 35: five; ready 4
        assert after(stage, at, 2 * 35) == ((1, []) if at == 4 else NOTHING)
    stage.ready()
    assert after(stage, 10, 0) == (0, [5])  # a mean of 26.6: four
    assert after(stage, 12, 0) == NOTHING  # 22.2: four
    assert after(stage, 14, 0) == (0, [4])  # 19: three


def test_the_kpa_goes_to_nobody_and_is_activated_by_who_waits() -> None:
    stage = Stage(KnativeKpa())
    assert after(stage, 2, 0) == (0, [1])
    assert stage.look(3) == NOTHING
    stage.come(waiting=1)
    assert stage.look(3.5) == (1, [])
    assert stage.look(3.6) == NOTHING
