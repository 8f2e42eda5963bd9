from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from prefork.cli.tables import figures_text, seconds, show

ANSWER: dict[str, Any] = {
    "master": {
        "pid": 100,
        "version": "0.1.0",
        "name": "shop",
        "config_file": "/etc/shop.toml",
        "uptime_s": 3723.4,
        "generation": 2,
        "state": "serving",
        "workers": 3,
        "max_workers": 20,
        "spare": 1,
        "busy": 2,
        "sessions": 5,
        "accepted": 1,
        "queue": 0,
        "accept_wait_p99_ms": [4, 8],
        "wakeups": 9,
        "strangers_reaped": 0,
        "log_lines_dropped": 4,
    },
    "mold": [{"pool": "default", "generation": 2, "phase": "ready", "pid": 101, "since_s": 12.0}],
    "listeners": [
        {"pool": "default", "url": "tcp://[::1]:80", "queue": 3, "backlog": 2048},
        {"pool": "default", "url": "unix:/run/a.sock", "queue": None, "backlog": 5},
    ],
    "workers": [
        {
            "id": 7,
            "pid": 102,
            "pool": "default",
            "generation": 2,
            "phase": "serving",
            "paused_by": ["operator"],
            "sessions": 2,
            "served": 40,
            "busy_share": 0.256,
            "age_s": 75.0,
            "last_beat_s": 0.25,
            "rss_bytes": 17256448,
            "gate": ["full"],
        },
        {"id": 8, "pid": None, "phase": "booting", "generation": 2, "paused_by": [], "sessions": 0, "served": 0},
    ],
    "decisions": [
        {
            "at_s": 5.04,
            "kind": "kill",
            "worker": 6,
            "reason": "silent_blocked",
            "pool": "default",
            "outcome": "ok",
            "figures": {"silent_ns": 31_000_000_000, "rss_bytes": 1048576, "step": "[dump]"},
        },
        {"at_s": 90000, "kind": "spawn", "worker": None, "reason": "below_min", "figures": {}, "outcome": None},
    ],
    "withheld": [{"want": "spawn", "count": 2, "reason": "at_max", "figures": {"max_workers": 20}}],
}
SHOWN = """\
shop 0.1.0, pid 100, serving, up 1h 2m, generation 2, /etc/shop.toml
workers 3 of 20, spare 1, busy 2, sessions 5, accepted 1, queue 0, wakeups 9, accept wait p99 4-8ms, log lines dropped 4

listener          queue  backlog
tcp://[::1]:80    3      2048
unix:/run/a.sock  -      5

mold  phase  pid  since  error
2     ready  101  12s    -

worker  pid  phase    generation  paused by  sessions  served  busy  age    last beat  memory    gate
7       102  serving  2           operator   2         40      26%   1m 15s  0.2s ago   16.5 MiB  full
8       -    booting  2           -          0         0       -     -      -          -         -

ago    decision  worker  reason          figures                            outcome
5.0s   kill      6       silent_blocked  silent 31s, rss 1MiB, step [dump]  ok
1d 1h  spawn     -       below_min       -                                  -

withheld  count  reason  figures
spawn     2      at_max  max_workers 20
"""


def _shown(answer: dict[str, Any]) -> str:
    out = io.StringIO()
    show(answer, Console(file=out, width=200, highlight=False))
    return "\n".join(line.rstrip() for line in out.getvalue().split("\n"))


@pytest.mark.parametrize(
    ("wait", "text"),
    [([0, 1], "under 1ms"), ([512, 1024], "512-1024ms"), ([1024, None], "1024ms or more"), (None, "-")],
)
def test_a_wait_is_a_range(wait: list[int | None] | None, text: str) -> None:
    assert f"accept wait p99 {text}\n" in _shown({"master": {"accept_wait_p99_ms": wait}})


def test_a_status_is_tables() -> None:
    words = [line.split() for line in SHOWN.split("\n")]
    assert [line.split() for line in _shown(ANSWER).split("\n")] == words


def test_an_empty_answer_is_dashes_and_no_traceback() -> None:
    assert _shown({}).startswith("prefork, pid -, -, up -, generation -\nworkers - of -, spare -")


TIMES = {0: "0.0s", 0.25: "0.2s", 9.96: "10.0s", 42.7: "42s", 303: "5m 3s", 7200: "2h 0m", 273600: "3d 4h"}


@pytest.mark.parametrize(("value", "text"), TIMES.items(), ids=TIMES.values())
def test_a_time_has_two_units_at_most(value: float, text: str) -> None:
    assert seconds(value) == text


def test_a_time_that_is_none_is_a_dash() -> None:
    assert seconds(None) == "-"


FIGURES: dict[str, tuple[dict[str, Any] | None, str]] = {
    "numbers as they are": ({"spare": 1, "min_spare": 5}, "spare 1, min_spare 5"),
    "a round duration": ({"limit_ns": 30_000_000_000}, "limit 30s"),
    "a crooked duration": ({"silent_ns": 31_234_567_890}, "silent 31.2s"),
    "a size": ({"rss_bytes": 268435456}, "rss 256MiB"),
    "millionths": ({"arrivals_micro": 2_500_000}, "arrivals 2.5"),
    "a word": ({"outcome": "dump"}, "outcome dump"),
    "none": ({}, "-"),
    "nothing at all": (None, "-"),
}


@pytest.mark.parametrize(("figures", "text"), FIGURES.values(), ids=FIGURES)
def test_figures_are_told_with_their_units(figures: dict[str, Any] | None, text: str) -> None:
    assert figures_text(figures) == text
