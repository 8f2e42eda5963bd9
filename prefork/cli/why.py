"""`prefork why WORKER|last|TIME`: what happened, and why, in plain words; from a journal or from the running pool."""

from __future__ import annotations

import json
import re
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from prefork.cli.instances import Config, Control, find, journal_of
from prefork.client import Connection
from prefork.errors import ConfigError, PreforkError
from prefork.journal.codec import JournalError
from prefork.journal.pieces import began, ended, entries_of, parts, read
from prefork.journal.scribe import LATE_S
from prefork.journal.story import Event, Storyteller, event_of, last_of, settings_of
from prefork.policy.model import Because, Reason
from prefork.policy.units import NS, parse_duration

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    told = _Journal(journal) if journal is not None else _running(config, control)
    found = told.worker(int(what)) if what.isdecimal() else told.last(what)
    if not found:
        raise ConfigError(_nothing(what, told.place))
    if as_json:
        print(json.dumps([_plain(each) for each in found], indent=2))  # noqa: T201 - the command's output
        return 0
    print("\n".join(_lines(found)))  # noqa: T201
    if told.dropped:
        print(f"{told.dropped} entries of the journal are missing")  # noqa: T201
    return 0


class _Journal:
    """What a journal tells; `alone`: of the pool that wrote last; `lives`: it runs, so a time of day is before now."""

    def __init__(self, path: str, *, alone: bool = False, lives: bool = False) -> None:
        self.place = path
        self.dropped = 0
        self._alone = alone
        self._lives = lives

    def worker(self, worker: int) -> list[Event]:
        """All of it."""
        teller = Storyteller()
        found = [each for each in teller.tell(read(self.place)) if each.worker == worker]
        self.dropped = teller.dropped
        return [each for each in found if each.pool_ns == teller.pool_ns] if self._alone else found

    def last(self, what: str) -> list[Event]:
        """The last decisions, or those up to a time; of a journal no more is read than tells it."""
        files = parts(self.place)
        until = None if what == "last" else _instant(what, time.time_ns() if self._lives else _end(files))
        for first in reversed(range(len(files))):
            if until is not None and first and (began(files[first]) or until) > until:
                continue
            teller = Storyteller()
            found = last_of(teller.tell(entries_of(files[first:])), until)
            self.dropped = teller.dropped
            if found:
                return found
        return []


class _Memory:
    """What a running pool without a journal remembers."""

    place = "what the pool remembers"
    dropped = 0

    def __init__(self, status: dict[str, Any], told: dict[str, Any]) -> None:
        self._events = [*_from_status(status, told, time.time_ns())]

    def worker(self, worker: int) -> list[Event]:
        """All that is remembered of it."""
        return [each for each in self._events if each.worker == worker]

    def last(self, what: str) -> list[Event]:
        """The last decisions, or those up to a time."""
        return last_of(self._events, None if what == "last" else _instant(what, time.time_ns()))


def _running(config: str | None, control: str | None) -> _Journal | _Memory:
    """Of a running pool: from its journal, if it has one, else its last decisions; where it has ended, its journal."""
    try:
        socket = find(config, control)
        told, status = _asked(socket, "policy"), _asked(socket, "status")
    except ConfigError:
        raise
    except PreforkError as error:
        journal = None if control is not None else journal_of(config)
        if journal is None:
            raise
        print(f"prefork: {error}: this is its journal, {journal}", file=sys.stderr)  # noqa: T201
        return _Journal(journal, alone=True)
    if told["journal"] is None:
        return _Memory(status, told)
    ago = status["decisions"][0]["at_s"] if status["decisions"] else LATE_S
    time.sleep(max(0.0, LATE_S - ago))
    if _lacks(status["master"]["journal"], time.time_ns() - round(max(ago, LATE_S) * 1e9)):
        print(f"prefork: {told['journal']} lacks what was decided last: see what the pool remembers", file=sys.stderr)  # noqa: T201
        return _Memory(status, told)
    return _Journal(told["journal"], alone=True, lives=True)


def _lacks(journal: dict[str, Any], decided_unix_ns: int) -> bool:
    """Whether a decision of that instant is missing: the disk is full, the folder gone, or who writes it."""
    if Path(journal["path"]).is_dir() and journal["writing"] and not journal["dropped"]:
        return False
    try:
        return _end(parts(journal["path"])) < decided_unix_ns - NS
    except JournalError:
        return True


def _asked(control: Path, command: str) -> dict[str, Any]:
    with Connection(control) as connection:
        return connection.ask(command)


def _end(files: list[Path]) -> int:
    """The instant up to which a journal goes: what a time of day is told from; 0: it tells nothing."""
    return next((at for file in reversed(files) if (at := ended(file)) is not None), 0)


def _from_status(status: dict[str, Any], told: dict[str, Any], now: int) -> Iterator[Event]:
    """The decisions that a master remembers, oldest first, each with what came of its worker."""
    settings = settings_of(told["config"], told["origins"])
    for row in reversed(status["decisions"]):
        because = Because(Reason(row["reason"]), tuple(row["figures"].items()))
        what = {"worker": row["worker"], "what": row["kind"], "unix_ns": now - round(row["at_s"] * 1e9)}
        yield event_of(because, settings, **what)
        if row["outcome"] and row["kind"] != "spawn":
            yield Event(what["unix_ns"], row["worker"], "ended", text=row["outcome"])


def _instant(text: str, before: int) -> int:
    """Unix ns of a time as it is typed; a time of day is the last one `before`. Raises ConfigError."""
    now = datetime.fromtimestamp(before / 1e9, UTC).astimezone()
    clock = _CLOCK.fullmatch(text)
    try:
        if clock is not None:
            hour, minute, second = (int(part or 59) for part in clock.groups())
            then = now.replace(hour=hour, minute=minute, second=second, microsecond=999_999)
            then -= timedelta(days=1) if then > now + timedelta(minutes=1) else timedelta()
        elif re.match(r"\d{4}-", text):
            then = datetime.fromisoformat(text).astimezone()
        else:
            then = datetime.now(UTC) - timedelta(seconds=parse_duration(text))
    except (ValueError, OverflowError):
        raise ConfigError(
            f"why {text!r}: no worker's number, nor a time: write 7, last, 14:03, 14:03:05, 2026-11-24T14:03:05, or 90s"
        ) from None
    return round(then.timestamp() * 1e9)


def _nothing(what: str, place: str) -> str:
    if what.isdecimal():
        return f"why {what}: {place} tells nothing of a worker {what}: see `prefork status`, or name another journal"
    return f"why {what}: {place} tells of no decision" + ("" if what == "last" else " up to then")


def _lines(events: list[Event]) -> Iterator[str]:
    """A line an event, and below it the settings and stacks; several pools have a heading each."""
    dated = any(_date(each.unix_ns) != _date(time.time_ns()) for each in events)
    several = len({each.pool_ns for each in events}) > 1
    pool = 0
    for each in events:
        if several and each.pool_ns != pool:
            pool = each.pool_ns
            yield f"the pool of {_date(pool)} {_clock(pool)}:"
        who = f"worker {each.worker} " if each.worker is not None else ""
        why = f"{each.reason}, rule {each.rule}: {each.text}" if each.reason else each.text
        yield f"{_date(each.unix_ns) + ' ' if dated else ''}{_clock(each.unix_ns)}  {who}{each.what}: {why}"
        for one in each.settings:
            yield f"{'':14}{one.name} = {one.value} ({one.origin})"
        detail = each.detail.splitlines()
        yield from (f"{'':14}{line}" for line in detail[:_MOST_DETAIL])
        if len(detail) > _MOST_DETAIL:
            yield f"{'':14}and {len(detail) - _MOST_DETAIL} lines more: see --json"


def _date(unix_ns: int) -> str:
    return datetime.fromtimestamp(unix_ns / 1e9, UTC).astimezone().strftime("%Y-%m-%d")


def _clock(unix_ns: int) -> str:
    return datetime.fromtimestamp(unix_ns / 1e9, UTC).astimezone().strftime("%H:%M:%S.%f")[:-3]


def _plain(event: Event) -> dict[str, Any]:
    at = datetime.fromtimestamp(event.unix_ns / 1e9, UTC).isoformat(timespec="milliseconds")
    return {"at": at, **asdict(event)}
