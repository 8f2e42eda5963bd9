"""`prefork why WORKER|last|TIME`: what happened, and why, in plain words; from a journal or from the running pool."""

from __future__ import annotations

import json
import re
import time
from collections import deque
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from prefork.cli.instances import Config, Control, find
from prefork.client import Connection
from prefork.errors import ConfigError
from prefork.journal.pieces import read
from prefork.journal.story import Event, Storyteller, event_of, settings_of
from prefork.policy.model import Because, Reason
from prefork.policy.units import parse_duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

What = Annotated[
    str,
    Parameter(
        help="A worker's number; last: the last decision; or a time: 14:03, 14:03:05, 2026-11-24T14:03:05, or 90s, "
        "which is so long ago."
    ),
]
Journal = Annotated[
    str | None,
    Parameter(name="--journal", negative=(), help="A journal's folder or a piece of one, instead of a running pool."),
]
AsJson = Annotated[bool, Parameter(name="--json", negative=(), help="Print the events as JSON.")]

_MOST_DETAIL = 40
"""Lines of stacks that are shown."""
_CLOCK = re.compile(r"(\d{1,2}):(\d\d)(?::(\d\d))?")
_TOGETHER_NS = 1_000_000
"""What happened so shortly after a look came of it."""


def why(
    what: What,
    /,
    *,
    journal: Journal = None,
    config: Config = None,
    control: Control = None,
    as_json: AsJson = False,
) -> int:
    """Tell what happened to a worker, or at a time, and why."""
    if journal is not None and (config is not None or control is not None):
        raise ConfigError("--journal: a running pool is named as well; one of them is enough")
    teller = Storyteller()
    events = teller.tell(read(journal)) if journal is not None else _live(find(config, control), teller)
    worker = int(what) if what.isdecimal() else None
    until = None if worker is not None or what == "last" else _instant(what)
    found = _of_worker(events, worker) if worker is not None else _last(events, until)
    if not found:
        raise ConfigError(_nothing(what, worker, journal))
    if as_json:
        print(json.dumps([_plain(each) for each in found], indent=2))  # noqa: T201 - the command's output
        return 0
    print("\n".join(_lines(found)))  # noqa: T201
    if teller.dropped:
        print(f"{teller.dropped} entries of the journal are missing")  # noqa: T201
    return 0


def _live(control: Path, teller: Storyteller) -> Iterable[Event]:
    """Of a running pool: from its journal, if it has one, else its last decisions."""
    with Connection(control) as connection:
        told = connection.ask("policy")
    if told["journal"] is not None:
        return teller.tell(read(told["journal"]))
    with Connection(control) as connection:
        status = connection.ask("status")
    return _from_status(status, told, time.time_ns())


def _from_status(status: dict[str, Any], told: dict[str, Any], now: int) -> Iterator[Event]:
    """The decisions that a master remembers, oldest first, each with what came of its worker."""
    settings = settings_of(told["config"], told["origins"])
    for row in reversed(status["decisions"]):
        because = Because(Reason(row["reason"]), tuple(row["figures"].items()))
        what = {"worker": row["worker"], "what": row["kind"], "unix_ns": now - round(row["at_s"] * 1e9)}
        yield event_of(because, settings, **what)
        if row["outcome"] and row["kind"] != "spawn":
            yield Event(what["unix_ns"], row["worker"], "ended", text=row["outcome"])


def _of_worker(events: Iterable[Event], worker: int) -> list[Event]:
    return [each for each in events if each.worker == worker]


def _last(events: Iterable[Event], until: int | None) -> list[Event]:
    """The last decisions up to that instant, with what was withheld at the same look."""
    found: deque[Event] = deque(maxlen=1000)
    for each in events:
        if until is not None and each.unix_ns > until:
            break
        if each.reason and found and found[-1].unix_ns != each.unix_ns:
            found.clear()
        if each.reason or (found and each.unix_ns - found[-1].unix_ns <= _TOGETHER_NS):
            found.append(each)
    return [*found]


def _instant(text: str) -> int:
    """Unix ns of a time as it is typed. Raises ConfigError."""
    now = datetime.now(UTC).astimezone()
    clock = _CLOCK.fullmatch(text)
    try:
        if clock is not None:
            hour, minute, second = (int(part or 59) for part in clock.groups())
            then = now.replace(hour=hour, minute=minute, second=second, microsecond=999_999)
            then -= timedelta(days=1) if then > now + timedelta(minutes=1) else timedelta()
        elif re.match(r"\d{4}-", text):
            then = datetime.fromisoformat(text).astimezone()
        else:
            then = now - timedelta(seconds=parse_duration(text))
    except (ValueError, OverflowError):
        raise ConfigError(
            f"why {text!r}: no worker's number, nor a time: write 7, last, 14:03, 14:03:05, 2026-11-24T14:03:05, or 90s"
        ) from None
    return round(then.timestamp() * 1e9)


def _nothing(what: str, worker: int | None, journal: str | None) -> str:
    place = journal or "what the pool remembers"
    if worker is not None:
        return f"why {what}: {place} tells nothing of a worker {worker}: see `prefork status`, or name another journal"
    return f"why {what}: {place} tells of no decision up to then"


def _lines(events: list[Event]) -> Iterator[str]:
    """A line an event, and below it the settings and stacks."""
    whos = [f"worker {each.worker} " if each.worker is not None else "" for each in events]
    for who, each in zip(whos, events, strict=True):
        why = f"{each.reason}, rule {each.rule}: {each.text}" if each.reason else each.text
        yield f"{_clock(each.unix_ns)}  {who}{each.what}: {why}"
        for one in each.settings:
            yield f"{'':14}{one.name} = {one.value} ({one.origin})"
        detail = each.detail.splitlines()
        yield from (f"{'':14}{line}" for line in detail[:_MOST_DETAIL])
        if len(detail) > _MOST_DETAIL:
            yield f"{'':14}and {len(detail) - _MOST_DETAIL} lines more: see --json"


def _clock(unix_ns: int) -> str:
    return datetime.fromtimestamp(unix_ns / 1e9, UTC).astimezone().strftime("%H:%M:%S.%f")[:-3]


def _plain(event: Event) -> dict[str, Any]:
    at = datetime.fromtimestamp(event.unix_ns / 1e9, UTC).isoformat(timespec="milliseconds")
    return {"at": at, **asdict(event)}
