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
from prefork.cli.moments import clock, gap_text
from prefork.client import Connection
from prefork.errors import ConfigError, PreforkError
from prefork.journal.codec import JournalError
from prefork.journal.moments import FOLLOWED, Window, around
from prefork.journal.pieces import began, ended, entries_of, parts, read
from prefork.journal.scribe import LATE_S
from prefork.journal.story import (
    Event,
    Storyteller,
    event_of,
    noted,
    settings_of,
    withheld_of,
)
from prefork.policy.model import Because, Reason, Withheld
from prefork.policy.units import NS, parse_duration

if TYPE_CHECKING:
    from collections.abc import Iterator

What = Annotated[
    str,
    Parameter(
        help="A worker's number; last: the last decision; shadow: what the shadow would have done otherwise; or a "
        "time: 14:03, 14:03:05, 2026-11-24T14:03:05, or 90s, which is so long ago."
    ),
]
Journal = Annotated[
    str | None,
    Parameter(name="--journal", negative=(), help="A journal's folder or a piece of one, instead of a running pool."),
]
AsJson = Annotated[bool, Parameter(name="--json", negative=(), help="Print the events as JSON.")]

_MOST_EVENTS = 200
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
    if what.isdecimal() or what == "shadow":
        found = told.all(int(what) if what.isdecimal() else what)
    else:
        found = told.last(what)
    if not found:
        raise ConfigError(_nothing(what, told.place))
    text = json.dumps([_plain(each) for each in found], indent=2) if as_json else "\n".join(_lines(found))
    print(text)  # noqa: T201 - the command's output
    for line in told.missing():
        print(line, file=sys.stderr if as_json else sys.stdout)
    return 0


class _Journal:
    """What a journal tells; `alone`: of the pool that wrote last; `lives`: it runs, so a time of day is before now."""

    def __init__(self, path: str, *, alone: bool = False, lives: bool = False) -> None:
        self.place = path
        self._alone = alone
        self._lives = lives
        self._teller = Storyteller()

    def all(self, of: int | str) -> list[Event]:
        """All of a worker, or of one kind."""
        told = self._teller.tell(read(self.place))
        found = [each for each in told if of in (each.worker, each.what)]
        return [each for each in found if each.pool_ns == self._teller.pool_ns] if self._alone else found

    def last(self, what: str) -> list[Event]:
        """The last decisions, or what happened at a time; of a journal no more is read than tells it."""
        files = parts(self.place)
        window = None
        if what != "last":
            window = _instant(what, time.time_ns() if self._lives else _end(files), began(files[0]) or 0)
        found: list[Event] = []
        for first in reversed(range(len(files))):
            start = began(files[first])
            if window is not None and first and (start is None or start > window.began):
                continue
            self._teller = Storyteller()
            found = around(self._teller.tell(entries_of(files[first:])), window)
            if found and start is not None and start < found[0].unix_ns - FOLLOWED:
                break
        return found

    def missing(self) -> Iterator[str]:
        """What the journal lacks, in words."""
        if self._teller.dropped:
            yield f"the journal lacks {self._teller.dropped} entries that could not be written"
        for gap in self._teller.gaps:
            if gap.damage:
                yield f"the journal is damaged: {gap_text(gap)}"


class _Memory:
    """What a running pool without a journal remembers."""

    place = "what the pool remembers"

    def __init__(self, status: dict[str, Any], told: dict[str, Any]) -> None:
        self._events = [*_remembered(told, status["shadow"], time.time_ns())]

    def all(self, of: int | str) -> list[Event]:
        """All that is remembered of a worker, or of one kind."""
        return [each for each in self._events if of in (each.worker, each.what)]

    def last(self, what: str) -> list[Event]:
        """The last decisions, or what happened at a time."""
        began = self._events[0].unix_ns if self._events else 0
        return around(self._events, None if what == "last" else _instant(what, time.time_ns(), began))

    def missing(self) -> Iterator[str]:
        """Of what is remembered nothing is."""
        yield from ()


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


def _remembered(told: dict[str, Any], shadow: dict[str, Any] | None, now: int) -> Iterator[Event]:
    """What a master remembers, oldest first: decisions, what came of them, and what is withheld now."""
    settings = settings_of(told["config"], told["origins"])
    found = []
    born: set[int] = set()
    ordered: set[int] = set()
    for row in reversed(told["decisions"]):
        because = Because(Reason(row["reason"]), tuple(row["figures"].items()))
        at, worker = now - round(row["at_s"] * 1e9), row["worker"]
        found.append(event_of(because, settings, unix_ns=at, worker=worker, what=row["kind"]))
        (born if row["kind"] == "spawn" else ordered).add(worker)
    for row in told["notes"]:
        at, worker = now - round(row["at_s"] * 1e9), row["worker"]
        alone = row["what"] == "ended" and worker in born - ordered
        text = row["text"] + ("; nobody had ordered it" if alone else "")
        found.append(noted(Event(at, worker, row["what"], text=text, detail=row["detail"], unordered=alone)))
    found += [
        Event(now - round(row["at_s"] * 1e9), None, "shadow", text=row["text"])
        for row in (shadow["recent"] if shadow is not None else ())
    ]
    yield from sorted(found, key=lambda each: each.unix_ns)
    for row in told["withheld"]:
        held = Withheld(row["want"], row["count"], Because(Reason(row["reason"]), tuple(row["figures"].items())))
        yield withheld_of(held, settings, now)


def _instant(text: str, before: int, began: int) -> Window:
    """A time as it is typed: all of that second, or minute. Raises ConfigError.

    A time of day is the last one `before`; the one of the day before only if there was something by then.
    """
    now = datetime.fromtimestamp(before / 1e9, UTC).astimezone()
    typed = _CLOCK.fullmatch(text)
    long = NS
    try:
        if typed is not None:
            hour, minute, second = (int(part or 0) for part in typed.groups())
            then = now.replace(hour=hour, minute=minute, second=second, microsecond=0)
            yesterday = then - timedelta(days=1)
            if then > now + timedelta(minutes=1) and yesterday.timestamp() * 1e9 >= began:
                then = yesterday
            long = NS if typed[3] else 60 * NS
        elif re.match(r"\d{4}-", text):
            then = datetime.fromisoformat(text).astimezone()
            long = NS if text.count(":") > 1 else 60 * NS
        else:
            then = datetime.now(UTC) - timedelta(seconds=parse_duration(text) + 1)
    except (ValueError, OverflowError):
        raise ConfigError(
            f"why {text!r}: no worker's number, nor a time: write 7, last, shadow, 14:03, 14:03:05, "
            "2026-11-24T14:03:05, or 90s"
        ) from None
    at = round(then.timestamp() * 1e9)
    return Window(at, at + long - 1)


def _nothing(what: str, place: str) -> str:
    if what == "shadow":
        return f"why shadow: {place} tells of nothing that a shadow would do otherwise: does the config name one?"
    if what.isdecimal():
        return f"why {what}: {place} tells nothing of a worker {what}: see `prefork status`, or name another journal"
    return f"why {what}: {place} tells of no decision" + ("" if what == "last" else " up to then")


def _lines(events: list[Event]) -> Iterator[str]:
    """A line an event, and below it the settings and stacks; several pools have a heading each."""
    dated = any(_date(each.unix_ns) != _date(time.time_ns()) for each in events)
    hidden, events = len(events) - _MOST_EVENTS, events[-_MOST_EVENTS:]
    if hidden > 0:
        yield f"{hidden} events before: see --json"
    several = len({each.pool_ns for each in events}) > 1
    pool = 0
    for each in events:
        if several and each.pool_ns != pool:
            pool = each.pool_ns
            yield f"the pool of {_date(pool)} {clock(pool)}:"
        who = f"worker {each.worker} " if each.worker is not None else ""
        why = f"{each.reason}, rule {each.rule}: {each.text}" if each.reason else each.text
        yield f"{_date(each.unix_ns) + ' ' if dated else ''}{clock(each.unix_ns)}  {who}{each.what}: {why}"
        for one in each.settings:
            yield f"{'':14}{one.name} = {one.value} ({one.origin})"
        detail = each.detail.splitlines()
        yield from (f"{'':14}{line}" for line in detail[:_MOST_DETAIL])
        if len(detail) > _MOST_DETAIL:
            yield f"{'':14}and {len(detail) - _MOST_DETAIL} lines more: see --json"


def _date(unix_ns: int) -> str:
    return datetime.fromtimestamp(unix_ns / 1e9, UTC).astimezone().strftime("%Y-%m-%d")


def _plain(event: Event) -> dict[str, Any]:
    at = datetime.fromtimestamp(event.unix_ns / 1e9, UTC).isoformat(timespec="milliseconds")
    return {"at": at, **asdict(event)}
