from __future__ import annotations

import os
from typing import TYPE_CHECKING

from prefork.cli.check import Line, block, lines
from prefork.layers import Sources, load
from prefork.layers.shape import shape

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    from tests.unit.cli.conftest import Outcome

    Prefork = Callable[..., Outcome]


def _lines(out: str) -> dict[str, tuple[str, ...]]:
    """Field -> value and origin; the columns are two blanks apart."""
    rows = [[cell.strip() for cell in row.split("  ") if cell.strip()] for row in out.splitlines() if row]
    return {row[0]: tuple(row[1:]) for row in rows}


def test_each_number_says_where_it_comes_from(prefork: Prefork, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "prefork.toml").write_text(
        'app = "echo.py:Echo"\nlisten = ["tcp://127.0.0.1:0"]\n[pool]\nmax_workers = 7\n'
    )
    monkeypatch.setenv("PREFORK_POOL_RECYCLE_MAX_AGE", "2h")
    done = prefork("check", "--kind", "spare", "--min-spare", "2", "--drain-timeout", "90")
    rows = _lines(done.out)
    assert (done.code, done.err) == (0, "")
    assert rows["app"] == (f"{folder}/echo.py:Echo", "prefork.toml")
    assert rows["listen"] == ("tcp://127.0.0.1:0 (backlog 2048)", "prefork.toml")
    assert rows["backend"] == ("selectors", "default")
    assert rows["control"] == (f"{folder}/run/prefork/PID.ctl", "default")
    assert rows["pool.max_workers"] == ("7", "prefork.toml")
    assert rows["pool.sizing.min_spare"] == ("2", "--min-spare")
    assert rows["pool.sizing.max_spare"] == ("6", "from 3 * min_spare, max_workers at most")
    assert rows["pool.recycle.max_age"] == ("2h", "PREFORK_POOL_RECYCLE_MAX_AGE")
    assert rows["pool.drain_timeout"] == ("90s", "--drain-timeout")


def test_the_arithmetic_of_demand_is_shown(prefork: Prefork) -> None:
    by_loops = "busy loops / 0.7, and 1 more while somebody waits; 3 to 20 workers, kept for 1m"
    rows = _lines(prefork("check", "echo.py:Echo", "--min-workers", "3").out)
    assert rows["pool.sizing.kind"] == ("demand", f"default: {by_loops}")
    by_places = "(arrivals a second * session time + 2 standard deviations, one birth ahead) / 10 sessions each"
    told = ("--max-sessions", "10", "--headroom", "2", "--kind", "demand", "--hold", "1m")
    rows = _lines(prefork("check", "echo.py:Echo", *told).out)
    assert rows["pool.sizing.kind"] == ("demand", f"--kind: {by_places}; 2 to 20 workers, kept for 1m")


def test_a_shadow_is_read_too(prefork: Prefork, folder: Path) -> None:
    (folder / "candidate.toml").write_text("[pool]\nmax_wrokers = 9\n")
    done = prefork("check", "echo.py:Echo", "--shadow", "candidate.toml")
    assert (done.code, done.out) == (2, "")
    assert "candidate.toml: pool.max_wrokers: unknown key; did you mean pool.max_workers?" in done.err
    done = prefork("check", "echo.py:Echo", "--shadow", "candidat.toml")
    assert done.code == 2
    assert done.err == f"prefork: shadow {folder}/candidat.toml: there is no such file\n"


def test_workers_alone_is_a_fixed_number(prefork: Prefork) -> None:
    rows = _lines(prefork("check", "echo.py:Echo", "--workers", "30").out)
    assert rows["pool.sizing.kind"] == ("static", "--workers")
    assert rows["pool.sizing.workers"] == ("30", "--workers")
    assert rows["pool.max_workers"] == ("30", "from sizing.workers")


def test_a_backend_s_options_and_no_control_socket_are_shown(prefork: Prefork, folder: Path) -> None:
    (folder / "prefork.toml").write_text('app = "shop:app"\ncontrol = false\n[backends.asyncio]\nloop = "uvloop"\n')
    rows = _lines(prefork("check").out)
    assert rows["control"] == ("none", "prefork.toml")
    assert rows["backends.asyncio.loop"] == ("'uvloop'", "prefork.toml")


def test_every_leaf_of_the_kind_in_use_has_a_line(folder: Path) -> None:
    loaded = load(Sources(str(folder), flags={"app": "a:b"}))
    shown = {line.field for line in lines(loaded)}
    assert shown == {leaf.dotted for leaf in shape().leaves.values() if not leaf.kinds or "demand" in leaf.kinds}


def test_a_long_value_pushes_only_its_own_origin() -> None:
    rows = [Line("a", "x" * 50, "here"), Line("long", "1", "there")]
    assert block(rows) == f"a     {'x' * 50}  here\nlong  1{' ' * 41}there"


def test_the_arithmetic_of_auto_is_shown(prefork: Prefork, folder: Path) -> None:
    (folder / "prefork.toml").write_text('app = "echo.py:Echo"\n[pool]\nmax_workers = "auto"\n')
    value, origin = _lines(prefork("check").out)["pool.max_workers"]
    assert int(value) >= 1
    assert origin.startswith("prefork.toml, auto: least of ")
    assert f"affinity {len(os.sched_getaffinity(0))}" in origin
