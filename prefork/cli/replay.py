"""`prefork replay JOURNAL [--against other.toml]`: the engine over a recorded stretch again, as it was or otherwise."""

from __future__ import annotations

import dataclasses
import json
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
from prefork.cli.moments import clock, gap_text
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
from prefork.policy.units import NS, figure_text
from prefork.simulation import Recorded

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from prefork.policy.model import Because, Decision

Text = str | None
JOURNAL = Parameter(help="A journal's folder, or a piece of one.")
AGAINST = options.option("A config to decide by instead; then a simulation of both on the recorded load.", "FILE")
SPAWN_TIME = options.option("From the order to a worker that accepts. Left out: as recorded.", "TIME")
AS_JSON = options.option("Print what was found as JSON.", name="--json")
ALL = options.option("Show all differences, not the first 20 only.", name="--all")
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
    all_: Annotated[bool, ALL] = False,
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
        hints = [] if other is None else [*_unseen(_recorded(journal), other.config)]
        _show(found, journal, f"by {against}" if against else "as recorded", None if all_ else _SHOWN, hints)
    if other is not None:
        if spawn_time is None and found.spawn_ns:
            recorded = f"{found.spawn_ns / 1e6:.3g}ms"
            other = other._replace(host=dataclasses.replace(other.host, spawn_time=recorded))
        _simulate(journal, found, other, Drawn(report, png, options.cores_of(cores), quiet=as_json))
    elif found.different:
        raise PreforkError(
            f"{journal}: {found.different} of {found.looks} looks are decided otherwise by this release of prefork"
        )
    if found.gaps:
        raise PreforkError(f"{journal}: it is damaged, so not all of it was replayed: {gap_text(found.gaps[0])}")
    return 0


class Drawn:
    """What is to be made of the simulations."""

    def __init__(self, report: Text, png: Text, cores: int, *, quiet: bool) -> None:
        self.report, self.png, self.cores, self.quiet = report, png, cores, quiet


def _simulate(journal: str, found: Replay, other: Candidate, drawn: Drawn) -> None:
    """Play the recorded load on a pool of each config: what a replay can't tell, for its views are those of one."""
    sessions = sessions_of(read(journal))
    if not sessions:
        return
    before = Candidate("simulated: as recorded", _recorded(journal), other.host, engine.decide)
    candidates = distinct([before, other._replace(name=f"simulated: {other.name}")])
    end = max(each.at + each.length for each in sessions) / NS
    traffic = Recorded([each.at for each in sessions], [each.length for each in sessions], lasts=end)
    told = f"the load that was recorded: {len(sessions)} sessions"
    plan = Plan(traffic, range(1, 2), drawn.cores, kept=bool(drawn.report or drawn.png))
    comparison = Comparison(candidates, play(candidates, plan), Load(traffic, (told,)), plan)
    if not drawn.quiet:
        out().print()
        for line in _left_out(found):
            out().print(line, markup=False, soft_wrap=True)
        show(comparison)
    draw(comparison, drawn.report, drawn.png)


def _recorded(journal: str) -> PoolConfig:
    return PoolConfig.model_validate(next(entry.config for entry in read(journal) if isinstance(entry, Key)))


def _unseen(recorded: PoolConfig, other: PoolConfig) -> Iterator[str]:
    """Why nothing is decided otherwise: the same config; or what no replay shows, for it has the recorded workers."""
    if recorded == other:
        yield "its [pool] is the recorded one: no other config is tried"
    if recorded.max_sessions != other.max_sessions:
        yield (
            f"max_sessions is {other.max_sessions} instead of {recorded.max_sessions}, and the recorded workers took "
            "what they were let: only the simulation tells what comes of that"
        )


def _left_out(found: Replay) -> Iterator[str]:
    """What befell the recorded pool, and befalls none that is simulated."""
    if found.unordered or found.kills:
        yield (
            f"a simulation knows the load alone: the {found.unordered} ends that nobody had ordered and the "
            f"{found.kills} steps of kills that were recorded are in neither column"
        )


def _show(found: Replay, journal: str, what: str, most: int | None, hints: Sequence[str]) -> None:
    lines = [
        f"{journal}: {found.looks} looks from {clock(found.began_unix_ns or 0)} to {clock(found.ended_unix_ns or 0)}"
    ]
    if found.dropped:
        lines.append(f"{found.dropped} entries could not be written, and are missing: each gap begins anew")
    lines += [f"damaged: {gap_text(each)}" for each in found.gaps]
    if found.unfinished is not None:
        lines.append(gap_text(found.unfinished))
    if not found.different:
        lines.append(f"decided {what}: the same at every look, {found.decisions} decisions")
        lines += hints
    else:
        lines.append(
            f"decided {what}: otherwise at {found.different} looks: {found.replayed} decisions instead of "
            f"{found.decisions}; after the first difference in the light of what the recorded pool did"
        )
    page = out()
    for line in lines:
        page.print(line, markup=False, soft_wrap=True)
    if found.differences:
        page.print(_table(found.differences, most))


def _table(differences: Sequence[Difference], most: int | None) -> Table:
    """A row for each difference; those that are alike, one after another, have one."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("at", "looks", "was decided", "would be decided"):
        table.add_column(name, overflow="fold")
    alike = [(told, [*each]) for told, each in groupby(differences, lambda each: (_told(each.was), _told(each.now_is)))]
    for _, each in alike[:most]:
        first = each[0]
        was, now_is = _told(first.was, first.now_is), _told(first.now_is, first.was)
        table.add_row(clock(first.unix_ns), str(len(each)), was, now_is)
    if most is not None and len(alike) > most:
        table.add_row("and", str(sum(len(each) for _, each in alike[most:])), "more: --all shows them", "")
    return table


def _told(decisions: Sequence[Decision], other: Sequence[Decision] = ()) -> str:
    """`2 spawn (demand), kill 7 dump (silent_blocked)`; of what `other` decides too, the figures that differ."""
    births = [each for each in decisions if each.kind == "spawn"]
    known = {(_act(each), each.because.reason): each.because for each in other}
    said = {}
    for each in [*births, *(each for each in decisions if each.kind != "spawn")]:
        key = _act(each), each.because.reason
        count = sum(one.because.reason == each.because.reason for one in births)
        figures = "" if key not in known else _differing(each.because, known[key])
        said[key] = f"{f'{count} spawn' if each.kind == 'spawn' else key[0]} ({each.because.reason}{figures})"
    return ", ".join(said.values()) or "nothing"


def _act(one: Decision) -> str:
    who = "" if one.kind == "spawn" else getattr(one, "worker", getattr(one, "generation", ""))
    return " ".join(str(each) for each in (one.kind, who, getattr(one, "step", "")) if each != "")


def _differing(one: Because, other: Because) -> str:
    """`: need 4`, where the other has another need."""
    theirs = dict(other.figures)
    found = [figure_text(name, value) for name, value in one.figures if theirs.get(name, value) != value]
    return ": " + ", ".join(found) if found else ""


def _plain(found: Replay) -> dict[str, Any]:
    return {
        "looks": found.looks,
        "decisions": found.decisions,
        "replayed": found.replayed,
        "different": found.different,
        "dropped": found.dropped,
        "gaps": [
            {"what": each.what, "after": None if each.unix_ns is None else _iso(each.unix_ns), "looks": each.looks}
            for each in found.gaps
        ],
        "unfinished": found.unfinished is not None,
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
