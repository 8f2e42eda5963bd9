"""What `why` tells of a running pool without a journal, and which instant is meant by a time of day."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from prefork.cli.main import run
from prefork.cli.why import _instant, _remembered
from prefork.journal.codec import Encoder
from prefork.journal.entries import Key
from prefork.journal.pieces import Pieces
from prefork.policy.config import PoolConfig
from prefork.policy.engine import decide
from prefork.policy.memory import Memory
from prefork.policy.model import PoolView
from prefork.policy.units import NS

if TYPE_CHECKING:
    from pathlib import Path

NOON = datetime(2026, 11, 24, 12, 41, 8).astimezone()
START = {"reason": "start", "figures": {"n": 0, "start_workers": 2}}
SPENT = {"crash_burst": 1, "failed_probes": 0, "probes": 1, "wait_ns": 0}


def ns(when: datetime) -> int:
    return round(when.timestamp() * 1e9)


def test_what_a_pool_remembers_is_told_with_ends_and_frames_and_what_is_withheld_now() -> None:
    told: dict[str, Any] = {
        "config": PoolConfig().model_dump(mode="json"),
        "origins": {},
        "decisions": [
            {"at_s": 3.0, "kind": "drain", "worker": 2, "reason": "requested", "figures": {}},
            {"at_s": 9.0, "kind": "spawn", "worker": 2, **START},
            {"at_s": 9.0, "kind": "spawn", "worker": 1, **START},
        ],
        "notes": [
            {"at_s": 5.0, "what": "failed", "worker": 1, "text": "ValueError: x", "detail": "frames"},
            {"at_s": 4.9, "what": "ended", "worker": 1, "text": "exit code 7", "detail": ""},
            {"at_s": 2.0, "what": "ended", "worker": 2, "text": "exit code 0", "detail": ""},
        ],
        "withheld": [{"want": "spawn", "count": 1, "reason": "crash_tokens", "figures": SPENT}],
    }
    shadow = {"recent": [{"at_s": 6.0, "text": "would do nothing"}]}
    events = [*_remembered(told, shadow, 10 * NS)]
    assert [(each.unix_ns // NS, each.worker, each.what) for each in events] == [
        (1, 1, "born"),
        (1, 2, "born"),
        (4, None, "shadow"),
        (5, 1, "failed"),
        (5, 1, "ended"),
        (7, 2, "told to drain"),
        (8, 2, "ended"),
        (10, None, "withheld"),
    ]
    assert [events[4].text, events[6].text] == ["exit code 7; nobody had ordered it", "exit code 0"]
    assert events[3].detail == "frames"
    assert "no crash token was left" in events[7].text


@pytest.mark.parametrize(
    ("typed", "before", "began", "meant"),
    [
        pytest.param("12:41", NOON, NOON, NOON.replace(second=0), id="its minute"),
        pytest.param("12:45", NOON, NOON - timedelta(minutes=9), NOON.replace(minute=45, second=0), id="after its end"),
        pytest.param(
            "12:45", NOON, NOON - timedelta(days=2), NOON.replace(minute=45, second=0) - timedelta(days=1), id="before"
        ),
        pytest.param("2026-11-24T12:41:08", NOON, NOON, NOON, id="with its day"),
    ],
)
def test_a_time_of_day_is_one_of_the_journals(typed: str, before: datetime, began: datetime, meant: datetime) -> None:
    window = _instant(typed, ns(before), ns(began))
    assert window.began == ns(meant)
    assert window.until - window.began + 1 == (NS if typed.count(":") == 2 else 60 * NS)


def test_a_damaged_journal_is_told_and_its_replay_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    encoder, memory, at = Encoder(), Memory(), ns(NOON)
    lines = [encoder.key(Key(at, 0, PoolConfig().model_dump(mode="json"), {}, memory))]
    for step in range(9):
        plan = decide(PoolConfig(), view := PoolView(step * NS, 1, 1), memory)
        memory = plan.memory
        lines.append(encoder.look(view, plan))
    pieces = Pieces(tmp_path, 1 << 20)
    for line in [*lines[:4], *lines[5:]]:
        pieces.write(line.encode())
    pieces.close()
    assert run(["replay", str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    gap = "an entry is missing after 12:41:10.000, and 5 looks after it can't be told"
    assert f"damaged: {gap}" in out
    assert err == f"prefork: {tmp_path}: it is damaged, so not all of it was replayed: {gap}\n"
    assert run(["replay", str(tmp_path), "--json"]) == 1
    assert '"looks": 5' in capsys.readouterr().out
    assert run(["why", "last", "--journal", str(tmp_path)]) == 0
    assert f"the journal is damaged: {gap}" in capsys.readouterr().out
