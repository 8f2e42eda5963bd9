"""Whose children are whose: what a pool leaves behind is collected, what the program around it started is not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.apps.host import Orphans
from tests.client import Client

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.testing import LivePool

    Start = Callable[..., LivePool]

ROOT = Path(__file__).parents[2]
CONTAINER = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc")


@pytest.mark.parametrize("inside", [(), CONTAINER], ids=["an ordinary program", "PID 1"])
def test_a_program_waits_for_its_own_children_and_the_pool_for_what_it_leaves(
    tmp_path: Path, inside: tuple[str, ...]
) -> None:
    command = [*inside, sys.executable, "-m", "tests.apps.host", str(tmp_path / "sock")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=50, check=False)
    assert (done.returncode, done.stdout) == (0, "meanwhile: 8\nbefore: 7\nleft: set()\n"), done.stderr


def test_a_master_that_is_alone_collects_every_orphan(prefork_pool: Start) -> None:
    pool = prefork_pool(Orphans)
    with Client(pool) as client:
        assert [client.ask(line) for line in ("ordinary", "own")] == ["left", "left"]
    pool.wait_for(lambda _view: pool.status()["master"]["strangers_reaped"] >= 2)
