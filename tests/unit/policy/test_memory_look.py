"""How soon a worker that grows is looked at."""

from __future__ import annotations

import pytest

from prefork.policy.config import PoolConfig
from tests.unit.policy.pools import NOW, booting, draining, plan_for, pool, s, said, serving


def limited(**limits: str) -> PoolConfig:
    sizing = {"kind": "static", "workers": 0}
    return PoolConfig.model_validate({"min_workers": 0, "sizing": sizing, "recycle": limits})


@pytest.mark.parametrize("limit", ["hard_rss", "max_rss"])
@pytest.mark.parametrize(
    "worker", [serving(1, sessions=1), booting(1), draining(1)], ids=["serving", "booting", "draining"]
)
def test_a_pool_with_a_limit_of_memory_looks_every_second(limit: str, worker: object) -> None:
    plan = plan_for(limited(**{limit: "1GiB"}), pool(worker))  # type: ignore[arg-type]
    assert said(plan) == []
    assert plan.next_check_at == NOW + s(1)


def test_where_nobody_lives_nobody_grows() -> None:
    assert plan_for(limited(hard_rss="1GiB"), pool()).next_check_at is None


def test_a_pool_without_such_a_limit_waits_for_the_earliest_silence() -> None:
    assert plan_for(limited(), pool(draining(1, by=60))).next_check_at == NOW + s(29)
