"""`prefork replay JOURNAL [--against other.toml]`: the engine over a recorded stretch again, as it was or otherwise."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from rich.table import Table

from prefork.cli import options
from prefork.cli.candidates import Candidate, candidate, distinct, host_of
from prefork.cli.comparison import Comparison, show
from prefork.cli.drawing import draw, require_drawing
from prefork.cli.loads import Load
from prefork.cli.runs import Plan, play
from prefork.cli.tables import out
from prefork.errors import ConfigError, PreforkError
from prefork.journal.entries import Key
from prefork.journal.pieces import read
from prefork.journal.replaying import Difference, Replay
from prefork.journal.replaying import replay as decide_again
from prefork.journal.traffic import sessions_of
from prefork.policy import engine
from prefork.policy.config import PoolConfig
from prefork.policy.units import NS
from prefork.simulation import Recorded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prefork.policy.model import Decision

Text = str | None
JOURNAL = Parameter(help="A journal's folder, or a piece of one.")
AGAINST = options.option("A config to decide by instead; then a simulation of both on the recorded load.", "FILE")
SPAWN_TIME = options.option("From the order to a worker that accepts. Left out: as recorded.", "TIME")
AS_JSON = options.option("Print what was found as JSON.", name="--json")
_SHOWN = 20
"""Differences in the table; JSON has more."""


def replay(  # noqa: PLR0913 - each a flag
    journal: Annotated[str, JOURNAL],
    /,
    *,
    against: Annotated[Text, AGAINST] = None,
    spawn_time: Annotated[Text, SPAWN_TIME] = None,
    report: Annotated[Text, options.REPORT] = None,
    png: Annotated[Text, options.PNG] = None,
    as_json: Annotated[bool, AS_JSON] = False,
    cores: Annotated[Text, options.CORES] = None,
) -> int:
    """Decide at every recorded look again: the same, or as another config would have it."""
    if against is None and (report or png or spawn_time):
        raise ConfigError("replay: --report, --png and --spawn-time are about another config: say --against FILE")
    require_drawing({"--report": report, "--png": png})
    other = None if against is None else candidate(against, "--against", host_of(spawn_time, None))
    found = decide_again(read(journal), None if other is None else other.config)
    if not found.looks:
        raise ConfigError(f"{journal}: it holds no look yet: there is nothing to replay")
    if as_json:
        print(json.dumps(_plain(found), indent=2))  # noqa: T201 - the command's output
    else:
        _show(found, journal, against)
    if other is not None:
        if spawn_time is None and found.spawn_ns:
            recorded = f"{found.spawn_ns / 1e6:.3g}ms"
            other = other._replace(host=dataclasses.replace(other.host, spawn_time=recorded))
        _simulate(journal, other, Drawn(report, png, options.cores_of(cores), quiet=as_json))
    elif not found.same_decisions():
        raise PreforkError(
            f"{journal}: {found.different} of {found.looks} looks are decided otherwise by this release of prefork"
        )
    return 0


class Drawn:
    """What is to be made of the simulations."""

    def __init__(self, report: Text, png: Text, cores: int, *, quiet: bool) -> None:
        self.report, self.png, self.cores, self.quiet = report, png, cores, quiet


def _simulate(journal: str, other: Candidate, drawn: Drawn) -> None:
    """Play the recorded load on a pool of each config: what a replay can't tell, for its views are those of one."""
    sessions = sessions_of(read(journal))
    if not sessions:
        return
    recorded = next(entry.config for entry in read(journal) if isinstance(entry, Key))
    before = Candidate("recorded", PoolConfig.model_validate(recorded), other.host, engine.decide)
    candidates = distinct([before, other])
    end = max(each.at + each.length for each in sessions) / NS
    traffic = Recorded([each.at for each in sessions], [each.length for each in sessions], lasts=end)
    told = f"the load that was recorded: {len(sessions)} sessions"
    plan = Plan(traffic, range(1, 2), drawn.cores, kept=bool(drawn.report or drawn.png))
    comparison = Comparison(candidates, play(candidates, plan), Load(traffic, (told,)), plan)
    if not drawn.quiet:
        out().print()
        show(comparison)
    draw(comparison, drawn.report, drawn.png)


def _show(found: Replay, journal: str, against: Text) -> None:
    what = f"by {against}" if against else "as recorded"
    lines = [f"{journal}: {found.looks} looks from {_clock(found.began_unix_ns)} to {_clock(found.ended_unix_ns)}"]
    if found.dropped:
        lines.append(f"{found.dropped} entries are missing: each gap begins anew")
    if not found.different:
        lines.append(f"decided {what}: the same at every look, {found.decisions} decisions")
    else:
        lines.append(
            f"decided {what}: otherwise at {found.different} looks: {found.replayed} decisions instead of "
            f"{found.decisions}; after the first difference in the light of what the recorded pool did"
        )
    page = out()
    for line in lines:
        page.print(line, markup=False, soft_wrap=True)
    if found.differences:
        page.print(_table(found.differences))


def _table(differences: Sequence[Difference]) -> Table:
    """A row for each difference; those that are alike, one after another, have one."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("at", "looks", "was decided", "would be decided"):
        table.add_column(name, overflow="fold")
    alike = [(told, [*each]) for told, each in groupby(differences, lambda each: (_told(each.was), _told(each.now_is)))]
    for (was, now_is), each in alike[:_SHOWN]:
        table.add_row(_clock(each[0].unix_ns), str(len(each)), was, now_is)
    if len(alike) > _SHOWN:
        table.add_row("and", str(sum(len(each) for _, each in alike[_SHOWN:])), "more", "")
    return table


def _told(decisions: Sequence[Decision]) -> str:
    """`2 spawn (demand), retire 7 (surplus)`; figures only in JSON."""
    births = Counter(str(each.because.reason) for each in decisions if each.kind == "spawn")
    said = [f"{count} spawn ({reason})" for reason, count in births.items()]
    for each in decisions:
        if each.kind != "spawn":
            who = getattr(each, "worker", getattr(each, "generation", ""))
            said.append(f"{each.kind} {who} ({each.because.reason})")
    return ", ".join(said) or "nothing"


def _plain(found: Replay) -> dict[str, Any]:
    return {
        "looks": found.looks,
        "decisions": found.decisions,
        "replayed": found.replayed,
        "different": found.different,
        "dropped": found.dropped,
        "from": _iso(found.began_unix_ns),
        "to": _iso(found.ended_unix_ns),
        "differences": [
            {
                "at": _iso(each.unix_ns),
                "was": [_decision(one) for one in each.was],
                "would_be": [_decision(one) for one in each.now_is],
            }
            for each in found.differences
        ],
    }


def _decision(one: Decision) -> dict[str, Any]:
    plain = {name: value for name, value in one._asdict().items() if name != "because"}
    return plain | {"reason": str(one.because.reason), "figures": dict(one.because.figures)}


def _when(unix_ns: int | None) -> datetime:
    return datetime.fromtimestamp((unix_ns or 0) / 1e9, UTC)


def _iso(unix_ns: int | None) -> str:
    return _when(unix_ns).isoformat(timespec="milliseconds")


def _clock(unix_ns: int | None) -> str:
    return _when(unix_ns).astimezone().strftime("%H:%M:%S.%f")[:-3]
