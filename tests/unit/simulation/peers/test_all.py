"""Every peer in a simulated pool: bounds, determinism, and the names."""

from __future__ import annotations

import pytest

from prefork.policy.config import PoolConfig
from prefork.simulation import Exponential, Flash, Host, OnOff, Run, simulate
from prefork.simulation.peers import PEERS, Apache, peer

RUSH = Flash(base=2, peak=60, at="20s", lasts="150s") + OnOff(rate=20, lasts="150s", length=Exponential("2s"))


def config(places: int = 1, most: int = 12) -> PoolConfig:
    return PoolConfig.model_validate({"max_workers": most, "max_sessions": places})


def run(name: str, places: int = 1) -> Run:
    pool = config(places)
    return simulate(pool, RUSH, seed=3, host=Host(lull="0s"), decide=peer(name, pool))


@pytest.mark.parametrize("places", [1, 10])
@pytest.mark.parametrize("name", PEERS)
def test_it_serves_everybody_within_the_max_and_cuts_nobody_off(name: str, places: int) -> None:
    found = run(name, places)
    assert found.lost == found.refused == 0
    assert found.served + found.holding + found.waiting == found.arrivals
    assert found.served > 1500
    assert name == "seed" or found.never_over(12)


def test_the_seed_goes_over_its_max() -> None:
    assert run("seed").workers.most > 12


@pytest.mark.parametrize("name", PEERS)
def test_one_instance_gives_the_same_run_twice(name: str) -> None:
    pool = config()
    decide = peer(name, pool)
    first, second = (simulate(pool, RUSH, seed=3, decide=decide) for _ in range(2))
    assert first.decisions == second.decisions


def test_looks_between_two_ticks_change_nothing() -> None:
    pool = config()
    prompt, lulled = (simulate(pool, RUSH, 3, Host(lull=lull), Apache()) for lull in ("0s", "5s"))
    assert prompt.looks > 1.5 * lulled.looks
    assert prompt.workers.values == lulled.workers.values


def test_an_unknown_peer_is_named_with_those_that_are_known() -> None:
    with pytest.raises(ValueError, match="peer 'nginx' is not known: choose one of seed, apache, php-fpm-dynamic"):
        peer("nginx", config())


def test_a_peer_that_goes_by_places_asks_for_them() -> None:
    with pytest.raises(ValueError, match="peer knative-kpa goes by how full workers are: set max_sessions"):
        peer("knative-kpa", config(places=0))
    assert peer("apache", config(places=0)) == Apache()
