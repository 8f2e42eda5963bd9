"""What is no entry is told in one line, whatever is wrong with it: nothing odd gets as far as the policy."""

from __future__ import annotations

import json
from typing import Any

import pytest

from prefork.journal.codec import Decoder, Encoder, JournalError
from prefork.journal.entries import Entry, Key, Note
from prefork.policy.config import PoolConfig
from prefork.policy.memory import Memory, Plan
from prefork.policy.model import (
    Because,
    ExitView,
    MoldPhase,
    MoldView,
    Phase,
    PoolView,
    Reason,
    Retire,
    WorkerId,
    WorkerView,
)

WORKER = WorkerId(1)
VIEW = PoolView(
    5,
    1,
    1,
    workers=(WorkerView(WORKER, 1, Phase.SERVING, 0, ready_at=3),),
    molds=(MoldView(1, MoldPhase.READY, 2),),
    exits=(ExitView(1, WorkerId(2), 1, 4, 3, 0, Reason.SURPLUS),),
)
PLAN = Plan((Retire(WORKER, Because(Reason.SURPLUS, (("n", 2),))),), (), 9, Memory())


def lines() -> dict[str, Any]:
    """One of each, as JSON."""
    encoder = Encoder()
    key = Key(0, 0, PoolConfig().model_dump(mode="json"), {}, Memory())
    said = [encoder.key(key), encoder.look(VIEW, PLAN), encoder.note(Note(1, "told", None, "TERM"))]
    return {kind: [kind, *rest] for kind, *rest in map(json.loads, said)}


def entries(said: dict[str, Any]) -> list[Entry | None]:
    decoder = Decoder()
    return [decoder.entry(json.dumps(line)) for line in said.values()]


def put(where: list[Any], path: tuple[str | int, ...], value: object) -> None:
    at: Any = where
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("key", (1, "config", "max_workers"), "many"),
        ("key", (1, "config", "bogus"), 1),
        ("key", (1, "memory"), []),
        ("key", (1, "unix_ns"), None),
        ("look", (2, "now"), "x"),
        ("look", (2, "seed"), None),
        ("look", (2, "workers", "1", "phase"), None),
        ("look", (2, "workers", "1", "phase"), "bogus"),
        ("look", (2, "workers", "1", "sessions"), 1.5),
        ("look", (2, "molds", 0, 2), {}),
        ("look", (2, "exits", 0, 3), []),
        ("look", (4, 0, 2, 1), [["n", None]]),
        ("note", (1, 0), None),
    ],
)
def test_a_value_that_is_none_of_its_field(kind: str, path: tuple[str | int, ...], value: object) -> None:
    said = lines()
    put(said[kind], path, value)
    with pytest.raises(JournalError) as raised:
        entries(said)
    assert "\n" not in str(raised.value)


def test_what_was_not_changed_is_read() -> None:
    _, look, _ = entries(lines())
    assert look is not None
    assert look[:2] == (VIEW, PLAN.decisions)
