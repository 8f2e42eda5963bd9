"""What the operator can say to a running master, by signal or control socket. Each order changes a goal."""

from __future__ import annotations

import logging
import signal
from typing import TYPE_CHECKING, Any

from prefork.errors import BugError, PreforkError
from prefork.policy.model import Owner, Phase

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.config import ServerConfig
    from prefork.master.facts import Signalled
    from prefork.master.scoreboard import Scoreboard

_log = logging.getLogger("prefork.master")


class Orders:
    """Carries orders to the board. `reload()` reads the config anew; `queries` are commands that only ask."""

    def __init__(
        self,
        board: Scoreboard,
        reload: Callable[[], ServerConfig],
        queries: dict[str, Callable[[], dict[str, Any]]],
    ) -> None:
        self._board = board
        self._reload = reload
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
                self._try_reload()
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

    def answer(self, command: str, args: dict[str, Any], now: int) -> dict[str, Any]:
        """Reply to one request of the control socket."""
        if command in self._queries and not args:
            return {"ok": True, "exit_code": 0, "result": self._queries[command]()}
        if command == "stop" and not args:
            _log.info("told to stop through the control socket")
            self.stop(now)
            return {"ok": True, "exit_code": 0, "result": {}}
        known = ", ".join(sorted([*self._queries, "stop"]))
        return {"ok": False, "exit_code": 2, "error": f"command {command!r} with {args} is not known; known: {known}"}

    def stop(self, now: int) -> None:
        """Drain everybody and end; a second time, at once."""
        self._board.goals.stop(now, self._board.limits)

    def pause(self) -> None:
        """Nobody accepts, those who are here and whoever is born, until `resume`."""
        self._board.goals.paused = True
        for worker in self._board.workers.values():
            worker.paused_by |= {Owner.OPERATOR}

    def resume(self) -> None:
        """Take every pause of the operator's back."""
        self._board.goals.paused = False
        for worker in self._board.workers.values():
            worker.paused_by -= {Owner.OPERATOR}

    def scale_by(self, step: int) -> None:
        """So many workers more, or fewer."""
        size = self._board.count(Phase.BOOTING) + self._board.count(Phase.SERVING)
        self._board.goals.scale_by(step, size, self._board.limits)

    def _try_reload(self) -> None:
        """The next mold gets the config as it is now; one that can't be read changes nothing."""
        try:
            self._board.next_config = self._reload()
        except PreforkError as error:
            _log.error("reload refused, the old config stays: %s", error)
        else:
            self._board.goals.reload_wanted = True
