"""The config: what is refused, with which words; what is derived; how numbers are written."""

from __future__ import annotations

import math
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from prefork.policy.config import (
    MAX_WORKERS,
    CrashConfig,
    DemandSizing,
    PoolConfig,
    RecycleConfig,
    SpareSizing,
    StaticSizing,
)
from prefork.policy.limits import Limits, arithmetic, explain
from prefork.policy.memory import Memory
from prefork.policy.units import NS


def message_of(**fields: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        PoolConfig.model_validate(fields)
    (error,) = caught.value.errors()
    return str(error["msg"]).removeprefix("Value error, ")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        pytest.param(
            {"min_workers": 99, "max_workers": 64},
            "min_workers (99) is over max_workers (64): lower one or raise the other",
            id="min over max",
        ),
        pytest.param(
            {"start_workers": 1},
            "start_workers (1) is under min_workers (2): raise one or lower the other",
            id="start under min",
        ),
        pytest.param(
            {"start_workers": 21},
            "start_workers (21) is over max_workers (20): lower one or raise the other",
            id="start over max",
        ),
        pytest.param(
            {"sizing": {"min_spare": 21, "kind": "spare"}},
            "sizing.min_spare (21) is over max_workers (20): lower one or raise the other",
            id="min_spare over max",
        ),
        pytest.param(
            {"min_workers": 4, "max_workers": 4, "sizing": {"min_spare": 5, "kind": "spare"}},
            "sizing.min_spare (5) is over max_workers (4): lower one or raise the other",
            id="even where the bounds meet",
        ),
        pytest.param(
            {"sizing": {"min_spare": 5, "max_spare": 3, "kind": "spare"}},
            "sizing.max_spare (3) is under sizing.min_spare (5): raise one or lower the other",
            id="max_spare under min_spare",
        ),
        pytest.param(
            {"sizing": {"max_spare": 1, "kind": "spare"}},
            "sizing.max_spare (1) is under sizing.min_spare (2 = min_workers): raise one or lower the other",
            id="max_spare under the min_spare that min_workers gives",
        ),
        pytest.param(
            {"min_workers": 0, "sizing": {"min_spare": 1, "kind": "spare"}},
            "sizing.min_spare (1) keeps workers ready, but min_workers (0) wants nobody before the first connection: "
            "raise min_workers, or leave sizing.min_spare out",
            id="spares in a pool that sleeps",
        ),
        pytest.param(
            {"max_workers": 4, "sizing": {"kind": "demand", "min_spare": 5}},
            "sizing.min_spare (5) is over max_workers (4): lower one or raise the other",
            id="demand: spares over max",
        ),
        pytest.param(
            {"min_workers": 0, "sizing": {"kind": "demand", "min_spare": 1}},
            "sizing.min_spare (1) keeps workers ready, but min_workers (0) wants nobody before the first connection: "
            "raise min_workers, or leave sizing.min_spare out",
            id="demand: spares in a pool that sleeps",
        ),
        pytest.param(
            {"sizing": {"kind": "demand", "min_spare": 2, "max_spare": 1}},
            "sizing.max_spare (1) is under sizing.min_spare (2): raise one or lower the other",
            id="demand: max_spare under min_spare",
        ),
        pytest.param(
            {"sizing": {"kind": "demand", "headroom": -1}},
            "Input should be greater than or equal to 0",
            id="demand: negative headroom",
        ),
        pytest.param({"sizing": {"kind": "demand", "headroom": True}}, "true is no number", id="demand: a bool"),
        pytest.param(
            {"min_workers": 6, "sizing": {"workers": 5, "kind": "static"}},
            "sizing.workers (5) is under min_workers (6): raise one or lower the other",
            id="static under min",
        ),
        pytest.param(
            {"max_workers": 4, "sizing": {"workers": 5, "kind": "static"}},
            "sizing.workers (5) is over max_workers (4): lower one or raise the other",
            id="static over max",
        ),
        pytest.param(
            {"min_workers": 6, "max_workers": 5, "sizing": {"kind": "static"}},
            "min_workers (6) is over max_workers (5): lower one or raise the other",
            id="static: min over max",
        ),
        pytest.param(
            {"start_workers": 3, "sizing": {"workers": 5, "kind": "static"}},
            'start_workers (3) differs from the 5 workers of sizing.kind = "static": '
            "leave start_workers out, or make it the same",
            id="static: another start",
        ),
        pytest.param(
            {"heartbeat_interval": "30s"},
            "heartbeat_interval (30s) is not under heartbeat_timeout (30s): "
            "lower one or raise the other, or every worker looks silent",
            id="a beat as long as its timeout",
        ),
        pytest.param(
            {"recycle": {"max_rss": "1GiB", "hard_rss": "256MiB"}},
            "hard_rss (256MiB) is not over max_rss (1GiB): raise hard_rss or lower max_rss, so that a worker can be "
            "replaced before it is killed",
            id="hard_rss under max_rss",
        ),
        pytest.param(
            {"drain_timeout": "30 parsecs"},
            '\'30 parsecs\' is no duration: write seconds as a number, or such as "30s", "500ms", "2m" or "1h"',
            id="no duration",
        ),
        pytest.param(
            {"recycle": {"max_rss": "256M"}},
            '\'256M\' is no size: write bytes as a number, or such as "256MiB" or "1GB"',
            id="no size",
        ),
        pytest.param(
            {"recycle": {"max_surge": "many"}},
            "'many' is no surge: write a number of workers, or a percentage such as \"25%\"",
            id="no surge",
        ),
        pytest.param(
            {"recycle": {"max_surge": -1}},
            '-1 is no surge: write a number of workers, or a percentage such as "25%"',
            id="a negative surge",
        ),
        pytest.param({"min_workers": True}, "true is no number", id="a bool is no count"),
        pytest.param({"drain_timeout": False}, "false is no number", id="a bool is no duration"),
        pytest.param({"recycle": {"max_rss": True}}, "true is no number", id="a bool is no size"),
        pytest.param({"min_wrokers": 1}, "Extra inputs are not permitted", id="an unknown key"),
    ],
)
def test_what_contradicts_is_refused_by_name(fields: dict[str, Any], message: str) -> None:
    assert message_of(**fields) == message


def test_a_pool_that_follows_its_load_may_sleep_and_keep_no_spare() -> None:
    config = PoolConfig.model_validate({"min_workers": 0, "sizing": {"kind": "demand", "max_spare": 0}})
    assert Limits.of(config).max_spare == 0


TIMEOUTS = ["heartbeat_interval", "heartbeat_timeout", "import_timeout", "boot_timeout", "drain_timeout"]


@pytest.mark.parametrize("value", [0, "0s", -1, math.nan, math.inf, -math.inf, 1e300])
@pytest.mark.parametrize("name", TIMEOUTS)
def test_a_timeout_is_finite_and_over_zero(name: str, value: object) -> None:
    message_of(**{name: value})


@pytest.mark.parametrize("name", ["max_age", "max_served", "max_idle", "max_rss", "hard_rss"])
def test_0_is_off_and_less_is_refused(name: str) -> None:
    assert getattr(RecycleConfig.model_validate({name: 0}), name) == 0
    message_of(recycle={name: -1})


def test_max_workers_is_at_least_one() -> None:
    message_of(max_workers=0)


def test_static_workers_carry_the_bounds_that_are_left_out() -> None:
    config = PoolConfig(sizing=StaticSizing(workers=5))
    assert (config.min_workers, config.max_workers) == (5, 5)
    assert PoolConfig(max_workers=9, sizing=StaticSizing(workers=5)).min_workers == 5
    assert PoolConfig(sizing=StaticSizing(workers=0)).max_workers == 1
    assert PoolConfig.model_validate(config.model_dump()) == config


def test_a_small_max_lowers_the_min_that_is_left_out() -> None:
    assert PoolConfig(max_workers=1).min_workers == 1


def test_the_config_is_frozen_and_hashable() -> None:
    config = PoolConfig()
    with pytest.raises(ValidationError):
        config.min_workers = 3  # type: ignore[misc]
    assert hash(config) == hash(PoolConfig())


@pytest.mark.parametrize(
    ("surge", "workers"),
    [
        pytest.param("25%", 5, id="percent of max_workers"),
        pytest.param("33%", 6, id="rounded down"),
        pytest.param("50%", 10, id="half of it"),
        pytest.param("1%", 1, id="at least one"),
        pytest.param(7, 7, id="a number"),
        pytest.param("7", 7, id="a number as text, as the environment has it"),
        pytest.param(0, 1, id="even for 0"),
    ],
)
def test_max_surge(surge: int | str, workers: int) -> None:
    assert Limits.of(PoolConfig(recycle=RecycleConfig(max_surge=surge))).max_surge == workers


def test_what_another_kind_of_sizing_has_is_nothing() -> None:
    static = Limits.of(PoolConfig(sizing=StaticSizing(workers=7)))
    assert (static.min_spare, static.max_spare, static.hold_ns, static.workers) == (0, 0, 0, 7)
    spare = Limits.of(PoolConfig(sizing=SpareSizing(min_spare=3, hold=7)))
    assert (spare.min_spare, spare.max_spare, spare.hold_ns, spare.workers) == (3, 9, 7 * NS, 0)


def rows(config: PoolConfig) -> dict[str, tuple[str, str]]:
    return {row.field: (row.value, row.origin) for row in explain(config)}


def test_explain_tells_each_number_and_where_it_comes_from() -> None:
    told = rows(PoolConfig(min_workers=4, sizing=SpareSizing(), recycle=RecycleConfig(max_rss="256MiB", max_age="1h")))
    assert told["min_workers"] == ("4", "")
    assert told["start_workers"] == ("4", "min_workers")
    assert told["sizing.min_spare"] == ("4", "min_workers")
    assert told["sizing.max_spare"] == ("12", "3 * min_spare, max_workers at most")
    assert told["heartbeat_timeout"] == ("30s", "")
    assert told["recycle.max_rss"] == ("256MiB", "")
    assert told["recycle.max_age"] == ("1h", "")
    assert told["recycle.max_served"] == ("off", "")
    assert told["crash.burst"] == ("60", "3 * max_workers, at least 5")
    static = rows(PoolConfig(sizing=StaticSizing(workers=5)))
    assert static["max_workers"] == ("5", "sizing.workers")
    assert static["sizing.workers"] == ("5", "")
    assert rows(PoolConfig(max_workers=9, sizing=StaticSizing(workers=5)))["max_workers"] == ("9", "")
    assert rows(PoolConfig(max_workers=1))["min_workers"] == ("1", "max_workers")
    assert rows(PoolConfig(sizing=SpareSizing(max_spare=9)))["sizing.max_spare"] == ("9", "")


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        pytest.param(
            PoolConfig(),
            "busy loops / 0.7, and 1 more while somebody waits; 2 to 20 workers, kept for 1m",
            id="no cap",
        ),
        pytest.param(
            PoolConfig(min_workers=3, max_sessions=10, sizing=DemandSizing(headroom=1.5, hold=60)),
            "(arrivals a second * session time + 1.5 standard deviations, one birth ahead) / 10 sessions each; "
            "3 to 20 workers, kept for 1m",
            id="a cap",
        ),
        pytest.param(PoolConfig(sizing=SpareSizing()), "", id="spare"),
        pytest.param(PoolConfig(sizing=StaticSizing()), "", id="static"),
    ],
)
def test_the_arithmetic_of_demand_in_words(config: PoolConfig, expected: str) -> None:
    assert arithmetic(config) == expected


TIMES = (
    ("heartbeat_interval", "5s", ""),
    ("heartbeat_timeout", "30s", ""),
    ("import_timeout", "1m", ""),
    ("boot_timeout", "30s", ""),
    ("drain_timeout", "30s", ""),
    ("stop_delay", "0s", ""),
)
OFF = (
    ("recycle.max_age", "off", ""),
    ("recycle.max_served", "off", ""),
    ("recycle.max_idle", "off", ""),
    ("recycle.max_rss", "off", ""),
    ("recycle.hard_rss", "off", ""),
    ("recycle.jitter", "0.1", ""),
    ("recycle.max_unavailable", "0.1", ""),
)
CRASH = (("crash.refill", "10s", ""), ("crash.healthy_after", "30s", ""), ("crash.max_delay", "1m", ""))


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        pytest.param(
            PoolConfig(),
            [
                ("min_workers", "2", ""),
                ("max_workers", "20", ""),
                ("start_workers", "2", "min_workers"),
                ("max_sessions", "no limit", ""),
                *TIMES,
                ("sizing.kind", "demand", ""),
                ("sizing.headroom", "1", ""),
                ("sizing.hold", "1m", ""),
                ("sizing.target_wait", "50ms", ""),
                ("sizing.saturation", "0.01", ""),
                ("sizing.min_spare", "no limit", ""),
                ("sizing.max_spare", "no limit", ""),
                *OFF,
                ("recycle.max_surge", "5", ""),
                ("crash.burst", "60", "3 * max_workers, at least 5"),
                *CRASH,
            ],
            id="the default is demand",
        ),
        pytest.param(
            PoolConfig(sizing=SpareSizing()),
            [
                ("min_workers", "2", ""),
                ("max_workers", "20", ""),
                ("start_workers", "2", "min_workers"),
                ("max_sessions", "no limit", ""),
                *TIMES,
                ("sizing.kind", "spare", ""),
                ("sizing.min_spare", "2", "min_workers"),
                ("sizing.max_spare", "6", "3 * min_spare, max_workers at most"),
                ("sizing.hold", "30s", ""),
                *OFF,
                ("recycle.max_surge", "5", ""),
                ("crash.burst", "60", "3 * max_workers, at least 5"),
                *CRASH,
            ],
            id="spare",
        ),
        pytest.param(
            PoolConfig(sizing=StaticSizing(workers=3), max_sessions=4, crash=CrashConfig(burst=9)),
            [
                ("min_workers", "3", "sizing.workers"),
                ("max_workers", "3", "sizing.workers"),
                ("start_workers", "3", "sizing.workers"),
                ("max_sessions", "4", ""),
                *TIMES,
                ("sizing.kind", "static", ""),
                ("sizing.workers", "3", ""),
                *OFF,
                ("recycle.max_surge", "1", ""),
                ("crash.burst", "9", ""),
                *CRASH,
            ],
            id="static",
        ),
        pytest.param(
            PoolConfig(
                min_workers=4,
                max_workers=4,
                start_workers=4,
                sizing=SpareSizing(min_spare=1, max_spare=3),
                recycle=RecycleConfig(
                    max_age=60,
                    max_served=7,
                    max_idle=5,
                    max_rss=1024,
                    hard_rss=2048,
                    jitter=0.25,
                    max_unavailable=0.5,
                    max_surge=2,
                ),
            ),
            [
                ("min_workers", "4", ""),
                ("max_workers", "4", ""),
                ("start_workers", "4", ""),
                ("max_sessions", "no limit", ""),
                *TIMES,
                ("sizing.kind", "spare", ""),
                ("sizing.min_spare", "1", ""),
                ("sizing.max_spare", "3", ""),
                ("sizing.hold", "30s", ""),
                ("recycle.max_age", "1m", ""),
                ("recycle.max_served", "7", ""),
                ("recycle.max_idle", "5s", ""),
                ("recycle.max_rss", "1KiB", ""),
                ("recycle.hard_rss", "2KiB", ""),
                ("recycle.jitter", "0.25", ""),
                ("recycle.max_unavailable", "0.5", ""),
                ("recycle.max_surge", "2", ""),
                ("crash.burst", "12", "3 * max_workers, at least 5"),
                *CRASH,
            ],
            id="all given",
        ),
        pytest.param(
            PoolConfig(sizing=StaticSizing(), max_workers=1),
            [
                ("min_workers", "1", "max_workers"),
                ("max_workers", "1", ""),
                ("start_workers", "1", "sizing.workers"),
                ("max_sessions", "no limit", ""),
                *TIMES,
                ("sizing.kind", "static", ""),
                ("sizing.workers", "1", "min_workers"),
                *OFF,
                ("recycle.max_surge", "1", ""),
                ("crash.burst", "5", "3 * max_workers, at least 5"),
                *CRASH,
            ],
            id="lowered by max",
        ),
        *(
            pytest.param(
                PoolConfig(max_workers=3, max_sessions=1, sizing=sizing),
                [
                    ("min_workers", "2", ""),
                    ("max_workers", "3", ""),
                    ("start_workers", "2", "min_workers"),
                    ("max_sessions", "1", ""),
                    *TIMES,
                    ("sizing.kind", "demand", ""),
                    *[(f"sizing.{name}", value, "") for name, value in rows_],
                    *OFF,
                    ("recycle.max_surge", "1", ""),
                    ("crash.burst", "9", "3 * max_workers, at least 5"),
                    *CRASH,
                ],
                id=f"demand, {which}",
            )
            for which, sizing, rows_ in (
                (
                    "default",
                    DemandSizing(),
                    [
                        ("headroom", "1"),
                        ("hold", "1m"),
                        ("target_wait", "50ms"),
                        ("saturation", "0.01"),
                        ("min_spare", "no limit"),
                        ("max_spare", "no limit"),
                    ],
                ),
                (
                    "all given",
                    DemandSizing(headroom=0.5, hold=7, target_wait=1, saturation=0, min_spare=1, max_spare=2),
                    [
                        ("headroom", "0.5"),
                        ("hold", "7s"),
                        ("target_wait", "1s"),
                        ("saturation", "0"),
                        ("min_spare", "1"),
                        ("max_spare", "2"),
                    ],
                ),
            )
        ),
    ],
)
def test_the_effective_policy_is_told_row_by_row(config: PoolConfig, expected: list[tuple[str, str, str]]) -> None:
    assert [tuple(row) for row in explain(config)] == expected


def test_every_field_is_explained_and_documented() -> None:
    def names(model: Any, prefix: str = "") -> list[str]:
        found = []
        for name, field in type(model).model_fields.items():
            assert field.description, name
            value = getattr(model, name)
            found += names(value, f"{name}.") if hasattr(value, "model_dump") else [f"{prefix}{name}"]
        return found

    for config in (PoolConfig(), PoolConfig(sizing=StaticSizing(workers=3)), PoolConfig(sizing=DemandSizing())):
        assert list(rows(config)) == names(config)


def test_the_schema_tells_both_ways_to_write_a_number() -> None:
    schema = TypeAdapter(PoolConfig).json_schema()
    assert [way["type"] for way in schema["properties"]["drain_timeout"]["anyOf"]] == ["number", "string"]
    assert set(schema["properties"]["sizing"]["discriminator"]["mapping"]) == {"spare", "static", "demand"}


@pytest.mark.parametrize("surge", ["\u066125%", "\u2003", MAX_WORKERS + 1, True])
def test_what_is_no_surge_is_refused(surge: int | str) -> None:
    with pytest.raises(ValidationError):
        RecycleConfig(max_surge=surge)


def test_bounds_that_meet_are_no_contradiction() -> None:
    spare = SpareSizing(min_spare=4, max_spare=4)
    assert PoolConfig(min_workers=4, max_workers=4, start_workers=4, sizing=spare).start_workers == 4
    assert PoolConfig(min_workers=1, max_workers=4, sizing=SpareSizing(min_spare=4)).max_workers == 4
    assert RecycleConfig(max_surge=MAX_WORKERS).max_surge == MAX_WORKERS
    assert PoolConfig(recycle=RecycleConfig(max_rss=5, hard_rss=6)).recycle.hard_rss == 6
    with pytest.raises(ValidationError, match="hard_rss"):
        PoolConfig(recycle=RecycleConfig(max_rss=5, hard_rss=5))


@pytest.mark.parametrize("text", ["[]", '{"spam":1}', "{"])
def test_a_strange_memory_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Memory.from_json(text)
