"""A pool that is out of crash tokens says so once, and once that it is over."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from prefork.master.backoff import BackoffWatch
from prefork.master.loop import Loop
from prefork.policy.model import WorkerId
from tests.unit.master.master import SECOND, FakeMaster

if TYPE_CHECKING:
    import pytest


def test_it_is_told_once_and_once_that_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    master = FakeMaster(min_workers=1, sizing={"kind": "static"}, crash={"burst": 2, "healthy_after": 20})
    master.loop = Loop(
        master.kernel, master.board, master.effects, master.orders, master.reporter, witnesses=[BackoffWatch()]
    )
    for number in range(1, 6):
        master.kernel.after(number * 5 * SECOND, partial(master.kernel.die, WorkerId(number), code=1))
    master.run(120)
    said = [record.getMessage() for record in caplog.records]
    assert sum("none of the 2 crash tokens is left: births back off" in line for line in said) == 1
    assert said.count("workers are born as usual again: a probe lives") == 1
