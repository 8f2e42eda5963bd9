"""A mold that was asked for a worker and has none born."""

from __future__ import annotations

import pytest

from prefork.policy.config import PoolConfig
from prefork.policy.model import MoldPhase, MoldView, WorkerView
from prefork.policy.units import NS
from tests.unit.policy.pools import MOLD, NOW, STARTED, booting, plan_for, pool, s, said

CONFIG = PoolConfig.model_validate({"max_workers": 2, "sizing": {"kind": "static", "workers": 2}})
STUCK = ["end_mold 1 by force boot_timeout", "kill 1 dump boot_timeout"]
ENDING = MoldView(1, MoldPhase.ENDING, NOW - NS // 10)
YOUNGER = MoldView(1, MoldPhase.READY, NOW - 20 * NS)


@pytest.mark.parametrize(
    ("worker", "mold", "expected"),
    [
        pytest.param(booting(1, ago=30, born=False), MOLD, STUCK, id="30 s without a birth: it hangs"),
        pytest.param(booting(1, ago=29, born=False), MOLD, [], id="29 s: not yet"),
        pytest.param(booting(1, ago=30), MOLD, STUCK[1:], id="born: it is the worker that hangs"),
        pytest.param(booting(1, ago=30, born=False), ENDING, STUCK[1:], id="nobody is told twice"),
        pytest.param(booting(1, ago=30, born=False), YOUNGER, STUCK[1:], id="another mold was asked for it"),
        pytest.param(
            booting(1, ago=90, born=False, boot_at=NOW - s(29)), MOLD, [], id="its mold bore others meanwhile"
        ),
        pytest.param(booting(1, ago=90, born=False, boot_at=NOW - s(30)), MOLD, STUCK, id="but then no more"),
        pytest.param(booting(1, ago=90, boot_at=NOW - s(29)), MOLD, [], id="it had to wait for its turn"),
        pytest.param(booting(1, ago=90, boot_at=NOW - s(30)), MOLD, STUCK[1:], id="and had time enough since"),
    ],
)
def test_a_mold_is_ended_when_a_birth_has_waited_for_boot_timeout(
    worker: WorkerView, mold: MoldView, expected: list[str]
) -> None:
    plan = plan_for(CONFIG, pool(worker, booting(2), molds=(mold,)))
    assert [line for line in said(plan) if not line.startswith(("spawn", "1 spawn"))] == expected


def test_a_frozen_host_ends_no_mold() -> None:
    late = STARTED._replace(next_check_at=NOW - s(10))
    assert said(plan_for(CONFIG, pool(booting(1, ago=40, born=False), booting(2)), late)) == []


def test_the_look_comes_when_the_birth_has_waited_for_long_enough() -> None:
    plan = plan_for(CONFIG, pool(booting(1, ago=10, born=False), booting(2, ago=5)))
    assert plan.next_check_at == NOW + s(20)
    plan = plan_for(
        CONFIG, pool(booting(1, ago=90, born=False, boot_at=NOW - s(4)), booting(2, 90, boot_at=NOW - s(2)))
    )
    assert plan.next_check_at == NOW + s(26)
