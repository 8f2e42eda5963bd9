"""18. Whatever the figures of a view are, impossible ones too, there is a plan, and it keeps 1 to 4."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from prefork.policy.config import PoolConfig
from prefork.policy.memory import Memory
from prefork.policy.model import (
    ExitView,
    KillStep,
    MoldPhase,
    MoldView,
    Owner,
    Phase,
    PoolView,
    Reason,
    WorkerId,
    WorkerView,
)
from tests.property import invariants as inv
from tests.property.machine import configs
from tests.property.world import World

any_int = st.integers(-(2**70), 2**70) | st.integers(-3, 9)
maybe = st.none() | any_int
ids = st.integers(1, 6).map(WorkerId)
KEPT = (
    inv.spawns_stay_within_max,
    inv.nobody_is_ordered_below_min,
    inv.decisions_name_known_workers_once,
    inv.nothing_is_born_without_a_mold,
    inv.memory_is_bounded,
    inv.memory_survives_json,
)


@st.composite
def workers(draw: st.DrawFn, name: WorkerId) -> WorkerView:
    return WorkerView(
        id=name,
        generation=draw(any_int),
        phase=draw(st.sampled_from(Phase)),
        forked_at=draw(any_int),
        ready_at=draw(maybe),
        heard_at=draw(maybe),
        idle_since=draw(maybe),
        sessions=draw(any_int),
        accepted=draw(any_int),
        paused_by=draw(st.frozensets(st.sampled_from(Owner))),
        replaces=draw(st.none() | ids),
        retiring_at=draw(maybe),
        rss=draw(maybe),
        boot_rss=draw(maybe),
        cpu_ns=draw(maybe),
        drain_by=draw(maybe),
        kill_step=draw(st.none() | st.sampled_from(KillStep)),
        killed_at=draw(maybe),
        drain_wanted=draw(st.none() | st.sampled_from(Owner)),
        spent=draw(st.booleans()),
        born=draw(st.booleans()),
        boot_at=draw(maybe),
    )


molds = st.builds(MoldView, st.integers(0, 3), st.sampled_from(MoldPhase), any_int, maybe)
exits = st.builds(
    ExitView,
    seq=st.integers(1, 9),
    worker=ids,
    generation=any_int,
    at=any_int,
    ready_at=maybe,
    forked_at=any_int,
    ordered=st.none() | st.sampled_from(Reason),
    born=st.booleans(),
    code=maybe,
    signal=maybe,
    oom=st.booleans(),
)


@st.composite
def views(draw: st.DrawFn) -> PoolView:
    names = draw(st.lists(ids, unique=True, max_size=6))
    return PoolView(
        now=draw(any_int),
        seed=draw(any_int),
        generation=draw(st.integers(0, 3)),
        workers=tuple(draw(workers(name)) for name in names),
        molds=tuple(draw(st.lists(molds, max_size=3, unique_by=lambda mold: mold.generation))),
        exits=tuple(draw(st.lists(exits, max_size=4, unique_by=lambda exit_: exit_.seq))),
        queue=draw(maybe),
        stop_at=draw(st.none() | any_int),
        stop_by=draw(maybe),
        scale=draw(maybe),
        paused=draw(st.booleans()),
        reload_wanted=draw(st.booleans()),
        import_timeout_ns=draw(maybe),
        arrivals=draw(any_int),
        completions=draw(any_int),
        held_ns=draw(any_int),
        busy_ns=draw(any_int),
        spawn_ns=draw(maybe),
        places=draw(maybe),
    )


@settings(max_examples=400)
@given(configs(), views(), st.booleans())
def test_any_view_has_a_plan_that_keeps_the_bounds(config: PoolConfig, view: PoolView, warm: bool) -> None:
    world = World(config, view.seed, KEPT)
    world.next_id = 7
    world.view = view
    world.memory = Memory(started=warm, ever_ready=warm, generation=view.generation, last_now=5 if warm else None)
    world.look()


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf"), -1])
@pytest.mark.parametrize("field", ["heartbeat_timeout", "drain_timeout", "boot_timeout", "max_workers"])
def test_a_config_has_no_odd_numbers(field: str, number: float) -> None:
    with pytest.raises(ValidationError):
        PoolConfig.model_validate({field: number})


PLANS = """
from tests.property import themes
from tests.property.events import only
from tests.property.search import search
start = themes.SPARE.settled()
start.checks = (lambda seen: print(seen.plan),)
search([start], 2, only("", themes.SPARE.lowered))
"""


def test_plans_are_the_same_whatever_the_hash_seed() -> None:
    """11. Across processes too, as a replay or a shadow would see it."""
    said = {
        subprocess.run(
            [sys.executable, "-c", PLANS], env=os.environ | {"PYTHONHASHSEED": seed}, check=True, capture_output=True
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(said) == 1
    assert len(said.pop().splitlines()) > 100
