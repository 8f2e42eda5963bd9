"""A journal gives back what was written, and a replay decides the same: for any view, and for whole runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefork.journal.codec import Decoder, Encoder
from prefork.journal.entries import Key, Look
from prefork.journal.replaying import replay
from prefork.policy.engine import decide
from prefork.policy.memory import Memory, Plan
from prefork.policy.units import NS
from prefork.simulation import simulate
from prefork.simulation.durations import as_ns
from tests.property.machine import configs
from tests.property.test_odd_inputs import views
from tests.property.test_simulated import RUNS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prefork.journal.entries import Entry
    from prefork.policy.config import PoolConfig
    from prefork.policy.model import PoolView


class Recorder:
    """decide(), with each look written down."""

    def __init__(self, config: PoolConfig, every: int) -> None:
        self.lines: list[str] = []
        self.looks: list[Look] = []
        self._config = config.model_dump(mode="json")
        self._every = every
        self._encoder = Encoder()

    def __call__(self, config: PoolConfig, view: PoolView, memory: Memory) -> Plan:
        if len(self.looks) % self._every == 0:
            self.lines.append(self._encoder.key(Key(0, view.now, self._config, {}, memory)))
        plan = decide(config, view, memory)
        self.lines.append(self._encoder.look(view, plan))
        self.looks.append(Look(view, plan.decisions, plan.withheld, plan.next_check_at))
        return plan


def decoded(lines: list[str]) -> Iterator[Entry]:
    decoder = Decoder()
    return (entry for line in lines if (entry := decoder.entry(line)) is not None)


def looks(lines: list[str]) -> list[Look]:
    return [entry for entry in decoded(lines) if isinstance(entry, Look)]


@settings(max_examples=100)
@given(configs(), st.lists(views(), min_size=1, max_size=4), st.integers(1, 4))
def test_any_views_come_back_as_they_were(config: PoolConfig, seen: list[PoolView], every: int) -> None:
    recorder, memory = Recorder(config, every), Memory()
    for view in seen:
        memory = recorder(config, view, memory).memory
    assert looks(recorder.lines) == recorder.looks
    assert replay(decoded(recorder.lines)).same_decisions()


def recorded(name: str, every: int = 1000) -> Recorder:
    config, traffic, host = RUNS[name]
    recorder = Recorder(config, every)
    simulate(config, traffic, 1, host, recorder)
    return recorder


@pytest.mark.parametrize("name", RUNS)
def test_a_run_is_replayed_to_the_same_plans(name: str) -> None:
    recorder = recorded(name)
    assert looks(recorder.lines) == recorder.looks
    again = replay(decoded(recorder.lines))
    assert again.same_decisions()
    assert again.looks == len(recorder.looks) > 100
    assert again.decisions == again.replayed > 5
    assert again.spawn_ns is not None
    assert as_ns(RUNS[name][2].spawn_time, "spawn_time") <= again.spawn_ns < 2 * NS


def test_a_look_is_written_in_a_few_words() -> None:
    recorder = recorded("a flash crowd, and all that goes wrong")
    whole = sum(len(repr(look.view)) for look in recorder.looks)
    assert sum(map(len, recorder.lines)) < whole / 8


def test_another_config_is_told_where_it_decides_otherwise() -> None:
    name = "a flash crowd, and all that goes wrong"
    lines = recorded(name).lines
    config = RUNS[name][0]
    other = replay(decoded(lines), config.model_copy(update={"max_workers": 6}))
    assert not other.same_decisions()
    first = other.differences[0]
    assert [each.kind for each in first.was] != [each.kind for each in first.now_is]
    assert replay(decoded(lines), config).same_decisions()


def test_the_next_pool_in_a_journal_begins_with_its_own_memory() -> None:
    config, traffic, host = RUNS["a flash crowd, and all that goes wrong"]
    recorders = [Recorder(config, 1000) for _ in range(2)]
    for seed, recorder in enumerate(recorders):
        simulate(config, traffic, seed, host, recorder)
    lines = [line for recorder in recorders for line in recorder.lines]
    assert {look.view.seed for look in looks(lines)} == {0, 1}
    assert replay(decoded(lines), config).same_decisions()


def test_a_journal_of_another_policy_is_not_the_same() -> None:
    lines = recorded("nobody until somebody comes").lines
    spawn = next(index for index, line in enumerate(lines) if '"Spawn"' in line)
    forged: Any = lines[spawn].replace('"Spawn",1,', '"Spawn",2,')
    again = replay(decoded([*lines[:spawn], forged, *lines[spawn + 1 :]]))
    assert again.different == 1
    assert not replay([]).same_decisions()


def test_a_line_that_is_missing_ends_the_stretch_and_the_next_key_begins_another() -> None:
    recorder = recorded("workers are recycled under a wave", every=50)
    lines = recorder.lines
    lost = [*lines[:20], *lines[21:]]
    found = looks(lost)
    assert found == [*recorder.looks[:19], *recorder.looks[50:]]
    assert replay(decoded(lost)).same_decisions()


def test_a_wish_that_stands_is_a_difference_once() -> None:
    name = "a flash crowd, and all that goes wrong"
    config, lines = RUNS[name][0], recorded(name).lines
    other = replay(decoded(lines), config.model_copy(update={"min_workers": 30, "max_workers": 60}))
    births = sum(each.kind == "spawn" for one in other.differences for each in one.now_is)
    assert 0 < births <= other.replayed < 2 * other.decisions + 60
