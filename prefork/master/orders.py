"""What the operator can say to a running master, by signal or control socket. Each order changes a goal."""

from __future__ import annotations

import logging
import signal
from typing import TYPE_CHECKING, Any

from prefork.errors import BugError, ConfigError, PreforkError
from prefork.master.control import granted, refused
from prefork.policy.limits import Limits
from prefork.policy.model import Owner, Phase

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.master.facts import Asked, Signalled
    from prefork.master.records import WorkerRecord
    from prefork.master.reload import Reload
    from prefork.master.scoreboard import Scoreboard

_log = logging.getLogger("prefork.master")
ORDERS = ("stop", "pause", "resume", "drain", "scale", "reload")


class Orders:
    """Carries orders to the board, and to the reload. `queries` are commands that only ask."""

    def __init__(
        self,
        board: Scoreboard,
        reload: Reload,
        queries: dict[str, Callable[[], dict[str, Any]]],
    ) -> None:
        self._board = board
        self.reload = reload
        self._queries = queries

    def signalled(self, fact: Signalled, now: int) -> None:
        """Obey a signal; the table is in docs/SIGNALS.md."""
        _log.info("got %s", signal.Signals(fact.signum).name)
        match fact.signum:
            case signal.SIGTERM | signal.SIGINT:
                for _ in range(min(fact.times, 2)):
                    self.stop(now)
            case signal.SIGQUIT:
                self._board.goals.stop_at_once(now)
            case signal.SIGHUP:
                self.reload.ordered(None, now)
            case signal.SIGUSR1:
                self.pause()
            case signal.SIGUSR2:
                self.resume()
            case signal.SIGTTIN:
                self.scale_by(fact.times)
            case signal.SIGTTOU:
                self.scale_by(-fact.times)
            case _:
                raise BugError(f"signal {fact.signum} has a handler and no meaning")

    def answer(self, asked: Asked, now: int) -> dict[str, Any] | None:
        """Reply to one request of the control socket; a refusal is one line and changes nothing. None: it will come."""
        client, command, args = asked
        if command == "reload" and not args:
            self.reload.ordered(client, now)
            return None
        query = self._queries.get(command)
        try:
            result = query() if query is not None and not args else self._obey(command, args, now)
        except PreforkError as error:
            return refused(error)
        return granted(result)

    def _obey(self, command: str, args: dict[str, Any], now: int) -> dict[str, Any]:
        match command, args:
            case "stop", {**nothing} if not nothing:
                self.stop(now)
            case "pause", {**named} if named.keys() <= {"worker"}:
                self.pause(named.get("worker"))
            case "resume", {**named} if named.keys() <= {"worker"}:
                self.resume(named.get("worker"))
            case "drain", {"worker": worker, **nothing} if not nothing:
                self._worker("drain", worker).drain_wanted = Owner.OPERATOR
            case "scale", {"low": int(low), "high": int(high), **nothing} if not nothing:
                self._scale(low, high)
            case "scale", {**nothing} if not nothing:
                self._board.goals.scale = self._board.goals.bounds = None
            case _:
                known = ", ".join(sorted([*self._queries, *ORDERS]))
                raise ConfigError(f"command {command!r} with {args} is not known; known: {known}")
        _log.info("told to %s%s through the control socket", command, f" {args}" if args else "")
        return {}

    def stop(self, now: int) -> None:
        """Drain everybody and end; a second time, at once."""
        self._board.goals.stop(now, self._board.limits)

    def pause(self, worker: object = None) -> None:
        """The worker, or else whoever is here and whoever is born, accepts nobody until `resume`."""
        if worker is None:
            self._board.goals.paused = True
        for each in self._named("pause", worker):
            each.paused_by |= {Owner.OPERATOR}

    def resume(self, worker: object = None) -> None:
        """Take the operator's own pauses back: the worker's, or all of them."""
        if worker is None:
            self._board.goals.paused = False
        for each in self._named("resume", worker):
            each.paused_by -= {Owner.OPERATOR}

    def _named(self, order: str, worker: object) -> list[WorkerRecord]:
        if worker is None:
            return [*self._board.workers.values()]
        named = self._worker(order, worker)
        return [named, *self._board.heirs(named.id)]

    def _worker(self, order: str, worker: object) -> WorkerRecord:
        known = self._board.workers
        for each in known.values():
            if each.id == worker and not isinstance(worker, bool):
                return each
        ids = ", ".join(map(str, known)) or "none"
        raise ConfigError(f"{order} {worker!r}: no such worker; there are {ids}")

    def _scale(self, low: int, high: int) -> None:
        """A number of workers, or bounds of it; both must lie within the config's own."""
        limits = Limits.of(self._board.config.pool)
        text = str(low) if low == high else f"{low}..{high}"
        if low > high:
            raise ConfigError(f"scale {text}: the first bound is over the second: say {high}..{low}")
        if high > limits.max_workers:
            raise ConfigError(
                f"scale {text}: over max_workers ({limits.max_workers}): raise that in the config, reload"
            )
        if low < limits.min_workers:
            raise ConfigError(
                f"scale {text}: under min_workers ({limits.min_workers}): lower that in the config, reload"
            )
        goals = self._board.goals
        goals.scale, goals.bounds = (low, None) if low == high else (None, (low, high))

    def scale_by(self, step: int) -> None:
        """So many workers more, or fewer."""
        size = self._board.count(Phase.BOOTING) + self._board.count(Phase.SERVING)
        self._board.goals.scale_by(step, size, self._board.limits)
