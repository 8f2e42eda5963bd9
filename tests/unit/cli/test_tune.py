"""`prefork tune` as its user meets it: a table, the suggested setting, its TOML, and one line for each mistake."""

from __future__ import annotations

import html
import json
import re
import tomllib
from typing import TYPE_CHECKING

import pytest

from prefork.cli import search
from prefork.layers import Sources, load
from prefork.policy.config import DemandSizing
from prefork.simulation import frontier

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.unit.cli.conftest import Outcome

    Prefork = Callable[..., Outcome]

LOAD = ("--traffic", "bursts:clients=8,every=10s,lasts=25s", "--seeds", "1", "--cores", "1")


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """A small grid, and a config whose pool has places."""
    monkeypatch.setattr(frontier, "HEADROOMS", (0.0, 2.0))
    monkeypatch.setattr(frontier, "HOLDS", (1, 60))
    (folder / "prefork.toml").write_text("[pool]\nmax_sessions = 1\nmax_workers = 12\n")


def pasted(done: Outcome) -> str:
    """The TOML at the end of the output."""
    return done.out[done.out.index("[pool]") :]


def test_the_suggested_setting_is_marked_and_its_config_can_be_pasted(prefork: Prefork, folder: Path) -> None:
    done = prefork("tune", *LOAD, "--share", "90%", "--flaps", "100000")
    assert (done.code, done.err) == (0, "")
    (marked,) = [line for line in done.out.splitlines() if "<-" in line]
    assert "<- suggested: fewest workers with at most 90% over 50ms and 100000 flaps an hour" in marked
    (folder / "new.toml").write_text(pasted(done))
    pool = load(Sources(str(folder), "new.toml", {"app": "a:b"})).config.pool
    assert (pool.max_workers, pool.max_sessions) == (12, 1)
    assert isinstance(pool.sizing, DemandSizing)
    assert marked.split()[:2] == [f"{pool.sizing.headroom:g}", f"{pool.sizing.hold:g}s"]


def test_a_suggestion_keeps_the_budgets_when_it_is_simulated(prefork: Prefork, folder: Path) -> None:
    (folder / "new.toml").write_text(pasted(prefork("tune", *LOAD, "--share", "60%", "--wait", "100ms")))
    line = ("simulate", "-c", "new.toml", *LOAD, "--expect", "share_over_100ms <= 60%")
    assert prefork(*line).code == 0


def test_what_the_base_says_of_demand_is_kept(prefork: Prefork, folder: Path) -> None:
    (folder / "base.toml").write_text(
        "[pool]\nmin_workers = 1\nmax_workers = 9\nmax_sessions = 2\nstart_workers = 1\n"
        "[pool.sizing]\nkind = 'demand'\nheadroom = 7\ntarget_wait = '20ms'\nsaturation = 0.05\n"
    )
    done = prefork("tune", "-c", "base.toml", *LOAD, "--share", "90%", "--flaps", "100000")
    sizing = tomllib.loads(pasted(done))["pool"]["sizing"]
    assert (sizing["target_wait"], sizing["saturation"]) == ("20ms", 0.05)
    assert sizing["headroom"] != 7


def test_without_a_word_of_it_the_wait_that_is_good_is_the_target(prefork: Prefork) -> None:
    done = prefork("tune", *LOAD, "--share", "90%", "--wait", "80ms", "--flaps", "100000")
    assert tomllib.loads(pasted(done))["pool"]["sizing"]["target_wait"] == "80ms"


def test_another_kind_of_sizing_is_a_base_for_its_bounds(prefork: Prefork, folder: Path) -> None:
    (folder / "base.toml").write_text("[pool]\nmax_sessions = 1\n[pool.sizing]\nkind = 'static'\nworkers = 9\n")
    done = prefork("tune", "-c", "base.toml", *LOAD, "--share", "90%", "--flaps", "100000")
    pool = tomllib.loads(pasted(done))["pool"]
    assert (pool["max_workers"], pool["sizing"]["kind"]) == (9, "demand")
    assert pool["min_workers"] <= 2


def test_where_nothing_is_good_enough_the_nearest_is_told_and_the_exit_code_is_3(
    prefork: Prefork, folder: Path
) -> None:
    (folder / "low.toml").write_text("[pool]\nmax_sessions = 1\nmax_workers = 1\n")
    flood = ("--traffic", "poisson:200,lasts=5s", "--seeds", "1", "--cores", "1")
    done = prefork("tune", "-c", "low.toml", *flood, "--share", "0%")
    assert done.code == 3
    assert done.err == ("prefork: tune: no setting keeps 0% over 50ms and 60 flaps an hour: the nearest is marked\n")
    assert "<- nearest to 0% over 50ms and 60 flaps an hour" in done.out
    assert re.search(r"the marked one reached its max_workers \(\d\): with more, fewer may wait\n", done.out)
    assert pasted(done).startswith("[pool]\nmin_workers = ")


def test_json_has_every_setting_that_was_tried(prefork: Prefork) -> None:
    done = prefork("tune", *LOAD, "--share", "90%", "--flaps", "100000", "--json")
    found = json.loads(done.out)
    assert found["budgets"] == {"wait": "50ms", "slow": 0.9, "flaps": 100000}
    assert found["met"] is True
    assert found["suggested"] in [
        {name: each[name] for name in ("headroom", "hold", "min_workers", "max_workers")}
        for each in found["settings"]
        if each["unbeaten"]
    ]
    assert len(found["settings"]) >= 4
    assert tomllib.loads(found["toml"])["pool"]["sizing"]["headroom"] == found["suggested"]["headroom"]


def test_a_long_table_is_thinned_and_keeps_the_suggested_one(prefork: Prefork, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prefork.cli.frontier_table.MOST_ROWS", 1)
    monkeypatch.setattr(search, "frontier", lambda points: sorted(points, key=lambda point: point.workers))
    done = prefork("tune", *LOAD, "--share", "90%", "--flaps", "100000")
    assert "<- suggested" in done.out
    assert "are shown; --json has all)" in done.out


def test_page_and_picture_are_written(prefork: Prefork, folder: Path) -> None:
    done = prefork("tune", *LOAD, "--share", "90%", "--flaps", "100000", "--report", "r.html", "--png", "r.png")
    assert (done.code, done.err) == (0, "")
    assert html.escape(pasted(done)) in (folder / "r.html").read_text()
    assert (folder / "r.png").read_bytes().startswith(b"\x89PNG")


MISTAKES = {
    "a report nowhere": ("--report no/r.html", "--report no/r.html: no is no place for a file"),
    "no load": ("", "--traffic: not given: say a FILE.csv, or such as flash:base=5,peak=100 or poisson:rate=20"),
    "a wait that is none": (
        "--wait soon",
        '--wait: \'soon\' is no duration: write seconds as a number, or such as "30s", "500ms", "2m" or "1h"',
    ),
    "no wait": ("--wait 0", "--wait: 0 is no wait: write such as 50ms"),
    "a share that is none": ("--share 5", "--share: '5' is not a share: write such as 1% or 0.01"),
    "flaps that are none": ("--flaps few", "--flaps: 'few' is no number an hour: write such as 10 or 10-per-hour"),
    "a config that isn't there": ("-c no.toml", "-c no.toml: there is no such file"),
}


@pytest.mark.parametrize(("line", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line_and_exit_code_2(prefork: Prefork, line: str, message: str) -> None:
    assert prefork("tune", *line.split()) == (2, "", f"prefork: {message}\n")


@pytest.mark.parametrize("flaps", ["10", "10/h", "10-per-hour", " 10.0 /hour"])
def test_flaps_are_an_hour_s(prefork: Prefork, flaps: str) -> None:
    done = prefork("tune", *LOAD, "--share", "90%", "--flaps", flaps, "--json")
    assert json.loads(done.out)["budgets"]["flaps"] == 10
