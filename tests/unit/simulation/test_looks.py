"""When the master looks: at facts, while somebody waits, when its plan asks; and never because time passes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.policy.config import PoolConfig, SpareSizing
from prefork.policy.engine import decide
from prefork.simulation import Host, Killed, simulate
from tests.unit.simulation.loads import MS, ORIGIN, fixed, listed

if TYPE_CHECKING:
    from prefork.policy.memory import Memory, Plan
    from prefork.policy.model import PoolView
    from prefork.simulation import Replay


class Diary:
    """A policy that remembers when it was asked, in ms since the start."""

    def __init__(self) -> None:
        self.looks: list[int] = []

    def __call__(self, config: PoolConfig, view: PoolView, memory: Memory) -> Plan:
        self.looks.append((view.now - ORIGIN) // MS)
        return decide(config, view, memory)


def looks(config: PoolConfig, traffic: Replay, host: Host | None = None) -> list[int]:
    """When the master looked, after the pool was up."""
    diary = Diary()
    simulate(config, traffic, host=host or Host(lull="0s"), decide=diary)
    return [at for at in diary.looks if at > 0]


def test_a_pool_at_rest_is_looked_at_when_it_could_be_silent_and_no_sooner() -> None:
    assert looks(fixed(3), listed(lasts=100_000)) == [30_000, 60_000, 90_000]


def test_an_accept_is_looked_at_and_the_end_of_a_session_is_not() -> None:
    assert looks(fixed(2), listed((100, 50), (300, 50))) == [100, 300]


def test_a_worker_rings_once_in_50_ms() -> None:
    sessions = [(at, 900) for at in (100, 110, 120, 130, 170)]
    assert looks(fixed(1, places=9), listed(*sessions)) == [100, 150, 200]


def test_another_worker_rings_on_its_own() -> None:
    assert looks(fixed(2), listed((100, 900), (110, 900))) == [100, 110]


def test_while_somebody_waits_and_somebody_comes_the_queue_is_looked_at_each_5_ms() -> None:
    config = PoolConfig(min_workers=0, max_workers=1, max_sessions=1)
    host = Host(spawn_time="20ms", lull="0s")
    assert looks(config, listed((100, 900)), host) == [100, 105, 110, 115, 120]


def test_while_nobody_may_accept_and_nobody_comes_it_is_looked_at_each_second() -> None:
    assert looks(fixed(1), listed((100, 4000), (200, 10), (201, 10), lasts=3000)) == [100, 200, 1200, 2200]


def test_an_end_is_looked_at_at_once() -> None:
    host = Host(faults=(Killed("300ms"),), spawn_time="40ms", lull="0s")
    assert looks(fixed(1), listed(), host) == [300, 340]


def test_a_refusal_to_retire_is_looked_at_at_once() -> None:
    config = PoolConfig(min_workers=1, start_workers=2, max_sessions=1, sizing=SpareSizing(max_spare=1, hold=1))
    found = looks(config, listed((1010, 500), (1011, 500), lasts=1500), Host(order_delay="30ms", lull="0s"))
    assert found[found.index(1000) :][:4] == [1000, 1010, 1011, 1030]


def test_a_lull_puts_off_bells_that_tell_of_no_more_sessions_than_were_seen() -> None:
    """Two are held at 100 and at 110; from 200 on there is one at a time."""
    sessions = [(100, 50), (110, 50), (200, 10), (220, 10), (238, 10), (250, 50), (260, 50), (270, 50)]
    faithful = looks(fixed(9), listed(*sessions))
    assert faithful == [100, 110, 200, 220, 238, 250, 260, 270]
    assert looks(fixed(9), listed(*sessions), Host(lull="80ms")) == [100, 110, 200, 260, 270]


def test_demand_that_counts_arrivals_at_looks_puts_off_no_bell() -> None:
    sessions = [(100, 50), (200, 10), (220, 10)]
    config = {"min_workers": 9, "sizing": {"kind": "demand"}}
    found = looks(PoolConfig.model_validate(config), listed(*sessions), Host())
    assert [at for at in found if at < 500] == [100, 200, 220]


def test_a_config_that_watches_its_spares_is_looked_at_as_its_plan_asks() -> None:
    config = PoolConfig(min_workers=1, start_workers=3, sizing=SpareSizing(max_spare=2, hold=1))
    assert looks(config, listed(lasts=990)) == list(range(100, 990, 100))
