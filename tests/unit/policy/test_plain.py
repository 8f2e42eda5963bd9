"""The plain form of a config: whoever only reads can't tell it from the model."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from prefork import PoolConfig, ServerConfig
from prefork.policy.limits import Limits

POOL = PoolConfig.model_validate({"max_workers": 9, "drain_timeout": "2s", "sizing": {"kind": "spare", "min_spare": 3}})
SERVER = ServerConfig.model_validate(
    {
        "app": "a:b",
        "listen": [{"url": "tcp://h:1", "tls": {"cert": "/a.pem", "alpn": ["h2"]}}, "tcp://h:2"],
        "backends": {"mine": {"depth": {"most": 3}}},
        "journal": {"path": "/j"},
        "pool": POOL,
    }
)


def values(table: object) -> dict[str, Any]:
    """Table or plain form, all the way down."""
    return {name: inner(value) for name, value in vars(table).items()}


def inner(value: object) -> object:
    if isinstance(value, tuple):
        return [inner(each) for each in value]
    return values(value) if hasattr(value, "__dict__") and not isinstance(value, Path) else value


def test_it_has_every_value_and_no_model() -> None:
    plain = SERVER.plain()
    assert values(plain) == values(SERVER)
    assert not isinstance(plain, BaseModel)
    assert not isinstance(plain.listen[0].tls, BaseModel)
    assert plain.journal.path == Path("/j")
    assert plain.backends == {"mine": {"depth": {"most": 3}}}


def test_the_policy_makes_the_same_of_it() -> None:
    assert Limits.of(POOL.plain()) == Limits.of(POOL)


def test_it_is_equal_and_hashed_by_its_values() -> None:
    again = POOL.model_copy(deep=True).plain()
    assert (again, hash(again)) == (POOL.plain(), hash(POOL.plain()))
    assert again != POOL.model_copy(update={"max_workers": 8}).plain()
    assert again != POOL


def test_it_can_be_varied_and_told_as_the_model_can() -> None:
    bounds = {"min_workers": 1, "max_workers": 4}
    varied = POOL.plain().model_copy(update=bounds)
    assert values(varied) == values(POOL.model_copy(update=bounds))
    assert POOL.plain().max_workers == 9
    assert varied.model_dump(mode="json") == POOL.model_copy(update=bounds).model_dump(mode="json")


def test_it_is_frozen() -> None:
    with pytest.raises(AttributeError, match="max_workers: a config is frozen"):
        POOL.plain().max_workers = 3  # type: ignore[misc]


def test_it_crosses_a_process() -> None:
    assert pickle.loads(pickle.dumps(SERVER.plain())) == SERVER.plain()
